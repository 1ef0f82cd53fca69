"""Acting for another address: the `allow` and `auth` of a request (wire.md, Messages; C-9).

The owner of an address (the resource) signs the payload of one request, in which it is said who may
act (the accessor) and who is to believe it (the guardian). The payload has a stamp that no other
request has, so the signature serves this request and no other.
"""

from __future__ import annotations

import attrs

from cg_core.addresses import Address
from cg_core.errors import InvalidArgument, ProtocolError
from cg_core.identity import Identity
from cg_core.session.message_texts import payload_text
from cg_core.session.messages import Auth, Grant, Request, RequestPayload
from cg_core.signatures import Signature

MOST_SIGNATURES = 4
"""Signatures looked at in one request: each costs a curve operation."""
MOST_GRANTS = 16
"""Grants likewise: each names three addresses, whose checksums are hashes."""


def authorized(
    payload: RequestPayload, *, resource: Identity, guardian: Address, accessor: Address
) -> tuple[RequestPayload, Auth]:
    """A payload that proves that the accessor may act for the resource, and what proves it."""
    grant = Grant(resource=resource.address, guardian=guardian, accessor=accessor)
    allowing = attrs.evolve(payload, allow=(grant,))
    return allowing, {resource.address: Signature.of(resource, payload_text(allowing))}


def proved_addresses(
    request: Request, *, guardian: Address, accessor: Address
) -> frozenset[Address]:
    """The addresses that a request was proved to act for. What proves nothing is passed over.

    Args:
        request: as it came.
        guardian: the address of who received it.
        accessor: the address that signed the message.
    """
    if not 0 < len(request.auth) <= MOST_SIGNATURES or len(request.payload.allow) > MOST_GRANTS:
        return frozenset()
    text = payload_text(request.payload)
    return frozenset(
        address
        for name, signature in request.auth.items()
        if (address := _address(name)) is not None
        and any(_allows(grant, address, guardian, accessor) for grant in request.payload.allow)
        and _signed_by(address, signature, text)
    )


def _allows(grant: Grant, resource: Address, guardian: Address, accessor: Address) -> bool:
    granted = (_address(grant.resource), _address(grant.guardian), _address(grant.accessor))
    return granted == (resource, guardian, accessor)


def _signed_by(address: Address, signature: Signature, text: str) -> bool:
    try:
        return signature.signer(text) == address
    except ProtocolError:
        return False


def _address(text: str) -> Address | None:
    try:
        return Address(text)
    except InvalidArgument:
        return None
