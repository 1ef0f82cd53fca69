"""Other texts with the same meaning, and the same text with other meanings: neither is any use."""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import Final

import pytest

from cg_backends.memory import World
from cg_backends.random_text import random_text
from cg_core import (
    Caller,
    CreateGroup,
    Identity,
    ListGroups,
    Operation,
    ProtocolError,
    to_operation,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.errors import GroupNotFound
from cg_core.operations import from_operation
from cg_core.sealed import seal, unseal
from cg_core.session import Instant, RandomIdentifiers, RequestReceived, Role, Session, Target
from cg_core.signatures import Signature

ALICE: Final = Identity(b"\1" * 32)
SERVICE: Final = Identity(b"\2" * 32)
NOW: Final = Instant(0.0, 1.8e9)
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def twin(text: str) -> str:
    """The same text with the other signature that its signer might have made: s for -s."""
    sealed = parse(text)
    assert isinstance(sealed, dict)
    rsv = Signature.from_json(sealed["signature"]).rsv
    high = (ORDER - int.from_bytes(rsv[32:64])).to_bytes(32)
    return stringify(
        sealed | {"signature": Signature(rsv[:32] + high + bytes([rsv[64] ^ 1])).to_json()}
    )


def in_arrays(text: str) -> str:
    """The same text with the numbers of its signature as arrays, which is another way to say it."""
    sealed = parse(text)
    assert isinstance(sealed, dict)
    signature = sealed["signature"]
    assert isinstance(signature, dict)
    bare = {name: signature[name]["data"] for name in ("r", "s")}  # type: ignore[index, call-overload] # Buffers
    return stringify(sealed | {"signature": {**bare, "v": signature["v"]}})


def in_lower_case(text: str) -> str:
    return text.replace(ALICE.address, ALICE.address.lower())


def with_more(text: str) -> str:
    return text[:-1] + ',"nobody":"signed this"}'


@pytest.mark.parametrize("altered", [twin, in_arrays, in_lower_case, with_more])
def test_a_text_that_says_the_same_is_the_same_and_acted_on_once(altered: object) -> None:
    """Whoever is between the ends can make these; so no text counts by how it looks."""
    assert callable(altered)
    client = Session(Role.INITIATOR, ALICE, RandomIdentifiers(Role.INITIATOR, random_text))
    target = Target(SERVICE, random_text)
    client.start(NOW)
    client.transport_opened("a", NOW)
    target.transport_opened("a", NOW)
    client.request(partial(to_operation, ListGroups()), NOW)
    acted_on = 0
    while texts := client.data_to_send(NOW):
        for _, text in texts:
            assert unseal(altered(text)) == unseal(text)
            for each in (altered(text), text, altered(text)):
                target.receive("a", each, NOW)
            while (event := target.next_event()) is not None:
                acted_on += isinstance(event[1], RequestReceived)
        for _, text in target.data_to_send(NOW):
            client.receive("a", text, NOW)
    assert acted_on == 1


BODY: Final = '{"type":"ack","dcpsid":"a session","token":"a token","nonce":"a nonce"}'


def signed(body: str) -> str:
    return seal(ALICE, body)


@pytest.mark.parametrize(
    "text",
    [
        signed(BODY[:-1] + ',"nonce":"another"}'),
        signed(BODY[:-1] + ',"\\u006eonce":"a nonce"}'),
        signed(BODY.replace('"a nonce"', '"a\\u0020nonce"')),
        signed(BODY.replace(":", ": ", 1)),
        signed(BODY[:-1] + ',"time":1.0}'),
        signed(BODY[:-1] + ',"time":1E2}'),
        signed(BODY[:-1] + ',"time":-0}'),
        signed(BODY[:-1] + ',"time":9007199254740993}'),
        signed(BODY[:-1] + ',"a":1,"1":1}'),
        signed(BODY[:-1] + ',"a":"\\ud83d\\ude00"}'),
        signed(BODY) + " ",
        "\ufeff" + signed(BODY),
        signed(BODY)[:-1] + f',"body":{BODY}}}',
        signed(BODY).replace('{"owner"', '{"body":{},"owner"'),
        signed(BODY).replace('"v":2', '"v":02'),
        signed(BODY).replace('"data":[', '"data":[0', 1),
    ],
)
def test_a_text_that_could_be_read_as_another_is_none(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unseal(text)
    assert caught.value.code == "EINVAL"


def test_names_of_javascripts_own_are_names_like_others() -> None:
    """No object of ours has a prototype that a text could alter; and it is printed as it came."""
    body = '{"__proto__":{"admin":true},"constructor":{"prototype":1},"toString":null,"type":"ack"}'
    assert stringify(unseal(signed(body)).body) == body


@pytest.mark.parametrize("v", ["0", "1", "27", "28"])
def test_no_other_recovery_id_makes_another_signer_of_it_that_is_believed(v: str) -> None:
    text = signed(BODY)
    right = text[text.index('"v":') + 4 :][:2]
    altered = text.replace(f'"v":{right}', f'"v":{v}')
    if int(v) % 27 == int(right) % 27:
        assert unseal(altered).owner == ALICE.address
    else:
        with pytest.raises(ProtocolError):
            unseal(altered)


def test_an_owner_in_letters_that_only_look_alike_is_none() -> None:
    for owner in (
        ALICE.address.replace("a", "\u0430"),
        "\uff10" + ALICE.address[1:],
        "0X" + ALICE.address[2:],
    ):
        with pytest.raises(ProtocolError):
            unseal(signed(BODY).replace(ALICE.address, owner))


def test_join_keys_that_unicode_calls_the_same_are_two_and_so_are_their_secrets() -> None:
    world = World()
    owner = world.connect(ALICE.address)
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    owner.create("composed", join_key=composed, join_secret=composed)
    with pytest.raises(GroupNotFound):
        owner.add_job(decomposed, "P+Y4IApeFQLrYS2W7MkVg7", join_secret=composed)
    owner.create("decomposed", join_key=decomposed, join_secret=composed)
    hashes = [
        CreateGroup("x", join_key=key, join_secret=secret).join_hash
        for key in (composed, decomposed)
        for secret in (composed, decomposed)
    ]
    assert len(set(hashes)) == 4


def test_the_signature_of_one_text_is_of_no_other_even_within_a_session() -> None:
    """An ack's signature, a grant's, a message's: all are of the very bytes of a body."""
    text, other = signed(BODY), BODY.replace("a nonce", "A nonce")
    with pytest.raises(ProtocolError, match="not signed by its owner"):
        unseal(text.replace(BODY, other))


def test_who_says_that_it_is_another_caller_is_not() -> None:
    """A request's data may say what it likes of who calls."""
    data = {
        "joinDescriptor": {},
        "name": "farm",
        "owner": SERVICE.address,
        "caller": SERVICE.address,
    }
    world = World()
    request = from_operation(Operation("createGroup", data), "a session")
    world.execute(request, Caller(ALICE.address))
    assert world.connect(SERVICE.address).list_groups() == ()
    assert len(world.connect(ALICE.address).list_groups()) == 1
