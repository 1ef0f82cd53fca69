"""A user's shell: a home, and what is in its environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.cli.in_process import run_here
from tests.cli.processes import CTRL_C, Ended, Home, Terminal, terminal


@attrs.frozen
class Shell:
    """Runs `cg` for a user.

    Attributes:
        home: the user's.
        variables: what else is in the environment.
    """

    home: Home
    variables: dict[str, str] = attrs.field(factory=dict)

    def with_variables(self, **variables: str) -> Shell:
        """The same, with more in its environment."""
        return Shell(self.home, self.variables | variables)

    def run(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """Run `cg` in this process."""
        return run_here(self.home, *arguments, stdin=stdin, **self.variables)

    def done(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run `cg` in this process; what it printed, if it did what it should."""
        ended = self.run(*arguments, stdin=stdin)
        assert ended.status == 0, ended
        return ended.stdout

    def process(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """Run `cg` with pipes."""
        return self.home.cg(*arguments, stdin=stdin, **self.variables)

    @contextmanager
    def terminal(
        self, *arguments: str, columns: int = 80, stdout: int | None = None
    ) -> Iterator[Terminal]:
        """Run `cg` at a terminal."""
        environment = self.home.environment(**self.variables)
        with terminal(*arguments, columns=columns, environment=environment, stdout=stdout) as ours:
            yield ours


def press_ctrl_c_at(question: str, ours: Terminal) -> None:
    """Press Ctrl-C at a question, and when `cg` waits.

    Between what Python writes and its reading of the answer is a moment in which it does not hear
    of signals, before it has read a line. People are too slow for it, and tests are not.
    """
    ours.until(question)
    stat = Path(f"/proc/{ours.process.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        pass
    ours.type(CTRL_C)
