"""Replies: what the results and refusals of requests are on the wire, and back.

    result or refusal  --to_reply(request, it)--->  payload
    result or error    <--from_reply(request, success, payload)--

Both ends know the request, which says what its reply must look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import attrs
import cattrs

from cg_core.descriptors import Descriptor
from cg_core.errors import (
    ComputeGroupsError,
    InvalidArgument,
    InvalidValue,
    ProtocolError,
    Refused,
    Unsupported,
    error_from_answer,
)
from cg_core.exact_numbers import integer_from_wire, to_wire
from cg_core.group_json import group_to_json, structure_groups
from cg_core.groups import Group
from cg_core.identifiers import GroupId, JobId, OpaqueId, checked_integer
from cg_core.json_shapes import JSONObject, strict, strict_converter, told
from cg_core.operations import operation_name
from cg_core.requests import (
    AddJob,
    AddJobToGroups,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    ListJobs,
    RemoveAllJobs,
    RemoveJob,
    Request,
)
from cg_core.results import AddJobResult

T = TypeVar("T")


def to_reply(request: Request[T], outcome: T | Refused | InvalidArgument) -> JSONObject:
    """The payload that answers a request.

    Args:
        request: one of the twelve.
        outcome: its result, or the error with which it was refused.

    Raises:
        InvalidType: it is no request.
    """
    operation_name(request)
    if isinstance(outcome, Refused | InvalidArgument):
        return _refusal(outcome)
    encode, _ = _REPLIES[type(request)]
    return encode(request, outcome)


def from_reply(request: Request[T], success: bool, payload: Any) -> T:  # noqa: FBT001 - a datum
    """The result that a response to a request brings.

    Args:
        request: the request that was sent.
        success: the response's own `success`: a service that could not tell what it was asked
            for, or that failed, refuses there; the rules refuse in the payload.
        payload: any JSON value; None where there is none.

    Raises:
        Refused, InvalidArgument: the request was refused; the class is the one that a local
            backend raises.
        ProtocolError: the payload is not as it must be.
        InvalidType: it is no request.
    """
    name = operation_name(request)
    try:
        outcome = _outcome(request, payload, success=success)
    except InvalidArgument as error:
        outcome = _bad_reply(name, error.message)
    except cattrs.BaseValidationError as error:
        outcome = _bad_reply(name, told(error, "reply"))
    finally:
        del payload  # nobody knows what is in it (C-13)
    if isinstance(outcome, ComputeGroupsError):
        try:
            raise outcome
        finally:
            del outcome  # an error that its own traceback leads to would be garbage for a while
    result: T = outcome
    return result


def _bad_reply(name: str, wrong: str) -> ProtocolError:
    return ProtocolError(f"the service's reply to {name} is not as it must be: {wrong}")


@attrs.frozen
class _Error:
    """The shape `{message, code, name}`, each where it is known."""

    message: str | None = None
    code: str | None = None
    name: str | None = None


@attrs.frozen(kw_only=True)
class _Reply(_Error):
    """The shape `{success, payload}`, with an error's members where it is none."""

    success: bool
    payload: Any = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class _Item(_Error):
    """The shape `{joinKey or id, success}`, with an error's members where it is none."""

    success: bool
    id: int | str | None = None
    join_key: str | None = None

    def may_be_for(self, group: Descriptor) -> bool:
        """Whether it names the group by a name that the request gave, or names none."""
        id = integer_from_wire(self.id)
        if id is not None and id == group.id:
            return True
        if self.join_key is not None:
            return self.join_key == group.join_key
        return id is None


def _outcome(request: Request[Any], payload: Any, *, success: bool) -> Any:
    # The result, or the error to raise.
    if not success:
        return _error(request, _json.structure(payload, _Error))
    adds = isinstance(request, AddJob | AddJobToGroups)
    if payload is None and adds:
        payload = {"success": True}  # services of old say no more than that
    reply = _json.structure(payload, _Reply)
    answers_for_each = adds and isinstance(reply.payload, list) and reply.payload
    if not reply.success and not answers_for_each:
        return _error(request, reply)
    _, decode = _REPLIES[type(request)]
    return decode(request, reply.payload)


def _error(request: Request[Any], said: _Error) -> ComputeGroupsError:
    message, name, code = _shown(said.message), _shown(said.name), _shown(said.code)
    error = error_from_answer(message or "the service gave no reason", name=name, code=code)
    if type(error) is Refused and not code and _is_unknown(request, message):
        return Unsupported(message, name=name or None)
    return error


def _shown(text: str | None) -> str:
    # A message may quote what was sent, and this goes into exceptions and logs (C-13).
    return _HASH.sub("eh1-...", text or "")


_HASH = re.compile("eh1-[0-9a-f]{64}", re.IGNORECASE)


