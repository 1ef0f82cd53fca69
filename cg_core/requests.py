"""The twelve requests: one frozen class each, a `Request[T]`, where T is the type of its result.

A request is checked as it is made and is then carried out, or sent, as it stands. The methods of
the clients are made from these classes, with their parameters and docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Self, TypeVar, Unpack

import attrs

from cg_core.addresses import Address
from cg_core.descriptors import (
    Descriptor,
    GroupArgument,
    both_secret_and_hash,
    checked_join_key,
    descriptor,
    shown_join_hash,
)
from cg_core.errors import InvalidType, InvalidValue
from cg_core.groups import KEEP, Group, GroupChanges, Keep
from cg_core.identifiers import GroupId, JobId, OpaqueId
from cg_core.join_hashes import JoinHash, JoinSecret
from cg_core.properties import GroupProperties, PropertyArguments, checked_properties
from cg_core.results import AddJobResult
from cg_core.text import checked_text, type_name

T = TypeVar("T")


class Request(Generic[T]):
    """A request whose result is a T."""

    __slots__ = ()


@attrs.frozen
class _GroupRequest(Request[T]):
    # A request that only names a group.
    group: Descriptor = attrs.field(converter=descriptor)


@attrs.frozen
class _JobRequest(Request[T]):
    # A request that names a group and a job in it.
    group: Descriptor = attrs.field(converter=descriptor)
    job: JobId = attrs.field(converter=JobId)


@attrs.frozen(init=False)
class CreateGroup(Request[GroupId]):
    """Create a compute group, which the caller then owns (C-2).

    Args:
        name: 1 to 255 code points.
        description: 0 to 255 code points; made from the name and the date if not given.
        join_key: the group's "user name", unique, 1 to 255 code points. May come without a secret.
        join_secret: the group's "password", 1 to 255 code points; hashed at once and not kept.
        join_hash: the join hash, in place of the secret.
        join_address: an address whose signature lets in (C-9).
        opaque_id: the opaque id for the group, if it is free; otherwise one is made up.
        **properties: the properties of DCP 5, by name (see `GroupProperties`). `deploy_access` is
            "owner" unless told otherwise: only the owner adds jobs.

    Returns:
        The id of the new group: its row id (int), or an OpaqueId where a foreign service gives one.

    Raises:
        DuplicateJoinKey: the join key, or the opaque id, is in use; nothing was made.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    name: str
    description: str | None
    join_key: str | None
    join_hash: JoinHash | None
    join_address: Address | None
    opaque_id: OpaqueId | None
    properties: GroupProperties

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        join_key: str | None = None,
        join_secret: str | JoinSecret | None = None,
        join_hash: JoinHash | str | None = None,
        join_address: Address | str | None = None,
        opaque_id: OpaqueId | str | None = None,
        **properties: Unpack[PropertyArguments],
    ) -> None:
        try:
            key = None if join_key is None else checked_join_key(join_key)
            held = shown_join_hash(key, join_secret, join_hash)
            checked = checked_properties(properties)
        finally:
            del join_secret, join_hash, properties  # a misspelt secret may be in these
        self.__attrs_init__(
            checked_text("name", name),
            None if description is None else _description(description),
            key,
            held,
            None if join_address is None else Address(join_address, "join_address"),
            None if opaque_id is None else OpaqueId(opaque_id),
            GroupProperties(**checked),
        )


