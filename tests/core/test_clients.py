"""The clients' methods: one for each request, sync and async alike, each over one call."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cg_core
from cg_core import (
    AddJob,
    AsyncClient,
    BadCredentials,
    Client,
    ComputeGroupsError,
    CreateGroup,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    ListGroups,
    ListJobs,
    NetworkError,
    NotOwner,
    Request,
    errors,
)
from tests.core.arguments import (
    METHODS,
    Arguments,
    arguments_of_wrong_type,
    arguments_of_wrong_value,
    full_arguments,
    right_arguments,
)

T = TypeVar("T")

JOB = "P+Y4IApeFQLrYS2W7MkVg7"


class Recorder(Client):
    """A client that sends nothing; it keeps what it was to send and answers as it is told."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.sent: list[Request[Any]] = []
        self.closed = 0

    def call(self, request: Request[T]) -> T:
        self.sent.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        answer: T = self.answer
        return answer

    def close(self) -> None:
        self.closed += 1


class AsyncRecorder(AsyncClient):
    """The same, awaited."""

    def __init__(self, answer: Any = None) -> None:
        self.recorder = Recorder(answer)

    @property
    def sent(self) -> list[Request[Any]]:
        return self.recorder.sent

    async def call(self, request: Request[T]) -> T:
        return self.recorder.call(request)

    async def aclose(self) -> None:
        self.recorder.close()


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing: no event loop is needed."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    result: T = stop.value.value
    return result


def called(client: Recorder | AsyncRecorder, method: str, /, *args: Any, **arguments: Any) -> Any:
    """What a method gives, awaited where it must be."""
    result = getattr(client, method)(*args, **arguments)
    return finished(result) if isinstance(client, AsyncRecorder) else result


each_client = pytest.mark.parametrize("kind", [Recorder, AsyncRecorder])
each_method = pytest.mark.parametrize("method", METHODS)
methods = st.sampled_from(sorted(METHODS))
methods_with_arguments = st.sampled_from(sorted(set(METHODS) - {"list_groups"}))


# The two clients.


def public_methods(client: type) -> set[str]:
    return {name for name in vars(client) if not name.startswith("_")}


def test_both_clients_have_a_method_for_each_request_and_one_call() -> None:
    assert public_methods(Client) == {*METHODS, "call", "close"}
    assert public_methods(AsyncClient) == {*METHODS, "call", "aclose"}


@each_method
def test_sync_and_async_methods_have_the_same_signature_and_docstring(method: str) -> None:
    sync, awaited = getattr(Client, method), getattr(AsyncClient, method)
    assert inspect.signature(sync) == inspect.signature(awaited)
    assert inspect.getdoc(sync) == inspect.getdoc(awaited)
    assert inspect.getdoc(Client.call) == inspect.getdoc(AsyncClient.call)


@each_client
@each_method
def test_a_method_shows_the_parameters_and_the_docstring_of_its_request(
    kind: Any, method: str
) -> None:
    request = METHODS[method]
    shown = inspect.signature(getattr(kind(), method))  # bound: without self
    assert list(shown.parameters.values()) == list(inspect.signature(request).parameters.values())
    assert getattr(kind, method).__doc__ == request.__doc__
    assert request.__doc__
    unbound = list(inspect.signature(getattr(kind, method)).parameters)
    assert unbound == ["self", *shown.parameters]


@pytest.mark.parametrize("client", [Client, AsyncClient])
@each_method
def test_a_method_knows_its_name(client: type, method: str) -> None:
    function = getattr(client, method)
    assert function.__name__ == method
    assert function.__qualname__ == f"{client.__name__}.{method}"


@each_method
def test_a_method_shows_the_type_of_its_result(method: str) -> None:
    shown = inspect.signature(getattr(Client, method)).return_annotation
    (base,) = METHODS[method].__orig_bases__  # type: ignore[attr-defined] # Python sets it
    (result,) = base.__args__
    assert shown == (None if result is type(None) else result)


# What is sent.


