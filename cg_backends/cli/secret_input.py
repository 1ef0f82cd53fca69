"""Where commands get secrets: prompt, stdin, file, environment; never an argument (C-13)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Final

import attrs
import click

_LONGEST: Final = 2**16  # bytes; what is read is a line of 255 characters


@attrs.frozen
class SecretInput:
    """One secret's options.

    Attributes:
        option: what the options begin with: `--join-secret`.
        from_stdin: whether it is to be read from stdin.
        file: the path of the file that holds it.
        variable: the environment variable that holds it.

    Raises:
        click.UsageError: two of them are given.
    """

    option: str
    from_stdin: bool
    file: str | None
    variable: str | None

    def __attrs_post_init__(self) -> None:
        if self.from_stdin + (self.file is not None) + (self.variable is not None) > 1:
            raise click.UsageError(f"give one of {self.ways}, not several")

    @property
    def ways(self) -> str:
        """The options, for a message."""
        return f"{self.option}-stdin, {self.option}-file FILE and {self.option}-env NAME"

    @property
    def is_given(self) -> bool:
        """Whether an option says where it is."""
        return self.from_stdin or self.file is not None or self.variable is not None

    def read(self) -> str | None:
        """The secret, where an option says where it is.

        Raises:
            click.UsageError: it is not there. What the user gave is not shown: it may be the secret
                itself, by mistake.
        """
        if self.from_stdin:
            return _line(take_stdin(self.option + "-stdin").read(_LONGEST), "stdin")
        if self.file is not None:
            return _line(self._content(self.file), f"the file of {self.option}-file")
        if self.variable is not None:
            if self.variable not in os.environ:
                raise click.UsageError(f"there is no variable of the name in {self.option}-env")
            return os.environ[self.variable]
        return None

    def read_or_ask(self, prompt: str, *, confirmed: bool, otherwise: str = "") -> str:
        """The secret from where an option says, or else from who sits at the terminal.

        Args:
            prompt: what is asked.
            confirmed: whether it is asked twice, since a slip would lock somebody out.
            otherwise: what else the user could say; an option.

        Raises:
            click.UsageError: stdin is no terminal, or as in `read`.
        """
        given = self.read()
        if given is not None:
            return given
        if not sys.stdin.isatty():
            raise click.UsageError(
                f"stdin is no terminal, so the {prompt.lower()} cannot be asked for; give one of "
                f"{self.ways}{otherwise and ', or '}{otherwise}"
            )
        asked: str = click.prompt(prompt, hide_input=True, err=True, confirmation_prompt=confirmed)
        return asked

    def _content(self, path: str) -> bytes:
        try:
            with Path(path).open("rb") as file:
                return file.read(_LONGEST)
        except (OSError, ValueError) as error:  # ValueError: NUL in the path
            why = error.strerror if isinstance(error, OSError) else "its name holds NUL"
        raise click.UsageError(f"the file of {self.option}-file cannot be read: {why}")


def take_stdin(reader: str) -> IO[bytes]:
    """Stdin, for one reader.

    Args:
        reader: what it is for, as the user said it: an option, or `-`.

    Raises:
        click.UsageError: it was for another one.
    """
    meta = click.get_current_context().meta
    if "cg.stdin" in meta:
        raise click.UsageError(f"stdin is one: it cannot be for {meta['cg.stdin']} and {reader}")
    meta["cg.stdin"] = reader
    return sys.stdin.buffer


def _line(data: bytes, where: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    del data
    if text is None:
        raise click.UsageError(f"{where} is not UTF-8; a secret is text")
    text = text.removesuffix("\n").removesuffix("\r")
    if "\n" in text:
        raise click.UsageError(f"{where} holds several lines; a secret is one")
    return text
