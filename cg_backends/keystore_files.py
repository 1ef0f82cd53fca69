"""Ethereum keystores (version 3), one file each: what may be in them, opening and writing them.

Whoever reads a keystore whose passphrase is empty, as that of most identities is, has the key. So
what a file holds is hidden here as the key is: no error, and no frame of one, shows any of it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import attrs

from cg_backends.new_files import new_file
from cg_core import (
    Address,
    ComputeGroupsError,
    Identity,
    InvalidArgument,
    InvalidType,
    InvalidValue,
)
from cg_core.ecmascript_json import parse
from cg_core.identity import looks_like_private_key
from cg_core.json_shapes import JSONObject, from_json
from cg_core.text import type_name

P = ParamSpec("P")
T = TypeVar("T")

AnyPath: TypeAlias = str | Path

_log = logging.getLogger("cg.keystores")

_LARGEST_FILE: Final = 2**16  # bytes; a keystore has 500
_MOST_MEMORY: Final = 2**30  # bytes that scrypt walks through: four times what wallets ask for
_MOST_ITERATIONS: Final = 10_000_000  # of pbkdf2: ten times what wallets ask for

_N_WITHOUT_PASSPHRASE: Final = 1024  # as DCP: where there is no secret, no work protects it
_N_WITH_PASSPHRASE: Final = 2**18  # as Ethereum's wallets: half a second and 256 MiB for each guess


def checked_path(path: AnyPath) -> Path:
    """A path, unless it is something else, or a private key by mistake."""
    if not isinstance(path, str | Path):
        raise InvalidType(f"path must be a str or a Path, not {type_name(path)}")
    require_no_key(str(path), "path")
    return Path(path)


def may_be_there(path: Path) -> bool:
    """Whether there is a file, or may be: who reads it is told what is the matter with it."""
    try:
        return path.exists()
    except OSError:
        return True


def require_no_key(text: str, field: str) -> None:
    """Refuse what looks like a private key, and do not show it."""
    if looks_like_private_key(text):
        raise InvalidValue(f"{field} looks like a private key: Identity(private_key) takes one")


# What is in them.


@attrs.frozen
class Document:
    """The JSON of a file."""

    path: Path
    members: JSONObject = attrs.field(repr=False)
    folded: JSONObject = attrs.field(repr=False)  # old wallets write in capitals, here and there

    @classmethod
    def read(cls, path: AnyPath) -> Document:
        """Read a file. If others than its owner may do so too, a warning is logged."""
        path = checked_path(path)
        text = _text(path)
        try:
            members, folded = parse(text), parse(text.lower())
        except ComputeGroupsError as error:
            raise _damaged(path, error.message) from None
        if not isinstance(members, dict) or not isinstance(folded, dict):
            raise _damaged(path, "it holds no JSON object")
        return cls(path, members, folded)

    def address(self) -> Address | None:
        """The address that it names, if any."""
        address: Any = self.members.get("address") or self.folded.get("address")
        if not address:
            return None
        try:
            return Address(address)
        except InvalidArgument as error:
            raise _damaged(self.path, error.message) from None


@attrs.frozen
class _Scrypt:
    n: int
    r: int
    p: int
    dklen: int
    salt: str

    def fault(self) -> str | None:
        if min(self.n - 1, self.r, self.p) < 1 or self.n.bit_count() != 1:
            return "n of scrypt must be a power of two, r and p must be positive"
        if 128 * self.n * self.r * self.p > _MOST_MEMORY:
            return (
                f"its scrypt asks for 128 * n * r * p bytes, and more than {_MOST_MEMORY} of them"
            )
        return None


@attrs.frozen
class _Pbkdf2:
    c: int
    prf: str
    dklen: int
    salt: str

    def fault(self) -> str | None:
        if self.prf != "hmac-sha256":
            return "its pbkdf2 is not of hmac-sha256"
        if not 0 < self.c <= _MOST_ITERATIONS:
            return f"c of pbkdf2 must be 1 to {_MOST_ITERATIONS}, which no wallet exceeds"
        return None


_KEY_DERIVATIONS: Final[dict[str, type[_Scrypt | _Pbkdf2]]] = {
    "scrypt": _Scrypt,
    "pbkdf2": _Pbkdf2,
}


@attrs.frozen
class _CipherParams:
    iv: str


@attrs.frozen
class _Crypto:
    cipher: str
    cipherparams: _CipherParams
    ciphertext: str
    kdf: str
    kdfparams: JSONObject
    mac: str

    def fault(self) -> str | None:
        """What in it eth-keyfile would not see, or not survive."""
        if self.cipher != "aes-128-ctr":
            return "its cipher is not aes-128-ctr"
        if self.kdf not in _KEY_DERIVATIONS:
            return f"its kdf is none of {', '.join(_KEY_DERIVATIONS)}"
        derivation = from_json(self.kdfparams, _KEY_DERIVATIONS[self.kdf])
        for name, digits, length in (
            ("iv", self.cipherparams.iv, 32),
            ("ciphertext", self.ciphertext, 64),
            ("mac", self.mac, 64),
            ("salt", derivation.salt, len(derivation.salt) // 2 * 2),
        ):
            if not re.fullmatch(f"[0-9a-f]{{{length}}}", digits):
                return f"{name} is not {length} hex digits"
        if derivation.dklen != 32:
            return "dklen is not 32"
        return derivation.fault()


@attrs.frozen
class _Versioned:
    version: int
    crypto: _Crypto


@attrs.frozen
class Keystore:
    """A keystore that can be opened."""

    path: Path
    address: Address | None
    members: JSONObject = attrs.field(repr=False)

    @classmethod
    def read(cls, path: AnyPath) -> Keystore:
        """Read a file that can be opened, by whoever has its passphrase."""
        document = Document.read(path)
        if document.folded.get("version") != 3:
            raise InvalidValue(
                f"{document.path} is no keystore of version 3, which alone is read; "
                "let the wallet that wrote it write it anew"
            )
        try:
            fault = from_json(document.folded, _Versioned).crypto.fault()
        except ComputeGroupsError as error:
            fault = error.message
        if fault is not None:
            raise _damaged(document.path, fault)
        return cls(document.path, document.address(), document.folded)

    def opened(self, passphrase: str) -> Identity | None:
        """The identity, or None if it is not the right passphrase."""
        try:
            key = _eth_keyfile().decode_keyfile_json(self.members, _utf8(passphrase))
        except InvalidArgument:
            raise
        except ValueError:
            return None
        try:
            identity = Identity(key)
        except InvalidValue as error:
            raise _damaged(self.path, error.message) from None
        if self.address not in (None, identity.address):
            raise InvalidValue(
                f"the keystore {self.path} says that it is of {self.address}, and its key is of "
                f"{identity.address}: find out which is meant, and mend the file's address"
            )
        return identity


def _text(path: Path) -> str:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST_FILE + 1) if stat.S_ISREG(mode) else None
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidValue(f"the keystore {path} cannot be read: {why}") from None
    if content is None:
        raise InvalidValue(
            f"the keystore {path} cannot be read: it is a pipe or a device; give a regular file"
        )
    # On Windows the mode says nothing about others.
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning(
            "others than its owner may read the keystore %s; run: chmod 600 %s", path, path
        )
    if len(content) > _LARGEST_FILE:
        raise InvalidValue(f"{path} is too large for a keystore: above {_LARGEST_FILE} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _damaged(path, "it is not UTF-8") from None


def _open_at_once(path: str, flags: int) -> int:
    # A pipe would keep us waiting for who writes into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _damaged(path: Path, why: str) -> InvalidValue:
    return InvalidValue(f"{path} is no keystore, or a damaged one: {why}; restore it from a copy")


# Writing them.


def keystore_text(identity: Identity, passphrase: str, n: int | None) -> str:
    """The text of a keystore, made with scrypt; see `save_identity`."""
    if n is None:
        n = _N_WITH_PASSPHRASE if passphrase else _N_WITHOUT_PASSPHRASE
    if type(n) is not int:
        raise InvalidType(f"scrypt_n must be an int, not {type_name(n)}")
    if not (1 < n <= 2**20 and n.bit_count() == 1):
        raise InvalidValue("scrypt_n must be a power of two, up to 1048576")
    members = _eth_keyfile().create_keyfile_json(
        identity.reveal(), _utf8(passphrase), kdf="scrypt", iterations=n, salt_size=32
    )
    return json.dumps(members | {"address": identity.address[2:].lower()}, separators=(",", ":"))


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, for its owner alone: as a whole or not at all."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, text)
    except InvalidValue:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidValue(f"the keystore {path} cannot be written: {why}") from None


def _write_new(path: Path, text: str) -> None:
    try:
        with new_file(path) as file:
            file.write(text.encode("ascii"))
    except FileExistsError:
        raise InvalidValue(
            f"{path} exists, and may hold a key that is nowhere else: choose another path, or move "
            "it away first"
        ) from None


# Secrets.


def _utf8(passphrase: str) -> bytes:
    if not isinstance(passphrase, str):
        raise InvalidType(f"passphrase must be a str, not {type_name(passphrase)}")
    try:
        return str.encode(passphrase)
    except UnicodeEncodeError:
        raise InvalidValue("passphrase holds half of a surrogate pair; take it out") from None


def _eth_keyfile() -> ModuleType:
    # py_ecc, which comes with it, raises the limit so far that recursion without end, whosever,
    # ends the process without a word.
    limit = sys.getrecursionlimit()
    try:
        import eth_keyfile  # noqa: PLC0415 - an extra, which takes half a second
    except ModuleNotFoundError as error:
        if error.name != "eth_keyfile":
            raise
        raise ModuleNotFoundError(
            "keystores need eth-keyfile: pip install 'compute-groups[keystore]'",
            name="eth_keyfile",
        ) from None
    finally:
        sys.setrecursionlimit(limit)
    return eth_keyfile


def hiding(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work gives; what it raises comes without the frames that saw a secret."""
    fault: BaseException
    try:
        return work(*args, **kwargs)
    except BaseException as error:
        fault = error
    finally:
        del work, args, kwargs
    fault.__cause__ = fault.__context__ = None
    try:
        raise fault.with_traceback(None)
    finally:
        del fault