@each_client
@settings(max_examples=200)
@given(methods, st.data())
def test_a_method_sends_its_request_and_gives_what_comes_back(
    kind: Any, method: str, data: st.DataObject
) -> None:
    arguments = data.draw(right_arguments(METHODS[method]))
    answer = object()
    client = kind(answer)
    assert called(client, method, **arguments) is answer
    assert client.sent == [METHODS[method](**arguments)]
    assert type(client.sent[0]) is METHODS[method]


@each_client
def test_every_request_has_exactly_one_method(kind: Any) -> None:
    examples: dict[str, Arguments] = {
        "create": {"name": "farm"},
        "change_group": {"group": 5, "name": "farm"},
        "add_job": {"group": 5, "job": JOB},
        "add_job_to_groups": {"job": JOB, "groups": [5]},
        "remove_job": {"group": 5, "job": JOB},
        "cancel_job": {"group": 5, "job": JOB},
        "list_groups": {},
    }
    client = kind()
    for method in sorted(METHODS):
        called(client, method, **examples.get(method, {"group": 5}))
    assert [type(request) for request in client.sent] == [METHODS[name] for name in sorted(METHODS)]
    assert len(set(METHODS.values())) == len(METHODS)


@each_client
def test_arguments_go_by_position_as_in_the_seed(kind: Any) -> None:
    client = kind()
    called(client, "create", "farm")
    called(client, "add_job", 5, JOB)
    called(client, "list_jobs", 5)
    assert client.sent == [CreateGroup("farm"), AddJob(5, JOB), ListJobs(5)]


