"""A service with one group, for tests of what happens around calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from cg_backends.conformance import ALICE
from cg_backends.memory import World
from cg_core import JobId, Operation
from tests.peers.rules import rules


class Farm:
    """A world with one group, of Alice's; it counts what is asked, and may keep its answers.

    Attributes:
        group: the group, whose join key is "farm".
        asked: how often each operation was asked for.
        added: how often each job was to be added.
        hold: answers are kept as long as this is set; called, in the peer's thread, for each.
    """

    def __init__(self) -> None:
        world = World()
        with world.connect(ALICE) as alice:
            self.group = alice.create("render farm", join_key="farm")
        self.asked: Counter[str] = Counter()
        self.added: Counter[JobId] = Counter()
        self.hold: Callable[[], object] | None = None
        self._held: list[tuple[Future[Any], Any]] = []
        self._answer = rules(world)

    def answer(self, operation: Operation, *where: Any) -> Any:
        """What a peer answers."""
        self.asked[operation.name] += 1
        if operation.name == "addJobToGroups":
            self.added[JobId(operation.data["job"])] += 1
        payload = self._answer(operation, *where)
        if self.hold is None:
            return payload
        later: Future[Any] = Future()
        self._held.append((later, payload))
        self.hold()
        return later

    def release(self) -> None:
        """Give the answers that were kept, and keep no more."""
        self.hold = None
        while self._held:
            later, payload = self._held.pop(0)
            later.set_result(payload)


def job(number: int) -> JobId:
    """A job of this number."""
    return JobId(f"{number:022}")
