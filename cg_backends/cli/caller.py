"""Who calls: the keystore that is named, or the user's own, which is made at its first use."""

from __future__ import annotations

from pathlib import Path

import click

from cg_backends.cli.printable import printable
from cg_backends.cli.secret_input import SecretInput
from cg_backends.keystore_files import may_be_there
from cg_backends.keystores import (
    keystore_address,
    keystore_path,
    load_identity,
    new_identity,
    save_identity,
)
from cg_core import Address, Identity, InvalidValue


def caller_address(name: str | None) -> Address:
    """The address in a keystore. Its key is not needed where nothing is signed.

    Args:
        name: of the keystore, or its path; None for the user's own.

    Raises:
        InvalidValue: there is no such keystore, or it cannot be read or made.
    """
    made = _made_at_first_use(name)
    return keystore_address(existing(name)) if made is None else made.address


def caller_identity(name: str | None, passphrase: SecretInput) -> Identity:
    """The identity in a keystore; a passphrase is asked for where one is needed.

    Args:
        name: of the keystore, or its path; None for the user's own.
        passphrase: where it is.

    Raises:
        InvalidValue: there is no such keystore, it cannot be read or made, or not be opened.
    """
    made = _made_at_first_use(name)
    return opened(existing(name), passphrase) if made is None else made


def opened(path: Path, passphrase: SecretInput) -> Identity:
    """The identity in a keystore that is there; a passphrase is asked for where one is needed."""
    return load_identity(path, lambda: passphrase.read_or_ask("Passphrase", confirmed=False))


def new_passphrase(passphrase: SecretInput, *, none: bool) -> str:
    """The passphrase for a keystore that is about to be made.

    Args:
        passphrase: where it is; without that it is asked for.
        none: whether there is to be none.

    Raises:
        click.UsageError: both are said, or nothing is and there is no terminal.
    """
    option = "--no-passphrase"
    if none and passphrase.is_given:
        raise click.UsageError(f"give one of {passphrase.ways} and {option}, not several")
    return "" if none else passphrase.read_or_ask("Passphrase", confirmed=True, otherwise=option)


def existing(name: str | None) -> Path:
    """The path of a keystore that is there.

    Raises:
        InvalidValue: it is not there.
    """
    path = keystore_path("id" if name is None else name)
    if not may_be_there(path):
        command = f"cg identity new {name or ''}".rstrip()
        raise InvalidValue(f"there is no keystore {path}; make one: {command}")
    return path


def _made_at_first_use(name: str | None) -> Identity | None:
    if name is not None or may_be_there(path := keystore_path()):
        return None
    identity = new_identity()
    try:
        save_identity(identity, path)
    except InvalidValue:
        if not may_be_there(path):
            raise
        return None  # another `cg` was quicker
    key = printable(str(path))
    click.echo(f"Made an identity for you, {identity.address} (its key: {key}).", err=True)
    return identity