@each_client
@pytest.mark.parametrize(
    "error", [NotOwner("no"), BadCredentials("no"), NetworkError("gone"), KeyError("a fault")]
)
def test_what_call_raises_is_raised(kind: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        called(kind(error), "list_groups")
    assert raised.value is error


def test_an_async_method_sends_when_it_is_awaited() -> None:
    client = AsyncRecorder()
    coroutine = client.list_groups()
    assert isinstance(coroutine, Awaitable)
    assert client.sent == []
    finished(coroutine)
    assert client.sent == [ListGroups()]


# What is not sent.


@each_client
@settings(max_examples=200)
@given(methods_with_arguments, st.data())
def test_a_wrong_argument_is_refused_and_nothing_is_sent(
    kind: Any, method: str, data: st.DataObject
) -> None:
    client = kind()
    request = METHODS[method]
    with pytest.raises(InvalidArgument) as refusal:
        called(client, method, **data.draw(arguments_of_wrong_type(request)))
    assert type(refusal.value) is InvalidType
    with pytest.raises(InvalidArgument) as refusal:
        called(client, method, **data.draw(arguments_of_wrong_value(request)))
    assert type(refusal.value) is InvalidValue
    assert client.sent == []


def keywords_unknown_to(method: str) -> st.SearchStrategy[str]:
    known = set(inspect.signature(METHODS[method]).parameters)
    if "properties" in known:
        known |= set(inspect.signature(cg_core.GroupProperties).parameters)
    words = st.sampled_from(
        ["self", "make", "args", "kwargs", "request", "cls", "method", "joinKey", "properties"]
    )
    return (words | st.from_regex(r"[a-z]{1,12}", fullmatch=True)).filter(
        lambda word: word not in known - {"properties"}
    )


@each_client
@settings(max_examples=200)
@given(methods, st.data())
def test_an_unknown_keyword_is_named_and_nothing_is_sent(
    kind: Any, method: str, data: st.DataObject
) -> None:
    arguments = data.draw(full_arguments(METHODS[method]))
    keyword = data.draw(keywords_unknown_to(method))
    client = kind()
    with pytest.raises(InvalidType, match=keyword) as refusal:
        called(client, method, **arguments, **{keyword: 5})
    assert type(refusal.value) is InvalidType
    assert client.sent == []


@each_client
@given(methods_with_arguments, st.data())
def test_a_missing_argument_is_named_and_nothing_is_sent(
    kind: Any, method: str, data: st.DataObject
) -> None:
    parameters = inspect.signature(METHODS[method]).parameters.values()
    required = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    missing = data.draw(st.sampled_from(required))
    arguments = data.draw(full_arguments(METHODS[method]))
    del arguments[missing]
    client = kind()
    with pytest.raises(InvalidType, match=f"{missing}") as refusal:
        called(client, method, **arguments)
    assert type(refusal.value) is InvalidType
    assert client.sent == []


@each_client
@given(methods, st.lists(st.integers(), min_size=3))
def test_too_many_arguments_are_refused_and_nothing_is_sent(
    kind: Any, method: str, arguments: list[int]
) -> None:
    client = kind()
    with pytest.raises(InvalidType) as refusal:
        called(client, method, *arguments)
    assert type(refusal.value) is InvalidType
    assert client.sent == []


@each_client
def test_an_argument_given_twice_is_refused_and_nothing_is_sent(kind: Any) -> None:
    client = kind()
    with pytest.raises(InvalidType, match="group"):
        called(client, "list_jobs", 5, group=5)
    assert client.sent == []


@each_client
@pytest.mark.parametrize(
    ("method", "args", "keywords", "what", "takes"),
    [
        ("list_groups", (1,), {}, "too many positional arguments", "nothing"),
        ("list_jobs", (), {}, "missing 1 required positional argument: 'group'", "group"),
        ("list_jobs", (5,), {"x": 1}, "got an unexpected keyword argument 'x'", "group"),
        (
            "add_job", (1, 2, 3), {}, "too many positional arguments",
            "group, job, by name join_key, join_secret, join_hash",
        ),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_told_what_fits(
    kind: Any, method: str, args: tuple[int, ...], keywords: Arguments, what: str, takes: str
) -> None:
    with pytest.raises(InvalidType) as refusal:
        called(kind(), method, *args, **keywords)
    assert refusal.value.args == (f"this call does not fit: {what}; it takes {takes}",)


class Unreadable(list[Any]):
    """A list that fails as it is read."""

    def __init__(self, error: Exception) -> None:
        super().__init__([1])
        self.error = error

    def __iter__(self) -> Any:
        raise self.error


@each_client
@pytest.mark.parametrize("error", [TypeError("the program's own"), LookupError("likewise")])
def test_an_error_of_the_programs_own_is_not_called_an_invalid_argument(
    kind: Any, error: Exception
) -> None:
    client = kind()
    with pytest.raises(type(error)) as raised:
        called(client, "add_job_to_groups", JOB, Unreadable(error))
    assert raised.value is error
    assert client.sent == []


# Clients are context managers.


def test_a_client_closes_itself_whatever_happened() -> None:
    client = Recorder()
    with client as entered:
        assert entered is client
        assert client.closed == 0
    assert client.closed == 1
    with pytest.raises(LookupError), client:
        raise LookupError
    assert client.closed == 2


def test_an_async_client_closes_itself_whatever_happened() -> None:
    client = AsyncRecorder()

    async def use() -> None:
        async with client as entered:
            assert entered is client
            assert client.recorder.closed == 0
        assert client.recorder.closed == 1
        with pytest.raises(LookupError):
            async with client:
                raise LookupError
        assert client.recorder.closed == 2

    finished(use())


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_backend_must_give_call_and_close(client: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        client()


# The package.


def test_what_the_core_exports_is_complete_and_sorted() -> None:
    public = {
        name
        for name, value in vars(cg_core).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(cg_core.__all__) == public
    assert len(cg_core.__all__) == len(public)
    constants = [name for name in cg_core.__all__ if name.isupper()]
    classes = [name for name in cg_core.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in cg_core.__all__ if name[0].islower()]
    assert cg_core.__all__ == sorted(constants) + sorted(classes) + sorted(functions)


def test_all_requests_and_all_errors_are_exported() -> None:
    raised = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ComputeGroupsError)
    }
    exported = {getattr(cg_core, name) for name in cg_core.__all__ if name[0].isupper()}
    assert raised <= exported
    assert set(METHODS.values()) <= exported