@attrs.frozen(init=False)
class ChangeGroup(Request[None]):
    """Change properties of a group; what is not given stays (C-3). Owner only.

    The join key and the join secret (or hash) change together, because the key is the salt of the
    hash: give both or neither. Both None ends joining by key; `join_secret=None` beside a key lets
    in by the key alone. None also takes a `max_...` limit or the join address away.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.
        name: 1 to 255 code points.
        description: 0 to 255 code points.
        join_key: the new join key, unique, or None.
        join_secret: the new join secret, hashed at once and not kept, or None.
        join_hash: the new join hash, in place of the secret.
        join_address: the address whose signature lets in, or None.
        **properties: the properties of DCP 5, by name (see `GroupProperties`).

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        DuplicateJoinKey: the join key is in use by another group; nothing changed.
        InvalidType, InvalidValue: an argument cannot be, or nothing is to change; nothing was sent.
    """

    group: Descriptor
    changes: GroupChanges

    def __init__(
        self,
        group: GroupArgument,
        *,
        name: str | Keep = KEEP,
        description: str | Keep = KEEP,
        join_key: str | Keep | None = KEEP,
        join_secret: str | JoinSecret | Keep | None = KEEP,
        join_hash: JoinHash | str | Keep | None = KEEP,
        join_address: Address | str | Keep | None = KEEP,
        **properties: Unpack[PropertyArguments],
    ) -> None:
        try:
            key, held = _new_credentials(join_key, join_secret, join_hash)
            checked = checked_properties(properties)
        finally:
            del join_secret, join_hash, properties  # a misspelt secret may be in these
        changes = _checked_changes(name, description, key, held, join_address, checked)
        self.__attrs_init__(descriptor(group), changes)

    @classmethod
    def received(
        cls,
        group: Descriptor,
        *,
        name: str | Keep = KEEP,
        description: str | Keep = KEEP,
        join_key: str | Keep | None = KEEP,
        join_hash: JoinHash | str | Keep | None = KEEP,
        join_address: Address | str | Keep | None = KEEP,
        **properties: Unpack[PropertyArguments],
    ) -> Self:
        """A change as it came over a session: there a join hash may come without its key (C-3).

        Raises:
            InvalidType, InvalidValue: an argument cannot be, or nothing is to change.
        """
        key = join_key if join_key is None or join_key is KEEP else checked_join_key(join_key)
        if join_hash is None or join_hash is KEEP or isinstance(join_hash, JoinHash):
            held = join_hash
        else:
            held = JoinHash(join_hash)
        checked = checked_properties(properties)
        made = cls.__new__(cls)
        changes = _checked_changes(name, description, key, held, join_address, checked)
        made.__attrs_init__(group, changes)
        return made


class DeleteGroup(_GroupRequest[None]):
    """Delete a group (C-5). Owner only. Its jobs leave it; they are not cancelled.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


@attrs.frozen(init=False)
class AddJob(Request[None]):
    """Add a job to a group (C-8 to C-10). Adding it again changes nothing and is no error.

    A group's credentials must be shown by everybody, its owner too. With `deploy_access="owner"`
    the caller must own the group besides; a group without credentials takes its owner's jobs only.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.
        job: the job's id, 22 characters of the base64 alphabet, or an Ethereum address.
        join_key: the group's join key, where `group` is an id.
        join_secret: the group's join secret, hashed at once and not kept.
        join_hash: the join hash, in place of the secret.

    Raises:
        GroupNotFound, NotOwner, BadCredentials: there is no such group, or the caller may not.
        NotOwner, JobCancelled: the job is another caller's, or was cancelled.
        LimitReached: the group has `max_concurrent_jobs` jobs.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    group: Descriptor
    job: JobId

    def __init__(
        self,
        group: GroupArgument,
        job: JobId | str,
        *,
        join_key: str | None = None,
        join_secret: str | JoinSecret | None = None,
        join_hash: JoinHash | str | None = None,
    ) -> None:
        try:
            if not isinstance(group, Descriptor):
                group = Descriptor(
                    group, join_key=join_key, join_secret=join_secret, join_hash=join_hash
                )
            elif (join_key, join_secret, join_hash) != (None, None, None):
                raise InvalidValue(
                    "group is a Descriptor, which holds its credentials; give it no others"
                )
        finally:
            del join_secret, join_hash
        self.__attrs_init__(group, JobId(job))


def _descriptors(groups: Sequence[GroupArgument]) -> tuple[Descriptor, ...]:
    if not isinstance(groups, Sequence) or isinstance(groups, (str, bytes, bytearray)):
        raise InvalidType(
            f"groups must be a list or tuple of descriptors or group names, not {type_name(groups)}"
        )
    found = tuple(descriptor(group) for group in groups)
    if not found:
        raise InvalidValue("groups is empty; name at least one group")
    return found


@attrs.frozen
class AddJobToGroups(Request[tuple[AddJobResult, ...]]):
    """Add one job to several groups, each on its own: some may take it while others refuse.

    Args:
        job: the job's id, 22 characters of the base64 alphabet, or an Ethereum address.
        groups: a `Descriptor` for each group, with its credentials; for groups that ask for none
            beyond their join key, the group's name will do.

    Returns:
        One `AddJobResult` for each group, in order. Refusals are in them and are not raised.

    Raises:
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    job: JobId = attrs.field(converter=JobId)
    groups: tuple[Descriptor, ...] = attrs.field(converter=_descriptors)


class ListJobs(_GroupRequest[tuple[JobId, ...]]):
    """List the jobs that are in a group now (C-11, C-12). Owner only.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.

    Returns:
        The ids of the jobs, in the order in which they joined.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


