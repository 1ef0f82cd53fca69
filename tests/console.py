"""Consoles in the documentation: what is typed after `$ `, and what comes then, `...` for anything.

Each page has a home of its own, in which nothing is yet. A command that serves goes on running.
What is asked for is answered: secrets with `s3cret`, questions with yes. Port 9800 is another one.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import attrs
from sybil import Example

from tests.cli.processes import Terminal, at_terminal

COLUMNS = 100
ANSWERS = ((": ", "s3cret\n"), ("[y/N]: ", "y\n"))
LOG = re.compile("^[0-9]{4}-[0-9]{2}-.*\n", re.MULTILINE)  # what it says depends on the machine
ESCAPE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")

# Exports and the folder outlive the command, as they do in a shell.
IN_A_SHELL = """
[ -e "$HOME/.state" ] && . "$HOME/.state" && cd "$PWD"
{command}
status=$?
export -p > "$HOME/.state"
exit $status
"""


@attrs.frozen
class Exchange:
    """A command, and what the page says that comes of it."""

    command: str
    expected: str

    @classmethod
    def parse(cls, text: str) -> Iterator[Self]:
        """The exchanges of a block; lines that begin with `>` go on with a command."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *rest = part.rstrip("\n").split("\n")
            while rest and rest[0].startswith(">"):
                command += "\n" + rest.pop(0)[2:]
            yield cls(command, "\n".join(rest))

    @property
    def pattern(self) -> re.Pattern[str]:
        """What matches what may come."""
        return re.compile(re.escape(_plain(self.expected)).replace(r"\.\.\.", ".*?"), re.DOTALL)

    @property
    def serves(self) -> bool:
        """Whether it goes on running."""
        return self.command.startswith("cg serve")


class Shell:
    """Somebody's shell, in a home in which nothing is yet."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        (folder / ".state").write_text(f"PWD='{folder}'\n")
        self._home = str(folder)
        self._port = _free_port()
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def evaluate(self, example: Example) -> None:
        """Run a block of a page, and compare.

        Raises:
            AssertionError: something else came.
        """
        for exchange in Exchange.parse(example.parsed):
            shown = self.run(exchange)
            where = f"{example.path}, line {example.line}: $ {exchange.command}"
            assert exchange.pattern.fullmatch(shown), f"{where}\n{shown}"

    def run(self, exchange: Exchange) -> str:
        """Run a command; what a terminal shows then, without colours."""
        return _plain(self.run_in_colour(exchange))

    def run_in_colour(self, exchange: Exchange) -> str:
        """Run a command; what a terminal shows then."""
        typed = exchange.command.replace("9800", self._port)
        if exchange.serves:
            typed += f" --listen 127.0.0.1:{self._port}"
        command = IN_A_SHELL.format(command=typed)
        line = ["bash", "-c", command]
        if exchange.serves:
            terminal = self._running.enter_context(at_terminal(line, COLUMNS, self._environment))
            while not exchange.pattern.fullmatch(LOG.sub("", _plain(self._told(terminal)))):
                terminal.read()
            return LOG.sub("", self._told(terminal))
        with at_terminal(line, COLUMNS, self._environment) as terminal:
            while terminal.read():
                answer = next((a for q, a in ANSWERS[::-1] if terminal.shown.endswith(q)), None)
                if answer is not None:
                    terminal.type(answer)
            return self._told(terminal)

    def _told(self, terminal: Terminal) -> str:
        return terminal.shown.replace(self._port, "9800").replace(self._home, "/home/you")


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in ESCAPE.sub("", text).rstrip("\n").split("\n"))
