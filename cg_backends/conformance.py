"""What every backend does, as cases for pytest: each method and each refusal (C-18).

A backend conforms if it passes them all:

    import pytest
    from cg_backends.conformance import CASES, Backend, Case

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_conforms(case: Case, backend: Backend) -> None:
        case(backend)

The fixture `backend` is yours: it makes a new place for each case, and closes the clients behind
it. For sync clients, where `new_service` and `connect` are yours:

    @attrs.frozen
    class MyBackend:
        url: str
        clients: ExitStack

        def connect(self, identity, *, join_identity=None):
            client = connect(self.url, identity=identity, join_identity=join_identity)
            return self.clients.enter_context(client)

    @pytest.fixture
    def backend():
        with new_service() as url, ExitStack() as clients:
            yield MyBackend(url, clients)

For async clients, see `called_synchronously`.
"""
# ruff: noqa: D103 - a case's name says what it shows

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar, cast

import attrs
from anyio.from_thread import BlockingPortal

from cg_core import (
    AsyncClient,
    BadCredentials,
    Client,
    ClientClosed,
    Descriptor,
    DuplicateJoinKey,
    Group,
    GroupId,
    GroupName,
    GroupNotFound,
    Identity,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobCancelled,
    JobId,
    JobNotFound,
    JoinSecret,
    LimitReached,
    NotOwner,
    OpaqueId,
    Refused,
    join_hash,
)

try:
    import pytest
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    raise ModuleNotFoundError(
        "the conformance suite needs pytest: pip install pytest", name="pytest"
    ) from None

T = TypeVar("T")


class Backend(Protocol):
    """What is tested: a place with groups in it, and clients of that place.

    Each case needs a place in which nobody has a group or ever added a job: new, or emptied. There
    is the public group, and each caller may own a score of groups and add a few jobs to the public
    one. What time it is there, and which ids it gives, is its own affair.
    """

    def connect(self, identity: Identity, *, join_identity: Identity | None = None) -> Client:
        """An open client, whose methods are called synchronously, whatever lies under it.

        A case may have several clients at once, also for one identity. It closes none of them
        unless that is what it tests: who made them does, when the case is over.

        Args:
            identity: the caller.
            join_identity: another identity, that groups may let in (C-9).
        """


def called_synchronously(connect: Callable[[], AsyncClient], portal: BlockingPortal) -> Client:
    """Make an async client whose methods are called as those of a sync one.

    It lives in the portal's event loop, where one task enters and leaves its `async with`, so that
    it can have tasks in the background:

        @attrs.frozen
        class MyAsyncBackend:
            url: str
            portal: BlockingPortal
            clients: ExitStack

            def connect(self, identity, *, join_identity=None):
                make = partial(connect, self.url, identity=identity, join_identity=join_identity)
                return self.clients.enter_context(called_synchronously(make, self.portal))

        @pytest.fixture(params=["asyncio", "trio"])
        def backend(request):
            with (
                new_service() as url,
                anyio.from_thread.start_blocking_portal(request.param) as portal,
                ExitStack() as clients,
            ):
                yield MyAsyncBackend(url, portal, clients)

    Args:
        connect: makes the client; called in the event loop.
        portal: leads to the event loop, which runs in another thread.

    Returns:
        The client, entered. Closing it leaves its `async with`.
    """
    entered = ExitStack()
    client = entered.enter_context(portal.wrap_async_context_manager(portal.call(connect)))
    return cast("Client", _CalledSynchronously(client, portal, entered))


@attrs.frozen
class _CalledSynchronously:
    # Calls the client's own methods by their names; so it has a Client's, and cannot be one.

    _client: AsyncClient
    _portal: BlockingPortal
    _entered: ExitStack

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._portal.call(partial(method, *args, **kwargs))

    def close(self) -> None:
        self._entered.close()  # leaves it, once
        self._portal.call(self._client.aclose)  # does nothing any more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Case: TypeAlias = Callable[[Backend], None]

CASES: Final[dict[str, Case]] = {}
"""All cases, by name."""


def case(function: Case) -> Case:
    """Make a function a case."""
    CASES[function.__name__] = function
    return function


def case_for_each(
    rows: Mapping[str, T],
) -> Callable[[Callable[[Backend, T], None]], Callable[[Backend, T], None]]:
    """Make a function a case for each of some rows."""

    def make(function: Callable[[Backend, T], None]) -> Callable[[Backend, T], None]:
        for label, row in rows.items():
            CASES[f"{function.__name__}: {label}"] = partial(_with_row, function, row)
        return function

    return make


def _with_row(function: Callable[[Backend, T], None], row: T, backend: Backend) -> None:
    function(backend, row)


ALICE: Final = Identity(b"\1" * 32)
BOB: Final = Identity(b"\2" * 32)
CAROL: Final = Identity(b"\3" * 32)
DOOR: Final = Identity(b"\4" * 32)

JOB: Final = JobId("P+Y4IApeFQLrYS2W7MkVg7")
JOB2: Final = JobId("Q+Y4IApeFQLrYS2W7MkVg8")
JOB3: Final = JobId("a+Y4IApeFQLrYS2W7MkVg/")
JOBS: Final = (JOB3, JOB, JOB2)  # not in their order as texts

PUBLIC_NAMES: Final[tuple[GroupName, ...]] = (1, OpaqueId("WHhetL7mj1w1mw1XV6dxyC"), "public")

CODES: Final = {
    NotOwner: "EPERM",
    BadCredentials: "EACCES",
    GroupNotFound: "ENOENT",
    JobNotFound: "ENOENT",
    DuplicateJoinKey: "ER_DUP_ENTRY",
    JobCancelled: "ECANCELED",
    LimitReached: "EDQUOT",
}
SECRET: Final = "open sesame"


@contextmanager
def refused(kind: type[Refused]) -> Iterator[None]:
    """The call is refused with just this class, under its wire name and code, and can be sent."""
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert (type(error), error.name, error.code) == (kind, kind.__name__, CODES[kind])
    assert error.message
    assert SECRET not in f"{error!s} {error!r}"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code) == (kind, str(error), error.code)


@contextmanager
def nothing_changes(*clients: Client) -> Iterator[None]:
    """Whatever happens within, the groups and jobs that these callers own stay as they are."""
    before = [holdings(client) for client in clients]
    yield
    assert [holdings(client) for client in clients] == before


