"""Keystores: the official client's files are read, and it reads ours; nothing shows a key."""

from __future__ import annotations

import json
import logging
import os
import pickle
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cg_backends.keystore_files import _eth_keyfile
from cg_backends.keystores import (
    find_identity,
    keystore_address,
    keystore_path,
    load_identity,
    new_identity,
    save_identity,
)
from cg_core import Identity, InvalidArgument, InvalidType, InvalidValue
from tests.core.json_values import json_values, paths, replaced
from tests.core.test_secrecy import appearances, error_of, tracebacks
from tests.golden import DATA, golden
from tests.peers import node_process
from tests.strategies import any_characters, anything, storable_characters

eth_keyfile = _eth_keyfile()

FILES = DATA / "keystores"
INDEX = golden("keystores/index")
GOLDEN = INDEX["keystores"] + INDEX["extra"]
FIRST = GOLDEN[0]
KEY: str = FIRST["private_key"].removeprefix("0x")
OTHER = "0x132237d838Ee32d5F6e856532a0e691D8179A00B"
CHEAP = 2  # of scrypt: what is tested is not how slow it is


def never() -> str:
    raise AssertionError("asked for a passphrase that is not needed")


def first() -> dict[str, Any]:
    """The members of the first golden file, whose passphrase is empty."""
    members: dict[str, Any] = json.loads((FILES / FIRST["file"]).read_text(encoding="utf-8"))
    return members


def written(folder: Path | str, content: str | bytes) -> Path:
    path = Path(folder, "a.keystore")
    path.touch(mode=0o600)
    path.write_bytes(
        content.encode(errors="surrogatepass") if isinstance(content, str) else content
    )
    return path


# The official client's files.


@pytest.mark.parametrize("entry", GOLDEN, ids=itemgetter("file"))
def test_golden_file(entry: dict[str, Any]) -> None:
    path = FILES / entry["file"]
    identity = load_identity(path, entry["passphrase"])
    assert "0x" + identity.reveal().hex() == entry["private_key"]
    assert identity.address == keystore_address(path) == entry["address"]


@pytest.mark.parametrize("entry", GOLDEN[:6], ids=itemgetter("file"))
def test_golden_file_with_the_wrong_passphrase(entry: dict[str, Any]) -> None:
    if entry["passphrase"] == "":
        assert load_identity(FILES / entry["file"], "wrong").address == entry["address"]
    else:
        with pytest.raises(InvalidValue, match="the passphrase does not open"):
            load_identity(FILES / entry["file"], "wrong")


def capital_crypto(text: str) -> str:
    return text.replace('"crypto"', '"Crypto"')


def changed(**members: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | members)


def inside_crypto(**members: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(
        json.loads(text) | {"crypto": json.loads(text)["crypto"] | members}
    )


# What was done to the first file; those that were no file need nothing done.
ODD_FILES: dict[str, tuple[Callable[[str], str], str | None]] = {
    "object instead of text": (str, None),
    "text with white space around": (lambda text: f" \n\t{text}\r\n ", None),
    "not JSON": (lambda text: text[:-1], "this is not JSON"),
    "mac changed": (inside_crypto(mac="0" * 64), "needs a passphrase, or is damaged"),
    "address with 0x and checksum": (changed(address=FIRST["address"]), None),
    "address with a wrong checksum": (
        changed(address="0xDEF2cBaFEe69B3151D27eabd21B98221e749AB0c"), "is mistyped"
    ),
    # The official client takes it: it shows one address and signs for another.
    "address of another key: not compared with the private key": (
        changed(address=OTHER), f"says that it is of {OTHER}, and its key is of {FIRST['address']}"
    ),
    "no address member: it is found by unlocking with the empty passphrase": (
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "address"}), None
    ),
    "Crypto with capital C (old spelling); nonStrict lower-cases the whole text": (
        capital_crypto, None
    ),
    "all upper case text: nonStrict lower-cases the whole text": (str.upper, None),
    "version 4": (changed(version=4), "no keystore of version 3"),
    "unknown kdf": (inside_crypto(kdf="argon2"), "its kdf is none of scrypt, pbkdf2"),
}  # fmt: skip


