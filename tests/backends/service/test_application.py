"""The application between HTTP and the store: what fails in the one harms nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from cg_backends.sync import connect
from cg_core import Busy, Caller, Identity, NetworkError, OutcomeUnknown, Request
from tests.peers.live_service import Worlds, live_service

ALICE = Identity(b"\1" * 32)


class FaultyStore(Worlds):
    """A store that fails as it is told.

    Attributes:
        fault: what it raises, or answers each request with.
    """

    fault: Exception | None = None

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        if isinstance(self.fault, NetworkError | OutcomeUnknown | Busy):
            return [self.fault] * len(asked)
        if self.fault is not None:
            raise self.fault
        return super().execute_all(asked)


def test_a_store_that_raises_what_it_should_not_leaves_the_outcome_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FaultyStore()
    with live_service(store) as service, connect(service.url, identity=ALICE) as alice:
        store.fault = ValueError("hush-hush")
        with pytest.raises(OutcomeUnknown, match="its log says where"):
            alice.create("farm", join_key="farm")
        assert "the store failed: ValueError" in caplog.text
        assert "execute_all" in caplog.text
        assert "hush" not in caplog.text
        store.fault = None
        assert alice.list_groups() == ()


@pytest.mark.parametrize("kind", [NetworkError, OutcomeUnknown, Busy])
def test_what_befalls_the_store_is_raised_by_the_client_and_told_in_the_log(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    store = FaultyStore()
    with live_service(store) as service, connect(service.url, identity=ALICE) as alice:
        store.fault = kind("the database is being moved")
        with pytest.raises(kind, match="its log says where"):
            alice.create("farm", join_key="farm")
        (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
        assert "the database is being moved" in record.fields["error"]  # type: ignore[attr-defined] # extra
        well = httpx.get(f"{service.url}health").status_code
        assert well == (200 if kind is Busy else 503)
        store.fault = None
        alice.create("farm", join_key="farm")
        assert httpx.get(f"{service.url}health").status_code == 200


def test_a_store_that_does_not_answer_all_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(Worlds):
        def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
            return []

    with (
        live_service(Forgetful()) as service,
        connect(service.url, identity=ALICE) as alice,
        pytest.raises(OutcomeUnknown, match="its log says where"),
    ):
        alice.list_groups()
    assert "the store failed: ValueError" in caplog.text
