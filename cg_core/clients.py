"""The clients' methods, sync and async, over one `call(request)`.

Each method is made from a request class: its parameters, its docstring and its result are the
class's, so the two clients cannot drift apart, from each other or from the requests.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Coroutine
from types import NoneType, TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, get_args

from cg_core.errors import InvalidArgument, InvalidType
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

P = ParamSpec("P")
T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


def _method(make: Callable[P, Request[T]]) -> Callable[Concatenate[Client, P], T]:
    method: Callable[Concatenate[Client, P], T] = _calling(make)
    return method


def _async_method(
    make: Callable[P, Request[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]] = _calling(make)
    return method


def _calling(make: Callable[..., Request[Any]]) -> Any:
    # The method for both: what call() gives is a result or the awaitable of one.
    def method(self: Client | AsyncClient, /, *args: Any, **kwargs: Any) -> Any:
        try:
            request = _made(make, args, kwargs)
        finally:
            del args, kwargs  # a join secret may be among them (C-13)
        return self.call(request)

    return _presented(method, make)


def _made(
    make: Callable[..., Request[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request[Any]:
    fault: InvalidArgument
    try:
        return make(*args, **kwargs)
    except InvalidArgument as error:
        fault = error
    except TypeError as error:
        # Python's own, where the arguments do not fit the parameters: no frame lies below ours.
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        what = str(error).partition("() ")[2]
        if what.startswith("takes"):
            what = "too many positional arguments"  # Python counts one that we do not see
        fault = InvalidType(f"this call does not fit: {what}; it takes {_parameters(make)}")
    finally:
        del args, kwargs  # a join secret may be among them (C-13)
    try:
        # Without the frames below, which saw the arguments; they would say nothing of the mistake.
        raise fault.with_traceback(None)
    finally:
        del fault  # an error that its own traceback leads to would be garbage for a while


def _parameters(make: Callable[..., Request[Any]]) -> str:
    parameters = inspect.signature(make).parameters.values()
    by_name = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    by_position = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    named = [f"by name {', '.join(by_name)}"] if by_name else []
    return ", ".join([*by_position, *named]) or "nothing"


def _presented(method: Method, make: Any) -> Method:
    # What help() and documentation show: the request's parameters behind self, the type of its
    # result, its docstring.
    of_self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(make)
    (result,) = get_args(make.__orig_bases__[0])
    method.__signature__ = signature.replace(  # type: ignore[attr-defined] # inspect reads it
        parameters=[of_self, *signature.parameters.values()],
        return_annotation=None if result is NoneType else result,
    )
    method.__doc__ = make.__doc__
    return method


class Client(abc.ABC):
    """Compute groups, synchronously. A backend gives `call`; all else stands on it.

    A client is a context manager that closes itself.
    """

    @abc.abstractmethod
    def call(self, request: Request[T]) -> T:
        """Carry out a request.

        Args:
            request: one of the twelve, from `cg_core.requests`.

        Returns:
            The request's result.

        Raises:
            ComputeGroupsError: a refusal, or what went wrong on the way; see `cg_core.errors`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of what the client holds. Closing again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    create = _method(CreateGroup)
    change_group = _method(ChangeGroup)
    delete_group = _method(DeleteGroup)
    add_job = _method(AddJob)
    add_job_to_groups = _method(AddJobToGroups)
    list_jobs = _method(ListJobs)
    remove_job = _method(RemoveJob)
    remove_all_jobs = _method(RemoveAllJobs)
    cancel_job = _method(CancelJob)
    cancel_all_jobs = _method(CancelAllJobs)
    get_group = _method(GetGroup)
    list_groups = _method(ListGroups)


class AsyncClient(abc.ABC):
    """Compute groups, asynchronously. A backend gives `call`; all else stands on it.

    A client is an asynchronous context manager that closes itself.
    """

    @abc.abstractmethod
    async def call(self, request: Request[T]) -> T:
        """Carry out a request.

        Args:
            request: one of the twelve, from `cg_core.requests`.

        Returns:
            The request's result.

        Raises:
            ComputeGroupsError: a refusal, or what went wrong on the way; see `cg_core.errors`.
        """

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Let go of what the client holds. Closing again does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    create = _async_method(CreateGroup)
    change_group = _async_method(ChangeGroup)
    delete_group = _async_method(DeleteGroup)
    add_job = _async_method(AddJob)
    add_job_to_groups = _async_method(AddJobToGroups)
    list_jobs = _async_method(ListJobs)
    remove_job = _async_method(RemoveJob)
    remove_all_jobs = _async_method(RemoveAllJobs)
    cancel_job = _async_method(CancelJob)
    cancel_all_jobs = _async_method(CancelAllJobs)
    get_group = _async_method(GetGroup)
    list_groups = _async_method(ListGroups)


# A function made by a call does not know under which name it stands.
for _client in (Client, AsyncClient):
    for _name, _function in vars(_client).items():
        if getattr(_function, "__name__", "") == "method":
            _function.__name__ = _name
            _function.__qualname__ = f"{_client.__name__}.{_name}"
