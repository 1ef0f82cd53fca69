"""A fault at any point of our code, and all that its traceback's frames hold (C-13).

Whatever a program makes of an exception (rich, Sentry, cgitb, a log with all locals) shows at most
this. A fault is raised where one of our functions is about to begin, one after the other.

Below the door (where a secret is hashed, a key made ready) no frame may hold the secret. What is
signed and sent is text, in which the join hash stands, so frames that write or read it may hold
that; an error that is raised on purpose leaves them behind.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import attrs
import pytest

from cg_backends.keystores import load_identity, save_identity
from cg_backends.memory import World
from cg_backends.random_text import random_text
from cg_core import Client, ComputeGroupsError, CreateGroup, Identity, join_hash, to_operation
from cg_core.session import Instant, RandomIdentifiers, Role, Session, Target

SECRET: Final = "tiger-QWERTYUIOP"
PASSPHRASE: Final = "panther-ZXCVBNM"
KEY: Final = bytes(range(0xA0, 0xC0))
HASH: Final = join_hash("farm", SECRET).reveal().removeprefix("eh1-")
ADDRESS: Final = "0x8e077691A9f7152F7F709479233d06FA5273c15d"
JOB: Final = "P+Y4IApeFQLrYS2W7MkVg7"
NOW: Final = Instant(0.0, 1.8e9)
HERE: Final = str(Path(__file__).parent.parent.parent)
DOOR: Final = {
    "clients": {"_calling.<locals>.method", "_made"},
    "requests": {
        "CreateGroup.__init__", "ChangeGroup.__init__", "AddJob.__init__", "_new_credentials",
    },
    "descriptors": {"Descriptor.__init__", "shown_join_hash"},
    "join_hashes": {"join_hash", "JoinHash.__init__", "JoinHash._of_digest", "_hash_fault"},
    "text": {"text_fault"},
    "hashing": {"personal_message_digest"},
    "identity": {"Identity.__new__", "_scalar_or_fault"},
    "secp256k1": {"private_scalar"},
    "keystores": {"save_identity", "load_identity"},
    "keystore_files": {"hiding"},
}  # fmt: skip
"""The functions that are given a secret, and let go of it before they end."""


class Fault(Exception):
    """What nobody foresaw."""


@attrs.frozen
class Held:
    """Something that a frame of a traceback holds."""

    module: str
    function: str
    name: str


def fault_at(number: int, call: Callable[[], object]) -> BaseException | None:
    """What comes of a call in which a function of ours fails to begin; None where none did."""
    begun = 0

    def trace(frame: FrameType, event: str, _: object) -> None:
        nonlocal begun
        name = frame.f_code.co_filename
        if event == "call" and name.startswith((f"{HERE}/cg_core/", f"{HERE}/cg_backends/")):
            begun += 1
            if begun == number:
                raise Fault

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except (Fault, ComputeGroupsError) as error:
        return error
    finally:
        sys.settrace(before)  # it may be coverage's
    return Fault() if begun >= number else None  # it was swallowed


def frames(error: BaseException | None) -> Iterator[FrameType]:
    """The frames of an error, and of all that led to it, but for those of this file."""
    while error is not None:
        below = error.__traceback__
        while below is not None:
            if below.tb_frame.f_code.co_filename != __file__:
                yield below.tb_frame
            below = below.tb_next
        error = error.__cause__ or error.__context__


def holding(error: BaseException, *secrets: str) -> Iterator[Held]:
    """What in its frames shows one of the secrets."""
    for frame in frames(error):
        for name, value in frame.f_locals.items():
            if any(secret in shown(value) for secret in secrets):
                code = frame.f_code
                yield Held(Path(code.co_filename).stem, code.co_qualname, name)


def shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:
        return ""  # it was not made to the end


def all_held(make: Callable[[], Callable[[], object]], *secrets: str) -> set[Held]:
    """What is held by faults at each point of a call, which is made anew for each."""
    held: set[Held] = set()
    for number in range(1, 10_000):
        error = fault_at(number, make())
        if error is None:
            assert number > 5
            return held
        held |= set(holding(error, *secrets))
    raise AssertionError("the call has no end")


def forms(secret: bytes | str) -> tuple[str, ...]:
    """How a secret might show."""
    data = secret.encode() if isinstance(secret, str) else secret
    text = (secret,) if isinstance(secret, str) else ()
    return (*text, data.hex(), repr(data)[2:-1], str(list(data)))


def in_memory(use: Callable[[Client], object]) -> Callable[[], Callable[[], object]]:
    def make() -> Callable[[], object]:
        client = World().connect(ADDRESS)
        client.create("farm", join_key="farm", join_secret=SECRET)
        return lambda: use(client)

    return make


def keystore(use: Callable[[Path], object]) -> Callable[[], Callable[[], object]]:
    def make() -> Callable[[], object]:
        folder = Path(tempfile.mkdtemp())
        save_identity(Identity(KEY), folder / "there", PASSPHRASE, scrypt_n=2)
        return lambda: use(folder)

    return make


IDENTITY: Final = Identity(KEY)
AT_THE_DOOR: Final[dict[str, tuple[Callable[[], Callable[[], object]], bytes | str]]] = {
    "create": (
        in_memory(lambda client: client.create("n", join_key="barn", join_secret=SECRET)),
        SECRET,
    ),
    "create with a hash": (
        in_memory(lambda client: client.create("n", join_key="barn", join_hash=f"eh1-{HASH}")),
        bytes.fromhex(HASH),
    ),
    "change_group": (
        in_memory(lambda client: client.change_group(2, join_key="farm", join_secret=SECRET)),
        SECRET,
    ),
    "add_job": (
        in_memory(lambda client: client.add_job("farm", JOB, join_secret=SECRET)), SECRET,
    ),
    "Identity of text": (lambda: lambda: Identity(KEY.hex()), KEY),
    "Identity of bytes": (lambda: lambda: Identity(KEY), KEY),
    "save_identity": (
        keystore(lambda folder: save_identity(IDENTITY, folder / "k", PASSPHRASE, scrypt_n=2)),
        PASSPHRASE,
    ),
    "the key of save_identity": (
        keystore(lambda folder: save_identity(IDENTITY, folder / "k", PASSPHRASE, scrypt_n=2)),
        KEY,
    ),
    "load_identity": (
        keystore(lambda folder: load_identity(folder / "there", PASSPHRASE)), PASSPHRASE,
    ),
    "the key of load_identity": (
        keystore(lambda folder: load_identity(folder / "there", PASSPHRASE)), KEY,
    ),
}  # fmt: skip


@pytest.mark.usefixtures("temporary_folder")
@pytest.mark.parametrize("call", AT_THE_DOOR)
def test_a_fault_anywhere_holds_a_secret_at_the_door_alone(call: str) -> None:
    make, secret = AT_THE_DOOR[call]
    held = all_held(make, *forms(secret))
    beyond = {each for each in held if each.function not in DOOR.get(each.module, set())}
    assert beyond == set()


def test_these_tests_would_see_what_is_held() -> None:
    held = all_held(in_memory(lambda client: client.create(SECRET)), SECRET)
    assert Held("rules", "_create_group", "request") in held


# On the wire, in both directions.


def met() -> tuple[Session, Target]:
    """Both ends of a session."""
    client = Session(Role.INITIATOR, IDENTITY, RandomIdentifiers(Role.INITIATOR, random_text))
    target = Target(Identity(b"\2" * 32), random_text)
    client.start(NOW)
    client.transport_opened("link", NOW)
    target.transport_opened("link", NOW)
    while texts := client.data_to_send(NOW):
        for _, text in texts:
            target.receive("link", text, NOW)
        for _, text in target.data_to_send(NOW):
            client.receive("link", text, NOW)
    return client, target


def sending() -> Callable[[], object]:
    client, _ = met()
    create = CreateGroup("n", join_key="farm", join_secret=SECRET)
    client.request(partial(to_operation, create), NOW)
    return lambda: client.data_to_send(NOW)


def receiving() -> Callable[[], object]:
    client, target = met()
    create = CreateGroup("n", join_key="farm", join_secret=SECRET)
    client.request(partial(to_operation, create), NOW)
    ((_, text),) = client.data_to_send(NOW)
    return partial(target.receive, "link", text, NOW)


WRITERS: Final = {
    "ecmascript_json", "message_texts", "sealed", "signatures", "hashing", "delivery",
    "messages", "json_shapes", "converters", "session", "target",
}  # fmt: skip
"""The modules that write or read the text of messages, and pass it on."""


@pytest.mark.parametrize("make", [sending, receiving])
def test_on_the_wire_a_fault_holds_no_secret_and_the_hash_as_part_of_a_text_alone(
    make: Callable[[], Callable[[], object]],
) -> None:
    assert all_held(make, *forms(SECRET), *forms(KEY)) == set()
    held = all_held(make, HASH)
    assert held  # it stands in what is sent
    assert {each.module for each in held} <= WRITERS


def errors_on_purpose() -> Iterator[ComputeGroupsError]:
    """What is raised, or told, where the other end does not do as it should."""
    client, target = met()
    create = CreateGroup("n", join_key="farm", join_secret=SECRET)
    client.request(partial(to_operation, create), NOW)
    ((_, text),) = client.data_to_send(NOW)
    for altered in (text[:-9], text.replace('"name":"n"', '"name":7'), text + " ", "{}"):
        other, _ = met()
        other.receive("link", altered, NOW)
        target.receive("link", altered, NOW)
        yield from (each.error for each in told(other) if getattr(each, "error", None))
    client.receive("link", "{}", NOW)
    client.handle_timeout(Instant(10_000.0, NOW.unix + 10_000))
    yield from (each.error for each in told(client) if getattr(each, "error", None))
    while (found := target.next_event()) is not None:
        if error := getattr(found[1], "error", None):
            yield error


def told(session: Session) -> Iterator[Any]:
    return iter(session.next_event, None)


def test_what_is_raised_on_purpose_holds_neither() -> None:
    errors = list(errors_on_purpose())
    assert len(errors) > 2
    for error in errors:
        assert list(holding(error, *forms(SECRET), HASH, *forms(KEY))) == []
        assert not any(form in str(error) + repr(vars(error)) for form in (*forms(SECRET), HASH))
