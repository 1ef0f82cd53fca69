"""How the documentation is built: `python -m sphinx -W --keep-going -b html docs OUT`."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils.nodes import document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

sys.path.append(str(Path(__file__).parent))  # for what is named here last

project = "Compute Groups for Python"
author = copyright = "The Compute Groups for Python authors"
release = version = installed_version("compute-groups")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_design",  # the tabs of the first page
    "commands",
    "docstrings",
]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

smartquotes = False

html_theme = "furo"
html_title = project

default_role = "py:obj"  # `names` as in Markdown, which are links where they are ours
add_module_names = False
autodoc_member_order = "bysource"
autodoc_type_aliases = {  # shown by their names, and not as all that they stand for
    name: name
    for name in [
        "AnyIdentity",
        "Connection",
        "DeployAccess",
        "Event",
        "GroupName",
        "Headers",
        "JSONValue",
        "Passphrase",
        "Row",
        "ServerEvent",
        "ServiceEvent",
        "Transport",
        "TransportName",
        "httpx.AsyncClient",
        "httpx.Client",
    ]
}
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# Files of the repository that are pages here, too. What else a page links to is offered as a file.
PAGES = {
    "../README": "index",
    "../CONTRIBUTING": "contributing",
    "../CHANGELOG": "changelog",
    "../benchmarks/README": "benchmarks",
}


def link_to_pages(_app: Sphinx, page: document) -> None:
    """Let a link to a file that is a page lead to the page."""
    for link in page.findall(pending_xref):
        link["reftarget"] = PAGES.get(link["reftarget"], link["reftarget"])


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("doctree-read", link_to_pages)
