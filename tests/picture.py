"""`python -m tests.picture`: draws what `cg` shows at a terminal into docs/cg_at_work.svg."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.console import COLUMNS, Exchange, Shell

PICTURE = Path(__file__).parent.parent / "docs/cg_at_work.svg"
COMMANDS = """
$ cg create "render farm" --join-key farm
$ cg add-job farm P+Y4IApeFQLrYS2W7MkVg7 Q+Y4IApeFQLrYS2W7MkVg8 R+Y4IApeFQLrYS2W7MkVg9
$ cg list
$ cg cancel-job farm Q+Y4IApeFQLrYS2W7MkVg8
$ cg list-jobs farm
$ cg add-job farm Q+Y4IApeFQLrYS2W7MkVg8
"""
FONTS = re.compile("@font-face {.*?}", re.DOTALL)  # they would be fetched from elsewhere
# What is another one each time, and what stands for it in the picture.
VARYING = {
    r"0x[0-9A-Fa-f]{40}": "0x8e077691A9f7152F7F709479233d06FA5273c15d",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC": "2026-11-26 21:00:00 UTC",
}


def drawn(folder: Path) -> str:
    """The picture.

    Args:
        folder: an empty one, for a home.
    """
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    with Shell(folder) as shell:
        for exchange in Exchange.parse(COMMANDS):
            shown = shell.run_in_colour(exchange).rstrip("\n")
            for varying, fixed in VARYING.items():
                shown = re.sub(varying, fixed, shown)
            console.print(Text(f"$ {exchange.command}", style="bold green"))
            if shown:
                console.print(Text.from_ansi(shown))
    console.print()  # else the last line's descenders are cut off
    return FONTS.sub("", console.export_svg(title="cg", unique_id="cg"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        PICTURE.write_text(drawn(Path(home)))