def _is_unknown(request: Request[Any], message: str) -> bool:
    # A service that lacks an operation may have no code for that. Its message is taken for it only
    # if it says just this, of this operation: what failed halfway must not pass for never begun.
    name = operation_name(request)
    return re.fullmatch(f"(?i:unknown|unsupported|no such) operation:? {name}", message) is not None


def _success(payload: Any = None) -> JSONObject:
    return {"success": True} if payload is None else {"success": True, "payload": payload}


def _refusal(error: ComputeGroupsError) -> JSONObject:
    return {"success": False, "message": error.message, "code": error.code, "name": error.name}


def _result_to_wire(_: Request[Any], result: Any) -> JSONObject:
    return _success(_to_json(result))


def _to_json(value: Any) -> Any:
    if isinstance(value, Group):
        return group_to_json(value)
    return [_to_json(each) for each in value] if isinstance(value, tuple) else to_wire(value)


def _job_to_wire(request: RemoveJob | CancelJob, _: None) -> JSONObject:
    return _success(to_wire(request.job))


def _added_to_wire(request: AddJob, _: None) -> JSONObject:
    return _results_to_wire(request, (AddJobResult(request.group.name),))


def _results_to_wire(_: Request[Any], results: tuple[AddJobResult, ...]) -> JSONObject:
    refusals = [result.refusal for result in results if result.refusal is not None]
    none_added = len(refusals) == len(results)
    answer = _refusal(refusals[0]) if none_added else _success()
    return answer | {"payload": [_item(result) for result in results]}


def _item(result: AddJobResult) -> JSONObject:
    member = "id" if isinstance(result.group, int | OpaqueId) else "joinKey"
    answer = _success() if result.refusal is None else _refusal(result.refusal)
    return {member: to_wire(result.group)} | answer


def _nothing(_: Request[None], payload: Any) -> None:
    """No result, whatever a service says beyond success."""


def _id(_: CreateGroup, payload: Any) -> GroupId:
    id = integer_from_wire(strict(payload, int, str))
    return OpaqueId(id, "id") if isinstance(id, str) else checked_integer("id", id, least=1)


def _jobs(_: Request[Any], payload: Any) -> tuple[JobId, ...]:
    return tuple([JobId(job) for job in strict(payload, list)])


def _jobs_if_said(request: Request[Any], payload: Any) -> tuple[JobId, ...] | None:
    return None if payload is None else _jobs(request, payload)


def _group(_: GetGroup, payload: Any) -> Group:
    return _json.structure(payload, Group)


def _groups(_: ListGroups, payload: Any) -> tuple[Group, ...]:
    return tuple([_json.structure(group, Group) for group in strict(payload, list)])


def _added(request: AddJob, payload: Any) -> ComputeGroupsError | None:
    return None if payload in _NOT_SAID else _errors(request, (request.group,), payload)[0]


_NOT_SAID: tuple[Any, ...] = (None, [])  # what became of the job in each group: it was added


def _results(request: AddJobToGroups, payload: Any) -> tuple[AddJobResult, ...]:
    names = [group.name for group in request.groups]
    if payload in _NOT_SAID:
        return tuple([AddJobResult(name, assumed=True) for name in names])
    refusals = map(_as_refusal, _errors(request, request.groups, payload))
    return tuple(map(AddJobResult, names, refusals))


def _errors(
    request: Request[Any], groups: tuple[Descriptor, ...], payload: Any
) -> list[ComputeGroupsError | None]:
    items = [_json.structure(each, _Item) for each in strict(payload, list)]
    if len(items) != len(groups):
        raise InvalidValue(f"it answers for {len(items)} groups, not for {len(groups)}")
    for group, item in zip(groups, items, strict=True):
        if not item.may_be_for(group):
            raise InvalidValue(f"in the place of {group} it answers for another")
    return [None if item.success else _error(request, item) for item in items]


def _as_refusal(error: ComputeGroupsError | None) -> Refused | None:
    if error is None or isinstance(error, Refused):
        return error
    # A foreign service may call an argument wrong for one group.
    return Refused(error.message, code=error.code, name=error.name)


_Codec: TypeAlias = tuple[Callable[[Any, Any], JSONObject], Callable[[Any, Any], Any]]
_REPLIES: Mapping[type[Request[Any]], _Codec] = MappingProxyType(
    {
        CreateGroup: (_result_to_wire, _id),
        ChangeGroup: (_result_to_wire, _nothing),
        DeleteGroup: (_result_to_wire, _nothing),
        AddJob: (_added_to_wire, _added),
        AddJobToGroups: (_results_to_wire, _results),
        ListJobs: (_result_to_wire, _jobs),
        RemoveJob: (_job_to_wire, _nothing),
        RemoveAllJobs: (_result_to_wire, _jobs_if_said),
        CancelJob: (_job_to_wire, _nothing),
        CancelAllJobs: (_result_to_wire, _jobs_if_said),
        GetGroup: (_result_to_wire, _group),
        ListGroups: (_result_to_wire, _groups),
    }
)

_json = strict_converter()
structure_groups(_json)
