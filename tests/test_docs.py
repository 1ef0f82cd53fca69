"""What the documentation shows is what the code says; its examples are run, see conftest.py."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    """`python docs/state_diagram.py` draws it anew."""
    drawing = runpy.run_path(str(DOCS / "state_diagram.py"))
    page = (DOCS / "layers.md").read_text()
    assert drawing["mermaid"]() in page
    assert drawing["drawn"](page) == page
