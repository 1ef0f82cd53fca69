"""The examples of the documentation do what it says: all of a page, in order, in one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from cg_backends.memory import World
from tests.console import Shell
from tests.peers.in_process import in_process
from tests.peers.rules import rules
from tests.picture import PICTURE, drawn

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
CALLING_A_SERVICE = {"embedding", "index", "remote", "writing_a_backend"}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """For what is typed after `$ `."""
    with Shell(tmp_path) as own:
        yield own


@pytest.fixture
def services() -> Iterator[dict[str, Any]]:
    """What the examples need that call one: `url`, and more of them, empty."""
    with ExitStack() as running:

        def url_of_an_empty_service() -> str:
            return running.enter_context(in_process(rules(World()))).url

        yield {
            "url_of_an_empty_service": url_of_an_empty_service,
            "url": url_of_an_empty_service(),
        }


def examples(page: Path, shell: Shell) -> Document:
    """The examples of a page."""
    of_a_shell = CodeBlockParser("console", shell.evaluate)
    return Sybil([PythonCodeBlockParser(), of_a_shell]).parse(page)


@pytest.mark.usefixtures("temporary_folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples(page: Path, shell: Shell, request: pytest.FixtureRequest) -> None:
    document = examples(page, shell)
    if page.stem in CALLING_A_SERVICE:
        document.namespace |= request.getfixturevalue("services")
    for example in document.examples():
        example.evaluate()


def test_there_are_examples(shell: Shell) -> None:
    assert sum(len(list(examples(page, shell).examples())) for page in PAGES) > 90


def test_a_wrong_example_is_told(tmp_path: Path, shell: Shell) -> None:
    page = tmp_path / "page.md"
    for block in (
        "```python\nassert 1 == 2\n```\n",
        "```console\n$ echo a\nb\n```\n",
        "```console\n$ echo a\n```\n",
        "```console\n$ true\na\n```\n",
    ):
        page.write_text(block)
        (example,) = examples(page, shell).examples()
        with pytest.raises(AssertionError):
            example.evaluate()


def test_the_picture_shows_what_cg_shows(tmp_path: Path) -> None:
    """`python -m tests.picture` draws it anew."""
    assert drawn(tmp_path) == PICTURE.read_text()
