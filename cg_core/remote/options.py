"""What a user chooses about a remote client, checked, with its defaults and their reasons."""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import attrs

from cg_core.addresses import Address
from cg_core.errors import InvalidType, InvalidValue
from cg_core.identity import Identity
from cg_core.remote.service_url import ServiceURL
from cg_core.text import type_name

TransportName: TypeAlias = Literal["websocket", "polling"]

# In seconds.
CALL_TIMEOUT: Final = 60.0
"""Enough for a resume after a connection that died unheard."""
CONNECT_TIMEOUT: Final = 10.0
"""A service that restarts is back by then; a typing error should not cost a minute."""
IDLE_TIMEOUT: Final = 10.0
"""As the official client."""


@attrs.frozen(init=False)
class Options:
    """What a user chooses.

    Args:
        url: the service's URL; None where a scheduler tells it.
        scheduler: a scheduler, whose published configuration names the service.
        join_identity: another identity, whose address groups may let in (C-9).
        timeout: seconds for each call, from the moment when it is made; None for no end.
        connect_timeout: seconds for a session to come about; None for no end.
        idle_timeout: seconds after the last call until the session is closed; None leaves it open.
        transport: the only one to be used; None takes a WebSocket, and polls where there is none.
        insecure: whether join hashes may be sent unencrypted over a network (C-13).
        service_address: the address that the service must have; None takes any at first, and the
            same from then on.

    Raises:
        InvalidType, InvalidValue: one of them cannot be.
    """

    url: ServiceURL | None
    scheduler: ServiceURL | None
    join_identity: Identity | None
    timeout: float
    connect_timeout: float
    idle_timeout: float
    transport: TransportName | None
    insecure: bool
    service_address: Address | None

    def __init__(
        self,
        url: str | None = None,
        *,
        scheduler: str | None = None,
        join_identity: Identity | None = None,
        timeout: float | None = CALL_TIMEOUT,
        connect_timeout: float | None = CONNECT_TIMEOUT,
        idle_timeout: float | None = IDLE_TIMEOUT,
        transport: TransportName | None = None,
        insecure: bool = False,
        service_address: Address | str | None = None,
    ) -> None:
        if url is None and scheduler is None:
            raise InvalidValue(
                "connect needs the url of a service, or a scheduler that tells it; or set "
                "DCP_SCHEDULER_LOCATION"
            )
        if url is not None and scheduler is not None:
            raise InvalidValue("url and scheduler are given; the scheduler tells the url: give one")
        if type(insecure) is not bool:
            raise InvalidType(f"insecure must be True or False, not {type_name(insecure)}")
        if transport not in (None, "websocket", "polling"):
            raise InvalidValue(
                'transport must be "websocket", "polling" or None (the first, else the second), '
                f"not {transport!a:.12}"
            )
        if service_address is not None:
            service_address = Address(service_address, "service_address")
        try:
            second = checked_identity("join_identity", join_identity)
        finally:
            del join_identity  # somebody may take a private key for one (C-13)
        self.__attrs_init__(
            url=None if url is None else ServiceURL.parse(url),
            scheduler=None if scheduler is None else ServiceURL.parse(scheduler, "scheduler"),
            join_identity=second,
            timeout=_seconds("timeout", timeout),
            connect_timeout=_seconds("connect_timeout", connect_timeout),
            idle_timeout=_seconds("idle_timeout", idle_timeout),
            transport=transport,
            insecure=insecure,
            service_address=service_address,
        )

    @property
    def first_url(self) -> ServiceURL:
        """What is called first: the service, or the scheduler that tells where it is."""
        url = self.url or self.scheduler
        assert url is not None  # one of them is there
        return url


def checked_identity(field: str, value: object) -> Identity | None:
    """An identity, or None.

    Raises:
        InvalidType: it is something else, which is not shown: it may be a private key.
    """
    if value is None or isinstance(value, Identity):
        return value
    kind = type_name(value)
    del value
    raise InvalidType(f"{field} must be an Identity or None, not {kind}")


def _seconds(field: str, value: float | None) -> float:
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidType(f"{field} must be seconds or None, not {type_name(value)}")
    if not value > 0:
        raise InvalidValue(f"{field} must be more than 0 seconds, not {value!a:.40}")
    try:
        return float(value)
    except OverflowError:
        return math.inf
