"""How docstrings are read, beyond what autodoc and napoleon make of them by themselves."""

from __future__ import annotations

import os
import re
from inspect import getdoc
from typing import Any

from docutils.nodes import Element, reference
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

# A default argument is shown by its repr, which would be the environment of whoever builds this.
type(os.environ).__repr__ = lambda _: "os.environ"


def read_docstring(
    _app: Sphinx, kind: str, _name: str, of: Any, _options: object, lines: list[str]
) -> None:
    """Say to napoleon what it would misread."""
    text = "\n".join(lines)
    if kind == "data" and text.strip() == (getdoc(type(of)) or "").strip():
        text = ""  # a constant has none of its own: this is its type's
    # What is no name is code and no link: they would show `~/.dcp` as dcp.
    text = re.sub("`([^`]+)`", _code_or_link, text)
    # So is what is indented behind a colon.
    text = re.sub(r"(?<!:):\n\n(?= {4})", "::\n\n", text)
    # Names that share a description, perhaps on two lines, are one name that may be wrapped.
    text = re.sub(
        r"^ +[a-z_]+(,\s+[a-z_]+)+: ",
        lambda names: re.sub(r",\s+", ",\u200b", names[0]),
        text,
        flags=re.MULTILINE,
    )
    # What stands before a colon is no type: types are in the signature.
    text = re.sub(r"^Returns:\n +", r"\g<0>: ", text, flags=re.MULTILINE)
    if text and kind in ("attribute", "data", "property"):
        text = f": {text}"
    lines[:] = text.split("\n")


def _code_or_link(quoted: re.Match[str]) -> str:
    is_name = quoted[1].replace(".", "").isidentifier()
    return quoted[0] if is_name else f"`{quoted[0]}`"


def use_own_signature(_app: Sphinx, function: Any, _is_bound: object) -> None:
    """A client's method says itself what it takes and gives; see `cg_core.clients`."""
    if hasattr(function, "__signature__"):
        function.__annotations__ = {}


def write_as_python(*arguments: Any) -> tuple[str | None, ...]:
    """Mend what attrs and Sphinx write: defaults that are made anew, aliases in unions."""
    return tuple(part and _python(part) for part in arguments[-2:])


def _python(text: str) -> str:
    text = re.sub(r"[\w.~]*TypeAliasForwardRef\('([\w.]+)'\)", r"\1", text)
    return text.replace("NOTHING", "...")


def link_by_bare_name(
    app: Sphinx, env: BuildEnvironment, link: pending_xref, text: Element
) -> reference | None:
    """Find a class of ours that is named without its module, or with the one that it is made in."""
    module, _, name = link["reftarget"].rpartition(".")
    if link["refdomain"] != "py" or not name[:1].isupper() or not re.match("(cg_|$)", module):
        return None
    found = env.domains.python_domain.find_obj(env, "", "", name, None, searchmode=1)
    places = {(entry.docname, entry.node_id) for _, entry in found}
    if len(places) != 1:
        return None
    return make_refnode(app.builder, link["refdoc"], *places.pop(), text)


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon
    app.connect("autodoc-before-process-signature", use_own_signature)
    app.connect("autodoc-process-signature", write_as_python)
    app.connect("missing-reference", link_by_bare_name)
