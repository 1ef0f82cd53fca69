"""In the log of a service each event is a line, whatever a peer has chosen."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from hypothesis import given

from cg_backends.service.log import log_event, log_to_stderr
from cg_core import ProtocolError
from cg_core.service import SessionBegan, SessionEnded
from tests.core.service.network import Network, Program
from tests.security.test_log_lines import PEER, harmful, is_a_line


def lines(events: list[Any], form: Any) -> list[str]:
    """The log of events."""
    stderr = io.StringIO()
    logger = logging.getLogger("cg")
    before = (logger.handlers, logger.level, logger.propagate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stderr)
        log_to_stderr("DEBUG", form)
        try:
            for each in events:
                log_event(each)
        finally:
            logger.handlers, level, logger.propagate = before
            logger.setLevel(level)
    return stderr.getvalue().split("\n")[:-1]


@pytest.mark.parametrize("form", ["text", "json"])
@given(text=harmful)
def test_in_the_log_of_a_service_each_event_is_a_line(form: str, text: str) -> None:
    events = [
        SessionBegan(text[:8], PEER.address),
        SessionEnded(text[:8], PEER.address, ProtocolError(text)),
    ]
    found = lines(events, form)
    assert len(found) == 2
    assert all(map(is_a_line, found))


def test_what_is_shown_of_a_sessions_id_is_none_that_its_peer_chose() -> None:
    """Else a peer could have its lines taken for those of another session."""
    network = Network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "cg_core.session.identifiers.RandomIdentifiers.session_part",
            lambda self: "chosen" * 4 if self._role == "i" else self._random_text(),
        )
        program = Program(network, transport=None)
        program.ask()
        program.close()
    shown = {each.session for each in network.served.events if hasattr(each, "session")}
    assert shown
    assert not any("chosen"[:4] in each for each in shown)
