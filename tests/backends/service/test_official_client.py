"""The service as the official client sees it: npm dcp-client 5.6.1, its own code, over our wire.

What it shows of a failure depends on the route by which it came: "returned" in a result or
"thrown", with the service's code or without. Where it loses the reason, that is its own doing.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cg_backends.sync
from cg_backends.memory import World
from cg_core import (
    Address,
    Caller,
    Client,
    ComputeGroupsError,
    Identity,
    JobId,
    Request,
    eh1,
    join_hash,
)
from cg_core.ecmascript_json import JSONValue
from cg_core.framing import HTTPResponse
from cg_core.remote import TransportName
from cg_core.remote.configuration import service_location
from cg_core.service import ServiceLimits
from cg_core.session import Settings
from tests.backends.farm import job
from tests.backends.remote import BACKENDS, TRANSPORTS, client_in, event_loop
from tests.core.json_values import json_values
from tests.peers.in_process import InProcess, in_process
from tests.peers.live_service import LiveService, Worlds, live_service
from tests.peers.node import (
    OfficialClient,
    OfficialError,
    OfficialScript,
    official_client,
    official_protocol,
)
from tests.peers.proxy import AtMessage, Cut, Direction, proxy
from tests.peers.rules import rules

T = TypeVar("T")

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
HUNG: Final = 60  # seconds after which a test that waits has failed

OWNER, MEMBER, STRANGER = ("22" * 32, "33" * 32, "44" * 32)  # private keys
FARM: Final[JSONValue] = {"joinKey": "farm"}
PUBLIC: Final[JSONValue] = {"joinKey": "public"}


def credentials(key: str, secret: str = "s3cret") -> JSONValue:
    return {"joinKey": key, "joinSecret": secret}


CREDENTIALS: Final = credentials("farm")
GUESS: Final = credentials("farm", "guess")
NOBODYS: Final = credentials("nobody's")
LAB_ID: Final = "LabLabLabLabLabLabLab1"
JOB, OTHER_JOB, THIRD_JOB = (str(job(number)) for number in range(3))
KVIN: Final = Path(__file__).parents[2] / "data" / "kvin" / "minimal.kvin"


class CountedWorld(World):
    """A world that counts what it is asked for, by the names of the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_by: defaultdict[Address, Counter[str]] = defaultdict(Counter)

    @property
    def asked(self) -> Counter[str]:
        """By all callers together."""
        return sum(self.asked_by.values(), Counter())

    def execute(self, request: Request[T], caller: Caller) -> T:
        self.asked_by[caller.address][type(request).__name__] += 1
        return super().execute(request, caller)


def serving(world: World, port: int = 0) -> AbstractContextManager[LiveService]:
    """The service, over the rows of a world."""
    return live_service(Worlds(world), port=port)


@pytest.fixture
def world() -> CountedWorld:
    return CountedWorld()


@pytest.fixture
def service(world: CountedWorld) -> Iterator[LiveService]:
    with serving(world) as running:
        yield running
        running.stop()  # its clients know that it has gone, and do not try to come back


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> TransportName:
    name: TransportName = request.param
    return name


Official: TypeAlias = Callable[..., OfficialClient]


@pytest.fixture(scope="module")
def official(transport: TransportName) -> Iterator[Official]:
    """Official clients by their keys, and by number if several have one; they run to the end."""
    with ExitStack() as running:

        @cache
        def of(key: str, number: int = 0) -> OfficialClient:
            client = official_client(private_key=key, transports=[transport])
            return running.enter_context(client)

        yield of


@pytest.fixture
def owner(service: LiveService, official: Official) -> OfficialClient:
    client = official(OWNER)
    client.call("moveTo", service.url)
    return client


@pytest.fixture
def stranger(service: LiveService, official: Official) -> OfficialClient:
    client = official(STRANGER)
    client.call("moveTo", service.url)
    return client


def success(payload: JSONValue = None) -> JSONValue:
    """What a function returns."""
    return {"success": True} if payload is None else {"success": True, "payload": payload}


def failure(client: OfficialClient, method: str, *args: Any) -> tuple[str, str | None]:
    """How a function fails, and with which code."""
    with pytest.raises(OfficialError) as caught:
        client.call(method, *args)
    return "returned" if caught.value.returned else "thrown", caught.value.code


# Its functions


def test_its_functions_are_those_that_are_tested_here(owner: OfficialClient) -> None:
    assert set(owner.call("exported")) == {
        *("createGroup", "changeGroup", "deleteGroup", "addJobToGroups"),
        *("listJobs", "removeJob", "removeAllJobs"),
        *("keepAlive", "isPublicComputeGroup", "calculateJoinHash"),
        "generateTaskRequestWorkerComputeGroups",
    }


