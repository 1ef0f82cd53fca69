"""Golden data: what the official client answered, recorded in tests/data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


def golden(name: str) -> dict[str, Any]:
    """The lists of entries in a file of golden data, by their names."""
    lists: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return lists
