"""Authorization: who may act for another address is who that address has signed for (C-9)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import Address, Identity, ProtocolError
from cg_core.ecmascript_json import parse, stringify
from cg_core.session.authorization import MOST_SIGNATURES, authorized, proved_addresses
from cg_core.session.message_texts import body_text, payload_text
from cg_core.session.messages import (
    Auth,
    Grant,
    Request,
    RequestPayload,
    Validity,
    from_body,
)
from cg_core.signatures import Signature
from tests.core.json_values import paths, replaced
from tests.core.session.test_message_texts import json, payloads
from tests.golden import golden
from tests.transcripts import load

RESOURCE, ACCESSOR, GUARDIAN, STRANGER = (Identity(bytes([number]) * 32) for number in range(1, 5))
RECORDED_RESOURCE = Identity(
    next(key["private_key"] for key in golden("signing")["keys"] if key["id"] == "k4")
)
ALL = (RESOURCE, ACCESSOR, GUARDIAN, STRANGER)
PAYLOAD = RequestPayload(
    operation="addJobToGroups", data={"job": "j"}, validity=Validity(stamp="s", ttl=120, time=5)
)
NOBODY: frozenset[Address] = frozenset()


def made(payload: RequestPayload = PAYLOAD, resource: Identity = RESOURCE) -> Request:
    """A request that proves that the accessor may act for the resource."""
    payload, auth = authorized(
        payload, resource=resource, guardian=GUARDIAN.address, accessor=ACCESSOR.address
    )
    return Request(id="i", payload=payload, auth=auth)


def proved(request: Request) -> frozenset[Address]:
    return proved_addresses(request, guardian=GUARDIAN.address, accessor=ACCESSOR.address)


def signed(payload: RequestPayload, *signers: Identity) -> Auth:
    text = payload_text(payload)
    return {signer.address: Signature.of(signer, text) for signer in signers}


def grant(
    resource: str = RESOURCE.address,
    guardian: str = GUARDIAN.address,
    accessor: str = ACCESSOR.address,
) -> Grant:
    return Grant(resource=resource, guardian=guardian, accessor=accessor)


# A payload that comes is read from text, so a validity that cannot be read is none.
@given(payloads, st.sampled_from(ALL))
def test_round_trip(payload: RequestPayload, resource: Identity) -> None:
    request = made(payload, resource)
    received = from_body(parse(body_text(request)))
    assert isinstance(received, Request)
    assert proved(received) == {resource.address}
    assert received.payload == attrs.evolve(payload, allow=(grant(resource.address),))


@given(payloads, st.data())
def test_an_altered_payload_proves_nothing(payload: RequestPayload, data: st.DataObject) -> None:
    request = made(payload)
    body: Any = parse(body_text(request))
    path = data.draw(st.sampled_from(list(paths(body["payload"]))))
    new = data.draw(json | st.sampled_from([GUARDIAN.address, STRANGER.address, "s", 120, 5]))
    body["payload"] = replaced(body["payload"], path, new)
    try:
        received = from_body(body)
    except ProtocolError:
        return
    assert isinstance(received, Request)
    assume(payload_text(received.payload) != payload_text(request.payload))
    assert proved(received) == NOBODY


@given(st.binary(min_size=64, max_size=64), st.integers(0, 1))
def test_any_other_signature_proves_nothing(rs: bytes, v: int) -> None:
    other = Signature(rs + bytes([v]))
    request = made()
    assume(other != request.auth[RESOURCE.address])
    assert proved(attrs.evolve(request, auth={RESOURCE.address: other})) == NOBODY


@given(*(st.sampled_from(ALL) for _ in range(4)))
def test_only_the_resource_can_grant_and_only_to_these_two(
    signer: Identity, resource: Identity, guardian: Identity, accessor: Identity
) -> None:
    payload = attrs.evolve(
        PAYLOAD, allow=(grant(resource.address, guardian.address, accessor.address),)
    )
    auth: Auth = {resource.address: Signature.of(signer, payload_text(payload))}
    granted = signer is resource and guardian is GUARDIAN and accessor is ACCESSOR
    expected = {resource.address} if granted else NOBODY
    assert proved(Request(id="i", payload=payload, auth=auth)) == expected


@given(st.sampled_from(ALL), st.sampled_from(ALL))
def test_a_grant_is_for_one_accessor_at_one_service(guardian: Identity, accessor: Identity) -> None:
    found = proved_addresses(made(), guardian=guardian.address, accessor=accessor.address)
    meant = guardian is GUARDIAN and accessor is ACCESSOR
    assert found == ({RESOURCE.address} if meant else NOBODY)


def test_a_signature_serves_one_request() -> None:
    """The stamp is signed, too."""
    assert PAYLOAD.validity is not None
    request, again = made(), attrs.evolve(PAYLOAD.validity, stamp="another")
    payload = attrs.evolve(request.payload, validity=again)
    assert proved(attrs.evolve(request, payload=payload)) == NOBODY


def test_a_grant_without_a_signature_proves_nothing_nor_one_without_a_grant() -> None:
    granted = attrs.evolve(PAYLOAD, allow=(grant(),))
    assert proved(Request(id="i", payload=granted)) == NOBODY
    assert proved(Request(id="i", payload=PAYLOAD, auth=signed(PAYLOAD, RESOURCE))) == NOBODY
    auth = signed(granted, STRANGER)
    assert proved(Request(id="i", payload=granted, auth=auth)) == NOBODY


def test_several_addresses_may_be_proved_each_by_its_own_signature() -> None:
    allow = tuple(grant(signer.address) for signer in (RESOURCE, STRANGER, GUARDIAN))
    payload = attrs.evolve(PAYLOAD, allow=allow)
    auth = signed(payload, RESOURCE, STRANGER, ACCESSOR)
    expected = {RESOURCE.address, STRANGER.address}
    assert proved(Request(id="i", payload=payload, auth=auth)) == expected


def test_one_grant_of_several_is_enough() -> None:
    payload = attrs.evolve(
        PAYLOAD, allow=(grant(guardian=STRANGER.address), grant(accessor="nobody"), grant())
    )
    request = Request(id="i", payload=payload, auth=signed(payload, RESOURCE))
    assert proved(request) == {RESOURCE.address}


def test_addresses_are_compared_as_addresses() -> None:
    lower = grant(
        RESOURCE.address.lower(), GUARDIAN.address.lower(), ACCESSOR.address.removeprefix("0x")
    )
    payload = attrs.evolve(PAYLOAD, allow=(lower,))
    signature = Signature.of(RESOURCE, payload_text(payload))
    auth = {RESOURCE.address.lower(): signature, RESOURCE.address: signature}
    assert proved(Request(id="i", payload=payload, auth=auth)) == {RESOURCE.address}


@pytest.mark.parametrize("name", ["", "nobody", "0x12", RESOURCE.address.swapcase(), "__proto__"])
def test_what_is_no_address_is_passed_over(name: str) -> None:
    request = made()
    signature = request.auth[RESOURCE.address]
    assert proved(attrs.evolve(request, auth={name: signature})) == NOBODY
    assert proved(attrs.evolve(request, auth={name: signature} | dict(request.auth))) == {
        RESOURCE.address
    }


@pytest.mark.parametrize("rsv", [bytes(65), b"\xff" * 64 + b"\0", b"\1" * 32 + bytes(33)])
def test_a_signature_of_no_key_is_passed_over(rsv: bytes) -> None:
    request = made()
    bad: Auth = {RESOURCE.address: Signature(rsv)}
    assert proved(attrs.evolve(request, auth=bad)) == NOBODY
    payload = attrs.evolve(PAYLOAD, allow=(grant(), grant(STRANGER.address)))
    auth = {**bad, **signed(payload, STRANGER)}
    assert proved(Request(id="i", payload=payload, auth=auth)) == {STRANGER.address}


def test_more_signatures_than_are_looked_at_prove_nothing() -> None:
    request = made()
    more = {f"more {number}": Signature(bytes(65)) for number in range(MOST_SIGNATURES)}
    enough = dict(list(more.items())[1:]) | dict(request.auth)
    assert len(enough) == MOST_SIGNATURES
    assert proved(attrs.evolve(request, auth=enough)) == {RESOURCE.address}
    assert proved(attrs.evolve(request, auth=more | dict(request.auth))) == NOBODY


def recorded() -> list[tuple[Request, dict[str, Any]]]:
    """The requests of transcript l that carry signatures, each with its answer."""
    texts = load("l").texts
    answers = {text.body["id"]: text.body for text in texts if text.body["type"] == "response"}
    messages = [from_body(text.body) for text in texts]
    return [
        (message, answers[message.id]["payload"]["payload"])
        for message in messages
        if isinstance(message, Request) and message.auth
    ]


def test_recorded_signatures_prove_what_the_official_target_took_from_them() -> None:
    header = load("l").header
    asked = []
    for request, answer in recorded():
        found = proved_addresses(
            request, guardian=header.target_address, accessor=header.client_address
        )
        assert [*found] == answer["auth_keys"]
        assert isinstance(request.payload.data, dict)
        about = Address(request.payload.data["resource"])
        assert (about in found) is answer["doesAuthorize"]
        asked.append(about in found)
    assert asked == [True, True, False]


def test_recorded_signatures_are_made_again_to_the_letter() -> None:
    header = load("l").header
    for request, _ in recorded():
        if len(request.payload.allow) == 1:
            payload, auth = authorized(
                attrs.evolve(request.payload, allow=()),
                resource=RECORDED_RESOURCE,
                guardian=header.target_address,
                accessor=header.client_address,
            )
            assert (payload, auth) == (request.payload, request.auth)
            assert stringify(request.payload.data) in payload_text(payload)