def test_each_function_does_what_it_says(owner: OfficialClient, world: CountedWorld) -> None:
    properties: JSONValue = {
        "commissionRate": 0.25, "deployFee": 0.00015, "addJobFee": 1, "maxTotalPayment": 1e9,
        "maxConcurrentJobs": 5, "maxConcurrentWorkers": 6, "maxConcurrentSandboxes": 7,
        "maxConcurrentCPUs": 8, "maxConcurrentGPUs": 9, "maxConcurrentEscrow": 0.5,
        "deployAccess": "owner",
    }  # fmt: skip
    made = owner.call("createGroup", CREDENTIALS, "render farm", "\u2028 \U0001f69c", properties)
    assert made == success(2)
    groups = world.connect(owner.address)
    (farm,) = groups.list_groups()
    assert (farm.id, farm.name, farm.join_key) == (2, "render farm", "farm")
    assert (farm.owner, farm.description) == (owner.address, "\u2028 \U0001f69c")
    assert (farm.commission_rate, farm.deploy_fee) == (Decimal("0.25"), Decimal("0.00015"))
    assert (farm.add_job_fee, farm.max_concurrent_escrow) == (Decimal(1), Decimal("0.5"))
    assert (farm.max_total_payment, farm.deploy_access) == (Decimal(10**9), "owner")
    assert (farm.max_concurrent_jobs, farm.max_concurrent_workers) == (5, 6)
    assert farm.max_concurrent_sandboxes == 7
    assert (farm.max_concurrent_cpus, farm.max_concurrent_gpus) == (8, 9)

    lab: JSONValue = {"id": LAB_ID, "joinAddress": owner.address}
    assert owner.call("createGroup", lab) == success(3)
    hash = join_hash("hashed", "s3cret").reveal()
    assert owner.call("createGroup", {"joinKey": "hashed", "joinHash": hash}) == success(4)

    changes: JSONValue = {"name": "new name", "maxConcurrentJobs": None, "deployAccess": "join"}
    assert owner.call("changeGroup", FARM, changes) == success()
    assert owner.call("changeGroup", {"id": LAB_ID}, {"description": "of ours"}) == success()
    assert owner.call("changeGroup", {"id": 4}, {"deployFee": "0.1"}) == success()
    farm, laboratory, hashed = groups.list_groups()
    assert (farm.name, farm.max_concurrent_jobs, farm.deploy_access) == ("new name", None, "join")
    assert (laboratory.opaque_id, laboratory.description) == (LAB_ID, "of ours")
    assert (hashed.deploy_fee, hashed.deploy_access) == (Decimal("0.1"), "join")

    shown: JSONValue = [CREDENTIALS, lab, {"joinKey": "hashed", "joinSecret": "s3cret"}]
    assert owner.call("addJobToGroups", JOB, shown) == success(
        [
            {"joinKey": "farm", "success": True},
            {"id": LAB_ID, "success": True},
            {"joinKey": "hashed", "success": True},
        ]
    )
    shown = [CREDENTIALS, {"joinKey": "hashed", "joinHash": hash}]
    assert owner.call("addJobToGroups", OTHER_JOB, shown)["success"]
    assert owner.call("addJobToGroups", OTHER_JOB, [CREDENTIALS])["success"]  # it is there
    names: list[JSONValue] = [FARM, {"id": 2}, {"joinKey": "hashed"}]
    for name in names:
        assert owner.call("listJobs", name) == success([JOB, OTHER_JOB])
    assert owner.call("listJobs", {"id": LAB_ID}) == success([JOB])

    assert owner.call("removeJob", JOB, FARM) == success(JOB)
    assert owner.call("listJobs", FARM) == success([OTHER_JOB])
    assert owner.call("removeAllJobs", {"id": 4}) == success([JOB, OTHER_JOB])
    assert owner.call("removeAllJobs", {"id": 4}) == success([])
    assert owner.call("deleteGroup", FARM) == success()
    assert owner.call("deleteGroup", {"id": LAB_ID}) == success()
    assert [group.id for group in groups.list_groups()] == [4]


def test_a_new_join_hash_is_for_a_new_secret(owner: OfficialClient) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    new: JSONValue = {"joinKey": "farm", "joinSecret": "new"}
    changes = {"joinHash": owner.call("calculateJoinHash", new)}
    assert owner.call("changeGroup", FARM, changes) == success()
    assert failure(owner, "addJobToGroups", JOB, [CREDENTIALS]) == ("returned", "EACCES")
    assert owner.call("addJobToGroups", JOB, [new])["success"]


def test_its_hashes_are_ours(owner: OfficialClient) -> None:
    hash = join_hash("farm", "s3cret").reveal()
    assert owner.call("calculateJoinHash", CREDENTIALS) == hash
    assert owner.call("calculateJoinHash", FARM, "s3cret") == hash
    worker: JSONValue = {"computeGroups": {"any name": CREDENTIALS}}
    assert owner.call("generateTaskRequestWorkerComputeGroups", worker, False) == [
        CREDENTIALS,
        {"joinKey": "public", "joinHash": ""},
    ]
    worker = {"computeGroups": {"any name": CREDENTIALS}, "leavePublicGroup": True}
    with_session: JSONValue = {"connection": {"dcpsid": "a session"}}
    assert owner.call("generateTaskRequestWorkerComputeGroups", worker, with_session) == [
        {"joinKey": "farm", "joinHashHash": eh1(f"a session{hash}")}
    ]


def test_keep_alive(owner: OfficialClient, world: CountedWorld) -> None:
    assert owner.call("keepAlive") == success(success())
    assert not world.asked