@pytest.mark.parametrize("label", ODD_FILES)
def test_golden_odd_file(label: str, tmp_path: Path) -> None:
    change, fault = ODD_FILES[label]
    path = written(tmp_path, change((FILES / FIRST["file"]).read_text(encoding="utf-8")))
    entry = next(entry for entry in INDEX["odd_files"] if entry["label"] == label)
    if fault is None:
        assert entry["unlocked"]
        assert load_identity(path, never).reveal().hex() == KEY
        if entry["address"] != "undefined":
            assert keystore_address(path) == entry["address"]
    else:
        assert label.startswith("address of another") is entry.get("unlocked", False)
        with pytest.raises(InvalidValue) as caught:
            load_identity(path)
        assert fault in str(caught.value)
        assert str(path) in str(caught.value)


def test_no_golden_entry_is_left_out() -> None:
    assert {entry["label"] for entry in INDEX["odd_files"]} == {
        "right file, wrong passphrase",  # above, for each file
        *ODD_FILES,
    }
    assert {entry["file"] for entry in GOLDEN} == {path.name for path in FILES.glob("*.keystore")}


READ_BY_NODE = """
require('dcp-client').init({ parseArgv: false }).then(async () => {
  const wallet = require('dcp/wallet');
  const files = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const read = [];
  for (const [path, passphrase] of files) {
    const { keystore, safe } = await wallet.load(path);
    if (passphrase) await keystore.unlock(passphrase, 9);
    const key = String(await keystore.getPrivateKey());
    read.push([key, String(keystore.address), String(wallet.loadAddress(path).address), safe]);
  }
  console.log(JSON.stringify(read));
  process.exit();
});
"""


def test_the_official_client_reads_what_is_saved(tmp_path: Path) -> None:
    reason = node_process.missing()
    if reason is not None:
        pytest.skip(reason)
    keys = [bytes([1]) * 32, (1).to_bytes(32), bytes.fromhex(KEY), *map(os.urandom, [32] * 3)]
    passphrases = ["", "correct horse", "пароль-密码-é😀", " \t\n", "long " * 99, ""]
    files, expected = [], []
    for place, (key, passphrase) in enumerate(zip(keys, passphrases, strict=True)):
        identity = Identity(key)
        path = save_identity(
            identity, tmp_path / f"{place}.keystore", passphrase, scrypt_n=CHEAP if place else None
        )
        files.append([str(path), passphrase])
        expected.append(["0x" + key.hex(), identity.address, identity.address, True])
    node = subprocess.run(
        ["node", "-e", READ_BY_NODE],
        cwd=node_process.HERE, input=json.dumps(files), capture_output=True, text=True, check=True,
        env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DCP_ETCDIR": str(tmp_path),
            "DCP_RESOURCE_DIR": str(tmp_path), "DCP_CONFIG_LOCATION": "",
        },
    )  # fmt: skip
    assert json.loads(node.stdout) == expected


# Saving and loading.

passphrases = st.text(st.characters(codec="utf-8"), max_size=300)


@settings(max_examples=50)
@given(passphrases, passphrases)
@example("", "x")
@example("é", "e\u0301")  # not normalised, as in the official client
@example("0", "0\0")  # to hmac the same key; to be told apart by nobody
def test_what_is_saved_is_loaded(passphrase: str, wrong: str) -> None:
    with TemporaryDirectory() as folder:
        identity = new_identity()
        path = save_identity(identity, Path(folder, "me"), passphrase, scrypt_n=CHEAP)
        given: list[Any] = [passphrase, lambda: passphrase]
        if not passphrase:
            given = [None, "", wrong, never]
        for each in given:
            assert load_identity(path, each).reveal() == identity.reveal()
        assert keystore_address(path) == identity.address
        if passphrase.rstrip("\0") not in {"", wrong.rstrip("\0")}:
            with pytest.raises(InvalidValue, match="the passphrase does not open"):
                load_identity(path, wrong)
            with pytest.raises(InvalidValue, match="needs a passphrase"):
                load_identity(path)


def test_a_saved_keystore_has_the_members_of_the_official_ones(tmp_path: Path) -> None:
    text = save_identity(Identity(KEY), tmp_path / "me").read_text(encoding="utf-8")
    assert "\n" not in text
    ours, theirs = json.loads(text), first()
    for drawn in ("label", "timestamp", "process", "id"):
        theirs.pop(drawn)
    ours.pop("id")
    for members in (ours, theirs):
        members["crypto"] |= {"ciphertext": 64, "mac": 64}
        members["crypto"]["cipherparams"]["iv"] = len(members["crypto"]["cipherparams"]["iv"])
        members["crypto"]["kdfparams"]["salt"] = len(members["crypto"]["kdfparams"]["salt"])
    assert ours == theirs