def holdings(client: Client) -> list[tuple[Group, tuple[JobId, ...]]]:
    """The groups of a caller, and the jobs in each."""
    return [(group, client.list_jobs(group.id)) for group in client.list_groups()]


def names_of(client: Client, group: GroupId) -> tuple[GroupName, ...]:
    """A group by all of its names."""
    found = client.get_group(group)
    return (found.id, found.opaque_id) + (() if found.join_key is None else (found.join_key,))


def open_group(client: Client, join_key: str = "farm", **given: Any) -> GroupId:
    """A group that lets in whoever shows its key."""
    return client.create("render farm", join_key=join_key, deploy_access="join", **given)


# create


@case
def create_gives_a_row_id_and_the_caller_owns_the_group(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    made = alice.create("render farm")
    assert type(made) is int
    group = alice.get_group(made)
    assert (group.id, group.name, group.owner) == (made, "render farm", ALICE.address)
    assert (group.join_key, group.join_address) == (None, None)
    assert group.created_at.utcoffset() == timedelta(0)
    assert OpaqueId(group.opaque_id) == group.opaque_id
    assert alice.list_groups() == (group,)
    assert alice.list_jobs(made) == ()


@case
def create_without_properties_sets_no_fee_and_no_limit_and_lets_the_owner_in(
    backend: Backend,
) -> None:
    alice = backend.connect(ALICE)
    group = alice.get_group(alice.create("render farm"))
    assert (group.commission_rate, group.deploy_fee, group.add_job_fee) == (Decimal(0),) * 3
    assert (group.max_total_payment, group.max_concurrent_escrow) == (None, None)
    assert (group.max_concurrent_jobs, group.max_concurrent_workers) == (None, None)
    assert (group.max_concurrent_sandboxes, group.max_concurrent_cpus) == (None, None)
    assert (group.max_concurrent_gpus, group.deploy_access) == (None, "owner")


PROPERTIES: Final[dict[str, Any]] = {
    "commission_rate": Decimal("0.999999999999999999"),
    "deploy_fee": Decimal("99999999999999999999.999999999999999999"),
    "add_job_fee": Decimal("0.000000000000000001"),
    "max_total_payment": Decimal("0.1"),
    "max_concurrent_escrow": Decimal(12345678901234567890),
    "max_concurrent_jobs": 0,
    "max_concurrent_workers": 1,
    "max_concurrent_sandboxes": 2**31,
    "max_concurrent_cpus": 2**53 + 1,
    "max_concurrent_gpus": 2**63 - 1,
    "deploy_access": "join",
}


@case
def create_keeps_what_it_is_given_exactly(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    given = {
        "name": "Füße 🜁" + "n" * 248,
        "description": "🜁" * 255,
        "join_key": "k" * 254 + "🜁",
        "join_address": DOOR.address,
        "opaque_id": OpaqueId("0123456789abcdefABCDEF"),
        **PROPERTIES,
    }
    group = alice.get_group(alice.create(**given))
    assert {field: getattr(group, field) for field in given} == given
    for field in ("commission_rate", "deploy_fee", "add_job_fee"):
        assert type(getattr(group, field)) is Decimal


@case
def create_fills_in_a_description_from_the_name_and_the_date(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    group = alice.get_group(alice.create("render farm"))
    assert "render farm" in group.description
    assert f"{group.created_at:%Y-%m-%d}" in group.description

    cut = alice.get_group(alice.create("n" * 255)).description
    assert len(cut) == 255
    assert alice.get_group(alice.create("farm", description="")).description == ""


@case
def create_without_a_join_secret_makes_a_group_that_the_key_alone_opens(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = open_group(alice)
    backend.connect(BOB).add_job(farm, JOB, join_key="farm")
    assert alice.list_jobs(farm) == (JOB,)


@case
def create_refuses_a_join_key_in_use_and_makes_nothing(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    alice.create("render farm", join_key="farm", join_secret=SECRET)
    with nothing_changes(alice, bob):
        for client in (alice, bob):
            with refused(DuplicateJoinKey):
                client.create("another", join_key="farm")
        with refused(DuplicateJoinKey):
            bob.create("another", join_key="public")


@case
def create_refuses_an_opaque_id_in_use_and_makes_nothing(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    taken = alice.get_group(alice.create("render farm")).opaque_id
    with nothing_changes(alice, bob):
        for opaque_id in (taken, "WHhetL7mj1w1mw1XV6dxyC"):
            with refused(DuplicateJoinKey):
                bob.create("another", opaque_id=opaque_id, join_key="free")
    bob.create("another", join_key="free")


@case
def keys_and_ids_compare_by_code_point(backend: Backend) -> None:
    """Databases like to fold case, drop accents and ignore spaces at the end (C-1)."""
    alice = backend.connect(ALICE)
    keys = [
        "farm",
        "Farm",
        "FARM",
        "farm ",
        " farm",
        "färm",
        "fa\u0308rm",
        "f%rm",
        "f_rm",
        "ﬁ",
        "fi",
    ]
    made = {key: open_group(alice, key) for key in keys}
    assert len(set(made.values())) == len(keys)
    for key, group in made.items():
        assert alice.get_group(key).id == group
        with refused(DuplicateJoinKey):
            alice.create("again", join_key=key)

    lower = alice.create("lower", opaque_id="abcdefghijklmnopqrstuv")
    upper = alice.create("upper", opaque_id="ABCDEFGHIJKLMNOPQRSTUV")
    assert alice.get_group(OpaqueId("abcdefghijklmnopqrstuv")).id == lower
    assert alice.get_group(OpaqueId("ABCDEFGHIJKLMNOPQRSTUV")).id == upper

    jobs = [JobId("abcdefghijklmnopqrstuv"), JobId("ABCDEFGHIJKLMNOPQRSTUV")]
    for job in jobs:
        alice.add_job(lower, job)
    assert alice.list_jobs(lower) == tuple(jobs)


@case
def groups_are_named_by_row_id_opaque_id_and_join_key(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = open_group(alice)
    names = names_of(alice, farm)
    assert len(names) == 3
    for name in names:
        alice.add_job(name, JOB, join_key="farm")
        assert alice.list_jobs(name) == (JOB,)
        alice.remove_job(name, JOB)
        alice.add_job_to_groups(JOB2, [Descriptor(name, join_key="farm")])
        assert alice.remove_all_jobs(name) == (JOB2,)
        alice.change_group(name, description=f"by {name!r}")
        assert alice.get_group(name).description == f"by {name!r}"
    assert alice.get_group(farm).id == farm


@case
def an_opaque_id_and_a_join_key_of_one_text_are_two_names(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    text = "abcdefghijklmnopqrstuv"
    by_id = alice.create("by id", opaque_id=text)
    by_key = alice.create("by key", join_key=text)
    assert alice.get_group(OpaqueId(text)).id == by_id
    assert alice.get_group(text).id == by_key


# change_group


@case
def change_group_changes_what_is_given_and_nothing_else(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = alice.create("render farm", join_key="farm", join_secret=SECRET)
    changes = {"name": "night shift", "description": "", "join_address": DOOR.address, **PROPERTIES}
    for field, value in changes.items():
        before = alice.get_group(farm)
        given: dict[str, Any] = {field: value}
        alice.change_group(farm, **given)
        assert alice.get_group(farm) == attrs.evolve(before, **given)
    alice.change_group(farm, max_concurrent_jobs=1)
    alice.add_job(farm, JOB, join_key="farm", join_secret=SECRET)


@case
def none_takes_limits_and_the_join_address_away(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    limits: dict[str, Any] = {name: value for name, value in PROPERTIES.items() if "max_" in name}
    farm = alice.create("render farm", join_address=DOOR.address, **limits)
    cleared: dict[str, Any] = dict.fromkeys([*limits, "join_address"])
    alice.change_group(farm, **cleared)
    group = alice.get_group(farm)
    assert {name: getattr(group, name) for name in cleared} == cleared
    alice.add_job(farm, JOB)


@case
def join_key_and_secret_change_in_tandem(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET)
    alice.change_group(farm, join_key="studio", join_secret="new")
    with refused(GroupNotFound):
        bob.add_job("farm", JOB, join_secret=SECRET)
    for key, secret in (("farm", SECRET), ("farm", "new"), ("studio", SECRET), ("studio", None)):
        with refused(BadCredentials):
            bob.add_job(farm, JOB, join_key=key, join_secret=secret)
    bob.add_job("studio", JOB, join_secret="new")
    open_group(bob)  # the old key is free


@case
def the_secret_changes_beside_an_unchanged_key(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET)
    alice.change_group(farm, join_key="farm", join_secret="new")
    with refused(BadCredentials):
        bob.add_job(farm, JOB, join_key="farm", join_secret=SECRET)
    bob.add_job(farm, JOB, join_key="farm", join_secret="new")


@case
def a_key_without_its_secret_is_given_as_none(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET)
    alice.change_group(farm, join_key="farm", join_secret=None)
    bob.add_job("farm", JOB)

    alice.change_group(farm, join_key=None, join_secret=None)
    assert alice.get_group(farm).join_key is None
    with refused(GroupNotFound):
        bob.add_job("farm", JOB2)
    with refused(NotOwner):
        bob.add_job(farm, JOB2)
    alice.add_job(farm, JOB2)


@case
def change_group_refuses_a_join_key_in_use_and_changes_nothing(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    open_group(alice)
    lab = open_group(bob, "lab", join_secret=SECRET)
    with nothing_changes(alice, bob):
        for key in ("farm", "public"):
            with refused(DuplicateJoinKey):
                bob.change_group(lab, name="taken", join_key=key, join_secret="new")
    bob.add_job(lab, JOB, join_key="lab", join_secret=SECRET)


# delete_group


@case
def a_deleted_group_is_gone_under_all_of_its_names(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice)
    names = names_of(alice, farm)
    alice.add_job("farm", JOB)
    alice.delete_group(farm)
    assert alice.list_groups() == ()
    for name in names:
        for client in (alice, bob):
            for request in group_requests(client, name) + job_requests(client, name, JOB):
                with refused(GroupNotFound):
                    request()
            (result,) = client.add_job_to_groups(JOB, [name])
            assert type(result.refusal) is GroupNotFound


@case
def deleting_a_group_frees_its_names_but_its_row_id_is_never_given_again(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    given: set[GroupId] = set()
    opaque_id = None
    for client in (alice, bob, alice):
        farm = open_group(client, opaque_id=opaque_id)
        assert farm not in given
        given.add(farm)
        assert client.list_jobs(farm) == ()
        opaque_id = client.get_group(farm).opaque_id
        client.add_job("farm", JOB if client is not bob else JOB2)
        client.delete_group(farm)


@case
def jobs_of_a_deleted_group_live_on(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(alice, "lab")
    bob.add_job("farm", JOB)
    bob.add_job("lab", JOB)
    alice.delete_group(farm)
    assert alice.list_jobs(lab) == (JOB,)
    bob.add_job(open_group(alice), JOB, join_key="farm")
    with refused(NotOwner):
        alice.add_job("lab", JOB)  # it is still Bob's


# The public group


@case
def anyone_adds_to_the_public_group_without_credentials(backend: Backend) -> None:
    for identity, name, job in zip((ALICE, BOB, CAROL), PUBLIC_NAMES, JOBS, strict=True):
        backend.connect(identity).add_job(name, job)
        backend.connect(identity).add_job(name, job)


@case
def credentials_for_the_public_group_are_dropped(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    alice.add_job(1, JOB, join_key="public", join_secret=SECRET)
    alice.add_job(1, JOB, join_secret=SECRET)
    alice.add_job("public", JOB2, join_secret=SECRET)
    results = alice.add_job_to_groups(
        JOB3, [Descriptor("public", join_hash=join_hash("x", "y")), "public"]
    )
    assert [result.added for result in results] == [True, True]


@case
def nobody_owns_the_public_group(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    bob.add_job("public", JOB)
    for name in PUBLIC_NAMES:
        for request in group_requests(alice, name):
            with refused(NotOwner):
                request()
        for end in (alice.remove_job, alice.cancel_job):
            with refused(NotOwner):
                end(name, JOB)
            with refused(NotOwner):
                end(name, JOB2)
    assert alice.list_groups() == ()


@case
def jobs_in_the_public_group_are_their_owners(backend: Backend) -> None:
    bob = backend.connect(BOB)
    bob.add_job("public", JOB)
    bob.remove_job("public", JOB)
    with refused(JobNotFound):
        bob.remove_job("public", JOB)
    bob.add_job("public", JOB)
    bob.cancel_job("public", JOB)
    with refused(JobCancelled):
        bob.add_job("public", JOB)


# Owners


def group_requests(client: Client, group: GroupName) -> list[Callable[[], object]]:
    """What only a group's owner may do."""
    return [
        lambda: client.list_jobs(group),
        lambda: client.get_group(group),
        lambda: client.remove_all_jobs(group),
        lambda: client.cancel_all_jobs(group),
        lambda: client.change_group(group, name="mine"),
        lambda: client.change_group(group, join_key="mine", join_secret="mine"),
        lambda: client.delete_group(group),
    ]


def job_requests(client: Client, group: GroupName, job: JobId) -> list[Callable[[], object]]:
    """What is done with one job of a group."""
    return [
        lambda: client.add_job(group, job),
        lambda: client.remove_job(group, job),
        lambda: client.cancel_job(group, job),
    ]


@case
def what_is_the_owners_is_refused_to_others_whatever_they_show(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = open_group(alice, join_secret=SECRET, join_address=DOOR.address)
    alice.add_job("farm", JOB, join_secret=SECRET)
    # Carol has a job in the group, and the door's identity lets her in; that owns nothing.
    carol = backend.connect(CAROL, join_identity=DOOR)
    carol.add_job(farm, JOB2)
    for client in (backend.connect(BOB), carol, backend.connect(BOB, join_identity=ALICE)):
        with nothing_changes(alice):
            for name in names_of(alice, farm):
                for request in group_requests(client, name):
                    with refused(NotOwner):
                        request()
                for end in (client.remove_job, client.cancel_job):
                    with refused(NotOwner):
                        end(name, JOB)
                    with refused(NotOwner):
                        end(name, JOB3)  # no job at all: that, too, is not for others to learn
        assert client.list_groups() == ()


@case
def a_group_that_is_not_there_is_not_found_before_anything_else(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    for client in (alice, bob):
        for name in (10**9, OpaqueId("0" * 22), "nobody's"):
            for request in group_requests(client, name) + job_requests(client, name, JOB):
                with refused(GroupNotFound):
                    request()


@case
def list_groups_gives_the_callers_own_oldest_first(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    assert alice.list_groups() == ()
    made = [alice.create("b"), alice.create("a")]
    theirs = bob.create("c")
    made.append(alice.create("c"))
    alice.change_group(made[0], name="changed last")
    assert [group.id for group in alice.list_groups()] == made
    assert [group.id for group in bob.list_groups()] == [theirs]
    assert alice.list_groups() == tuple(alice.get_group(id) for id in made)


@case
def no_call_gives_a_join_hash_back(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = alice.create("render farm", join_key="farm", join_secret=SECRET)
    held = join_hash("farm", SECRET).reveal()
    for shown in (alice.get_group(farm), alice.list_groups()):
        assert "join_hash" not in repr(shown)
        assert held not in repr(shown)
        assert SECRET not in repr(shown)


# add_job: who may try


@case
def owner_access_keeps_others_out_whatever_they_show(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = alice.create("render farm", join_key="farm", join_secret=SECRET)
    with nothing_changes(alice):
        for secret in (SECRET, "guess", None):
            with refused(NotOwner):
                bob.add_job(farm, JOB, join_key="farm", join_secret=secret)
        with refused(NotOwner):
            bob.add_job(farm, JOB, join_key="another")
    alice.add_job(farm, JOB, join_key="farm", join_secret=SECRET)


@case
def the_owner_shows_credentials_too(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    for access in ("owner", "join"):
        farm = open_group(alice, join_secret=SECRET)
        alice.change_group(farm, deploy_access=access)
        for group in (farm, "farm"):
            with refused(BadCredentials):
                alice.add_job(group, JOB)
        with refused(BadCredentials):
            alice.add_job("farm", JOB, join_secret="guess")
        alice.add_job("farm", JOB, join_secret=SECRET)
        alice.delete_group(farm)


@case
def a_group_without_credentials_takes_its_owners_jobs_only(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    for access in ("owner", "join"):
        farm = alice.create("render farm")
        alice.change_group(farm, deploy_access=access)
        with refused(NotOwner):
            bob.add_job(farm, JOB)
        with refused(NotOwner):
            bob.add_job(farm, JOB, join_key="farm", join_secret=SECRET)
        alice.add_job(farm, JOB)


@case
def missing_wrong_key_and_wrong_secret_answer_alike(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET)
    open_group(bob, "lab", join_secret="other")
    shown: list[dict[str, Any]] = [
        {},
        {"join_key": "farm"},
        {"join_key": "farm", "join_secret": "guess"},
        {"join_key": "farm", "join_secret": SECRET.upper()},
        {"join_key": "farm", "join_secret": SECRET + " "},
        {"join_key": "farm", "join_hash": join_hash("lab", SECRET)},
        {"join_key": "Farm", "join_secret": SECRET},
        {"join_key": "lab", "join_secret": "other"},  # right, for another group
        {"join_key": "nobody's", "join_secret": SECRET},
    ]
    told = set()
    with nothing_changes(alice, bob):
        for each in shown:
            with refused(BadCredentials):
                bob.add_job(farm, JOB, **each)
            with pytest.raises(BadCredentials) as caught:
                bob.add_job(farm, JOB, **each)
            told.add(str(caught.value))
    assert len(told) == 1
    bob.add_job(farm, JOB, join_key="farm", join_secret=SECRET)


SECRETS_AND_HASHES: Final[dict[str, dict[str, Any]]] = {
    "str": {"join_secret": SECRET},
    "JoinSecret": {"join_secret": JoinSecret(SECRET)},
    "JoinHash": {"join_hash": join_hash("farm", SECRET)},
    "text of a hash": {"join_hash": join_hash("farm", SECRET).reveal()},
}


@case_for_each(SECRETS_AND_HASHES)
def a_join_hash_stands_wherever_a_join_secret_does(backend: Backend, given: dict[str, Any]) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    lab = alice.create("laboratory", join_key="lab", join_secret="lion", deploy_access="join")
    made = open_group(alice, **given)
    for change in (False, True):
        if change:
            alice.delete_group(made)
            alice.change_group(lab, join_key="farm", **given)
        bob.add_job("farm", JOB, join_secret=SECRET)
        bob.remove_job("farm", JOB)
        bob.add_job("farm", JOB, **given)
        bob.remove_job("farm", JOB)
        assert bob.add_job_to_groups(JOB, [Descriptor("farm", **given)])[0].added
        bob.remove_job("farm", JOB)


@case
def a_secret_where_none_is_asked_for_does_no_harm(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    open_group(alice)
    bob.add_job("farm", JOB, join_secret="not needed")


@case
def an_id_and_a_key_must_name_one_group(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    open_group(alice)
    for other in (open_group(alice, "lab"), alice.create("by address", join_address=ALICE.address)):
        for name in (other, alice.get_group(other).opaque_id):
            for key in ("farm", "public", "nobody's"):
                with refused(BadCredentials):
                    alice.add_job(name, JOB, join_key=key)


@case
def an_id_and_a_key_must_name_one_group_without_credentials_too(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    open_group(alice)
    bare = alice.create("no credentials")
    for key in ("farm", "nobody's"):
        with refused(BadCredentials):
            alice.add_job(bare, JOB, join_key=key)
    assert alice.list_jobs(bare) == ()


@case
def a_join_address_lets_in_who_is_it_or_proves_to_act_for_it(backend: Backend) -> None:
    alice, door = backend.connect(ALICE), backend.connect(DOOR)
    bob = backend.connect(BOB, join_identity=DOOR)
    strangers = (backend.connect(BOB), backend.connect(BOB, join_identity=CAROL), alice)
    for key, secret in ((None, None), ("farm", None), ("farm", SECRET)):
        farm = alice.create(
            "render farm",
            join_key=key,
            join_secret=secret,
            join_address=DOOR.address,
            deploy_access="join",
        )
        for client in strangers:
            with refused(BadCredentials):
                client.add_job(farm, JOB)
        door.add_job(farm, JOB)
        bob.add_job(farm, JOB2)
        with refused(NotOwner):
            door.add_job(farm, JOB2)  # the job is Bob's, by whatever way he came in
        with refused(BadCredentials):
            bob.add_job(farm, JOB2, join_key="another")
        alice.change_group(farm, join_address=CAROL.address)
        with refused(BadCredentials):
            bob.add_job(farm, JOB3)
        alice.delete_group(farm)


@case
def a_join_address_beside_a_key_leaves_the_key_good(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET, join_address=DOOR.address)
    bob.add_job(farm, JOB, join_key="farm", join_secret=SECRET)


@case
def owner_access_keeps_the_join_address_out(backend: Backend) -> None:
    alice, door = backend.connect(ALICE), backend.connect(DOOR)
    farm = alice.create("render farm", join_address=DOOR.address)
    with refused(NotOwner):
        door.add_job(farm, JOB)
    with refused(BadCredentials):
        alice.add_job(farm, JOB)
    backend.connect(ALICE, join_identity=DOOR).add_job(farm, JOB)


# add_job: which jobs


@case
def list_jobs_gives_the_order_in_which_they_joined(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = alice.create("render farm")
    for job in JOBS:
        alice.add_job(farm, job)
    assert alice.list_jobs(farm) == JOBS
    assert all(type(job) is JobId for job in alice.list_jobs(farm))
    alice.add_job(farm, JOBS[0])  # adding again changes nothing
    assert alice.list_jobs(farm) == JOBS
    alice.remove_job(farm, JOBS[0])
    alice.add_job(farm, JOBS[0])  # after a remove: at the end
    assert alice.list_jobs(farm) == (*JOBS[1:], JOBS[0])


@case
def a_job_may_be_named_by_an_address(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = alice.create("render farm")
    alice.add_job(farm, DOOR.address.lower())
    assert alice.list_jobs(farm) == (JobId(DOOR.address),)
    alice.cancel_job(farm, DOOR.address)
    with refused(JobCancelled):
        alice.add_job(farm, DOOR.address.removeprefix("0x"))


@case
def a_job_is_its_first_adders_for_good(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(bob, "lab")
    bob.add_job("farm", JOB)
    for _ in range(2):
        for group in ("farm", "lab", "public"):
            with refused(NotOwner):
                alice.add_job(group, JOB)
        bob.add_job("lab", JOB)
        alice.remove_all_jobs(farm)  # in no group of Alice's any more, and still Bob's
        bob.remove_job(lab, JOB)


@case
def an_add_that_was_refused_makes_no_job(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET, max_concurrent_jobs=1)
    alice.add_job("farm", JOB2, join_secret=SECRET)
    with refused(BadCredentials):
        bob.add_job("farm", JOB, join_secret="guess")
    with refused(LimitReached):
        bob.add_job("farm", JOB, join_secret=SECRET)
    alice.add_job("public", JOB)  # so it was nobody's yet
    assert alice.list_jobs(farm) == (JOB2,)


@case
def the_limit_counts_the_jobs_that_are_in_the_group_now(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, max_concurrent_jobs=1)
    alice.add_job("farm", JOB)
    for client in (alice, bob):
        with nothing_changes(alice), refused(LimitReached):
            client.add_job("farm", JOB2)
    alice.add_job("farm", JOB)  # is in already
    alice.remove_job(farm, JOB)
    bob.add_job("farm", JOB2)
    with refused(LimitReached):
        alice.add_job("farm", JOB)
    bob.cancel_job(farm, JOB2)  # the cancelled are not counted
    alice.add_job("farm", JOB)
    alice.change_group(farm, max_concurrent_jobs=0)
    assert alice.list_jobs(farm) == (JOB,)
    alice.add_job("farm", JOB)
    with refused(LimitReached):
        alice.add_job("farm", JOB3)
    alice.change_group(farm, max_concurrent_jobs=None)
    alice.add_job("farm", JOB3)


@case
def cancelling_elsewhere_makes_room(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm, lab = open_group(alice, max_concurrent_jobs=1), open_group(alice, "lab")
    alice.add_job("farm", JOB)
    alice.add_job("lab", JOB)
    alice.cancel_job(lab, JOB)
    alice.add_job("farm", JOB2)
    assert alice.list_jobs(farm) == (JOB2,)


@case
def refusals_come_in_their_order(backend: Backend) -> None:
    """Each refusal of C-16 with all later ones due as well: mending one shows the next."""
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = alice.create("render farm", join_key="farm", join_secret=SECRET, max_concurrent_jobs=0)
    theirs, cancelled = JOB, JOB2
    alice.add_job("public", theirs)
    bob.add_job("public", cancelled)
    bob.cancel_job("public", cancelled)

    with refused(GroupNotFound):
        bob.add_job("nobody's", theirs)
    with refused(NotOwner):
        bob.add_job("farm", theirs)
    alice.change_group(farm, deploy_access="join")
    with refused(BadCredentials):
        bob.add_job("farm", theirs)
    with refused(NotOwner):
        bob.add_job("farm", theirs, join_secret=SECRET)
    alice.cancel_job("public", theirs)
    with refused(NotOwner):
        bob.add_job("farm", theirs, join_secret=SECRET)
    with refused(JobCancelled):
        bob.add_job("farm", cancelled, join_secret=SECRET)
    with refused(LimitReached):
        bob.add_job("farm", JOB3, join_secret=SECRET)


# add_job_to_groups


@case
def add_job_to_groups_answers_for_each_group_in_order(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm = open_group(alice, join_secret=SECRET)
    full = open_group(alice, "full", max_concurrent_jobs=0)
    closed = alice.create("closed", join_key="closed")
    shown: list[GroupName | Descriptor] = [
        Descriptor("farm", join_secret=SECRET),
        Descriptor(farm, join_key="farm", join_secret="guess"),
        "full",
        closed,
        "nobody's",
        "public",
        Descriptor(farm, join_key="farm", join_secret=SECRET),
    ]
    results = bob.add_job_to_groups(JOB, shown)
    kinds = [None, BadCredentials, LimitReached, NotOwner, GroupNotFound, None, None]
    assert [result.refusal and type(result.refusal) for result in results] == kinds
    assert [result.added for result in results] == [kind is None for kind in kinds]
    assert [result.group for result in results] == [
        "farm", farm, "full", closed, "nobody's", "public", farm,
    ]  # fmt: skip
    for result, kind in zip(results, kinds, strict=True):
        assert kind is None or (result.refusal and result.refusal.code == CODES[kind])
    assert alice.list_jobs(farm) == (JOB,)
    assert alice.list_jobs(full) == alice.list_jobs(closed) == ()
    bob.remove_job("public", JOB)


@case
def the_same_group_twice_takes_the_job_once(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = open_group(alice, max_concurrent_jobs=1)
    results = alice.add_job_to_groups(JOB, [Descriptor(farm, join_key="farm"), "farm", "farm"])
    assert [result.added for result in results] == [True, True, True]
    assert alice.list_jobs(farm) == (JOB,)
    assert alice.remove_all_jobs(farm) == (JOB,)
    assert alice.list_jobs(farm) == ()


@case
def a_foreign_or_cancelled_job_is_refused_by_each_group(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    open_group(alice)
    bob.add_job("public", JOB)
    results = alice.add_job_to_groups(JOB, ["farm", "public"])
    assert [type(result.refusal) for result in results] == [NotOwner, NotOwner]
    bob.cancel_job("public", JOB)
    results = bob.add_job_to_groups(JOB, ["public", "farm"])
    assert [type(result.refusal) for result in results] == [JobCancelled, JobCancelled]
    assert alice.list_jobs("farm") == ()


# remove and cancel


@case
def remove_job_ends_the_membership_and_nothing_else(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(bob, "lab")
    for remover in (bob, alice):  # the job's owner, the group's owner
        bob.add_job_to_groups(JOB, ["farm", "lab"])
        remover.remove_job(farm, JOB)
        assert alice.list_jobs(farm) == ()
        assert bob.list_jobs(lab) == (JOB,)
    bob.add_job("farm", JOB)


@case
def a_job_that_is_not_in_the_group_is_not_found(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(alice, "lab")
    bob.add_job("lab", JOB)
    with nothing_changes(alice, bob):
        for client, job in ((alice, JOB), (bob, JOB), (alice, JOB3)):
            for end in (client.remove_job, client.cancel_job):
                with refused(JobNotFound):
                    end(farm, job)
    alice.remove_job(lab, JOB)
    for end in (alice.remove_job, bob.remove_job, alice.cancel_job, bob.cancel_job):
        with refused(JobNotFound):
            end(lab, JOB)


@case
def cancel_job_ends_the_job_everywhere_and_for_good(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(bob, "lab")
    for canceller, job in ((bob, JOB), (alice, JOB2)):  # the job's owner, the group's owner
        bob.add_job_to_groups(job, ["farm", "lab"])
        canceller.cancel_job(farm, job)
        assert alice.list_jobs(farm) == bob.list_jobs(lab) == ()
        for group in ("farm", "lab", "public"):
            with refused(JobCancelled):
                bob.add_job(group, job)


@case
def cancelling_again_is_no_error_and_removing_is_not_found(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab, studio = open_group(alice), open_group(alice, "lab"), open_group(alice, "studio")
    bob.add_job_to_groups(JOB, ["farm", "lab"])
    alice.cancel_job(farm, JOB)
    for client in (alice, bob):
        for group in (farm, lab):  # it was in both
            client.cancel_job(group, JOB)
            with refused(JobNotFound):
                client.remove_job(group, JOB)
        with refused(JobNotFound):
            client.cancel_job(studio, JOB)
    assert alice.remove_all_jobs(farm) == alice.cancel_all_jobs(farm) == ()
    alice.cancel_job(farm, JOB)
    with refused(NotOwner):
        backend.connect(CAROL).cancel_job(farm, JOB)


@case
def remove_all_jobs_takes_out_the_current_jobs_and_cancels_none(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(bob, "lab")
    for job in JOBS:
        bob.add_job_to_groups(job, ["farm", "lab"])
    bob.cancel_job(lab, JOBS[1])
    left = (JOBS[0], JOBS[2])
    assert alice.remove_all_jobs(farm) == left
    assert alice.list_jobs(farm) == ()
    assert alice.remove_all_jobs(farm) == ()
    assert bob.list_jobs(lab) == left
    bob.add_job("farm", JOBS[2])
    assert alice.list_jobs(farm) == (JOBS[2],)


@case
def cancel_all_jobs_cancels_the_current_jobs_whosever_they_are(backend: Backend) -> None:
    alice, bob = backend.connect(ALICE), backend.connect(BOB)
    farm, lab = open_group(alice), open_group(bob, "lab")
    bob.add_job_to_groups(JOBS[0], ["farm", "lab"])
    alice.add_job_to_groups(JOBS[1], ["farm", "lab"])
    bob.add_job("lab", JOBS[2])
    assert alice.cancel_all_jobs(farm) == JOBS[:2]
    assert alice.list_jobs(farm) == ()
    assert alice.cancel_all_jobs(farm) == ()
    assert bob.list_jobs(lab) == JOBS[2:]
    for client, job in ((bob, JOBS[0]), (alice, JOBS[1])):
        with refused(JobCancelled):
            client.add_job("public", job)


# Arguments that cannot be


Call: TypeAlias = Callable[[Any, GroupId], object]
"""A call that types would not let through, of a client and a group with the key "farm"."""

WRONG_VALUES: Final[dict[str, Call]] = {
    "create, empty name": lambda c, _: c.create(""),
    "create, long name": lambda c, _: c.create("n" * 256),
    "create, NUL in the name": lambda c, _: c.create("a\0b"),
    "create, half a surrogate pair in the name": lambda c, _: c.create("a\ud800"),
    "create, long description": lambda c, _: c.create("n", description="d" * 256),
    "create, NUL in the description": lambda c, _: c.create("n", description="\0"),
    "create, empty key": lambda c, _: c.create("n", join_key=""),
    "create, long key": lambda c, _: c.create("n", join_key="k" * 256),
    "create, half a surrogate pair in the key": lambda c, _: c.create("n", join_key="\udfff"),
    "create, secret without key": lambda c, _: c.create("n", join_secret=SECRET),
    "create, hash without key": lambda c, _: c.create("n", join_hash=join_hash("k", SECRET)),
    "create, secret and hash": lambda c, _: c.create(
        "n", join_key="k", join_secret=SECRET, join_hash=join_hash("k", SECRET)
    ),
    "create, empty secret": lambda c, _: c.create("n", join_key="k", join_secret=""),
    "create, long secret": lambda c, _: c.create("n", join_key="k", join_secret="s" * 256),
    "create, no hash": lambda c, _: c.create("n", join_key="k", join_hash="eh1-"),
    "create, hash in capitals": lambda c, _: c.create(
        "n", join_key="k", join_hash="eh1-" + "A" * 64
    ),
    "create, no address": lambda c, _: c.create("n", join_address="0x"),
    "create, mistyped address": lambda c, _: c.create(
        "n", join_address="0x8E077691A9f7152F7F709479233d06FA5273c15d"
    ),
    "create, short opaque id": lambda c, _: c.create("n", opaque_id="short"),
    "create, + in the opaque id": lambda c, _: c.create("n", opaque_id=str(JOB)),
    "create, rate 1": lambda c, _: c.create("n", commission_rate=1),
    "create, negative rate": lambda c, _: c.create("n", commission_rate=Decimal("-0.1")),
    "create, no number": lambda c, _: c.create("n", deploy_fee=Decimal("NaN")),
    "create, infinite fee": lambda c, _: c.create("n", deploy_fee=Decimal("Infinity")),
    "create, 19 fraction digits": lambda c, _: c.create("n", add_job_fee=Decimal("1e-19")),
    "create, 21 integer digits": lambda c, _: c.create("n", max_total_payment=10**20),
    "create, huge exponent": lambda c, _: c.create("n", max_total_payment=Decimal("1e999999")),
    "create, negative count": lambda c, _: c.create("n", max_concurrent_jobs=-1),
    "create, count of 64 bits": lambda c, _: c.create("n", max_concurrent_cpus=2**63),
    "create, access": lambda c, _: c.create("n", deploy_access="everybody"),
    "change, nothing": lambda c, farm: c.change_group(farm),
    "change, key alone": lambda c, farm: c.change_group(farm, join_key="k"),
    "change, no key alone": lambda c, farm: c.change_group(farm, join_key=None),
    "change, secret alone": lambda c, farm: c.change_group(farm, join_secret=SECRET),
    "change, no secret alone": lambda c, farm: c.change_group(farm, join_secret=None),
    "change, hash alone": lambda c, farm: c.change_group(farm, join_hash=join_hash("k", SECRET)),
    "change, secret without key": lambda c, farm: c.change_group(
        farm, join_key=None, join_secret=SECRET
    ),
    "change, secret and hash": lambda c, farm: c.change_group(
        farm, join_key="k", join_secret=SECRET, join_hash=join_hash("k", SECRET)
    ),
    "change, empty name": lambda c, farm: c.change_group(farm, name=""),
    "change, empty key": lambda c, farm: c.change_group(farm, join_key="", join_secret=None),
    "change, one wrong of two": lambda c, farm: c.change_group(farm, name="n", deploy_fee=-1),
    "group 0": lambda c, _: c.list_jobs(0),
    "negative group": lambda c, _: c.delete_group(-1),
    "group of 64 bits": lambda c, _: c.cancel_all_jobs(2**63),
    "empty key for a group": lambda c, _: c.get_group(""),
    "add, short job": lambda c, farm: c.add_job(farm, "short", join_key="farm"),
    "add, job of 23 characters": lambda c, farm: c.add_job(farm, JOB + "x", join_key="farm"),
    "add, - in the job": lambda c, farm: c.add_job(farm, "-" + JOB[1:], join_key="farm"),
    "add, mistyped address": lambda c, farm: c.add_job(
        farm, "0x8E077691A9f7152F7F709479233d06FA5273c15d", join_key="farm"
    ),
    "add, secret without key": lambda c, farm: c.add_job(farm, JOB, join_secret=SECRET),
    "add, two keys": lambda c, _: c.add_job("farm", JOB, join_key="lab"),
    "add, the public id and another's key": lambda c, _: c.add_job(1, JOB, join_key="farm"),
    "add, empty secret": lambda c, _: c.add_job("farm", JOB, join_secret=""),
    "add, no hash": lambda c, _: c.add_job("farm", JOB, join_hash=SECRET),
    "add, credentials twice": lambda c, farm: c.add_job(
        Descriptor(farm, join_key="farm"), JOB, join_key="farm"
    ),
    "add to no groups": lambda c, _: c.add_job_to_groups(JOB, []),
    "add to groups, one wrong": lambda c, _: c.add_job_to_groups(JOB, ["farm", ""]),
    "remove, no job": lambda c, farm: c.remove_job(farm, ""),
    "cancel, no job": lambda c, farm: c.cancel_job(farm, "0x"),
}
WRONG_TYPES: Final[dict[str, Call]] = {
    "create, nothing": lambda c, _: c.create(),
    "create, name None": lambda c, _: c.create(None),
    "create, name bytes": lambda c, _: c.create(b"n"),
    "create, key int": lambda c, _: c.create("n", join_key=7),
    "create, secret bytes": lambda c, _: c.create("n", join_key="k", join_secret=b"s"),
    "create, hash as secret": lambda c, _: c.create(
        "n", join_key="k", join_secret=join_hash("k", SECRET)
    ),
    "create, secret as hash": lambda c, _: c.create(
        "n", join_key="k", join_hash=JoinSecret(SECRET)
    ),
    "create, address int": lambda c, _: c.create("n", join_address=7),
    "create, positional description": lambda c, _: c.create("n", "d"),
    "create, misspelt property": lambda c, _: c.create("n", max_concurent_jobs=1),
    "create, float": lambda c, _: c.create("n", deploy_fee=0.1),
    "create, amount bool": lambda c, _: c.create("n", deploy_fee=True),
    "create, amount str": lambda c, _: c.create("n", deploy_fee="1"),
    "create, fee None": lambda c, _: c.create("n", deploy_fee=None),
    "create, count bool": lambda c, _: c.create("n", max_concurrent_jobs=True),
    "create, count float": lambda c, _: c.create("n", max_concurrent_jobs=1.0),
    "create, access None": lambda c, _: c.create("n", deploy_access=None),
    "change, name None": lambda c, farm: c.change_group(farm, name=None),
    "change, description None": lambda c, farm: c.change_group(farm, description=None),
    "change, rate None": lambda c, farm: c.change_group(farm, commission_rate=None),
    "change, fee None": lambda c, farm: c.change_group(farm, add_job_fee=None),
    "change, access None": lambda c, farm: c.change_group(farm, deploy_access=None),
    "change, unknown property": lambda c, farm: c.change_group(farm, owner=BOB.address),
    "group None": lambda c, _: c.list_jobs(None),
    "group bool": lambda c, _: c.list_jobs(True),  # noqa: FBT003 - what is wrong
    "group float": lambda c, _: c.delete_group(2.0),
    "group bytes": lambda c, _: c.get_group(b"farm"),
    "group named by a job id": lambda c, _: c.list_jobs(JOB),
    "group named by an address": lambda c, _: c.list_jobs(ALICE.address),
    "add, job int": lambda c, farm: c.add_job(farm, 7, join_key="farm"),
    "add, job None": lambda c, farm: c.add_job(farm, None, join_key="farm"),
    "add, job named by an opaque id": lambda c, farm: c.add_job(
        farm, OpaqueId("0" * 22), join_key="farm"
    ),
    "add, unknown argument": lambda c, _: c.add_job("farm", JOB, secret=SECRET),
    "add, key an address": lambda c, farm: c.add_job(farm, JOB, join_key=ALICE.address),
    "add to groups, a str": lambda c, _: c.add_job_to_groups(JOB, "farm"),
    "add to groups, None": lambda c, _: c.add_job_to_groups(JOB, None),
    "add to groups, one None": lambda c, _: c.add_job_to_groups(JOB, ["farm", None]),
    "remove, too few": lambda c, farm: c.remove_job(farm),
    "list, too many": lambda c, farm: c.list_groups(farm),
}


@case_for_each(WRONG_VALUES)
def a_wrong_value_is_told_before_anything_changes(backend: Backend, call: Call) -> None:
    wrong_argument_is_told(backend, call, InvalidValue, ValueError)


@case_for_each(WRONG_TYPES)
def a_wrong_type_is_told_before_anything_changes(backend: Backend, call: Call) -> None:
    wrong_argument_is_told(backend, call, InvalidType, TypeError)


def wrong_argument_is_told(
    backend: Backend, call: Call, kind: type[InvalidArgument], also: type[Exception]
) -> None:
    alice = backend.connect(ALICE)
    farm = open_group(alice)
    alice.add_job("farm", JOB2)
    with nothing_changes(alice):
        with pytest.raises(kind) as caught:
            call(alice, farm)
        assert isinstance(caught.value, also)
        assert caught.value.code == "EINVAL"
        assert SECRET not in str(caught.value)


# Clients


@case
def calls_that_only_do_return_none(backend: Backend) -> None:
    alice = backend.connect(ALICE)
    farm = alice.create("render farm")
    calls: list[Callable[[], object]] = [
        lambda: alice.change_group(farm, name="night shift"),
        lambda: alice.add_job(farm, JOB),
        lambda: alice.remove_job(farm, JOB),
        lambda: alice.add_job(farm, JOB),
        lambda: alice.cancel_job(farm, JOB),
        lambda: alice.delete_group(farm),
    ]
    assert [call() for call in calls] == [None] * len(calls)


@case
def a_closed_client_carries_nothing_out(backend: Backend) -> None:
    alice, again = backend.connect(ALICE), backend.connect(ALICE)
    farm = again.create("render farm")
    again.add_job(farm, JOB2)
    alice.close()
    alice.close()
    calls: list[Callable[[], object]] = [
        *group_requests(alice, farm),
        *job_requests(alice, farm, JOB),
        alice.list_groups,
        lambda: alice.create("another"),
        lambda: alice.add_job_to_groups(JOB, [farm]),
    ]
    with nothing_changes(again):
        for call in calls:
            with pytest.raises(ClientClosed) as caught:
                call()
            assert caught.value.code == "EINVAL"
