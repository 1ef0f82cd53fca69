"""Join secrets and join hashes show nowhere (C-13), whatever saw them and however it failed."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from io import StringIO
from string import ascii_letters, digits
from traceback import TracebackException
from types import TracebackType
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback

from cg_core import (
    AddJob,
    AddJobToGroups,
    Address,
    AsyncClient,
    Caller,
    ChangeGroup,
    Client,
    ComputeGroupsError,
    CreateGroup,
    Decision,
    Descriptor,
    GetGroup,
    InvalidType,
    JoinHash,
    JoinHashHash,
    JoinSecret,
    ListGroups,
    ListJobs,
    OpaqueId,
    Request,
    decide,
    join_hash,
    to_operation,
)
from tests.core.arguments import METHODS, WRONG_TYPES, WRONG_VALUES, Arguments, full_arguments
from tests.core.naive_rows import NaiveRows
from tests.core.worlds import ALICE, BOB, JOBS, NOW

T = TypeVar("T")

KEY = "farm"
SESSION = "the session"
JOB = str(JOBS[0])
OPAQUE_ID = OpaqueId("bYcYGQ3NOpFnP4FKs6IBQd")

# Long enough not to be found by chance, in a source line or in the secret of another test.
texts = st.text(ascii_letters + digits, min_size=12, max_size=40).map("tiger-{}".format)


@attrs.frozen
class Secret:
    """A join secret, and all that would give it away."""

    text: str = attrs.field(repr=False)
    hash: JoinHash

    @classmethod
    def of(cls, text: str) -> Secret:
        return cls(text, join_hash(KEY, text))

    def is_in(self, shown: str | bytes) -> bool:
        digits = self.hash.reveal().removeprefix("eh1-")
        told: list[bytes] = [
            self.text.encode(),
            self.text.encode("utf-16-le"),
            self.text.encode().hex().encode(),
            digits.encode(),
            digits.upper().encode(),
            bytes.fromhex(digits),
            repr(bytes.fromhex(digits)).encode(),
        ]
        shown = shown.encode(errors="surrogatepass") if isinstance(shown, str) else shown
        return any(part in shown for part in told)


secrets = texts.map(Secret.of)


# Where things show.


def appearances(value: Any) -> Iterator[str | bytes]:
    """How a value shows itself to people, logs and files."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    yield f"{value!a}"
    yield repr([value, {"key": value}])
    yield repr(copy.copy(value))
    yield repr(copy.deepcopy(value))
    record = logging.LogRecord("log", logging.ERROR, __file__, 1, "%s %r", (value, value), None)
    yield logging.Formatter("%(message)s %(args)s").format(record)
    console = Console(file=StringIO(), width=10_000)
    console.print(value, {"key": value})
    yield console.file.getvalue()  # type: ignore[attr-defined] # the file given above
    if attrs.has(type(value)):
        yield repr(attrs.asdict(value))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        try:
            yield pickle.dumps(value, protocol)
        except InvalidType as refusal:
            yield from tracebacks(refusal, refusal.__traceback__)


def tracebacks(error: BaseException, below: TracebackType | None) -> Iterator[str]:
    """The traceback of an error from a frame on, as the standard library and rich tell it.

    The errors that an error leads to are looked at too, also where nobody would show them.
    """
    kind = type(error)
    try:
        told = TracebackException(kind, error, below, capture_locals=True)
    except AttributeError:  # Python 3.11 fails on a local that was not made to the end
        told = TracebackException(kind, error, below)
    yield "".join(told.format())
    trace = Traceback.extract(
        kind, error, below, show_locals=True, locals_max_length=10_000, locals_max_string=10_000
    )
    yield repr(trace)
    while below is not None:
        yield from (f"{name} = {safe_repr(it)}" for name, it in below.tb_frame.f_locals.items())
        below = below.tb_next
    for other in (error.__context__, error.__cause__):
        if other is not None:
            yield from tracebacks(other, other.__traceback__)


