"""The commands that make and show identities."""

# ruff: noqa: PLC0415 - `cg identity --help` must not wait for the core
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from cg_backends.cli.commands import Command, Group
from cg_backends.cli.completions import keystores
from cg_backends.cli.options import as_json, passphrase_options

if TYPE_CHECKING:
    from cg_backends.cli.secret_input import SecretInput


@click.group(cls=Group)
def identity() -> None:
    """Make or show the keys that requests are signed with.

    DCP's own programs keep theirs in $DCP_RESOURCE_DIR, or else ~/.dcp; so do these commands.

    \b
    Examples:
      cg identity new robot
      cg identity show robot
    """


@identity.command("new", cls=Command)
@click.argument("name", default="id", metavar="[NAME|PATH]")
@passphrase_options
@click.option("--no-passphrase", is_flag=True, help="Whoever can read the file has the key.")
@as_json
def new(*, name: str, passphrase: SecretInput, no_passphrase: bool, as_json: bool) -> None:
    """Make an identity, and print its address. A keystore that is there already stays.

    \b
    Examples:
      cg identity new
      cg identity new robot --no-passphrase
      cg identity new /etc/cg/service.keystore --passphrase-env KEYSTORE_PASSPHRASE
    """
    from cg_backends.cli.caller import new_passphrase
    from cg_backends.keystores import keystore_path, new_identity, save_identity
    from cg_core import InvalidValue

    path = keystore_path(name)
    if os.path.exists(path):  # noqa: PTH110 - what cannot be a path is told when it is written
        raise InvalidValue(
            f"{path} exists, and may hold a key that is nowhere else; for another one: cg identity "
            "new NAME"
        )
    made = new_identity()
    save_identity(made, path, new_passphrase(passphrase, none=no_passphrase))
    _show(made.address, str(path), as_json=as_json)


@identity.command("show", cls=Command)
@click.argument("name", default="id", metavar="[NAME|PATH]", shell_complete=keystores)
@as_json
def show(*, name: str, as_json: bool) -> None:
    """Print the address of an identity. Its passphrase is not needed; its key is never shown.

    \b
    Examples:
      cg identity show
      cg serve --listen 0.0.0.0:9800 --allow-create $(cg identity show)
    """
    from cg_backends.cli.caller import existing
    from cg_backends.keystores import keystore_address

    path = existing(name)
    _show(keystore_address(path), str(path), as_json=as_json)


def _show(address: str, path: str, *, as_json: bool) -> None:
    from cg_backends.cli.printable import printable

    if as_json:
        click.echo(json.dumps({"address": address, "keystore": path}))
    else:
        click.echo(address)
        click.echo(f"Its key: {printable(path)}", err=True)