def test_the_public_group(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    # All that the default configuration of a job says of it.
    default: JSONValue = {
        "id": 1, "opaqueId": "WHhetL7mj1w1mw1XV6dxyC", "name": "Public Group",
        "joinKey": "public", "joinHash": "",
    }  # fmt: skip
    for descriptor, job_id in ((default, JOB), (PUBLIC, OTHER_JOB)):
        assert owner.call("isPublicComputeGroup", descriptor) is True
        assert owner.call("addJobToGroups", job_id, [descriptor])["success"]
    assert owner.call("isPublicComputeGroup", CREDENTIALS) is False
    assert stranger.call("addJobToGroups", THIRD_JOB, [PUBLIC])["success"]
    assert [row.job_id for row in world.state().memberships] == [JOB, OTHER_JOB, THIRD_JOB]
    assert failure(owner, "listJobs", PUBLIC) == ("returned", "EPERM")
    assert failure(owner, "removeJob", THIRD_JOB, PUBLIC) == ("returned", "EPERM")
    assert failure(owner, "removeAllJobs", PUBLIC) == ("returned", "EPERM")
    assert failure(owner, "changeGroup", PUBLIC, {"name": "mine"}) == ("returned", "EPERM")
    assert failure(owner, "deleteGroup", PUBLIC) == ("returned", "EPERM")
    assert stranger.call("removeJob", THIRD_JOB, PUBLIC) == success(THIRD_JOB)


# Its refusals


def test_how_create_group_is_refused(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    lab: JSONValue = {"id": LAB_ID, "joinAddress": owner.address}
    owner.call("createGroup", CREDENTIALS, "farm")
    owner.call("createGroup", lab, "lab")
    before = world.state()
    for client in (owner, stranger):
        for taken in (CREDENTIALS, lab, PUBLIC):
            assert failure(client, "createGroup", taken, "x") == ("returned", "ER_DUP_ENTRY")

    def refused(descriptor: Any, name: Any, *more: Any) -> tuple[str, str | None]:
        return failure(owner, "createGroup", descriptor, name, *more)

    # What it does not send.
    world.asked_by.clear()
    for too_little in ({}, {"joinKey": "new"}, {"id": LAB_ID}, {"joinSecret": "s3cret"}):
        assert refused(too_little, "x") == ("returned", None)
    for properties in ({"commissionRate": 1}, {"commissionRate": -0.1}, {"price": 1}):
        assert refused(NOBODYS, "x", "", properties) == ("returned", None)
    # What the service cannot read: of this it tells no reason.
    for unreadable in (
        {"joinKey": "new", "joinHash": "eh1-short"},
        {"joinKey": 7, "joinSecret": "s3cret"},
        {"joinKey": "k" * 256, "joinSecret": "s3cret"},
        {"id": "short", "joinAddress": owner.address},
        {"id": LAB_ID, "joinAddress": "no address"},
    ):
        assert refused(unreadable, "x") == ("returned", None)
    for name, description in (("", ""), ("n" * 256, ""), (7, ""), ("x", "d" * 256), ("\0", "")):
        assert refused(NOBODYS, name, description) == ("returned", None)
    for property, value in (
        ("deployFee", -1),
        ("deployFee", "much"),
        ("maxConcurrentJobs", 1.5),
        ("deployAccess", "all"),
    ):
        assert refused(NOBODYS, "x", "", {property: value}) == ("returned", None)
    assert not world.asked
    assert world.state() == before


def test_how_change_group_is_refused(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    before = world.state()
    name: JSONValue = {"name": "new"}
    assert failure(stranger, "changeGroup", FARM, name) == ("returned", "EPERM")
    assert failure(owner, "changeGroup", NOBODYS, name) == ("returned", "ENOENT")
    assert failure(owner, "changeGroup", {"id": LAB_ID}, name) == ("returned", "ENOENT")
    # What it does not send.
    world.asked_by.clear()
    assert failure(owner, "changeGroup", {}, name) == ("returned", None)
    for property in ("joinSecret", "joinKey", "id", "owner", "price"):
        assert failure(owner, "changeGroup", FARM, {property: "new"}) == ("returned", None)
    # What the service cannot read.
    for descriptor in ({"joinKey": 7}, {"id": "short"}, {"id": True}, {"id": 1.5}):
        assert failure(owner, "changeGroup", descriptor, name) == ("thrown", "EINVAL")
    for changes in (
        {},
        {"name": ""},
        {"name": None},
        {"joinHash": "eh1-short"},
        {"joinAddress": "no address"},
        {"maxConcurrentJobs": -1},
        {"commissionRate": 1},
        {"deployAccess": None},
    ):
        assert failure(owner, "changeGroup", FARM, changes) == ("thrown", "EINVAL")
    assert not world.asked
    assert world.state() == before


@pytest.mark.parametrize("method", ["deleteGroup", "listJobs", "removeAllJobs"])
def test_how_what_concerns_a_whole_group_is_refused(
    method: str, owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    owner.call("addJobToGroups", JOB, [CREDENTIALS])
    before = world.state()
    # Credentials are no title to it.
    assert failure(stranger, method, FARM) == ("returned", "EPERM")
    assert failure(stranger, method, CREDENTIALS) == ("returned", "EPERM")
    assert failure(owner, method, NOBODYS) == ("returned", "ENOENT")
    for id in (LAB_ID, 99):
        assert failure(owner, method, {"id": id}) == ("returned", "ENOENT")
    for too_little in ({}, {"joinSecret": "s3cret"}):
        assert failure(owner, method, too_little) == ("returned", None)
    for unreadable in ({"joinKey": 7}, {"id": "short"}):
        assert failure(owner, method, unreadable) == ("thrown", "EINVAL")
    assert world.state() == before


def test_how_remove_job_is_refused(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    owner.call("addJobToGroups", JOB, [CREDENTIALS])
    before = world.state()
    assert failure(stranger, "removeJob", JOB, FARM) == ("returned", "EPERM")
    assert failure(owner, "removeJob", OTHER_JOB, FARM) == ("returned", "ENOENT")
    assert failure(owner, "removeJob", JOB, NOBODYS) == ("returned", "ENOENT")
    assert failure(owner, "removeJob", JOB, {}) == ("returned", None)
    for bad_job in ("short", None, 7):
        assert failure(owner, "removeJob", bad_job, FARM) == ("thrown", "EINVAL")
    assert world.state() == before


def test_how_add_job_to_groups_is_refused(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    one_job: JSONValue = {"maxConcurrentJobs": 1}
    owner.call("createGroup", CREDENTIALS, "farm", "", one_job)
    mine: JSONValue = {"joinKey": "mine", "joinSecret": "s3cret"}
    owner.call("createGroup", mine, "mine", "", {"deployAccess": "owner"})
    owner.call("addJobToGroups", JOB, [CREDENTIALS])
    owner.call("addJobToGroups", OTHER_JOB, [mine])
    descriptor: JSONValue = {"joinKey": "mine"}
    data: JSONValue = {"job": OTHER_JOB, "descriptor": descriptor}
    assert owner.request("cancelJob", data) == (True, success(OTHER_JOB))
    before = world.state()

    def refused(client: OfficialClient, job_id: JSONValue, *shown: JSONValue) -> str | None:
        how, code = failure(client, "addJobToGroups", job_id, list(shown))
        assert how == "returned"
        return code

    assert refused(owner, THIRD_JOB, NOBODYS) == "ENOENT"
    assert refused(stranger, THIRD_JOB, mine) == "EPERM"  # its owner alone
    assert refused(owner, THIRD_JOB, GUESS) == "EACCES"
    assert refused(stranger, THIRD_JOB, GUESS) == "EACCES"
    assert refused(stranger, JOB, CREDENTIALS) == "EPERM"  # the job is another's
    assert refused(owner, OTHER_JOB, mine) == "ECANCELED"
    assert refused(owner, THIRD_JOB, CREDENTIALS) == "EDQUOT"
    assert refused(owner, THIRD_JOB, GUESS, NOBODYS) == "EACCES"  # the first of several
    # It drops what is not enough, and sends nothing of it.
    world.asked_by.clear()
    for too_little in ([], [FARM], [{"id": LAB_ID}], [{"joinSecret": "s3cret"}]):
        assert failure(owner, "addJobToGroups", JOB, too_little) == ("thrown", "EINVAL")
    for bad_job in ("short", None, 7):
        assert failure(owner, "addJobToGroups", bad_job, [CREDENTIALS]) == ("thrown", "EINVAL")
    assert not world.asked
    assert world.state() == before


def test_what_becomes_of_a_job_in_each_of_several_groups(owner: OfficialClient) -> None:
    """Where one takes it the call succeeds, and says in its payload which did not."""
    owner.call("createGroup", CREDENTIALS, "farm")
    result = owner.call("addJobToGroups", JOB, [NOBODYS, CREDENTIALS, GUESS, {"joinKey": "short"}])
    assert result["success"] is True
    assert [(item["joinKey"], item["success"]) for item in result["payload"]] == [
        ("nobody's", False),
        ("farm", True),
        ("farm", False),
    ]
    refusals = [(item.get("name"), item.get("code")) for item in result["payload"]]
    assert refusals == [("GroupNotFound", "ENOENT"), (None, None), ("BadCredentials", "EACCES")]


# What it has no function for


def test_the_operations_that_it_lacks(
    owner: OfficialClient, stranger: OfficialClient, world: CountedWorld
) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    for job_id in (JOB, OTHER_JOB, THIRD_JOB):
        owner.call("addJobToGroups", job_id, [CREDENTIALS])
    farm: JSONValue = {"descriptor": FARM}
    nobodys: JSONValue = {"descriptor": NOBODYS}

    succeeded, group = owner.request("getGroup", farm)
    assert succeeded
    assert group["payload"].items() >= {"id": 2, "joinKey": "farm", "name": "farm"}.items()
    assert owner.request("listGroups", {}) == (True, success([group["payload"]]))
    assert stranger.request("listGroups", {}) == (True, success([]))
    assert "eh1-" not in json.dumps(group)

    def code(client: OfficialClient, operation: str, data: JSONValue) -> str:
        succeeded, payload = client.request(operation, data)
        assert (succeeded, payload["success"]) == (True, False)
        return str(payload["code"])

    before = world.state()
    for operation in ("getGroup", "cancelAllJobs"):
        assert code(stranger, operation, farm) == "EPERM"
        assert code(owner, operation, nobodys) == "ENOENT"
    assert code(stranger, "cancelJob", {"job": JOB, "descriptor": FARM}) == "EPERM"
    assert code(owner, "cancelJob", {"job": str(job(9)), "descriptor": FARM}) == "ENOENT"
    assert world.state() == before

    cancel: JSONValue = {"job": JOB, "descriptor": FARM}
    for _ in range(2):  # again is no error
        assert owner.request("cancelJob", cancel) == (True, success(JOB))
    assert owner.call("listJobs", FARM) == success([OTHER_JOB, THIRD_JOB])
    assert owner.request("cancelAllJobs", farm) == (True, success([OTHER_JOB, THIRD_JOB]))
    assert failure(owner, "addJobToGroups", THIRD_JOB, [CREDENTIALS]) == ("returned", "ECANCELED")


def test_what_is_no_operation_is_refused_in_the_session(
    owner: OfficialClient, service: LiveService
) -> None:
    for operation in ("addJob", "toString", "__proto__", "", "listjobs"):
        succeeded, payload = owner.request(operation, {})
        assert (succeeded, payload["code"], payload["name"]) == (False, "ENOSYS", "Unsupported")
        assert payload["origin"] == service.address
    unreadable: list[JSONValue] = [None, [], "farm", {}, {"descriptor": 2}, {"descriptor": [FARM]}]
    for data in unreadable:
        succeeded, payload = owner.request("listJobs", data)
        assert (succeeded, payload["code"]) == (False, "EINVAL")
    assert owner.request("listGroups", {}) == (True, success([]))


ODD_SCALARS: Final = st.one_of(
    st.sampled_from(["farm", "s3cret", JOB, LAB_ID, 1, 2, True, False, None, "", "__proto__"]),
    st.sampled_from([0.1, -0.0, 5e-324, 1e21, 2**53 + 1, -(2**63), 1e308]),
    st.sampled_from(["\x00", "\x1e", "\u2028", "\ud800", "e\u0301", "\U0001f680", "x" * 5_000]),
    st.text(),
)
ODD_MEMBERS: Final = st.sampled_from([
    "descriptor", "joinDescriptor", "cgArray", "job", "joinKey", "joinSecret", "joinHash", "id",
    "name", "joinAddress", "newDescriptor", "payload", "validity", "__proto__", "constructor",
    "toJSON", "length",
])  # fmt: skip
OPERATIONS: Final = [
    "createGroup", "changeGroup", "deleteGroup", "addJobToGroups", "removeJob", "removeAllJobs",
    "listJobs", "getGroup", "listGroups", "cancelJob", "cancelAllJobs", "keepalive", "authorize",
]  # fmt: skip


def test_whatever_is_asked_is_answered(owner: OfficialClient) -> None:
    """JavaScript's values, read and written as JavaScript does, in one session."""
    owner.call("createGroup", CREDENTIALS, "farm")

    @given(st.sampled_from(OPERATIONS) | st.text(), json_values(ODD_SCALARS, ODD_MEMBERS))
    @settings(max_examples=100)
    def ask(operation: str, data: JSONValue) -> None:
        succeeded, payload = owner.request(operation, data)
        assert succeeded or payload["code"] in {"ENOSYS", "EINVAL"}

    ask()
    succeeded, _ = owner.request("listGroups", {})
    assert succeeded


def test_joining_by_address(
    owner: OfficialClient, stranger: OfficialClient, service: LiveService, world: CountedWorld
) -> None:
    """Who is the address is let in by the official function; else a signature of it must come."""
    member = Identity(MEMBER).address
    owner.call("createGroup", {"id": LAB_ID, "joinAddress": member}, "lab")
    by_address: JSONValue = {"id": LAB_ID, "joinAddress": member}
    assert failure(stranger, "addJobToGroups", JOB, [by_address]) == ("returned", "EACCES")
    data: JSONValue = {"job": JOB, "cgArray": [by_address]}
    for keys, guardian in (((), None), ((OWNER,), None), ((MEMBER,), owner.address)):
        _, payload = stranger.request("addJobToGroups", data, joins_as=keys, guardian=guardian)
        assert (payload["success"], payload["code"]) == (False, "EACCES")
    assert world.state().memberships == ()
    _, payload = stranger.request("addJobToGroups", data, joins_as=(OWNER, MEMBER))
    assert payload["success"] is True
    assert [(row.id, row.owner) for row in world.state().jobs] == [(JOB, stranger.address)]
    own: JSONValue = {"id": "StrangersStrangersABC1", "joinAddress": stranger.address}
    owner.call("createGroup", own, "own")
    assert stranger.call("addJobToGroups", JOB, [own])["success"]


# Many at once


def test_each_of_200_calls_at_once_gets_its_own_answer(
    owner: OfficialClient, service: LiveService, world: CountedWorld
) -> None:
    numbers = range(200)
    keys = [f"farm {number}" for number in numbers]
    with proxy(service.port) as link:
        owner.call("moveTo", link.url())

        def results(calls: list[Future[Any]]) -> list[Any]:
            return [call.result(HUNG) for call in calls]

        made = results([owner.start("createGroup", credentials(key)) for key in keys])
        key_of = {group.id: group.join_key for group in world.state().groups}
        assert [key_of[each["payload"]] for each in made] == keys

        added = results(
            [
                owner.start("addJobToGroups", str(job(number)), [credentials(keys[number])])
                for number in numbers
            ]
        )
        assert added == [success([{"joinKey": key, "success": True}]) for key in keys]

        listed = results([owner.start("listJobs", {"joinKey": key}) for key in keys])
        assert listed == [success([str(job(number))]) for number in numbers]

        # Each group twice: there the second call is refused.
        deleting = [
            owner.start("deleteGroup", {"joinKey": keys[number // 2]}) for number in numbers
        ]
        refused = [call.exception(HUNG) is not None for call in deleting]
        assert refused == [number % 2 == 1 for number in numbers]
        owner.call("closeSession")
        sent = sum(len(each.boundaries(TO_SERVER)) for each in link.connections)
        assert sent < 800  # they came in batches
    names = ("CreateGroup", "AddJobToGroups", "ListJobs", "DeleteGroup")
    assert world.asked == dict.fromkeys(names, 200)


class HeldWorlds(Worlds):
    """A store that keeps whoever asks waiting, from one moment to another."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.together: list[int] = []

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        assert self.may_go_on.wait(HUNG)
        self.together.append(len(asked))
        return super().execute_all(asked)


def test_a_hundred_answers_may_come_in_one_batch(official: Official) -> None:
    """It sends 20 messages in one itself."""
    client, store = official(OWNER), HeldWorlds()
    with live_service(store) as service:
        client.call("moveTo", service.url)
        client.call("createGroup", CREDENTIALS)
        store.may_go_on.clear()
        calls = [client.start("listJobs", FARM) for _ in range(150)]
        while (
            "\ncompute_groups_requests_waiting 150" not in httpx.get(f"{service.url}metrics").text
        ):
            pass
        store.may_go_on.set()
        assert [call.result(HUNG) for call in calls] == [success([])] * 150
        assert 100 in store.together
        service.stop()


def test_a_megabyte_each_way(owner: OfficialClient, world: CountedWorld) -> None:
    """In pieces of 300 000 characters; the emoji have two each, and some are cut in the middle."""
    keys = [f"{number:04}" + "\U0001f69c" * 251 for number in range(2000)]
    owner.call("createGroup", credentials(keys[7]), "farm")
    result = owner.call("addJobToGroups", JOB, [credentials(key) for key in keys])
    assert [item["joinKey"] for item in result["payload"]] == keys
    assert [key for key, item in zip(keys, result["payload"], strict=True) if item["success"]] == [
        keys[7]
    ]

    groups = world.connect(owner.address)
    jobs = [job(number) for number in range(40_000)]
    for job_id in jobs[1:]:
        groups.add_job(2, job_id, join_key=keys[7], join_secret="s3cret")
    listed = owner.call("listJobs", {"id": 2})
    assert listed == success([*map(str, jobs)])


# Cuts

FIRST_CUT: Final = {
    ("websocket", TO_CLIENT): 6,
    ("websocket", TO_SERVER): 0,
    ("polling", TO_CLIENT): 8,
    ("polling", TO_SERVER): 8,
}
"""The first message that may be cut.

A connection that breaks during the handshake of Engine.IO, or between the ack of a connect and the
response to it, is one to which dcp-client never comes back.
"""


def is_cut(client: OfficialClient, *at: AtMessage) -> bool:
    """Make calls none of which succeeds twice, through cuts; tells whether all were made."""
    world = CountedWorld()
    with serving(world) as peer, proxy(peer.port, at_messages=at) as link:
        client.call("moveTo", link.url())
        assert client.call("createGroup", CREDENTIALS, "farm") == success(2)
        session = client.call("session")
        assert client.call("addJobToGroups", JOB, [CREDENTIALS])["success"]
        assert client.call("removeJob", JOB, FARM) == success(JOB)
        assert client.call("keepAlive") == success(success())
        assert client.call("session") == session
        client.call("closeSession")
        all_made = not link.at_messages
    once = {"CreateGroup": 1, "AddJobToGroups": 1, "RemoveJob": 1}
    assert world.asked == once, world.asked_by
    assert [group.join_key for group in world.state().groups] == ["farm"]
    assert world.state().memberships == ()
    return all_made


def half(length: int) -> int:
    return length // 2


def cut(direction: Direction, number: int) -> AtMessage:
    """A cut in the middle of a message, or of some to the server, at their end.

    Not at the end of one to the client: while dcp-client signs its ack, it may lose the session
    by another ack that has no nonce.
    """
    at_its_end = direction is TO_SERVER and number % 4 < 2
    return AtMessage(number, Cut(direction, reset=number % 3 == 0), int if at_its_end else half)


@pytest.mark.parametrize("direction", Direction)
def test_wherever_a_connection_is_cut_all_is_done_once(
    official: Official, transport: TransportName, direction: Direction
) -> None:
    """Over polling, which has twice as many messages, at each second one."""
    step = {"websocket": 1, "polling": 2}[transport]
    for number in count(FIRST_CUT[transport, direction], step):
        if not is_cut(official(OWNER), cut(direction, number)):
            break
    assert number >= FIRST_CUT[transport, direction] + 8


def test_several_cuts_in_a_row(official: Official, transport: TransportName) -> None:
    """Over WebSocket the second one while the session is being resumed."""
    for number in range(4):
        first = cut(TO_CLIENT, FIRST_CUT[transport, TO_CLIENT] + number)
        second = cut(TO_SERVER, FIRST_CUT[transport, TO_SERVER] + number)
        assert is_cut(official(OWNER), first, second)


def test_200_calls_at_once_through_cuts(
    owner: OfficialClient, service: LiveService, world: CountedWorld
) -> None:
    owner.call("createGroup", CREDENTIALS, "farm")
    jobs = [str(job(number)) for number in range(200)]
    with proxy(service.port, at_messages=[cut(TO_CLIENT, 12), cut(TO_SERVER, 5)]) as link:
        owner.call("moveTo", link.url())
        calls = [owner.start("addJobToGroups", job_id, [CREDENTIALS]) for job_id in jobs]
        for call in calls:
            assert call.result(HUNG)["success"]
        assert not link.at_messages
        assert sorted(owner.call("listJobs", FARM)["payload"]) == jobs
        owner.call("closeSession")
    assert world.asked == {"CreateGroup": 1, "AddJobToGroups": 200, "ListJobs": 1}


# Ends


def test_a_session_that_it_has_closed_is_followed_by_another(owner: OfficialClient) -> None:
    sessions = set()
    for _ in range(3):
        owner.call("keepAlive")
        sessions.add(owner.call("session"))
        owner.call("closeSession")
        assert owner.call("session") is None
    assert len(sessions) == 3


OpenCall: TypeAlias = tuple[Future[Any], "SlowStore", Callable[[], Future[None]]]
"""The call, what answers it, and what stops the service."""


class SlowStore:
    """A store that lists jobs when a test says so.

    Attributes:
        asked: is set when there is a request.
        may_answer: to be set.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        self.asked.set()
        assert self.may_answer.wait(HUNG)
        return [(JobId(JOB),)] * len(asked)


@contextmanager
def open_call(client: OfficialClient, **limits: Any) -> Iterator[OpenCall]:
    """A call that waits for its answer, at a service that may be stopped meanwhile."""
    store = SlowStore()
    sessions = Settings(**limits)
    with (
        live_service(store, limits=ServiceLimits(sessions=sessions)) as service,
        ThreadPoolExecutor(1) as thread,
    ):
        client.call("moveTo", service.url)
        call = client.start("listJobs", FARM)
        assert store.asked.wait(HUNG)
        try:
            yield call, store, lambda: thread.submit(service.stop)
        finally:
            store.may_answer.set()


def test_its_own_close_ends_its_open_calls(official: Official) -> None:
    with open_call(official(OWNER), close_timeout=0.01) as (call, _, _):
        official(OWNER).call("closeSession")
        with pytest.raises(OfficialError) as caught:
            call.result(HUNG)
        assert caught.value.code == "EPIPE"


def test_a_service_that_stops_gives_the_answers_that_it_owes(official: Official) -> None:
    with open_call(official(OWNER)) as (call, store, stop):
        stopped = stop()
        store.may_answer.set()
        assert call.result(HUNG) == success([JOB])
        stopped.result(HUNG)


def test_what_a_service_that_stops_does_not_answer_ends_with_econnreset(
    official: Official,
) -> None:
    with open_call(official(OWNER), close_timeout=0.01) as (call, store, stop):
        stopped = stop()
        with pytest.raises(OfficialError) as caught:
            call.result(HUNG)
        assert caught.value.code == "ECONNRESET"
        store.may_answer.set()
        stopped.result(HUNG)


def test_after_a_stop_the_next_call_finds_the_successor(
    official: Official, world: CountedWorld
) -> None:
    owner = official(OWNER)
    with serving(world) as peer:
        port = peer.port
        owner.call("moveTo", peer.url)
        assert owner.call("createGroup", CREDENTIALS, "farm") == success(2)
        peer.stop()
    for number in range(2):
        with serving(world, port) as successor:
            assert owner.call("addJobToGroups", str(job(number)), [CREDENTIALS])["success"]
            successor.stop()
    assert [row.job_id for row in world.state().memberships] == [JOB, OTHER_JOB]


def test_a_service_that_crashes_and_comes_back_does_not_know_the_session(
    official: Official, world: CountedWorld
) -> None:
    """What was asked meanwhile ends with ECONNRESET, undone; what is asked then is done."""
    owner = official(OWNER)
    with serving(world) as peer:
        port = peer.port
        owner.call("moveTo", peer.url)
        owner.call("createGroup", CREDENTIALS, "farm")
        peer.kill()
        meanwhile = owner.start("deleteGroup", FARM)
        with serving(world, port) as successor:
            with pytest.raises(OfficialError) as caught:
                meanwhile.result(HUNG)
            assert (caught.value.returned, caught.value.code) == (False, "ECONNRESET")
            assert owner.call("listJobs", FARM) == success([])
            successor.stop()


# Replayed and expired messages

NEW_GROUP: Final[JSONValue] = {"joinDescriptor": {}, "name": "x"}


@pytest.fixture(scope="module")
def protocol_script() -> Iterator[OfficialScript]:
    with official_protocol() as script:
        yield script


@pytest.fixture
def protocol(service: LiveService, protocol_script: OfficialScript) -> OfficialScript:
    protocol_script.call("moveTo", service.url)
    return protocol_script


def code_of(response: Any) -> str | None:
    """The code of the error with which the session refused a request, None if it took it."""
    return None if response["success"] else str(response["payload"]["code"])


def test_a_stamp_is_good_once(protocol: OfficialScript, world: CountedWorld) -> None:
    """In whichever session of its caller; another caller's stamps are his own."""
    for name, key in (("first", OWNER), ("second", OWNER), ("stranger's", STRANGER)):
        protocol.call("open", name, key)
    stamp: JSONValue = {"stamp": "the stamp"}
    for name, code in (
        ("first", None),
        ("first", "EDUP"),
        ("second", "EDUP"),
        ("stranger's", None),
        ("stranger's", "EDUP"),
    ):
        assert code_of(protocol.call("request", name, "createGroup", NEW_GROUP, stamp)) == code
    assert world.asked == {"CreateGroup": 2}
    # Of several in one batch one is taken, and the session goes on.
    again: JSONValue = {"stamp": "again"}
    calls = [protocol.start("request", "first", "createGroup", NEW_GROUP, again) for _ in range(20)]
    codes = Counter(code_of(call.result(HUNG)) for call in calls)
    assert codes == {None: 1, "EDUP": 19}
    assert world.asked == {"CreateGroup": 3}
    assert code_of(protocol.call("request", "first", "listGroups", {}, {})) is None


def test_a_request_is_good_for_its_time(protocol: OfficialScript, world: CountedWorld) -> None:
    """For its ttl of 15 to 600 s, and for 600 s before and after; here with 20 s to spare."""
    protocol.call("open", "owner's", OWNER)

    def asked(age: float, **validity: Any) -> str | None:
        validity["time"] = time.time() - age
        return code_of(protocol.call("request", "owner's", "listGroups", {}, validity))

    for longest, ttl in ((15, 1), (15, -1), (120, 120), (120, None), (120, 0), (600, 1e9)):
        assert asked(longest + 580, ttl=ttl) is None
        assert asked(longest + 620, ttl=ttl) == "EEXPIRED"
    assert asked(700, ttl="long") is None
    assert asked(740, ttl="long") == "EEXPIRED"
    assert asked(1e9) == "EEXPIRED"
    assert asked(-580) is None
    assert asked(-620) == "ETIMETRAVEL"
    assert asked(-1e9) == "ETIMETRAVEL"


def test_a_request_without_validity_is_refused(
    protocol: OfficialScript, world: CountedWorld
) -> None:
    protocol.call("open", "owner's", OWNER)
    stamps: list[JSONValue] = [None, "", 7, False, [], {}, "s" * 256]
    times: list[JSONValue] = ["now", True, [], {}]
    validities: list[JSONValue] = [None, False, "valid", []]
    validities += [{"stamp": stamp} for stamp in stamps]
    validities += [{"time": moment} for moment in times]
    for validity in validities:
        response = protocol.call("request", "owner's", "createGroup", NEW_GROUP, validity)
        assert code_of(response) == "EINVAL"
    assert not world.asked
    assert code_of(protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})) is None


def body_of(text: str) -> Any:
    """What a sealed text says."""
    return json.loads(text)["body"]


def kinds(texts: list[str]) -> list[str]:
    return [body_of(text)["type"] for text in texts]


def test_recorded_texts_do_nothing_on_another_connection(
    protocol: OfficialScript, world: CountedWorld
) -> None:
    """A connect begins a session of which its owner alone could make use; nothing else happens."""
    session = protocol.call("open", "owner's", OWNER)
    protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})
    recorded = protocol.call("sent", "owner's")
    assert kinds(recorded) == ["request", "ack"] * 3
    _, *others = recorded

    told = protocol.call("intrude", recorded)
    assert kinds(told) == ["ack", "response"]
    assert body_of(told[1])["dcpsid"] != session
    assert protocol.call("intrude", others) == []
    for text in others:
        assert set(kinds(protocol.call("intrude", [text, *others]))) <= {"ack"}
    assert world.asked == {"CreateGroup": 1}

    # Whose session it is has noticed nothing.
    assert code_of(protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})) is None
    assert protocol.call("session", "owner's") == session
    assert world.asked == {"CreateGroup": 2}


def test_who_repeats_the_last_ack_gets_our_last_ack_and_no_answer(
    protocol: OfficialScript, world: CountedWorld
) -> None:
    protocol.call("open", "owner's", OWNER)
    protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})
    request, ack = protocol.call("sent", "owner's")[-2:]
    for texts in ([ack], [ack, ack], [ack, request], [ack, request, ack]):
        assert set(kinds(protocol.call("intrude", texts))) == {"ack"}
    # Also while it stays, the answers go to whose session it is.
    staying = protocol.call("stay", [ack])
    assert code_of(protocol.call("request", "owner's", "listGroups", {}, {})) is None
    assert set(kinds(protocol.call("leave", staying))) == {"ack"}
    assert world.asked == {"CreateGroup": 1, "ListGroups": 1}


def test_a_session_id_is_of_no_use_to_another_key(
    protocol: OfficialScript, world: CountedWorld
) -> None:
    session = protocol.call("open", "owner's", OWNER)
    last_ack = body_of(protocol.call("sent", "owner's")[-1])
    for body in (last_ack, {**last_ack, "dcpsid": session}, {**last_ack, "type": "request"}):
        assert protocol.call("intrude", [protocol.call("seal", STRANGER, body)]) == []
    # In a session of the thief's it ends that one.
    thiefs = protocol.call("open", "thief's", STRANGER)
    protocol.call("request", "thief's", "listGroups", {}, {})
    request = body_of(protocol.call("sent", "thief's")[-2])
    assert request["dcpsid"] == thiefs
    stolen = protocol.call("seal", STRANGER, {**request, "id": "1-1-another", "dcpsid": session})
    protocol.call("say", "thief's", stolen)
    with pytest.raises(OfficialError) as caught:
        protocol.call("request", "thief's", "createGroup", NEW_GROUP, {})
    assert caught.value.code == "ECONNRESET"
    assert code_of(protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})) is None
    assert world.asked == {"ListGroups": 1, "CreateGroup": 1}