class RemoveJob(_JobRequest[None]):
    """Take a job out of a group (C-11, C-12). The group's owner, or the job's owner.

    This ends the membership and nothing else: the job lives on, in other groups too, and may be
    added again. To end the job itself, cancel it.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.
        job: the job's id.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or the caller owns neither group nor job.
        JobNotFound: the job is not in the group.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


class RemoveAllJobs(_GroupRequest[tuple[JobId, ...] | None]):
    """Take all jobs out of a group (C-11, C-12). Owner only. None of them is cancelled.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.

    Returns:
        The jobs that were removed, or None where a foreign service does not say.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


class CancelJob(_JobRequest[None]):
    """Cancel a job of a group, for good (C-11, C-12). The group's owner, or the job's owner.

    This ends the job: it leaves every group and can never be added again. To take it out of one
    group only, remove it. Cancelling a job again is no error.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.
        job: the job's id.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or the caller owns neither group nor job.
        JobNotFound: the job is not in the group.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


class CancelAllJobs(_GroupRequest[tuple[JobId, ...] | None]):
    """Cancel every job of a group, for good (C-11, C-12). Owner only. All of them, or none.

    This ends the jobs: they leave every group and can never be added again. To take them out of
    this group only, remove them.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.

    Returns:
        The jobs that were cancelled, or None where a foreign service does not say.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


class GetGroup(_GroupRequest[Group]):
    """Look at one of the caller's own groups. Our stores and our service only.

    Args:
        group: row id (int), OpaqueId or join key (str), or a `Descriptor`.

    Returns:
        The group, without its join hash.

    Raises:
        GroupNotFound, NotOwner: there is no such group, or it is another's.
        Unsupported: a foreign service does not know the operation.
        InvalidType, InvalidValue: an argument cannot be; nothing was sent.
    """

    __slots__ = ()


@attrs.frozen
class ListGroups(Request[tuple[Group, ...]]):
    """List the caller's own groups, oldest first. Our stores and our service only.

    Returns:
        The groups, without their join hashes.

    Raises:
        Unsupported: a foreign service does not know the operation.
    """


def _description(value: str) -> str:
    return checked_text("description", value, shortest=0)


def _checked_changes(
    name: str | Keep,
    description: str | Keep,
    join_key: str | Keep | None,
    join_hash: JoinHash | Keep | None,
    join_address: Address | str | Keep | None,
    properties: Mapping[str, object],
) -> GroupChanges:
    if join_address is not KEEP and join_address is not None:
        join_address = Address(join_address, "join_address")
    changes = GroupChanges(
        name=KEEP if name is KEEP else checked_text("name", name),
        description=KEEP if description is KEEP else _description(description),
        join_key=join_key,
        join_hash=join_hash,
        join_address=join_address,
        properties=tuple(properties.items()),
    )
    if changes == GroupChanges():
        raise InvalidValue("nothing is to change; give at least one property of the group")
    return changes


def _new_credentials(
    join_key: str | Keep | None,
    join_secret: str | JoinSecret | Keep | None,
    join_hash: JoinHash | str | Keep | None,
) -> tuple[str | Keep | None, JoinHash | Keep | None]:
    # The new join key and hash: both KEEP, or both not.
    try:
        secret_given, hash_given = join_secret is not KEEP, join_hash is not KEEP
        if secret_given and hash_given:
            raise both_secret_and_hash()
        if (join_key is not KEEP) != (secret_given or hash_given):
            raise InvalidValue(
                "join_key and join_secret (or join_hash) change together, because the key is the "
                "salt of the hash; give both, join_secret=None for joining by the key alone"
            )
        if join_key is KEEP:
            return KEEP, KEEP
        key = None if join_key is None else checked_join_key(join_key)
        held = shown_join_hash(
            key,
            None if join_secret is KEEP else join_secret,
            None if join_hash is KEEP else join_hash,
        )
        return key, held
    finally:
        del join_secret, join_hash
