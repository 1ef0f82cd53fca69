"""Who may do what, decided in this one place, in this order (C-8, C-9, C-11, C-16).

    1. does the group exist           GroupNotFound
    2. may the caller try             NotOwner        (credentials are not looked at)
    3. are the credentials right      BadCredentials  (missing, wrong key, wrong secret alike)
    4. is the job the caller's        NotOwner
    5. is it cancelled                JobCancelled, or JobNotFound where it should be in the group

What follows (already in, limit) refuses nobody for who they are: see the rules.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from cg_core.addresses import Address
from cg_core.descriptors import Descriptor
from cg_core.errors import BadCredentials, GroupNotFound, JobCancelled, JobNotFound, NotOwner
from cg_core.groups import PUBLIC_GROUP, GroupRow
from cg_core.identifiers import JobId
from cg_core.rows import JobRow, MembershipRow, Rows
from cg_core.terms import Terms


def _addresses(addresses: Iterable[Address]) -> frozenset[Address]:
    return frozenset(map(Address, addresses))


@attrs.frozen
class Caller:
    """Who calls.

    Attributes:
        address: the address whose key signed the request; on local backends the address that
            the client was made for.
        join_addresses: further addresses that the request was proved to act for, by a
            signature of each (C-9). They let in and own nothing.
    """

    address: Address = attrs.field(converter=Address)
    join_addresses: frozenset[Address] = attrs.field(default=frozenset(), converter=_addresses)

    def joins_as(self, address: Address) -> bool:
        """Whether the caller may join groups that this address lets into."""
        return address == self.address or address in self.join_addresses


def require_creator(caller: Caller, terms: Terms) -> None:
    """The caller may create groups.

    Raises:
        NotOwner: the store's keeper lets only others do so.
    """
    if terms.creators is not None and caller.address not in terms.creators:
        raise NotOwner(
            f"{caller.address} may not create groups here: ask who keeps the service to allow it"
        )


def owned_group(rows: Rows, descriptor: Descriptor, caller: Caller) -> GroupRow:
    """The group, for what only its owner may do.

    Raises:
        GroupNotFound, NotOwner: in this order.
    """
    group = _named_group(rows, descriptor)
    if group.owner != caller.address:
        raise NotOwner(f"only the owner of {descriptor} may do this")
    return group


def group_to_join(rows: Rows, descriptor: Descriptor, caller: Caller) -> GroupRow:
    """The group, for adding a job to it (C-8).

    Raises:
        GroupNotFound, NotOwner, BadCredentials: in this order.
    """
    group = _existing_group(rows, descriptor)
    if group.id == PUBLIC_GROUP.id and _key_is_right(group, descriptor):
        return group
    owner_only = group.deploy_access == "owner" or not group.has_credentials
    if owner_only and group.owner != caller.address:
        raise NotOwner(f"only the owner of {descriptor} may add jobs to it")
    if not _credentials_are_right(group, descriptor, caller):
        raise BadCredentials(
            f"the credentials for {descriptor} are missing or wrong; give its join_key and, where "
            "it has one, its join_secret"
        )
    return group


def require_addable(job: JobRow | None, caller: Caller) -> None:
    """A job may be added: it is new, or it is the caller's and lives (C-10).

    Raises:
        NotOwner, JobCancelled: in this order.
    """
    if job is None:
        return
    if job.owner != caller.address:
        raise NotOwner(f"job {job.id} belongs to another caller, who first added it")
    if job.cancelled:
        raise JobCancelled(f"job {job.id} was cancelled, which is for good; deploy it anew")


def job_to_end(
    rows: Rows, descriptor: Descriptor, job_id: JobId, caller: Caller
) -> tuple[GroupRow, JobRow]:
    """The group and its job, for removing or cancelling the job, which may be cancelled (C-11).

    Raises:
        GroupNotFound, NotOwner, JobNotFound: in this order.
    """
    group = _named_group(rows, descriptor)
    job = rows.job(job_id)
    owner_of_job = None if job is None else job.owner
    if caller.address not in (group.owner, owner_of_job):
        raise NotOwner(f"only the owner of {descriptor}, or of job {job_id}, may do this")
    if job is None or not rows.is_member(MembershipRow(group.id, job_id)):
        raise job_not_found(descriptor, job_id)
    return group, job


def job_not_found(descriptor: Descriptor, job_id: JobId) -> JobNotFound:
    """The refusal for a job that is not in a group."""
    return JobNotFound(f"job {job_id} is not in {descriptor}; list_jobs says which are")


def _named_group(rows: Rows, descriptor: Descriptor) -> GroupRow:
    # An id and a key, where both are given, name one group.
    group = _existing_group(rows, descriptor)
    if not _key_is_right(group, descriptor):
        raise _no_group(descriptor)
    return group


def _existing_group(rows: Rows, descriptor: Descriptor) -> GroupRow:
    group = rows.group(descriptor.name)
    if group is None:
        raise _no_group(descriptor)
    return group


def _no_group(descriptor: Descriptor) -> GroupNotFound:
    return GroupNotFound(
        f"there is no {descriptor}; a plain str names a group by its join key, an int by its row "
        "id, an OpaqueId by its opaque id"
    )


def _key_is_right(group: GroupRow, descriptor: Descriptor) -> bool:
    return descriptor.join_key in (None, group.join_key)


def _credentials_are_right(group: GroupRow, descriptor: Descriptor, caller: Caller) -> bool:
    if not _key_is_right(group, descriptor):
        return False
    if not group.has_credentials:
        return True
    if group.join_address is not None and caller.joins_as(group.join_address):
        return True
    if descriptor.join_key is None:
        return False
    if group.join_hash is None:
        return True
    return descriptor.proof is not None and descriptor.proof.proves(group.join_hash)
