"""The library's messages in the words of the command line: what the library really says."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_backends.cli.wording import worded
from cg_backends.conformance import ALICE, BOB
from cg_backends.http import network_error, own_client
from cg_backends.keystores import keystore_address, keystore_path, load_identity, save_identity
from cg_backends.memory import World, connect
from cg_backends.sql import Store
from cg_backends.sync import connect as connect_to_service
from cg_core import (
    Address,
    ComputeGroupsError,
    CreateGroup,
    Descriptor,
    JobId,
    JoinHash,
    JoinSecret,
    OpaqueId,
)
from cg_core.identifiers import checked_integer
from cg_core.properties import amount_from_text
from cg_core.remote import Options, ServiceURL

JOB = "1" * 22
URL = "http://farm.example/"
WORLD = World()
alice, bob = (connect(identity=identity, world=WORLD) for identity in (ALICE, BOB))
alice.create("farm", join_key="farm", join_secret="s3cret", deploy_access="join")
alice.create("full", join_key="full", max_concurrent_jobs=0)
alice.create("a str", join_key="a str")
BROKEN = {"version": 3, "crypto": {}}


def opened(text: str, folder: Path) -> object:
    """What a keystore with a text holds."""
    path = folder / "key.keystore"
    path.write_text(text)
    path.chmod(0o600)
    return load_identity(path)


def kept(change: Callable[[Any], object]) -> Callable[[Path], object]:
    """Reads a keystore that was in order before a change."""

    def read(folder: Path) -> object:
        path = save_identity(ALICE, folder / "a.keystore")
        members = json.loads(path.read_text())
        change(members)
        return opened(json.dumps(members), folder)

    return read


def without_address(folder: Path) -> object:
    path = folder / "key.keystore"
    path.write_text("{}")
    return keystore_address(path)


def locked(folder: Path) -> object:
    return load_identity(save_identity(ALICE, folder / "key.keystore", "sesame", scrypt_n=2))


def not_made(environment: pytest.MonkeyPatch) -> object:
    environment.setenv("HTTPS_PROXY", "ftp://farm.example")
    return own_client(httpx.Client, Options(URL))


def distrust() -> ssl.SSLError:
    """As OpenSSL's errors are."""
    error = ssl.SSLCertVerificationError(1, "self-signed")
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    error.verify_code = 18
    return error


def unencrypted(_: Path) -> object:
    with connect_to_service(URL, identity=ALICE) as groups:
        return groups.create("x", join_key="x", join_secret="s3cret")


def raised(error: ComputeGroupsError) -> object:
    raise error


SECRET = "give its join key and, where it has one, its join secret"
NO_KEYSTORE = "{folder}/key.keystore is no keystore, or a damaged one: "
MEND = "; restore it from a copy"
EXAMPLE = "sqlite:///compute-groups.db"