def safe_repr(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:
        return object.__repr__(value)


def error_of(call: Callable[[], object]) -> BaseException | None:
    """What a call raises. Its traceback begins in this frame, which holds no secret."""
    try:
        call()
    except Exception as error:  # whatever it is, it must not tell
        return error
    return None


def assert_hidden(secret: Secret, call: Callable[[], object], *, fails: bool | None = None) -> None:
    """Neither the result of a call nor its error tells the secret.

    The frame of the caller, who has the secret, is not looked at; those below are.
    """
    error = error_of(call)
    assert fails is None or fails is (error is not None)
    if error is None:
        return
    ours = error.__traceback__
    for _ in range(2):  # error_of and the call itself, which is the caller's own
        assert ours is not None
        ours = ours.tb_next
    assert not secret.is_in(pickle.dumps(error))
    for appearance in (repr(error), str(error), repr(vars(error)), *tracebacks(error, ours)):
        assert not secret.is_in(appearance)


@given(secrets)
def test_these_tests_would_see_what_shows(secret: Secret) -> None:
    def tells(text: str) -> None:
        raise ValueError(len(text))

    def holds(text: Any) -> None:
        tells("nothing")

    for call in (
        lambda: tells(secret.text),
        lambda: holds([secret.text]),
        lambda: holds({"hash": secret.hash.reveal()}),
        lambda: holds(CreateGroup(secret.text)),
    ):
        with pytest.raises(AssertionError):
            assert_hidden(secret, call)
    for value in (secret.text, [secret.hash.reveal()], Descriptor(secret.text)):
        assert any(secret.is_in(shown) for shown in appearances(value))


# Clients that do with a request what stores and sessions do.


class Local(Client):
    """Decides requests on rows of its own, as a local backend does."""

    def __init__(self, rows: NaiveRows | None = None, address: Address = ALICE) -> None:
        self.rows = rows or NaiveRows()
        self.caller = Caller(address)

    def call(self, request: Request[T]) -> T:
        to_operation(request, SESSION)
        return self.rows.apply(decide(request, self.caller, self.rows, NOW))

    def close(self) -> None:
        pass


class AsyncLocal(AsyncClient):
    """The same, awaited."""

    def __init__(self, rows: NaiveRows | None = None, address: Address = ALICE) -> None:
        self.client = Local(rows, address)

    async def call(self, request: Request[T]) -> T:
        return self.client.call(request)

    async def aclose(self) -> None:
        pass


def called(client: Client | AsyncClient, method: str, /, *args: Any, **kwargs: Any) -> Any:
    """What a method gives. Its caller's frames end here, so this one lets go of the arguments."""
    try:
        result = getattr(client, method)(*args, **kwargs)
    finally:
        del args, kwargs
    if isinstance(client, Client):
        return result
    try:
        result.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


each_client = pytest.mark.parametrize("kind", [Local, AsyncLocal])
ways = st.sampled_from(["join_secret", "hidden secret", "join_hash", "hidden hash"])
taking_secrets = st.sampled_from(["create", "change_group", "add_job"])


def shown(secret: Secret, way: str) -> Arguments:
    """The secret as an argument, in each of the four ways."""
    arguments: dict[str, Arguments] = {
        "join_secret": {"join_secret": secret.text},
        "hidden secret": {"join_secret": JoinSecret(secret.text)},
        "join_hash": {"join_hash": secret.hash.reveal()},
        "hidden hash": {"join_hash": secret.hash},
    }
    return arguments[way]


def right(method: str) -> Arguments:
    """Arguments that are right but for the credentials, which are missing."""
    arguments: dict[str, Arguments] = {
        "create": {"name": "name", "join_key": KEY},
        "change_group": {"group": 2, "join_key": KEY},
        "add_job": {"group": 2, "job": JOB, "join_key": KEY},
    }
    return arguments[method]


# What has seen a secret.


@settings(max_examples=30)
@given(secrets)
def test_what_has_seen_a_secret_does_not_show_it(secret: Secret) -> None:
    create = CreateGroup("name", join_key=KEY, join_secret=secret.text)
    descriptor = Descriptor(KEY, join_secret=secret.text)
    rows = NaiveRows()
    decision = decide(create, Caller(ALICE), rows, NOW)
    rows.apply(decision)
    add = AddJob(descriptor, JOB)
    for seen in (
        JoinSecret(secret.text),
        secret.hash,
        JoinHash(secret.hash.reveal()),
        secret.hash.salted(SESSION),
        JoinHashHash(SESSION, secret.hash.reveal()),
        descriptor,
        create,
        ChangeGroup(2, join_key=KEY, join_secret=secret.text),
        ChangeGroup(2, join_key=KEY, join_hash=secret.hash.reveal()).changes,
        add,
        AddJobToGroups(JOB, [descriptor]),
        ListJobs(descriptor),
        decision,
        rows,
        rows.group(KEY),
        decide(add, Caller(ALICE), rows, NOW),
        decide(AddJobToGroups(JOB, [KEY, descriptor]), Caller(ALICE), rows, NOW),
        decide(GetGroup(2), Caller(ALICE), rows, NOW),
        decide(ListGroups(), Caller(ALICE), rows, NOW),
        Local(rows),
    ):
        for appearance in appearances(seen):
            assert not secret.is_in(appearance)
    for request in (create, ChangeGroup(2, join_key=KEY, join_secret=secret.text), add):
        operation = to_operation(request, SESSION)
        assert not secret.is_in(repr(operation) + str(operation) + f"{operation}")


@given(secrets, st.sampled_from([JoinSecret, JoinHash, JoinHashHash, CreateGroup, Descriptor]))
def test_pickling_what_holds_a_secret_raises(secret: Secret, kind: type) -> None:
    held: Any = {
        JoinSecret: JoinSecret(secret.text),
        JoinHash: secret.hash,
        JoinHashHash: secret.hash.salted(SESSION),
        CreateGroup: CreateGroup("name", join_key=KEY, join_secret=secret.text),
        Descriptor: Descriptor(KEY, join_secret=secret.text),
    }[kind]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(InvalidType, match="does not pickle"):
            pickle.dumps([held], protocol)


@each_client
@settings(max_examples=30)
@given(secrets)
def test_no_call_returns_a_hash(kind: Any, secret: Secret) -> None:
    client = kind()
    for result in (
        called(client, "create", "name", join_key=KEY, join_secret=secret.text),
        called(client, "add_job", KEY, JOB, join_secret=secret.text),
        called(client, "change_group", 2, join_key=KEY, join_secret=secret.text),
        called(client, "get_group", KEY),
        called(client, "list_groups"),
        called(client, "list_jobs", 2),
        called(client, "add_job_to_groups", JOB, [2, Descriptor(KEY, join_secret=secret.text)]),
        called(client, "cancel_all_jobs", 2),
    ):
        assert "hidden" not in repr(result)
        for appearance in appearances(result):
            assert not secret.is_in(appearance)


# Calls that fail.


@each_client
@settings(max_examples=150)
@given(secrets, taking_secrets, ways, st.data())
def test_a_wrong_argument_beside_a_secret_does_not_tell_it(
    kind: Any, secret: Secret, method: str, way: str, data: st.DataObject
) -> None:
    others = set(data.draw(full_arguments(METHODS[method]))) - {"join_key", "join_secret"}
    parameter = data.draw(st.sampled_from(sorted(others)))
    wrong = data.draw(WRONG_TYPES[parameter] | WRONG_VALUES[parameter])
    arguments = right(method) | shown(secret, way) | {parameter: wrong}
    client = kind()
    assert_hidden(secret, lambda: called(client, method, **arguments), fails=True)


@each_client
@settings(max_examples=60)
@given(secrets, taking_secrets, ways, st.data())
def test_a_wrong_join_key_beside_a_secret_does_not_tell_it(
    kind: Any, secret: Secret, method: str, way: str, data: st.DataObject
) -> None:
    wrong = data.draw(WRONG_TYPES["join_key"] | WRONG_VALUES["join_key"] | st.none())
    arguments = right(method) | shown(secret, way) | {"join_key": wrong}
    client = kind()
    assert_hidden(secret, lambda: called(client, method, **arguments), fails=True)


def spoilt(secret: Secret) -> list[Any]:
    """What is no secret and no hash, and tells the secret all the same."""
    text, hash = secret.text, secret.hash.reveal()
    return [
        f"{text}\0", f"{text}\ud800", text * 30, text.encode(), bytearray(text, "utf-8"), [text],
        (text,), {"joinSecret": text}, {text}, iter([text]), ValueError(text), hash[:-1],
        hash.upper(), f"{hash}\n", hash[4:], hash.encode(), [hash], lambda: text,
    ]  # fmt: skip


@each_client
@settings(max_examples=100)
@given(secrets, taking_secrets, st.sampled_from(["join_secret", "join_hash"]), st.data())
def test_a_secret_that_cannot_be_is_not_told(
    kind: Any, secret: Secret, method: str, parameter: str, data: st.DataObject
) -> None:
    value = data.draw(st.sampled_from(spoilt(secret)))
    if parameter == "join_secret" and isinstance(value, str) and len(value) <= 255:
        value += "\0"  # what is no hash may be a secret
    arguments = right(method) | {parameter: value}
    client = kind()
    assert_hidden(secret, lambda: called(client, method, **arguments), fails=True)


@each_client
@pytest.mark.parametrize("method", ["create", "change_group", "add_job", "list_jobs"])
@given(secret=secrets, word=st.sampled_from(["joinSecret", "join_secrt", "secret", "make", "self"]))
def test_a_secret_under_a_misspelt_name_is_not_told(
    kind: Any, method: str, secret: Secret, word: str
) -> None:
    arguments = {"group": 2} if method == "list_jobs" else right(method)
    client = kind()
    misspelt = arguments | {word: secret.text}
    assert_hidden(secret, lambda: called(client, method, **misspelt), fails=True)
    hash = arguments | {word: secret.hash.reveal()}
    assert_hidden(secret, lambda: called(client, method, **hash), fails=True)


@each_client
@given(secrets)
def test_a_secret_in_a_call_that_does_not_fit_is_not_told(kind: Any, secret: Secret) -> None:
    """Calls as the API page writes them for JavaScript, and calls that lack something."""
    client = kind()
    options = {"joinKey": KEY, "joinSecret": secret.text}
    text, hash = secret.text, secret.hash
    for call in (
        lambda: called(client, "create", "name", options),
        lambda: called(client, "create", options),
        lambda: called(client, "create", join_key=KEY, join_secret=text),
        lambda: called(client, "create", "name", join_key=KEY, join_secret=text, join_hash=hash),
        lambda: called(client, "create", "name", join_secret=text),
        lambda: called(client, "create", "name", join_hash=hash.reveal()),
        lambda: called(client, "change_group", 2, options),
        lambda: called(client, "change_group", 2, join_secret=text),
        lambda: called(client, "change_group", 2, join_key=None, join_secret=text),
        lambda: called(client, "add_job", 2, JOB, KEY, text),
        lambda: called(client, "add_job", 2, JOB, join_secret=text),
        lambda: called(client, "add_job", 2, join_key=KEY, join_secret=text),
        lambda: called(client, "add_job", options, JOB),
        lambda: called(client, "add_job", "lab", JOB, join_key=KEY, join_secret=text),
        lambda: called(client, "add_job", Descriptor(KEY), JOB, join_secret=text),
        lambda: called(client, "add_job_to_groups", JOB, [options]),
        lambda: called(client, "add_job_to_groups", JOB, [Descriptor("lab"), options]),
        lambda: called(client, "add_job_to_groups", JOB, options),
        lambda: called(client, "add_job_to_groups", text, [Descriptor(KEY, join_secret=text), 0]),
    ):
        assert_hidden(secret, call, fails=True)


@each_client
@settings(max_examples=60)
@given(secrets, ways)
def test_a_refusal_inside_call_does_not_tell_a_secret(kind: Any, secret: Secret, way: str) -> None:
    rows = NaiveRows()
    alice, bob = kind(rows), kind(rows, BOB)
    called(alice, "create", "name", join_key=KEY, join_secret=secret.text, deploy_access="join")
    called(alice, "create", "lab", join_key="lab", join_secret=secret.text)
    called(bob, "add_job", 2, JOBS[1], join_key=KEY, **shown(secret, way))
    credentials = shown(secret, way)
    for call in (
        lambda: called(alice, "create", "again", join_key=KEY, **credentials),
        lambda: called(bob, "change_group", 2, join_key=KEY, **credentials),
        lambda: called(alice, "change_group", 2, join_key="lab", **credentials),
        lambda: called(alice, "change_group", 99, join_key=KEY, **credentials),
        lambda: called(alice, "add_job", 99, JOB, join_key=KEY, **credentials),
        lambda: called(bob, "add_job", 3, JOB, join_key="lab", **credentials),
        lambda: called(bob, "add_job", 2, JOB, join_key="lab", **credentials),
        lambda: called(bob, "add_job", "lab", JOB, **credentials),
        lambda: called(alice, "add_job", KEY, JOBS[1], **credentials),
        lambda: called(alice, "add_job", KEY, JOB, join_secret="guess"),
        lambda: called(bob, "list_jobs", Descriptor(KEY, **credentials)),
    ):
        assert_hidden(secret, call, fails=True)


@given(secrets)
def test_the_public_constructors_do_not_tell_a_secret_either(secret: Secret) -> None:
    text = secret.text
    for call in (
        lambda: JoinSecret(f"{text}\0"),
        lambda: JoinHash(f"{secret.hash.reveal()} "),
        lambda: JoinHashHash(SESSION, secret.hash.reveal().upper()),
        lambda: join_hash("", text),
        lambda: join_hash(KEY, f"{text}\ud800"),
        lambda: Descriptor(0, join_key=KEY, join_secret=text),
        lambda: Descriptor(2, join_key="", join_secret=text),
        lambda: Descriptor(KEY, join_secret=text, join_hash=secret.hash),
        lambda: Descriptor(2, join_secret=text),
        lambda: CreateGroup("", join_key=KEY, join_secret=text),
        lambda: CreateGroup("name", join_key=KEY, join_secret=text * 30),
        lambda: ChangeGroup(2, name="", join_key=KEY, join_secret=text),
        lambda: ChangeGroup(2, join_key=None, join_hash=secret.hash.reveal()),
        lambda: AddJob(2, "no job", join_key=KEY, join_secret=text),
        lambda: pickle.dumps(JoinSecret(text)),
    ):
        assert_hidden(secret, call, fails=True)


@given(secrets, st.booleans(), st.sampled_from(["joinSecret", "joinHash", "join_secrt", "secret"]))
def test_the_public_constructors_do_not_tell_a_secret_under_a_misspelt_name(
    secret: Secret, as_hash: bool, word: str
) -> None:
    create: Any = CreateGroup
    change: Any = ChangeGroup
    misspelt = {word: secret.hash.reveal() if as_hash else secret.text}
    assert_hidden(secret, lambda: create("name", join_key=KEY, **misspelt), fails=True)
    assert_hidden(secret, lambda: change(2, name="name", **misspelt), fails=True)


def test_rich_prints_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Whole, as a person sees it, with the locals of all frames but the caller's own."""
    secret = Secret.of("tiger-in-a-rich-traceback")
    client = Local()
    error = error_of(
        lambda: called(client, "create", "", join_key=KEY, join_secret=secret.text, deploy_fee=1)
    )
    assert isinstance(error, ComputeGroupsError)
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_next is not None
    below = error.__traceback__.tb_next.tb_next
    out = StringIO()
    Console(file=out, width=200).print(
        Traceback.from_exception(type(error), error, below, show_locals=True, width=200)
    )
    assert "InvalidValue" in out.getvalue()
    assert "locals" in out.getvalue()
    assert not secret.is_in(out.getvalue())
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("a program's own").error("refused", exc_info=error)
    assert not secret.is_in(caplog.text)


def test_the_core_writes_no_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Local()
    with caplog.at_level(logging.DEBUG):
        client.create("name", join_key=KEY, join_secret="s3cret")
        client.add_job(KEY, JOB, join_secret="s3cret")
        assert error_of(lambda: client.add_job(KEY, JOB, join_secret="guess"))
    assert caplog.records == []


def test_a_decision_is_told_by_what_it_does() -> None:
    """A repr that hides what must hide still says the rest."""
    decision = decide(CreateGroup("name", join_key=KEY, join_secret="s"), Caller(ALICE),
                      NaiveRows(), NOW)  # fmt: skip
    assert isinstance(decision, Decision)
    assert "join_hash=<JoinHash hidden>" in repr(decision)
    assert "join_key='farm'" in repr(decision)
