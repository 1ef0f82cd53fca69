"""`cg`, run as its users run it: in a process of its own, with pipes or at a real terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import pytest

termios = pytest.importorskip("termios", reason="a terminal of our own needs POSIX")

SECONDS = 60  # how long to wait for what must come at once, before the test is given up

# What rich, click and cg read of the environment is for each test to say.
READ = re.compile(
    "COLUMNS|LINES|NO_COLOR|FORCE_COLOR|TTY_.*|PYTHON(UTF8|IO.*)|CG_.*|_CG_.*|DCP_.*|XDG_.*|.*PROXY",
    re.IGNORECASE,
)
ENVIRONMENT = {name: value for name, value in os.environ.items() if not READ.fullmatch(name)} | {
    "TERM": "xterm-256color",
    "PYTHONUTF8": "1",
}


@attrs.frozen
class Ended:
    """What a process wrote, and how it ended; on a terminal there is one text for both streams."""

    status: int
    stdout: str
    stderr: str


def python(
    *arguments: str,
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
    encoding: str = "utf-8",
) -> Ended:
    """Run Python with pipes."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env=ENVIRONMENT | (environment or {}),
        timeout=SECONDS,
    )
    return Ended(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))


def cg(
    *arguments: str,
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
    encoding: str = "utf-8",
) -> Ended:
    """Run `cg` with pipes."""
    command = ("-m", "cg_backends.cli", *arguments)
    return python(*command, stdin=stdin, environment=environment, encoding=encoding)


# Becomes a command with the terminal as its own, as a shell would start it: one that itself was
# started in the background has SIGINT ignored, which would be inherited.
AT_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """A terminal at which `cg` runs, and somebody who reads and types."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self._fd = fd
        self._shown = b""
        self.process = process

    @property
    def shown(self) -> str:
        """All that it has shown so far."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def until(self, text: str) -> None:
        """Read until the terminal shows a text, which it has not shown before."""
        start = len(self._shown)
        while text.encode() not in self._shown[start:]:
            assert self.read(1), f"the end came, and not {text!r}, after {self.shown!r}"

    def type(self, text: str) -> None:
        """Type a text, as keys: a line ends with a newline; Ctrl-C is a key, too."""
        os.write(self._fd, text.encode())

    def end(self) -> Ended:
        """Read to the end, and wait for it."""
        while self.read():
            pass
        written = self.process.stdout.read().decode() if self.process.stdout else self.shown
        return Ended(self.process.wait(SECONDS), written, self.shown)

    def read(self, most: int = 65536) -> bool:
        """Wait until it shows something more; whether it will ever again."""
        data = b""
        with suppress(OSError):  # how Linux says that nobody has the terminal open
            ready, _, _ = select.select([self._fd], [], [], SECONDS)
            assert ready, f"nothing more than {self.shown!r}"
            data = os.read(self._fd, most)
        self._shown += data
        return bool(data)


@contextmanager
def terminal(
    *arguments: str,
    columns: int = 80,
    environment: dict[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
) -> Iterator[Terminal]:
    """Run `cg` at a terminal; the arguments are those of `at_terminal`."""
    command = [sys.executable, "-m", "cg_backends.cli", *arguments]
    with at_terminal(command, columns, environment, stdin, stdout) as ours:
        yield ours


@contextmanager
def at_terminal(
    command: Sequence[str],
    columns: int = 80,
    environment: dict[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
) -> Iterator[Terminal]:
    """Run a command at a terminal.

    Args:
        command: the command, and its arguments.
        columns: how wide the terminal is.
        environment: variables besides those of all tests.
        stdin: `subprocess.DEVNULL`, or a file, for a stdin that is not the terminal.
        stdout: `subprocess.PIPE` for a stdout that is not the terminal.
    """
    ours, its = os.openpty()
    try:
        termios.tcsetwinsize(its, (50, columns))
        process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, *command],
            stdin=its if stdin is None else stdin,
            stdout=its if stdout is None else stdout,
            stderr=its,
            env=ENVIRONMENT | (environment or {}),
            start_new_session=True,
        )
        os.close(its)
        with process:
            try:
                yield Terminal(ours, process)
            finally:
                process.kill()
    finally:
        os.close(ours)


def cg_at_terminal(
    *arguments: str,
    answers: Iterable[tuple[str, str]] = (),
    columns: int = 80,
    environment: dict[str, str] | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
) -> Ended:
    """Run `cg` at a terminal; `answers` are what it asks, and what is typed then."""
    with terminal(
        *arguments, columns=columns, environment=environment, stdin=stdin, stdout=stdout
    ) as ours:
        for question, answer in answers:
            ours.until(question)
            ours.type(answer)
        return ours.end()


@attrs.frozen
class Home:
    """A user's home, in which nothing is yet.

    Attributes:
        folder: it.
    """

    folder: Path

    @property
    def dcp(self) -> Path:
        """Where keystores and the embedded store are."""
        return self.folder / ".dcp"

    def environment(self, **variables: str) -> dict[str, str]:
        """What its user's processes have in their environment."""
        return {"HOME": str(self.folder), **variables}

    def cg(self, *arguments: str, stdin: bytes = b"", **variables: str) -> Ended:
        """Run `cg` with pipes."""
        return cg(*arguments, stdin=stdin, environment=self.environment(**variables))

    def cg_at_terminal(
        self,
        *arguments: str,
        answers: Iterable[tuple[str, str]] = (),
        columns: int = 80,
        stdout: int | None = None,
        **variables: str,
    ) -> Ended:
        """Run `cg` at a terminal, as `cg_at_terminal` does."""
        return cg_at_terminal(
            *arguments,
            answers=answers,
            columns=columns,
            environment=self.environment(**variables),
            stdout=stdout,
        )
