"""The rules of a service, as what answers a peer's requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from cg_backends.memory import World
from cg_core import (
    Address,
    Caller,
    InvalidArgument,
    Operation,
    Refused,
    Request,
    from_operation,
    to_reply,
)
from cg_core.ecmascript_json import JSONValue

Answer: TypeAlias = Callable[[Operation, str, Address, frozenset[Address]], JSONValue]
"""From (operation, session id, caller, addresses that the caller joins as) to the payload.

What it raises, a ComputeGroupsError, refuses the request in the session, not in the payload.
"""


def rules(world: World) -> Answer:
    """The answers of a service whose rows are those of a world."""

    def answer(
        operation: Operation, session_id: str, caller: Address, joins_as: frozenset[Address]
    ) -> JSONValue:
        request: Request[Any] = from_operation(operation, session_id)
        try:
            outcome = world.execute(request, Caller(caller, joins_as))
        except (Refused, InvalidArgument) as refusal:
            outcome = refusal
        return to_reply(request, outcome)

    return answer