SAID: list[tuple[Callable[[Path], object], str]] = [
    # Groups and jobs
    (lambda _: alice.get_group("2"), "there is no group with join key '2'"),
    (lambda _: alice.get_group(77), "there is no group 77"),
    (
        lambda _: alice.get_group(OpaqueId("1" * 22)),
        f"there is no group {'1' * 22}",
    ),
    (
        lambda _: bob.add_job("farm", JOB),
        f"the credentials for group with join key 'farm' are missing or wrong; {SECRET}",
    ),
    (
        lambda _: alice.remove_job("a str", JOB),
        f"job {JOB} is not in group with join key 'a str'; `cg list-jobs` says which are",
    ),
    (
        lambda _: alice.add_job("full", JOB),
        "group with join key 'full' has 0 jobs, which is its --max-concurrent-jobs",
    ),
    (
        lambda _: alice.create("x", join_key="a str"),
        "there is a group with join key 'a str' already; choose another",
    ),
    # What is typed
    (lambda _: CreateGroup(""), "name has 0 characters; give 1 to 255"),
    (lambda _: CreateGroup("\udcff"), "name is not UTF-8"),
    (lambda _: CreateGroup("a\0"), "name holds NUL; take it out"),
    (lambda _: CreateGroup("x", join_key=""), "--join-key has 0 characters; give 1 to 255"),
    (lambda _: JoinSecret("x" * 256), "the join secret has 256 characters; give 1 to 255"),
    (
        lambda _: JoinHash("eh1-"),
        (
            "the join hash (4 characters) is not a hash: give 'eh1-' and 64 lower-case hex "
            "digits, as `cg hash` makes them"
        ),
    ),
    (
        lambda _: CreateGroup("x", join_address="0x12"),
        "--join-address (4 characters) is not an Ethereum address: give 0x and 40 hex digits",
    ),
    (
        lambda _: Address("0x" + "Aa" * 20, "join_address"),
        (
            "--join-address is mistyped: the case of its letters is a checksum (EIP-55), and it is "
            "wrong; compare it with its source, letter by letter"
        ),
    ),
    (
        lambda _: CreateGroup("x", opaque_id="short"),
        "--opaque-id (5 characters) is not an opaque id: give 22 characters A-Z, a-z, 0-9",
    ),
    (
        lambda _: JobId("abcd"),
        (
            "job (4 characters) is not a job id: give 22 characters of the base64 alphabet, or an "
            "Ethereum address"
        ),
    ),
    (
        lambda _: Descriptor("farm", join_key="barn"),
        (
            "group and --join-key are two join keys; give one of them, or the group's id beside "
            "its join key"
        ),
    ),
    (
        lambda _: CreateGroup("x", max_concurrent_jobs=-1),
        "--max-concurrent-jobs must be from 0 to 2^63 - 1",
    ),
    (lambda _: checked_integer("--id", 0, least=1), "--id must be from 1 to 2^63 - 1"),
    (
        lambda _: amount_from_text("deploy_fee", "much"),
        "--deploy-fee is not a decimal number, as '0.1'",
    ),
    (lambda _: CreateGroup("x", deploy_fee=Decimal("NaN")), "--deploy-fee is not a number"),
    (
        lambda _: CreateGroup("x", deploy_access="all"),  # type: ignore[arg-type] # a wrong one
        "--deploy-access must be 'owner' or 'join'",
    ),
    (lambda _: CreateGroup(5), "name must be a text, not int"),  # type: ignore[arg-type] # likewise
    # Services
    (
        lambda _: ServiceURL.parse("http://me:tiger@farm.example/", "--service"),
        "--service must hold no user or password; `cg` sends none",
    ),
    (
        lambda _: ServiceURL.parse("ab" * 32, "CG_SERVICE"),
        "CG_SERVICE looks like a private key; a keystore holds one, and no argument",
    ),
    (
        lambda _: Options(URL, service_address="0x12"),
        "--service-address (4 characters) is not an Ethereum address: give 0x and 40 hex digits",
    ),
    (
        unencrypted,
        (
            "a join secret's hash would go to http://farm.example/ unencrypted, and whoever reads "
            "it can join; use https, or say --insecure"
        ),
    ),
    (
        lambda _: raised(network_error(distrust(), URL)),
        (
            f"TLS with {URL} failed: self-signed; for another machine than this one, "
            "SSL_CERT_FILE names a CA of your own"
        ),
    ),
    # Databases
    (
        lambda _: Store(URL),
        f"the url is that of a service, which --service names; that of a database is {EXAMPLE}...",
    ),
    (
        lambda _: Store("sqlite://"),
        (
            "the url names no file; write sqlite:///name.db, or sqlite:////folder/name.db from the "
            "root."
        ),
    ),
    (
        lambda _: Store("sqlite+aiosqlite:///x.db"),
        "the driver aiosqlite is an asynchronous one; leave it away for ours",
    ),
    # Keystores
    (
        lambda _: keystore_path("ab" * 32),
        "name looks like a private key; a keystore holds one, and no argument",
    ),
    (
        without_address,
        "the keystore {folder}/key.keystore names no address; it is damaged, or another program's",
    ),
    (locked, "the keystore {folder}/key.keystore needs a passphrase, or is damaged"),
    (
        kept(lambda members: members["crypto"].pop("mac")),
        f"{NO_KEYSTORE}crypto.mac is missing{MEND}",
    ),
    (
        kept(lambda members: members["crypto"]["kdfparams"].update(n="1024")),
        f"{NO_KEYSTORE}n is not an integer{MEND}",
    ),
    (
        kept(lambda members: members.update(crypto=[])),
        f"{NO_KEYSTORE}crypto is not an object{MEND}",
    ),
    (
        lambda folder: opened("{", folder),
        f"{NO_KEYSTORE}...",
    ),
]


def message_of(call: Callable[[Path], object], folder: Path) -> str:
    """What the library says."""
    with pytest.raises(ComputeGroupsError) as refused:
        call(folder)
    return refused.value.message


@pytest.mark.parametrize(("call", "wanted"), SAID, ids=[wanted[:30] for _, wanted in SAID])
def test_what_the_library_says_is_said_to_who_sits_at_a_shell(
    call: Callable[[Path], object], wanted: str, tmp_path: Path
) -> None:
    said, expected = worded(message_of(call, tmp_path)), wanted.format(folder=tmp_path)
    if expected.endswith("..."):
        said, expected = said[: len(expected) - 3], expected[:-3]
    assert said == expected


def test_an_environment_without_a_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ComputeGroupsError) as refused:
        not_made(monkeypatch)
    assert worded(refused.value.message).endswith(
        "look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
    )


PYTHONS = re.compile(
    r"\ba str\b|\ban int\b|Decimal|[a-z]_[a-z]|http=|=True|Identity\(|\(\)|cg_|surrogate|expected|"
    "list_jobs|an OpaqueId"
)


def test_nothing_of_pythons_is_left(tmp_path: Path) -> None:
    """But in what is quoted."""
    for call, _ in SAID:
        said = worded(message_of(call, tmp_path)).replace(str(tmp_path), "")
        assert PYTHONS.search(re.sub(r"'[^']*'", "", said)) is None


SOME = ["a str", "an int", "(a str)", "join_key", "insecure=True", "join_hash()", "as", "or"]
texts = st.one_of(
    st.text(), st.lists(st.sampled_from([*SOME, *"'\"\\ ;:/.-_a"])).map("".join)
)  # fmt: skip


@given(texts)
def test_what_is_said_otherwise_stays_as_it_is(text: str) -> None:
    said = worded(text)
    if PYTHONS.search(text) is None:
        assert said == text


@given(texts)
def test_what_is_quoted_stays_as_it_is(text: str) -> None:
    assert worded(f"see {text!a} there") == f"see {text!a} there"


@pytest.mark.parametrize(
    "path", ["/home/join_key/id.keystore", "an/opaque_id", "join_hash.txt", "x-join_secret"]
)
def test_paths_and_names_of_others_stay_as_they_are(path: str) -> None:
    assert worded(f"{path} is damaged") == f"{path} is damaged"