@pytest.mark.parametrize(("passphrase", "n"), [("", 1024), ("x", 2**18)])
def test_a_real_passphrase_is_worth_more_work(passphrase: str, n: int, tmp_path: Path) -> None:
    path = save_identity(new_identity(), tmp_path / "me", passphrase)
    assert json.loads(path.read_text(encoding="utf-8"))["crypto"]["kdfparams"]["n"] == n


def test_a_saved_keystore_is_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = os.umask(0)
    try:
        path = save_identity(new_identity(), tmp_path / "new" / "folder" / "me")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    load_identity(path)
    assert caplog.records == []


def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = written(tmp_path, "kept")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    for there in (path, link, tmp_path):
        with pytest.raises(InvalidValue, match="exists, and may hold a key"):
            save_identity(new_identity(), there)
    assert path.read_text(encoding="utf-8") == "kept"
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for nowhere in (written(tmp_path, "") / "a file is no folder", tmp_path / "nul\0", "\ud800"):
        with pytest.raises(InvalidValue, match="cannot be written"):
            save_identity(new_identity(), nowhere)


# New ones.


def test_new_identities_are_new() -> None:
    assert len({new_identity().address for _ in range(50)}) == 50


def test_what_is_no_key_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([bytes(32), b"\xff" * 32, bytes.fromhex(KEY)])
    monkeypatch.setattr(secrets, "token_bytes", lambda size: next(draws))
    assert new_identity().address == FIRST["address"]


