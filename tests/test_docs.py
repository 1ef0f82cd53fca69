"""What the documentation shows is what the code says; test_examples.py runs its examples."""

from __future__ import annotations

import html
import importlib
import inspect
import re
import runpy
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cg_backends.cli.application import cg
from cg_core import AsyncClient, Client, ComputeGroupsError
from cg_core.session import TRANSITIONS, Input, State

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
ON_GITHUB = [*PAGES, *ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"]

PUBLIC_MODULES = [
    "cg_core",
    "cg_core.session",
    "cg_core.framing",
    "cg_core.remote",
    "cg_core.service",
    "cg_backends.archive",
    "cg_backends.asyncio",
    "cg_backends.keystores",
    "cg_backends.memory",
    "cg_backends.random_text",
    "cg_backends.sql",
    "cg_backends.sync",
    "cg_backends.trio",
]

OF_WHOEVER_BUILDS = "an environment variable that is nobody's business"


class Site:
    """The documentation, built once for all tests here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(folder)]
        # No environment but this one: no coverage is measured in it, nor is its locale ours.
        environment = {"OF_WHOEVER_BUILDS": OF_WHOEVER_BUILDS}
        self.built = subprocess.run(
            [sys.executable, *command], check=False, capture_output=True, text=True, env=environment
        )

    def files(self, suffix: str) -> Iterator[tuple[str, str]]:
        """The files of one kind, each with its text."""
        for file in self.folder.glob(f"**/*{suffix}"):
            yield str(file.relative_to(self.folder)), file.read_text(encoding="utf-8")

    def text(self, page: str) -> str:
        """What is to be read on a page, in one line."""
        article = (self.folder / page).read_text(encoding="utf-8").partition("<article")[2]
        tagged = article.partition("</article>")[0]
        return " ".join(html.unescape(re.sub("<[^>]+>", "", tagged)).split())

    def names(self) -> set[str]:
        """Whatever of Python has a place in the reference."""
        inventory = (self.folder / "objects.inv").read_bytes().split(b"\n", 4)[4]
        lines = zlib.decompress(inventory).decode().splitlines()
        return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def test_the_documentation_is_built_without_a_warning(site: Site) -> None:
    assert (site.built.returncode, site.built.stderr) == (0, "")


def test_every_page_is_in_the_contents(site: Site) -> None:
    first_page = (site.folder / "index.html").read_text(encoding="utf-8")
    sidebar = first_page.partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    shown = set(re.findall('href="([^"#]+)"', sidebar))
    others = {str(page.relative_to(DOCS).with_suffix(".html")) for page in PAGES} - {"index.html"}
    assert shown == others


def public_names(module: ModuleType) -> set[str]:
    """What a module exports; where it does not say, the functions and classes made in it."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_name_is_in_the_reference(site: Site, module: str) -> None:
    names = {f"{module}.{name}" for name in public_names(importlib.import_module(module))}
    assert names
    assert names - site.names() == set()


def test_no_private_name_is_in_the_reference(site: Site) -> None:
    assert [name for name in site.names() if "._" in name] == []
    for page in (DOCS / "reference").glob("*.md"):
        assert re.findall(r"(?<![\w/])_[A-Za-z]\w*", site.text(f"reference/{page.stem}.html")) == []


def test_the_clients_methods_are_shown_with_what_they_take_and_give(site: Site) -> None:
    methods = {name for name, value in vars(Client).items() if inspect.isfunction(value)}
    assert {f"cg_core.Client.{name}" for name in methods if name[0] != "_"} <= site.names()
    text = site.text("reference/clients.html")
    assert "list_jobs(group: GroupArgument) → tuple[JobId, ...]" in text
    assert "**properties: Unpack[PropertyArguments], ) → int | OpaqueId" in text
    # Those of the other client are not shown again, since they are the same.
    assert methods - {"close", "__enter__", "__exit__"} <= vars(AsyncClient).keys()


def test_every_command_is_in_the_reference(site: Site) -> None:
    text = site.text("reference/commands.html")
    for command in cg.commands:
        assert f"Usage: cg {command} " in text


LOADED_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import"""
)


def test_the_site_loads_nothing_from_elsewhere(site: Site) -> None:
    pages = list(site.files(".html"))
    assert len(pages) > len(PAGES)
    for name, text in [*pages, *site.files(".css")]:
        assert LOADED_FROM_ELSEWHERE.search(text) is None, name


def test_the_site_shows_nothing_of_the_machine_that_built_it(site: Site) -> None:
    for name, text in site.files(".html"):
        assert OF_WHOEVER_BUILDS not in html.unescape(text), name
        assert str(ROOT) not in text, name


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub("```.*?\n```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall("^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ON_GITHUB, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_on_github_too(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not link.startswith(("http://", "https://")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def classes(of: type[ComputeGroupsError], stem: str = "") -> Iterator[tuple[str, str]]:
    """The tree below a class of errors, line by line, each with its code."""
    below = [each for each in of.__subclasses__() if each.__module__ == of.__module__]
    for each in below:
        is_last = each is below[-1]
        yield f"{stem}{'└── ' if is_last else '├── '}{each.__name__}", each.default_code
        yield from classes(each, f"{stem}{'    ' if is_last else '│   '}")


def test_every_class_of_errors_is_told_of_with_its_code() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    tree = page.partition("```text\n")[2].partition("\n```")[0].splitlines()
    assert [re.findall(r"(.*?\w) {2,}(\w+)", line)[0] for line in tree] == [
        (ComputeGroupsError.__name__, ComputeGroupsError.default_code),
        *classes(ComputeGroupsError),
    ]


def test_what_to_do_about_it_is_told_of_every_error() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    table = page.partition("| error | what to do |")[2].partition("\n\n")[0]
    first_column = "".join(re.findall(r"^\|[^|]+", table, flags=re.MULTILINE))
    names = {line.split()[-1] for line, _ in classes(ComputeGroupsError)}
    only_have_others_below_them = {"InvalidArgument", "NotFound"}
    assert set(re.findall("`(.+?)`", first_column)) == names - only_have_others_below_them


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts in the folder of the documentation import each other."""
    monkeypatch.syspath_prepend(DOCS)


def drawn_by(script: str) -> Callable[..., str]:
    drawing: Callable[..., str] = runpy.run_path(str(DOCS / script))["drawing"]
    return drawing


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("script", "drawing"),
    [("layers_diagram.py", "layers.svg"), ("state_diagram.py", "session_states.svg")],
)
def test_the_diagrams_are_as_their_scripts_draw_them(script: str, drawing: str) -> None:
    """`python docs/state_diagram.py` draws the states anew, and so does the other."""
    assert (DOCS / drawing).read_text(encoding="utf-8") == drawn_by(script)()
    assert f"]({drawing})" in (DOCS / "layers.md").read_text(encoding="utf-8")


def test_the_state_diagram_has_the_arrows_of_the_table() -> None:
    drawn = html.unescape((DOCS / "session_states.svg").read_text(encoding="utf-8"))
    for input in Input:
        arrows = sum(moves.get(input, state) is not state for state, moves in TRANSITIONS.items())
        assert drawn.count(f">{input.value}<") == arrows


@pytest.mark.usefixtures("scripts")
def test_an_arrow_that_the_state_diagram_has_no_place_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="arrows"):
        drawn_by("state_diagram.py")({**TRANSITIONS, State.CLOSED: {Input.LOST: State.CLOSING}})
