"""Descriptors: how a request names a group and shows credentials (C-6, C-8, C-9)."""

from __future__ import annotations

from typing import Self, TypeAlias

import attrs

from cg_core.addresses import Address
from cg_core.errors import InvalidType, InvalidValue
from cg_core.groups import PUBLIC_GROUP
from cg_core.identifiers import GroupName, JobId, OpaqueId, checked_integer
from cg_core.join_hashes import JoinHash, JoinHashHash, JoinSecret, join_hash
from cg_core.text import checked_text, type_name

GroupArgument: TypeAlias = "GroupName | Descriptor"
"""How a call names a group; beside a name, a `Descriptor` holds credentials."""

Proof: TypeAlias = JoinHash | JoinHashHash
"""What shows that the caller knows the secret: the hash itself, or its hash for one session."""


@attrs.frozen(init=False)
class Descriptor:
    """A group, and what is shown to be let in.

    Args:
        group: its row id (`int`), its opaque id (`OpaqueId`) or its join key (`str`).
        join_key: the join key to show; needed beside an id where the group has one.
        join_secret: the join secret, hashed at once and not kept.
        join_hash: the join hash, in place of the secret.

    Credentials for the public group are dropped (C-6). For a group that has only a join address
    there is nothing to give: the caller's signature is what counts (C-9).

    Raises:
        InvalidType, InvalidValue: an argument cannot be; the message says which and how to mend it.
    """

    id: int | OpaqueId | None
    join_key: str | None
    proof: Proof | None

    def __init__(
        self,
        group: GroupName,
        *,
        join_key: str | None = None,
        join_secret: str | JoinSecret | None = None,
        join_hash: JoinHash | str | None = None,
    ) -> None:
        try:
            id, key = _id_and_key(group)
            if key is None:
                key = None if join_key is None else checked_join_key(join_key)
            elif join_key is not None and checked_join_key(join_key) != key:
                raise InvalidValue(
                    "group (a str) and join_key are two join keys; give one of them, or the "
                    "group's id beside its join key"
                )
            if _is_public(id, key):
                if key not in (None, PUBLIC_GROUP.join_key):
                    raise InvalidValue(
                        "group is the public group and join_key is another's; name one of the two"
                    )
                proof = None
            else:
                proof = shown_join_hash(key, join_secret, join_hash)
        finally:
            del join_secret, join_hash
        self.__attrs_init__(id, key, proof)

    @classmethod
    def received(cls, id: int | OpaqueId | None, join_key: str | None, proof: Proof | None) -> Self:
        """A descriptor as it came over a session: any of its parts may be missing, not all.

        Raises:
            InvalidValue: it names no group.
        """
        if id is None and join_key is None:
            raise InvalidValue("the descriptor names no group: give joinKey or id")
        made = cls.__new__(cls)
        made.__attrs_init__(id, join_key, None if _is_public(id, join_key) else proof)
        return made

    @property
    def is_public(self) -> bool:
        """Whether it names the public group, which asks for no credentials (C-6)."""
        return _is_public(self.id, self.join_key)

    @property
    def name(self) -> GroupName:
        """The name by which a result refers to the group: its id, or its join key."""
        if self.id is not None:
            return self.id
        assert self.join_key is not None  # both constructors see to it
        return self.join_key

    def __str__(self) -> str:
        """The group's name, for messages."""
        return named(self.name)


def descriptor(group: GroupArgument) -> Descriptor:
    """The descriptor of a group that is named in any way.

    Raises:
        InvalidType, InvalidValue: it names no group.
    """
    return group if isinstance(group, Descriptor) else Descriptor(group)


def named(group: GroupName) -> str:
    """How messages name a group."""
    if isinstance(group, OpaqueId):
        return f"group {group}"
    return f"group {group}" if isinstance(group, int) else f"group with join key {group!a}"


def checked_join_key(value: str) -> str:
    """A join key: 1 to 255 code points (C-1).

    Raises:
        InvalidType: not a str, or an id or address, which are no join keys.
        InvalidValue: empty, too long, or with NUL or a lone surrogate in it.
    """
    if isinstance(value, (Address, JobId, OpaqueId)):
        raise InvalidType(
            f"join_key must be a plain str, not {type_name(value)}; "
            "if that is really the join key, give str(...) of it"
        )
    return checked_text("join_key", value)


def shown_join_hash(
    join_key: str | None,
    join_secret: str | JoinSecret | None,
    join_hash_given: JoinHash | str | None,
) -> JoinHash | None:
    """The join hash that a call gives, as itself or as the secret that it is made from (C-13).

    Raises:
        InvalidType, InvalidValue: both are given, or one without a join key, or not well-formed.
    """
    try:
        if join_secret is None and join_hash_given is None:
            return None
        if join_secret is not None and join_hash_given is not None:
            raise both_secret_and_hash()
        if join_key is None:
            given = "join_secret" if join_hash_given is None else "join_hash"
            raise InvalidValue(f"{given} needs join_key beside it: the key is the salt of the hash")
        if join_secret is not None:
            return join_hash(join_key, join_secret)
        if isinstance(join_hash_given, JoinHash):
            return join_hash_given
        assert join_hash_given is not None  # all other pairs are dealt with above
        return JoinHash(join_hash_given)
    finally:
        del join_secret, join_hash_given


def both_secret_and_hash() -> InvalidValue:
    """The error for a join secret and a join hash in one call."""
    return InvalidValue("join_secret and join_hash are two ways to say one thing; give one")


def _id_and_key(group: object) -> tuple[int | OpaqueId | None, str | None]:
    if isinstance(group, OpaqueId):
        return group, None
    if isinstance(group, int):
        return checked_integer("group", group, least=1), None
    if isinstance(group, str) and not isinstance(group, (Address, JobId)):
        return None, checked_text("group", group)
    raise InvalidType(
        f"group must be an int (row id), an OpaqueId or a str (join key), not {type_name(group)}"
    )


def _is_public(id: int | OpaqueId | None, join_key: str | None) -> bool:
    if id is None:
        return join_key == PUBLIC_GROUP.join_key
    return id in (PUBLIC_GROUP.id, PUBLIC_GROUP.opaque_id)