def test_a_text_that_is_said_again_in_its_session_is_not_acted_on_again(
    protocol: OfficialScript, world: CountedWorld
) -> None:
    """The last one is no harm; an older one, whose nonce was used, ends the session."""
    protocol.call("open", "owner's", OWNER)
    protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})
    *_, older, _ = protocol.call("sent", "owner's")
    for _ in range(3):
        protocol.call("say", "owner's", older)  # it is the last request still
    assert code_of(protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})) is None
    protocol.call("say", "owner's", older)
    with pytest.raises(OfficialError) as caught:
        protocol.call("request", "owner's", "createGroup", NEW_GROUP, {})
    assert caught.value.code == "ECONNRESET"
    assert world.asked == {"CreateGroup": 2}


# Side by side


class SideBySide:
    """Two clients of theirs and three of ours, all of one owner."""

    def __init__(self, theirs: list[OfficialClient], ours: list[Client]) -> None:
        self.theirs = theirs
        self.ours = ours

    def create(self, number: int, key: str) -> None:
        """One of the five makes a group."""
        if number < 2:
            assert self.theirs[number].call("createGroup", credentials(key), "x")["success"]
        else:
            self.ours[number - 2].create("x", join_key=key, join_secret="s3cret")

    def add(self, number: int, key: str, job_id: JobId) -> None:
        """One of the five adds a job."""
        if number < 2:
            shown: JSONValue = [credentials(key)]
            assert self.theirs[number].call("addJobToGroups", str(job_id), shown)["success"]
        else:
            groups = self.ours[number - 2]
            groups.add_job(key, job_id, join_key=key, join_secret="s3cret")

    def jobs(self, key: str) -> list[str]:
        """The jobs of a group, of which they all have the same view."""
        seen = [client.call("listJobs", {"joinKey": key})["payload"] for client in self.theirs]
        seen += [[*map(str, groups.list_jobs(key))] for groups in self.ours]
        assert seen == [seen[0]] * 5
        jobs: list[str] = seen[0]
        return jobs


