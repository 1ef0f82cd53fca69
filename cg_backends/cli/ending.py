"""How `cg` ends: its exit codes, and its errors, for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from io import BufferedWriter, RawIOBase, TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
from click.shell_completion import shell_complete

from cg_backends.cli.interrupts import Interrupts, heard_in
from cg_backends.cli.printable import printable
from cg_backends.cli.wording import worded

DONE: Final = 0
USAGE: Final = 2
DEFECT: Final = 70  # what nobody foresaw; EX_SOFTWARE of sysexits
UNTOLD: Final = 74  # what was done cannot be written to stdout; EX_IOERR of sysexits
INTERRUPTED: Final = 130  # as a shell tells of a program that SIGINT has ended
BROKEN_PIPE: Final = 141  # likewise, SIGPIPE

COMPLETE: Final = "_CG_COMPLETE"  # by which a shell asks what may stand here
_DONE: Final = "cg.done"  # in a command's context: what it has changed

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
    DEFECT: ("Defect", "ESOFTWARE"),
    UNTOLD: ("Untold", "EIO"),
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
    _have_streams()
    as_json = "--json" in _options(arguments)
    interrupts: Interrupts | None = None
    done: str | None = None
    try:
        # (Not by `main`: it takes Ctrl-C for a broken prompt, and ends the process by itself where
        # nobody reads any more.)
        if instruction := os.environ.get(COMPLETE):
            return shell_complete(command, {}, "cg", COMPLETE, instruction)
        with command.make_context("cg", list(arguments)) as context:
            try:
                command.invoke(context)
                sys.stdout.flush()
            finally:
                interrupts = heard_in(context)
                done = context.meta.get(_DONE)
        status = DONE
    except click.exceptions.Exit as asked:
        status = asked.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.filename is None:
            status = _untold(error, done, as_json=as_json)
        else:
            status = _told(error, as_json=as_json)
    if interrupts is not None and interrupts.end():
        return INTERRUPTED
    return status


def end(status: int) -> None:
    """End the process. A shell that runs a script stops it where Ctrl-C is what ended us."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing more to be said
    if status == INTERRUPTED and os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(status)


def note_done(what: str) -> None:
    """Note what the command has changed, to be told where stdout does not take the answer.

    Args:
        what: it, as a clause: "group 2 was created".
    """
    click.get_current_context().meta[_DONE] = what


def error_to_json(error: Any) -> dict[str, object]:
    """An error of the library's as programs get it."""
    return {"name": error.name, "code": error.code, "message": worded(error.message)}


def _told(error: BaseException, *, as_json: bool) -> int:
    # The exit code, after the error was told.
    status = exit_code(error)
    match error:
        case KeyboardInterrupt(args=(str(known),)):
            status = _tell(INTERRUPTED, known, as_json=as_json)
        case KeyboardInterrupt():
            status = _tell(INTERRUPTED, "nothing was done", as_json=as_json)
        case click.Abort(__context__=context):
            if sys.stderr.isatty():
                click.echo(err=True)  # the question is on this line
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
        case _:
            status = DEFECT
            traceback.print_exception(error)
            if as_json:
                _tell(status, f"this is a bug: {type(error).__name__}", as_json=as_json)
    return status


def _untold(error: OSError, done: str | None, *, as_json: bool) -> int:
    # Stdout takes no more. What was to be written there was done; and Python would try once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE  # whoever read has seen enough
    fault = f"stdout cannot be written: {error.strerror}"
    if done is not None:
        fault = f"{done}, but {fault}; `cg list` or `cg list-jobs` shows it"
    return _tell(UNTOLD, fault, as_json=as_json)


def _tell(status: int, message: str, error: Any = None, *, as_json: bool) -> int:
    message = worded(message)
    if as_json:
        name, code = _NAMES[status] if error is None else (error.name, error.code)
        told = {"name": name, "code": code, "message": message, "exitCode": status}
        click.echo(json.dumps({"error": told}), err=True)
    else:
        kind = "" if error is None or status == USAGE else f" ({printable(error.name)})"
        begin = "Interrupted" if status == INTERRUPTED else "Error"
        if status == INTERRUPTED and sys.stderr.isatty():
            begin = f"\r{begin}"  # where the terminal shows ^C
        click.echo(f"{begin}: {printable(message)}{kind}", err=True)
        if error is not None and error.name in _HINTS:
            click.echo(f"Hint: {_HINTS[error.name]}", err=True)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"Hint: {note}", err=True)
    return status


def _have_streams() -> None:
    # Python has none where the process was started with one closed. What is written to stdout must
    # not be lost: there it is a file that takes nothing.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - it stays
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115, PTH123 - likewise
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - likewise
    if isinstance(sys.stdout.buffer, RawIOBase):
        # By PYTHONUNBUFFERED. What has no room would be lost, and nobody would hear of it.
        encoding = sys.stdout.encoding
        sys.stdout = TextIOWrapper(BufferedWriter(sys.stdout.detach()), encoding)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # text files


def _options(arguments: Sequence[str]) -> Sequence[str]:
    # What stands behind -- is no option.
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
