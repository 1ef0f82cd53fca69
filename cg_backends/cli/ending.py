"""How `cg` ends: its exit codes, and its errors, for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import click

from cg_backends.cli.printable import printable

DONE: Final = 0
USAGE: Final = 2
INTERRUPTED: Final = 130  # as a shell tells of a program that SIGINT has ended
BROKEN_PIPE: Final = 141  # likewise, SIGPIPE

# What the library's messages say in Python's words, in those of the command line.
_HINTS: Final = {
    "GroupNotFound": "a bare word is a join key; --id N and --opaque-id ID are the other names of "
    "a group, and `cg list` shows yours",
    "NotOwner": "`cg identity show` tells who you are; --identity names another keystore",
    "OutcomeUnknown": "`cg list` and `cg list-jobs` show what was done",
}

# What programs are told where the library has raised nothing.
_NAMES: Final = {
    1: ("Refused", "EREFUSED"),
    USAGE: ("InvalidArgument", "EINVAL"),
    INTERRUPTED: ("Interrupted", "EINTR"),
}

EXIT_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Refused": 1,
        "InvalidArgument": USAGE,
        "NotFound": 3,
        "NetworkError": 4,
        "OutcomeUnknown": 5,
        "ProtocolError": 6,
    }
)
"""By the names of error classes, the nearest of which counts: the core need not be there."""


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error of the library's; None for any other."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "ComputeGroupsError" not in names:
        return None
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), 1)


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a command line.

    Args:
        command: the command.
        arguments: its arguments, without its name.

    Returns:
        The exit code. What went wrong was told on stderr: as text, or as a JSON object on its last
        line where `--json` was given.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # text files
    try:
        status = command.main(list(arguments), prog_name="cg", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        status = _told(error, as_json="--json" in _options(arguments))
        if status is None:
            raise
    return status or DONE


def end(status: int) -> None:
    """End the process. A shell that runs a script stops it where Ctrl-C is what ended us."""
    if status == INTERRUPTED and os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(status)


def error_to_json(error: Any) -> dict[str, object]:
    """An error of the library's as programs get it."""
    return {"name": error.name, "code": error.code, "message": error.message}


def _told(error: BaseException, *, as_json: bool) -> int | None:
    # The exit code, after the error was told; None where it is none that was foreseen.
    status = exit_code(error)
    match error:
        case BrokenPipeError():
            # Whoever read has seen enough. Python would try to write the rest once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = BROKEN_PIPE
        case KeyboardInterrupt(args=(str(known),)):
            status = _tell(INTERRUPTED, known, as_json=as_json)
        case KeyboardInterrupt():
            status = _tell(INTERRUPTED, "nothing was done", as_json=as_json)
        case click.Abort(__context__=context):
            status = INTERRUPTED if isinstance(context, KeyboardInterrupt) else USAGE
            _tell(status, "nothing was given, and nothing was done", as_json=as_json)
        case click.ClickException(exit_code=status) if as_json:
            _tell(status, error.format_message(), as_json=as_json)
        case click.ClickException(exit_code=status):
            error.show()
        case ModuleNotFoundError() if "pip install" in str(error):
            status = _tell(USAGE, str(error), as_json=as_json)
        case _ if status is not None:
            _tell(status, str(getattr(error, "message", "")), error, as_json=as_json)
    return status


def _tell(status: int, message: str, error: Any = None, *, as_json: bool) -> int:
    if as_json:
        name, code = _NAMES[status] if error is None else (error.name, error.code)
        told = {"name": name, "code": code, "message": message, "exitCode": status}
        click.echo(json.dumps({"error": told}), err=True)
    else:
        kind = "" if error is None or status == USAGE else f" ({printable(error.name)})"
        begin = "Interrupted" if status == INTERRUPTED else "Error"
        click.echo(f"{begin}: {printable(message)}{kind}", err=True)
        if error is not None and error.name in _HINTS:
            click.echo(f"Hint: {_HINTS[error.name]}", err=True)
    return status


def _options(arguments: Sequence[str]) -> Sequence[str]:
    # What stands behind -- is no option.
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
