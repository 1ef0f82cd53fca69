"""How `cg` ends: its exit codes, and its errors, for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from io import BufferedWriter, RawIOBase, TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
from click.shell_completion import shell_complete

from cg_backends.cli.interrupts import Interrupts, heard_in
from cg_backends.cli.printable import printable

DONE: Final = 0
USAGE: Final = 2
UNTOLD: Final = 74  # what was done cannot be written to stdout; EX_IOERR of sysexits
INTERRUPTED: Final = 130  # as a shell tells of a program that SIGINT has ended
BROKEN_PIPE: Final = 141  # likewise, SIGPIPE

_COMPLETE: Final = "_CG_COMPLETE"  # by which a shell asks what may stand here

# What the library's messages say in Python's words, in those of the command line.
_WORDS: Final = {
    "insecure=True": "--insecure",
    "load_identity(path, passphrase) opens it": "its own passphrase opens it",
}
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
    status: int | None
    try:
        # (Not by `main`: it takes Ctrl-C for a broken prompt, and ends the process by itself where
        # nobody reads any more.)
        if instruction := os.environ.get(_COMPLETE):
            return shell_complete(command, {}, "cg", _COMPLETE, instruction)
        with command.make_context("cg", list(arguments)) as context:
            try:
                command.invoke(context)
                sys.stdout.flush()
            finally:
                interrupts = heard_in(context)
        status = DONE
    except click.exceptions.Exit as asked:
        status = asked.exit_code
    except OSError as error:
        if error.filename is not None:
            raise
        status = _untold(error, as_json=as_json)
    except (Exception, KeyboardInterrupt) as error:
        status = _told(error, as_json=as_json)
        if status is None:
            raise
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


def error_to_json(error: Any) -> dict[str, object]:
    """An error of the library's as programs get it."""
    return {"name": error.name, "code": error.code, "message": error.message}


def _told(error: BaseException, *, as_json: bool) -> int | None:
    # The exit code, after the error was told; None where it is none that was foreseen.
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
    return status


def _untold(error: OSError, *, as_json: bool) -> int:
    # Stdout takes no more. What was to be written there was done; and Python would try once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE  # whoever read has seen enough
    return _tell(UNTOLD, f"stdout cannot be written: {error.strerror}", as_json=as_json)


def _tell(status: int, message: str, error: Any = None, *, as_json: bool) -> int:
    for ours, of_the_command_line in _WORDS.items():
        message = message.replace(ours, of_the_command_line)
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
    return status


def _have_streams() -> None:
    # Python has none where the process was started with one closed.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open("r" if name == "stdin" else "w")  # noqa: SIM115 - it stays
            setattr(sys, name, nothing)
    if isinstance(sys.stdout.buffer, RawIOBase):
        # By PYTHONUNBUFFERED. What has no room would be lost, and nobody would hear of it.
        encoding = sys.stdout.encoding
        sys.stdout = TextIOWrapper(BufferedWriter(sys.stdout.detach()), encoding)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # text files


def _options(arguments: Sequence[str]) -> Sequence[str]:
    # What stands behind -- is no option.
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
