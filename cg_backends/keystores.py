"""Identities in files: Ethereum keystores (version 3), where DCP's own programs keep them.

from cg_backends.keystores import find_identity

with connect(url, identity=find_identity()) as groups: ...
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from cg_backends.keystore_files import (
    AnyPath,
    Document,
    Keystore,
    checked_path,
    hiding,
    keystore_text,
    may_be_there,
    require_no_key,
    write_new,
)
from cg_core import Address, Identity, InvalidType, InvalidValue
from cg_core.text import type_name

Passphrase: TypeAlias = str | Callable[[], str]
"""A passphrase, or what asks for it when it is needed."""


def new_identity() -> Identity:
    """A new identity, whose key is drawn from the operating system's randomness."""
    while True:
        try:
            return Identity(secrets.token_bytes(32))
        except InvalidValue:
            pass  # zero, or beyond the order of the curve: once in 2**128 draws


def find_identity(
    name: str = "id",
    *,
    passphrase: Passphrase | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Identity:
    """The identity that DCP's own programs would take.

    Args:
        name: of `<name>.keystore` in DCP's folder: `DCP_RESOURCE_DIR`, or `dcp` in `XDG_DATA_HOME`,
            or `~/.dcp`. With a slash or backslash in it, or `.keystore` at its end, it is the path
            of a file.
        passphrase: see `load_identity`.
        environment: the environment variables.

    Raises:
        InvalidType, InvalidValue, ModuleNotFoundError: as `load_identity`.
    """
    try:
        path = hiding(keystore_path, name, environment)
        if not may_be_there(path):
            raise InvalidValue(
                f"there is no keystore {path}; name another (DCP_RESOURCE_DIR and XDG_DATA_HOME "
                "say where they are), pass another identity=, or make one: "
                "save_identity(new_identity(), path)"
            )
        return load_identity(path, passphrase)
    finally:
        del passphrase, environment


def load_identity(path: AnyPath, passphrase: Passphrase | None = None) -> Identity:
    """The identity in a keystore: scrypt or pbkdf2, and aes-128-ctr.

    It takes half a second for keystores of Ethereum's wallets, so not in an event loop. A file
    that says that its key has another address than it has is refused: who looked at the file would
    take its owner for somebody else. (The official client does not look.)

    Args:
        path: of the file. If others than its owner may read it, a warning is logged.
        passphrase: the empty one is tried first; what is called is called only if that fails.

    Raises:
        InvalidType: an argument has the wrong type.
        InvalidValue: there is no such keystore, it cannot be read, or no passphrase opens it.
        ModuleNotFoundError: eth-keyfile is not installed: pip install 'compute-groups[keystore]'.
    """
    try:
        if not (passphrase is None or isinstance(passphrase, str) or callable(passphrase)):
            raise InvalidType(
                f"passphrase must be a str or what gives one, not {type_name(passphrase)}"
            )
        keystore = hiding(Keystore.read, path)
        identity = hiding(keystore.opened, "")
        if identity is None and passphrase is not None:
            identity = hiding(keystore.opened, passphrase() if callable(passphrase) else passphrase)
        if identity is None:
            if passphrase is None:
                raise InvalidValue(
                    f"the keystore {keystore.path} needs a passphrase, or is damaged: "
                    "load_identity(path, passphrase) opens it"
                )
            raise InvalidValue(
                f"the passphrase does not open the keystore {keystore.path}; if it is the right "
                "one, the file is damaged"
            )
    finally:
        del passphrase
    return identity


def save_identity(
    identity: Identity,
    path: AnyPath | None = None,
    passphrase: str = "",
    *,
    scrypt_n: int | None = None,
) -> Path:
    """Write a keystore as DCP's own programs read it, for its owner alone (mode 0600).

    The file is there as a whole or not at all. One that is there already stays as it is.

    Args:
        identity: whose key is written.
        path: of the file; `id.keystore` in DCP's folder if not given (see `find_identity`).
        passphrase: what opens it; whoever can read the file has the key if it is empty.
        scrypt_n: the work for each guess of the passphrase, a power of two up to 1048576; if not
            given, 1024 for the empty passphrase (as DCP) and 262144 for any other.

    Returns:
        The path of the file.

    Raises:
        InvalidType, InvalidValue: an argument is wrong, the file exists, or cannot be written.
        ModuleNotFoundError: eth-keyfile is not installed: pip install 'compute-groups[keystore]'.
    """
    try:
        if not isinstance(identity, Identity):
            raise InvalidType(f"identity must be an Identity, not {type_name(identity)}")
        to = hiding(keystore_path) if path is None else checked_path(path)
        hiding(write_new, to, hiding(keystore_text, identity, passphrase, scrypt_n))
    finally:
        del passphrase
    return to


def keystore_address(path: AnyPath) -> Address:
    """The address that a keystore names, found without its passphrase.

    Raises:
        InvalidType: the path has the wrong type.
        InvalidValue: there is no such keystore, it cannot be read, or it names no address.
    """
    address = hiding(Document.read, path).address()
    if address is None:
        raise InvalidValue(
            f"the keystore {path!s} names no address; load_identity(path).address finds it"
        )
    return address


def keystore_path(name: str = "id", environment: Mapping[str, str] = os.environ) -> Path:
    """Where a keystore is, or would be.

    Args:
        name: as in `find_identity`.
        environment: the environment variables.

    Raises:
        InvalidType, InvalidValue: it cannot be a name, or there is no home folder.
    """
    if not isinstance(name, str):
        raise InvalidType(f"name must be a str, not {type_name(name)}")
    if not name:
        raise InvalidValue("name is empty; the identity is called id where DCP keeps it")
    require_no_key(name, "name")
    try:
        if "/" in name or "\\" in name or name.endswith(".keystore"):
            return Path(name).expanduser()
        return dcp_folder(environment) / f"{name}.keystore"
    except RuntimeError as error:
        raise InvalidValue(f"the keystore {name} is in a home folder, but: {error}") from None


def dcp_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where DCP's own programs keep what is theirs: keystores, and here a store."""
    # A variable that is set to nothing counts as not set, as in the official client.
    if resources := environment.get("DCP_RESOURCE_DIR"):
        return Path(resources)
    if data := environment.get("XDG_DATA_HOME"):
        return Path(data) / "dcp"
    return Path(environment.get("HOME") or Path.home()) / ".dcp"
