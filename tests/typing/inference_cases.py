"""What a type checker infers of calls; test_inference.py has mypy look at it.

A line that ends in `# wrong` must be an error, of the code that its ignore names.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from cg_core import (
    AddJob,
    AddJobResult,
    AddJobToGroups,
    Address,
    AsyncClient,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    Client,
    CreateGroup,
    DeleteGroup,
    Descriptor,
    GetGroup,
    Group,
    JobId,
    JoinHash,
    JoinSecret,
    ListGroups,
    ListJobs,
    OpaqueId,
    Refused,
    RemoveAllJobs,
    RemoveJob,
)
from cg_core.ecmascript_json import JSONValue
from cg_core.replies import from_reply, to_reply

JOB = JobId("P+Y4IApeFQLrYS2W7MkVg7")
ADDRESS = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")


def sync_calls(client: Client) -> None:
    assert_type(client.call(CreateGroup("farm")), int | OpaqueId)
    assert_type(client.call(ChangeGroup(5, name="farm")), None)
    assert_type(client.call(DeleteGroup(5)), None)
    assert_type(client.call(AddJob(5, JOB)), None)
    assert_type(client.call(AddJobToGroups(JOB, [5])), tuple[AddJobResult, ...])
    assert_type(client.call(ListJobs(5)), tuple[JobId, ...])
    assert_type(client.call(RemoveJob(5, JOB)), None)
    assert_type(client.call(RemoveAllJobs(5)), tuple[JobId, ...] | None)
    assert_type(client.call(CancelJob(5, JOB)), None)
    assert_type(client.call(CancelAllJobs(5)), tuple[JobId, ...] | None)
    assert_type(client.call(GetGroup(5)), Group)
    assert_type(client.call(ListGroups()), tuple[Group, ...])


async def async_calls(client: AsyncClient) -> None:
    assert_type(await client.call(CreateGroup("farm")), int | OpaqueId)
    assert_type(await client.call(ChangeGroup(5, name="farm")), None)
    assert_type(await client.call(DeleteGroup(5)), None)
    assert_type(await client.call(AddJob(5, JOB)), None)
    assert_type(await client.call(AddJobToGroups(JOB, [5])), tuple[AddJobResult, ...])
    assert_type(await client.call(ListJobs(5)), tuple[JobId, ...])
    assert_type(await client.call(RemoveJob(5, JOB)), None)
    assert_type(await client.call(RemoveAllJobs(5)), tuple[JobId, ...] | None)
    assert_type(await client.call(CancelJob(5, JOB)), None)
    assert_type(await client.call(CancelAllJobs(5)), tuple[JobId, ...] | None)
    assert_type(await client.call(GetGroup(5)), Group)
    assert_type(await client.call(ListGroups()), tuple[Group, ...])


def sync_methods(client: Client) -> None:
    assert_type(client.create("farm"), int | OpaqueId)
    assert_type(client.change_group(5, name="farm"), None)
    assert_type(client.delete_group(5), None)
    assert_type(client.add_job(5, JOB), None)
    assert_type(client.add_job_to_groups(JOB, [5]), tuple[AddJobResult, ...])
    assert_type(client.list_jobs(5), tuple[JobId, ...])
    assert_type(client.remove_job(5, JOB), None)
    assert_type(client.remove_all_jobs(5), tuple[JobId, ...] | None)
    assert_type(client.cancel_job(5, JOB), None)
    assert_type(client.cancel_all_jobs(5), tuple[JobId, ...] | None)
    assert_type(client.get_group(5), Group)
    assert_type(client.list_groups(), tuple[Group, ...])


async def async_methods(client: AsyncClient) -> None:
    assert_type(await client.create("farm"), int | OpaqueId)
    assert_type(await client.change_group(5, name="farm"), None)
    assert_type(await client.delete_group(5), None)
    assert_type(await client.add_job(5, JOB), None)
    assert_type(await client.add_job_to_groups(JOB, [5]), tuple[AddJobResult, ...])
    assert_type(await client.list_jobs(5), tuple[JobId, ...])
    assert_type(await client.remove_job(5, JOB), None)
    assert_type(await client.remove_all_jobs(5), tuple[JobId, ...] | None)
    assert_type(await client.cancel_job(5, JOB), None)
    assert_type(await client.cancel_all_jobs(5), tuple[JobId, ...] | None)
    assert_type(await client.get_group(5), Group)
    assert_type(await client.list_groups(), tuple[Group, ...])


def replies(payload: JSONValue, refusal: Refused) -> None:
    assert_type(from_reply(CreateGroup("farm"), True, payload), int | OpaqueId)
    assert_type(from_reply(ChangeGroup(5, name="farm"), True, payload), None)
    assert_type(from_reply(DeleteGroup(5), True, payload), None)
    assert_type(from_reply(AddJob(5, JOB), True, payload), None)
    assert_type(from_reply(AddJobToGroups(JOB, [5]), True, payload), tuple[AddJobResult, ...])
    assert_type(from_reply(ListJobs(5), True, payload), tuple[JobId, ...])
    assert_type(from_reply(RemoveJob(5, JOB), True, payload), None)
    assert_type(from_reply(RemoveAllJobs(5), True, payload), tuple[JobId, ...] | None)
    assert_type(from_reply(CancelJob(5, JOB), True, payload), None)
    assert_type(from_reply(CancelAllJobs(5), True, payload), tuple[JobId, ...] | None)
    assert_type(from_reply(GetGroup(5), True, payload), Group)
    assert_type(from_reply(ListGroups(), True, payload), tuple[Group, ...])
    to_reply(ListJobs(5), (JOB,))
    to_reply(ListJobs(5), refusal)
    to_reply(ListJobs(5), 5)  # type: ignore[misc] # wrong
    to_reply(GetGroup(5), None)  # type: ignore[misc] # wrong
    to_reply(CreateGroup("farm"), "farm")  # type: ignore[misc] # wrong


def right_arguments(client: Client, group: OpaqueId, hash: JoinHash, secret: JoinSecret) -> None:
    client.create(
        "farm", description=None, join_key="farm", join_secret="s3cret", join_address=ADDRESS,
        opaque_id="bYcYGQ3NOpFnP4FKs6IBQd", commission_rate=Decimal("0.05"), deploy_fee=1,
        max_total_payment=None, max_concurrent_cpus=None, deploy_access="join",
    )  # fmt: skip
    client.create("farm", join_key="farm", join_hash=hash)
    client.change_group(group, join_key=None, join_secret=None, join_address=None)
    client.change_group("farm", join_key="farm", join_secret=secret, max_concurrent_jobs=None)
    client.add_job(group, "P+Y4IApeFQLrYS2W7MkVg7", join_key="farm", join_hash="eh1-")
    client.add_job(Descriptor("farm", join_secret=secret), JOB)
    client.add_job_to_groups(JOB, [5, "farm", group, Descriptor(5, join_key="farm")])
    client.add_job_to_groups(JOB, ("farm", "lab"))


def wrong_arguments(client: Client) -> None:
    client.create(5)  # type: ignore[arg-type] # wrong
    client.create("farm", join_secret=b"s3cret")  # type: ignore[arg-type] # wrong
    client.create("farm", deploy_fee=0.1)  # type: ignore[arg-type] # wrong
    client.create("farm", deploy_access="all")  # type: ignore[arg-type] # wrong
    client.create("farm", joinKey="farm")  # type: ignore[call-arg] # wrong
    client.create("farm", "of the film")  # type: ignore[call-arg] # wrong
    client.create()  # type: ignore[call-arg] # wrong
    client.change_group(5, name=None)  # type: ignore[arg-type] # wrong
    client.change_group(5, max_concurrent_jobs="9")  # type: ignore[arg-type] # wrong
    client.delete_group(None)  # type: ignore[arg-type] # wrong
    client.add_job(5, 7)  # type: ignore[arg-type] # wrong
    client.add_job(5)  # type: ignore[call-arg] # wrong
    client.add_job_to_groups(JOB, 5)  # type: ignore[arg-type] # wrong
    client.add_job_to_groups(JOB, [None])  # type: ignore[list-item] # wrong
    client.add_job_to_groups(JOB, {5: "farm"})  # type: ignore[arg-type] # wrong
    client.list_jobs(1.5)  # type: ignore[arg-type] # wrong
    client.remove_job(5, None)  # type: ignore[arg-type] # wrong
    client.cancel_job(5, JOB, "farm")  # type: ignore[call-arg] # wrong
    client.list_groups(5)  # type: ignore[call-arg] # wrong
    client.call("listGroups")  # type: ignore[arg-type] # wrong
    client.call(ListGroups)  # type: ignore[arg-type] # wrong
    jobs: list[JobId] = client.list_jobs(5)  # type: ignore[assignment] # wrong
    del jobs


async def wrong_async_arguments(client: AsyncClient) -> None:
    await client.create(5)  # type: ignore[arg-type] # wrong
    await client.create("farm", deploy_fee=0.1)  # type: ignore[arg-type] # wrong
    await client.change_group(5, name=None)  # type: ignore[arg-type] # wrong
    await client.add_job(5, 7)  # type: ignore[arg-type] # wrong
    await client.list_groups(5)  # type: ignore[call-arg] # wrong
    await client.call(ListGroups)  # type: ignore[arg-type] # wrong
    client.list_jobs(5)  # type: ignore[unused-coroutine] # wrong
