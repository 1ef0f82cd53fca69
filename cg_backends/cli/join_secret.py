"""Where commands get a join secret: prompt, stdin, environment; never an argument (C-13)."""

from __future__ import annotations

import os
import sys

import click

from cg_core.join_hashes import JoinSecret

_WAYS = "--join-secret-stdin or --join-secret-env NAME"


def join_secret(*, from_stdin: bool, environment_name: str | None) -> JoinSecret:
    """The join secret that the user gives.

    Args:
        from_stdin: read it from stdin, which holds it as UTF-8, with or without a last newline.
        environment_name: the environment variable that holds it.

    Raises:
        click.UsageError: no way to get it was given, or two.
        InvalidValue: it cannot be a secret.
    """
    if from_stdin and environment_name is not None:
        raise click.UsageError(f"give one of {_WAYS}, not both")
    if from_stdin:
        return JoinSecret(_one_line(sys.stdin.buffer.read()))
    if environment_name is not None:
        if environment_name not in os.environ:
            raise click.UsageError(f"the environment has no variable {environment_name}")
        return JoinSecret(os.environ[environment_name])
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask for the join secret; give {_WAYS}")
    return JoinSecret(click.prompt("Join secret", hide_input=True, err=True))


def _one_line(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        del data
        raise click.UsageError("stdin is not UTF-8; the join secret is text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if "\n" in text:
        raise click.UsageError("stdin holds several lines; the join secret is one")
    return text
