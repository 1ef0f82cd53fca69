"""Who stands between the ends without TLS, and a service that means harm."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import pytest

from cg_backends.memory import World
from cg_backends.random_text import random_text
from cg_core import AddJob, Caller, Client, Identity, Refused, to_operation
from cg_core.ecmascript_json import stringify
from cg_core.operations import from_operation
from cg_core.sealed import seal, unseal
from cg_core.session import (
    Instant,
    RandomIdentifiers,
    RequestReceived,
    Role,
    Session,
    Settings,
    Target,
)
from cg_core.session.versions import VERSION
from tests.core.remote.network import CLIENT
from tests.core.service.network import Network, Program

ALICE, MALLORY, SERVICE = (Identity(bytes([n]) * 32) for n in (1, 3, 2))
ALICES_JOB: Final = "P+Y4IApeFQLrYS2W7MkVg7"
MALLORYS_JOB: Final = "Q+Y4IApeFQLrYS2W7MkVg8"
NOW: Final = Instant(0.0, 1.8e9)


class Between:
    """Says under its own key whatever a client says, and has the client hear the answers.

    Args:
        said_by: whose name the client hears the answers from: the service's own, as they are, or
            that of who is between the ends.
    """

    def __init__(self, said_by: Identity) -> None:
        self.world = World()
        self.owner: Client = self.world.connect(Identity(b"\5" * 32).address)
        self.owner.create("farm", join_key="farm", join_secret="s3cret", deploy_access="join")
        self.target = Target(SERVICE, random_text, Settings(names_peer=True))
        self.target.transport_opened("mallory", NOW)
        self.said_by = said_by

    def serve(self, client: Session) -> None:
        """Until nobody says anything more."""
        while texts := client.data_to_send(NOW):
            for _, text in texts:
                body = stringify(unseal(text).body).replace(ALICES_JOB, MALLORYS_JOB)
                self.target.receive("mallory", seal(MALLORY, body), NOW)
            for _, text in self.target.data_to_send(NOW):
                as_heard = text
                if self.said_by is not SERVICE:
                    body = stringify(unseal(text).body).replace(MALLORY.address, ALICE.address)
                    as_heard = seal(self.said_by, body)
                client.receive("alice", as_heard, NOW)
            self._execute()

    def _execute(self) -> None:
        while (found := self.target.next_event()) is not None:
            session_id, event = found
            if isinstance(event, RequestReceived):
                assert session_id is not None
                request = from_operation(event.operation, session_id)
                with suppress(Refused):
                    self.world.execute(request, Caller(event.caller, event.joins_as))


def alices_call(between: Between, *, knows: Identity | None) -> Session:
    identifiers = RandomIdentifiers(Role.INITIATOR, random_text)
    peer = None if knows is None else knows.address
    session = Session(Role.INITIATOR, ALICE, identifiers, peer=peer)
    session.start(NOW)
    session.next_event()
    session.transport_opened("alice", NOW)
    add = AddJob("farm", ALICES_JOB, join_secret="s3cret")
    session.request(partial(to_operation, add), NOW)
    between.serve(session)
    return session


@pytest.mark.parametrize("knows", [None, SERVICE])
def test_a_session_of_who_is_between_the_ends_is_not_taken_for_ones_own(
    knows: Identity | None,
) -> None:
    """It begins with the very connect of the client, so its id has the client's half.

    Else the client would show its join hash to that session, whose owner could join by it.
    """
    between = Between(SERVICE)
    session = alices_call(between, knows=knows)
    assert session.session_id is None
    assert between.owner.list_jobs("farm") == ()


def test_a_service_that_one_calls_can_join_elsewhere_by_what_is_shown_to_it() -> None:
    """It says of its own session elsewhere that it is the caller's: nothing can be done."""
    between = Between(MALLORY)
    alices_call(between, knows=MALLORY)
    assert between.owner.list_jobs("farm") == (MALLORYS_JOB,)


def test_who_knows_the_services_address_is_not_led_to_another() -> None:
    between = Between(MALLORY)
    session = alices_call(between, knows=SERVICE)
    assert session.session_id is None
    assert between.owner.list_jobs("farm") == ()


def test_our_service_says_whose_a_session_is() -> None:
    network = Network()
    Program(network, transport=None).ask()
    bodies = [unseal(text).body for text in network.served.texts]
    (answer,) = [body for body in bodies if isinstance(body, dict) and body["type"] == "response"][
        :1
    ]
    assert answer["payload"] == {
        "version": VERSION, "operation": "connect", "peer": CLIENT.address,
    }  # fmt: skip