# Where they are.


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DCP_RESOURCE_DIR": "a", "XDG_DATA_HOME": "b", "HOME": "c"}, "a"),
        ({"DCP_RESOURCE_DIR": "", "XDG_DATA_HOME": "b", "HOME": "c"}, "b/dcp"),
        ({"XDG_DATA_HOME": "", "HOME": "c"}, "c/.dcp"),
    ],
)
def test_keystores_are_where_dcp_has_them(
    variables: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {name: value and str(tmp_path / value) for name, value in variables.items()}
    for name in ("id", "other"):
        with pytest.raises(InvalidValue, match=r"there is no keystore .*save_identity") as caught:
            find_identity(name, environment=environment)
        assert str(tmp_path / folder / f"{name}.keystore") in str(caught.value)
        identity = Identity(KEY) if name == "id" else new_identity()
        save_identity(identity, tmp_path / folder / f"{name}.keystore", "p", scrypt_n=CHEAP)
        found = find_identity(name, passphrase=lambda: "p", environment=environment)
        assert found.address == identity.address
    for name in ("DCP_RESOURCE_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_identity(passphrase="p").address == FIRST["address"]
    with pytest.raises(InvalidValue, match="exists"):
        save_identity(new_identity())


def test_the_home_folder_is_known_without_a_variable() -> None:
    with pytest.raises(InvalidValue) as caught:
        find_identity("no such identity", environment={})
    assert str(Path.home() / ".dcp" / "no such identity.keystore") in str(caught.value)


def test_a_name_that_is_too_long_for_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="cannot be read"):
        find_identity("a" * 300, environment={"DCP_RESOURCE_DIR": str(tmp_path)})


def test_a_name_with_the_ending_of_keystores_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_identity(Identity(KEY), "me.keystore")
    assert find_identity("me.keystore", environment={}).address == FIRST["address"]
    assert keystore_path("me.keystore", {}) == Path("me.keystore")
    assert keystore_path(environment={"HOME": "/home/me"}) == Path("/home/me/.dcp/id.keystore")


def test_a_name_with_a_slash_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    save_identity(Identity(KEY), "me")
    if os.name == "posix":
        Path("me").rename("m\\e")
        assert find_identity("m\\e", environment={}).address == FIRST["address"]
        Path("m\\e").rename("me")
    for name in ("./me", "~/me", str(tmp_path / "me")):
        assert find_identity(name, environment={}).address == FIRST["address"]
    for name in ("../me", "a\\me", "./nul\0"):
        with pytest.raises(InvalidValue, match="there is no keystore"):
            find_identity(name, environment={})
    with pytest.raises(InvalidValue, match="~nobody who is known/me is in a home folder, but"):
        find_identity("~nobody who is known/me", environment={})


@pytest.mark.skipif(os.name != "posix", reason="files have no modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_others_who_may_read_are_warned_of(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_identity(new_identity(), tmp_path / "me")
    path.chmod(mode)
    find_identity(str(path))
    (record,) = caplog.records
    assert record.name.startswith("cg.")
    assert record.levelno == logging.WARNING
    assert str(path) in record.getMessage()
    assert record.getMessage().endswith(f"chmod 600 {path}")


# What is no keystore.


def assert_opened_or_refused(content: str | bytes) -> None:
    with TemporaryDirectory() as folder:
        path = written(folder, content)
        for read in (load_identity, keystore_address):
            try:
                read(path)
            except InvalidValue as error:
                assert str(path) in str(error)  # noqa: PT017 # and if not, it is one


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
members = st.sampled_from(
    ["version", "address", "crypto", "Crypto", "kdf", "kdfparams", "n", "mac"]
)
values = json_values(scalars, members)


@settings(max_examples=50)
@given(st.binary() | st.text(any_characters) | values.map(json.dumps))
@example("")
@example("\ufeff{}")
@example('{"version":NaN}')
@example("[" * 60_000)
@example('{"version": 3, "crypto": ' + "9" * 5_000 + "}")
def test_anything_is_opened_or_refused(content: str | bytes) -> None:
    assert_opened_or_refused(content)


@settings(max_examples=100)
@given(st.data(), st.sampled_from(GOLDEN[:6]), values | st.text("0123456789abcdef", max_size=99))
def test_what_is_spoilt_is_opened_or_refused(data: st.DataObject, entry: Any, value: Any) -> None:
    whole = json.loads((FILES / entry["file"]).read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from(list(paths(whole))))
    assert_opened_or_refused(json.dumps(replaced(whole, place, value)))


BIG = 10**400


@pytest.mark.parametrize(
    ("kdf", "changes", "fault"),
    [
        ("scrypt", {"n": 2**30}, "asks for 128 \\* n \\* r \\* p bytes"),
        ("scrypt", {"n": 2**20, "p": 2}, "asks for 128"),
        ("scrypt", {"r": 2**30}, "asks for 128"),
        ("scrypt", {"p": 2**30}, "asks for 128"),
        ("scrypt", {"n": 2**9_999}, "asks for 128"),
        ("scrypt", {"r": BIG}, "asks for 128"),
        ("scrypt", {"n": 1023}, "n of scrypt must be a power of two"),
        ("scrypt", {"n": 1}, "n of scrypt must be a power of two"),
        ("scrypt", {"n": 0}, "n of scrypt must be a power of two"),
        ("scrypt", {"n": -1024}, "n of scrypt must be a power of two"),
        ("scrypt", {"r": 0}, "r and p must be positive"),
        ("scrypt", {"p": -1}, "r and p must be positive"),
        ("scrypt", {"n": "1024"}, "expected an integer, not str"),
        ("scrypt", {"n": 1024.0}, "expected an integer, not float"),
        ("scrypt", {"n": True}, "expected an integer, not bool"),
        ("scrypt", {"dklen": 31}, "dklen is not 32"),
        ("scrypt", {"dklen": 2**40}, "dklen is not 32"),
        ("scrypt", {"salt": "0x12"}, "salt is not"),
        ("scrypt", {"salt": "123"}, "salt is not"),
        ("pbkdf2", {"c": 0}, "c of pbkdf2 must be 1 to"),
        ("pbkdf2", {"c": 10_000_001}, "c of pbkdf2 must be 1 to"),
        ("pbkdf2", {"c": BIG}, "c of pbkdf2 must be 1 to"),
        ("pbkdf2", {"prf": "hmac-md5"}, "not of hmac-sha256"),
        ("pbkdf2", {"dklen": 2**40}, "dklen is not 32"),
    ],
)
def test_absurd_work_is_refused(
    kdf: str, changes: dict[str, Any], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*args: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr(eth_keyfile, "decode_keyfile_json", worked)
    entry = FIRST if kdf == "scrypt" else GOLDEN[5]
    whole = json.loads((FILES / entry["file"]).read_text(encoding="utf-8"))
    assert whole["crypto"]["kdf"] == kdf
    whole["crypto"]["kdfparams"] |= changes
    with pytest.raises(InvalidValue, match=fault):
        load_identity(written(tmp_path, json.dumps(whole)))


@pytest.mark.parametrize("name", ["ciphertext", "mac"])
@pytest.mark.parametrize("wrong", ["", "00" * 31, "00" * 33, "zz" * 32, 5])
def test_what_is_no_hex_is_refused(name: str, wrong: Any, tmp_path: Path) -> None:
    text = inside_crypto(**{name: wrong})(json.dumps(first()))
    with pytest.raises(InvalidValue, match=r"hex digits|expected a string, not int"):
        load_identity(written(tmp_path, text))


def test_an_iv_has_16_bytes(tmp_path: Path) -> None:
    for wrong in ("", "00" * 15, "00" * 17, "zz" * 16):
        text = inside_crypto(cipherparams={"iv": wrong})(json.dumps(first()))
        with pytest.raises(InvalidValue, match="iv is not 32 hex digits"):
            load_identity(written(tmp_path, text))


def test_a_keystore_is_utf_8(tmp_path: Path) -> None:
    text = changed(label="é")(json.dumps(first())).replace("\\u00e9", "é")
    for encoding in ("utf-8", "utf-8-sig"):  # some editors put a mark before it
        assert load_identity(written(tmp_path, text.encode(encoding))).reveal().hex() == KEY
    with pytest.raises(InvalidValue, match="it is not UTF-8"):
        load_identity(written(tmp_path, text.encode("latin-1")))


def test_another_cipher_is_refused(tmp_path: Path) -> None:
    text = inside_crypto(cipher="aes-128-cbc")(json.dumps(first()))
    with pytest.raises(InvalidValue, match="its cipher is not aes-128-ctr"):
        load_identity(written(tmp_path, text))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    text = json.dumps(first())
    assert load_identity(written(tmp_path, text.ljust(65_536))).reveal().hex() == KEY
    with pytest.raises(InvalidValue, match="too large for a keystore"):
        load_identity(written(tmp_path, text.ljust(65_537)))


@pytest.mark.parametrize("number", [0, 2**256 - 1])
def test_a_keystore_of_no_key_is_refused(number: int, tmp_path: Path) -> None:
    # eth-keyfile does not write such a key, so another is turned into it, and the mac with it.
    from Crypto.Hash import keccak  # noqa: PLC0415 # as the next, of this test alone
    from Crypto.Protocol.KDF import scrypt  # noqa: PLC0415

    whole = first()
    crypto = whole["crypto"]
    keystream = int(crypto["ciphertext"], 16) ^ int(KEY, 16)
    crypto["ciphertext"] = f"{keystream ^ number:064x}"
    salt = bytes.fromhex(crypto["kdfparams"]["salt"]).decode("latin-1")
    derived = scrypt("", salt, 32, 1024, 8, 1)
    assert isinstance(derived, bytes)
    content = derived[16:] + bytes.fromhex(crypto["ciphertext"])
    crypto["mac"] = keccak.new(data=content, digest_bits=256).hexdigest()
    with pytest.raises(InvalidValue, match=r"a\.keystore .*zero, or beyond the order"):
        load_identity(written(tmp_path, json.dumps(whole)))


@pytest.mark.parametrize("address", [None, "", "0x12", 5])
def test_a_file_without_an_address_names_none(address: Any, tmp_path: Path) -> None:
    path = written(tmp_path, changed(address=address)(json.dumps(first())))
    with pytest.raises(InvalidValue, match=r"names no address|not an Ethereum address|must be a"):
        keystore_address(path)
    if not address:
        assert load_identity(path).address == FIRST["address"]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for nothing in (tmp_path / "nothing", tmp_path, "nul\0", "\ud800"):
        for read in (load_identity, keystore_address):
            with pytest.raises(InvalidValue, match="cannot be read"):
                read(nothing)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a pipe")
    for nothing in (tmp_path / "a pipe", os.devnull):
        for read in (load_identity, keystore_address):
            with pytest.raises(InvalidValue, match="it is a pipe or a device"):
                read(nothing)


# Wrong arguments.


@given(anything.filter(lambda value: not isinstance(value, str | Path)))
def test_a_path_is_a_text_or_a_path(wrong: Any) -> None:
    calls: list[Callable[[Any], object]] = [load_identity, keystore_address, find_identity]
    for call in calls:
        with pytest.raises(InvalidType, match=r"^(path|name) must be a str"):
            call(wrong)
    if wrong is not None:
        with pytest.raises(InvalidType, match=r"^path must be a str"):
            save_identity(Identity(KEY), wrong, scrypt_n=CHEAP)


@given(anything.filter(lambda value: not isinstance(value, str)))
def test_a_passphrase_is_a_text(wrong: Any) -> None:
    path = FILES / "2-ascii.keystore"
    if wrong is not None and not callable(wrong):
        with pytest.raises(InvalidType, match=r"^passphrase must be a str"):
            load_identity(FILES / FIRST["file"], wrong)  # also where it is not needed
    with pytest.raises(InvalidType, match=r"^passphrase must be a str"):
        load_identity(path, lambda: wrong)
    with TemporaryDirectory() as folder, pytest.raises(InvalidType, match=r"^passphrase must be"):
        save_identity(Identity(KEY), Path(folder, "me"), wrong, scrypt_n=CHEAP)


def test_a_passphrase_is_whole_characters(tmp_path: Path) -> None:
    for call in (
        lambda: load_identity(FILES / "2-ascii.keystore", "\ud800"),
        lambda: save_identity(Identity(KEY), tmp_path / "me", "\ud800"),
    ):
        with pytest.raises(InvalidValue, match="half of a surrogate pair"):
            call()


@pytest.mark.parametrize("wrong", [0, 1, 3, 1023, 2**21, -2, True, "2", 2.0])
def test_the_work_is_a_power_of_two(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"^scrypt_n must be"):
        save_identity(Identity(KEY), tmp_path / "me", scrypt_n=wrong)
    assert list(tmp_path.iterdir()) == []


def test_other_wrong_arguments() -> None:
    with pytest.raises(InvalidType, match="identity must be an Identity, not str"):
        save_identity(KEY)  # type: ignore[arg-type] # that is the point
    with pytest.raises(InvalidValue, match="name is empty"):
        find_identity("")


# Nothing shows.

long_passphrases = st.text(storable_characters, min_size=12).map("tiger-{}".format)


def assert_tells_nothing(call: Callable[[], object], *told: str) -> None:
    """No frame of an error below the caller's own holds any of the texts."""
    error = error_of(call)
    assert error is not None
    below = error.__traceback__
    for _ in range(2):  # error_of and the call itself
        assert below is not None
        below = below.tb_next
    shown = [*tracebacks(error, below), repr(error), str(pickle.dumps(error))]
    for text in told:
        for form in (text, repr(text)[1:-1], repr(text.encode())[2:-1], text.encode().hex()):
            assert not any(form in each for each in shown)


def test_these_tests_would_see_what_shows() -> None:
    def tells(passphrase: str) -> None:
        raise ValueError(len(passphrase))

    with pytest.raises(AssertionError):
        assert_tells_nothing(lambda: tells("tiger tiger"), "tiger tiger")


@settings(max_examples=20)
@given(long_passphrases)
def test_a_failure_shows_no_passphrase(passphrase: str) -> None:
    locked = FILES / "2-ascii.keystore"
    half = passphrase + "\ud800"
    listed: Any = [passphrase]
    for call in (
        lambda: load_identity(locked, passphrase),
        lambda: load_identity(locked, lambda: passphrase),
        lambda: load_identity(locked, half),
        lambda: load_identity(locked, listed),
        lambda: load_identity(locked, lambda: listed),
        lambda: load_identity("nothing", passphrase),
        lambda: find_identity("nothing", passphrase=passphrase, environment={"HOME": "nowhere"}),
        lambda: find_identity(str(locked), passphrase=passphrase),
        lambda: find_identity("", passphrase=passphrase, environment={"P": passphrase}),
        lambda: save_identity(Identity(KEY), locked, passphrase, scrypt_n=CHEAP),
        lambda: save_identity(Identity(KEY), locked, half, scrypt_n=CHEAP),
        lambda: save_identity(Identity(KEY), locked, listed, scrypt_n=CHEAP),
        lambda: save_identity(Identity(KEY), locked, passphrase, scrypt_n=5),
    ):
        assert_tells_nothing(call, passphrase)


def loading(path: Path) -> Callable[[], object]:
    return lambda: load_identity(path)


def test_a_failure_shows_nothing_of_the_file(tmp_path: Path) -> None:
    """With the empty passphrase, what the file holds is as good as the key."""
    ciphertext = first()["crypto"]["ciphertext"]
    changes = [change for change, fault in ODD_FILES.values() if fault is not None]
    for change in changes:
        path = written(tmp_path, change(json.dumps(first())))
        assert_tells_nothing(loading(path), KEY, ciphertext)
    # A key where a keystore should be is no keystore, and is not shown.
    path = written(tmp_path, KEY)
    assert_tells_nothing(lambda: load_identity(path), KEY)
    assert_tells_nothing(lambda: keystore_address(path), KEY)
    path = written(tmp_path, ciphertext + "\udc00")
    assert_tells_nothing(lambda: load_identity(path), ciphertext)
    path = written(tmp_path, changed(address=5)(json.dumps(first())))
    assert_tells_nothing(lambda: keystore_address(path), ciphertext)


@pytest.mark.parametrize("work", [find_identity, load_identity, keystore_address])
@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_key_in_place_of_a_path_does_not_show(work: Callable[[str], object], prefix: str) -> None:
    key = "5e" * 32
    error = error_of(lambda: work(prefix + key))
    assert isinstance(error, InvalidValue)
    assert "looks like a private key" in str(error)
    assert key not in str(error)


def test_an_identity_that_was_loaded_shows_no_key() -> None:
    identity = load_identity(FILES / FIRST["file"])
    for appearance in appearances(identity):
        assert KEY not in (appearance if isinstance(appearance, str) else appearance.hex())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_a_failure_inside_the_library_shows_nothing(
    failure: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        try:
            int(str(args))
        except ValueError:
            raise failure from None

    monkeypatch.setattr(eth_keyfile, "decode_keyfile_json", fails)
    monkeypatch.setattr(eth_keyfile, "create_keyfile_json", fails)
    for call in (
        lambda: load_identity(FILES / FIRST["file"], "tiger tiger"),
        lambda: save_identity(Identity(KEY), tmp_path / "me", "tiger tiger"),
    ):
        with pytest.raises(failure) as caught:
            call()
        assert caught.value.__context__ is None
        assert caught.tb.tb_next is not None
        below = caught.tb.tb_next.tb_next  # below the call, which has the passphrase in its source
        assert not any(
            "tiger" in shown or KEY in shown for shown in tracebacks(caught.value, below)
        )
    assert list(tmp_path.iterdir()) == []


def test_what_asks_for_a_passphrase_fails_as_it_fails() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        load_identity(FILES / "2-ascii.keystore", interrupted)
    assert caught.traceback[-1].name == "interrupted"


# The extra.


WITHOUT_THE_EXTRA = """
import sys
sys.modules["eth_keyfile"] = None
from cg_backends.keystores import keystore_address, load_identity, new_identity, save_identity
print(keystore_address(sys.argv[1]))
for call in (lambda: load_identity(sys.argv[1]), lambda: save_identity(new_identity(), "never")):
    try:
        call()
    except ModuleNotFoundError as error:
        print(error)
"""


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, str(FILES / FIRST["file"])],
        capture_output=True, check=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(DATA.parent.parent)},
    )  # fmt: skip
    said = "keystores need eth-keyfile: pip install 'compute-groups[keystore]'"
    assert run.stdout.splitlines() == [FIRST["address"], said, said]
    assert list(tmp_path.iterdir()) == []


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    program = "import sys, cg_backends.keystores; print('eth_keyfile' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert run.stdout.strip() == "False"


def test_opening_a_keystore_leaves_the_recursion_limit_as_it_was() -> None:
    """A library below raises it so far that deep JSON, of a peer's, would end the process."""
    program = (
        "import sys, cg_backends.keystore_files as k; before = sys.getrecursionlimit(); "
        "k._eth_keyfile(); print(before == sys.getrecursionlimit())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    assert run.stdout.strip() == "True"