@pytest.fixture
def five(
    service: LiveService, official: Official, transport: TransportName
) -> Iterator[SideBySide]:
    theirs = [official(OWNER), official(OWNER, 1)]
    for client in theirs:
        client.call("moveTo", service.url)
    with ExitStack() as running:
        loops = {name: running.enter_context(event_loop(name)) for name in BACKENDS}
        options: Any = {"identity": Identity(OWNER), "transport": transport}
        ours = [client_in(loop, name, service.url, **options) for name, loop in loops.items()]
        yield SideBySide(theirs, [running.enter_context(client) for client in ours])


def test_each_client_sees_what_any_other_has_done(five: SideBySide) -> None:
    keys = [f"farm {number}" for number in range(5)]
    for number, key in enumerate(keys):
        five.create(number, key)
    jobs = [job(number) for number in range(50)]

    def add(number: int) -> None:
        """To all groups in turn, by one of the five."""
        for place, job_id in enumerate(jobs[number::5]):
            five.add(number, keys[place % 5], job_id)

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(add, range(5)))
    for place, key in enumerate(keys):
        of_it = [str(job(number)) for number in range(50) if number // 5 % 5 == place]
        assert sorted(five.jobs(key)) == of_it

    key = keys[0]
    first, second, third, *left = five.jobs(key)
    five.ours[0].remove_job(key, JobId(first))
    assert five.jobs(key) == [second, third, *left]
    five.theirs[0].call("removeJob", second, {"joinKey": key})
    assert five.jobs(key) == [third, *left]
    five.ours[1].cancel_job(key, JobId(third))
    assert five.jobs(key) == left
    assert five.ours[2].remove_all_jobs(key) == tuple(map(JobId, left))
    assert five.jobs(key) == []
    five.theirs[1].call("changeGroup", {"joinKey": key}, {"name": "renamed"})
    assert [groups.get_group(key).name for groups in five.ours] == ["renamed"] * 3


def test_each_client_is_refused_alike(five: SideBySide) -> None:
    five.create(0, "farm")
    five.add(1, "farm", job(0))
    five.ours[0].cancel_job("farm", job(0))
    right: Any = {"join_key": "farm", "join_secret": "s3cret"}
    wrong: Any = {"join_key": "farm", "join_secret": "guess"}
    refusals: list[tuple[str, list[JSONValue], Callable[[Client], object]]] = [
        ("ENOENT", ["listJobs", NOBODYS], lambda ours: ours.list_jobs("nobody's")),
        ("EPERM", ["deleteGroup", PUBLIC], lambda ours: ours.delete_group("public")),
        ("ER_DUP_ENTRY", ["createGroup", CREDENTIALS], lambda ours: ours.create("x", **right)),
        (
            "EACCES",
            ["addJobToGroups", OTHER_JOB, [GUESS]],
            lambda ours: ours.add_job("farm", job(1), **wrong),
        ),
        (
            "ECANCELED",
            ["addJobToGroups", JOB, [CREDENTIALS]],
            lambda ours: ours.add_job("farm", job(0), **right),
        ),
    ]
    for code, (method, *arguments), call in refusals:
        for client in five.theirs:
            assert failure(client, str(method), *arguments) == ("returned", code)
        for groups in five.ours:
            with pytest.raises(ComputeGroupsError) as caught:
                call(groups)
            assert caught.value.code == code


# Where the scheduler says that it is


def configuration(service: LiveService) -> str:
    """The least that dcp-client makes do with.

    It is KVIN v8 or v9. `compatibility.minimum.dcp` must be there and admit 5.0.0, which is what
    dcp-client 5.6.1 takes itself for (its sessions say 5.3.0). The location must be of a class of
    URLs, with a slash at its end; it may be http. No other member is looked at, no Content-Type.
    """
    text = KVIN.read_text(encoding="utf-8").rstrip()
    return text.replace("https://computegroups.example.org/service/", service.url)


@contextmanager
def publishing(text: str) -> Iterator[InProcess]:
    """A scheduler that publishes a configuration."""
    with in_process(rules(World())) as scheduler:
        scheduler.instead = HTTPResponse(200, (), text.encode())
        yield scheduler


def test_the_service_publishes_where_it_is(service: LiveService) -> None:
    published = httpx.get(f"{service.url}etc/dcp-config.kvin?ver=2.1.0", trust_env=False)
    assert published.text == configuration(service)


def test_it_finds_the_service_by_its_url_alone(service: LiveService) -> None:
    with official_client(scheduler=service.url, private_key=OWNER) as owner:
        assert owner.call("createGroup", CREDENTIALS, "farm") == success(2)
        owner.call("closeSession")


def test_it_finds_the_service_by_the_url_of_a_scheduler(service: LiveService) -> None:
    """By one request, at the root, whatever the path of the scheduler."""
    with (
        publishing(configuration(service)) as scheduler,
        official_client(scheduler=f"{scheduler.url}a/path/", private_key=OWNER) as owner,
    ):
        assert owner.call("createGroup", CREDENTIALS, "farm") == success(2)
        owner.call("closeSession")
        (asked,) = scheduler.requests
        assert (asked.method, asked.target) == ("GET", "/etc/dcp-config.kvin?ver=2.1.0")
        # Ours find it there, too.
        with cg_backends.sync.connect(scheduler=scheduler.url, identity=Identity(OWNER)) as ours:
            assert [group.join_key for group in ours.list_groups()] == ["farm"]


@pytest.mark.parametrize(
    "spoil",
    [
        ('"compatibility":', '"other":'),
        ("^5.0.0", "^5.3.0"),
        ('"v9"', '"v10"'),
        ("_serializeVerId", "version"),
    ],
    ids=["no compatibility", "another version of DCP", "another version of KVIN", "no KVIN"],
)
def test_it_does_not_begin_with_less(spoil: tuple[str, str], service: LiveService) -> None:
    with (
        publishing(configuration(service).replace(*spoil)) as scheduler,
        pytest.raises(RuntimeError, match=r"official_client\.js ended with status 1"),
        official_client(scheduler=scheduler.url, private_key=OWNER),
    ):
        pass


def test_a_location_must_be_of_a_class_of_urls(service: LiveService) -> None:
    """Our own clients take a text for it, too."""
    url = json.dumps(service.url)
    for location, reads in (
        (f'{{"ctr":18,"ps":{{}},"arg":{url}}}', True),
        (f'{{"ctr":"dcpUrl$$DcpURL","arg":{url}}}', True),
        (f'{{"raw":{url}}}', False),
    ):
        whole = json.loads(configuration(service))
        services = whole["what"]["ps"]["scheduler"]["ps"]["services"]
        services["ps"]["computeGroups"]["ps"]["location"] = json.loads(location)
        text = json.dumps(whole)
        assert service_location(text) == service.url
        with (
            publishing(text) as scheduler,
            official_client(scheduler=scheduler.url, private_key=OWNER) as owner,
        ):
            if reads:
                assert owner.call("keepAlive") == success(success())
                owner.call("closeSession")
            else:
                assert failure(owner, "createGroup", CREDENTIALS) == ("returned", None)
