"""What was overheard, said again: to the same process, to one that was killed and started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from cg_backends.sync import connect
from cg_core import CreateGroup, Identity, ListJobs
from cg_core.ecmascript_json import stringify
from cg_core.sealed import seal, unseal
from tests.peers.live_service import CGServe, cg_serve
from tests.security.by_hand import Overheard, kind, line, overheard

ALICE: Final = Identity(b"\1" * 32)
MALLORY: Final = Identity(b"\3" * 32)
CREATE: Final = CreateGroup("each one that is acted on makes another one")
# Who comes back to a session that is gone is told so at once.
OPTIONS: Final = ("--proof-time", "1", "--log-level", "DEBUG")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[CGServe]:
    with cg_serve(tmp_path, *OPTIONS) as running:
        yield running


@contextmanager
def conversation(service: CGServe) -> Iterator[Overheard]:
    """A session in which a group was made, and which goes on."""
    with overheard(service.url, ALICE) as alice:
        alice.ask(CREATE)
        alice.ask(ListJobs("nothing"))
        assert [kind(text) for text in alice.texts].count("request") == 3  # with the connect
        yield alice


def groups_of(service: CGServe, identity: Identity) -> int:
    with connect(service.url, identity=identity) as client:
        return len(client.list_groups())


def heard_by_who_repeats(service: CGServe, *texts: str) -> list[str]:
    with line(service.url) as stranger:
        for text in texts:
            stranger.say(text)
        return stranger.heard()


def test_each_text_again_does_nothing_while_the_session_lives(service: CGServe) -> None:
    with conversation(service) as alice:
        for text in alice.texts:
            heard = heard_by_who_repeats(service, text)
            body = unseal(text).body
            assert isinstance(body, dict)
            if "dcpsid" not in body:
                continue  # a connect, or its ack: what a stranger hears of it is below
            # Our last ack once more, and nothing else; of a repeated request not even this.
            assert [kind(each) for each in heard] in ([], ["ack"])
        assert alice.ask(ListJobs("nothing")) is not None  # the session is still its owner's
        assert groups_of(service, ALICE) == 1


def test_the_whole_conversation_again_does_nothing(service: CGServe) -> None:
    with conversation(service) as alice:
        heard = heard_by_who_repeats(service, *alice.texts)
        assert [kind(each) for each in heard[:2]] == ["ack", "response"]  # to the connect
        assert not any('"operation":"createGroup"' in each for each in heard)
        assert groups_of(service, ALICE) == 1


def test_after_a_kill_and_a_new_start_nothing_that_was_said_before_is_good(
    tmp_path: Path,
) -> None:
    """Stamps are in memory, and go with it; but so do sessions, and each text is of one."""
    with cg_serve(tmp_path, *OPTIONS) as first:
        with conversation(first) as alice:
            texts = list(alice.texts)
            first.kill()  # at once, within the two minutes for which the requests are good
        port = first.url.rsplit(":", 1)[1].strip("/")
    with cg_serve(tmp_path, *OPTIONS, listen_on=f"127.0.0.1:{port}") as second:
        assert second.address == first.address
        for text in texts:
            heard = heard_by_who_repeats(second, text)
            is_connect = '"operation":"connect"' in text
            # A connect begins a session, which only Alice could go on with. An ack is told that
            # its session is gone. To all else nothing is said.
            assert [kind(each) for each in heard] in (
                [["ack", "response"]] if is_connect else [[], ["request"]]
            )
        heard_by_who_repeats(second, *texts)
        assert groups_of(second, ALICE) == 1
        # That session of a connect never has a place, nor is it told of.
        assert "operation=createGroup" not in second.log
        assert second.log.count("session began") == 1  # the look at the groups


@pytest.mark.parametrize("as_resumed", [False, True])
def test_another_identity_gets_nothing_of_a_session_that_it_knows_all_of(
    as_resumed: bool, service: CGServe
) -> None:
    with conversation(service) as alice:
        ack, request = (
            next(text for text in reversed(alice.texts) if kind(text) == wanted)
            for wanted in ("ack", "request")
        )
        its_own = [seal(MALLORY, stringify(unseal(text).body)) for text in (ack, request)]
        heard = heard_by_who_repeats(service, *([ack] if as_resumed else []), *its_own)
        assert [kind(each) for each in heard] == (["ack"] if as_resumed else [])
        assert alice.ask(ListJobs("nothing")) is not None
        assert (groups_of(service, ALICE), groups_of(service, MALLORY)) == (1, 0)
