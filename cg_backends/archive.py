"""Archives: all that a store or a world holds, as a file of JSON lines (cg_core.row_json).

    from cg_backends.archive import export_state, import_state

    export_state(store, "groups.jsonl")
    import_state("groups.jsonl", another_store)

The first line says what the file is, the last one how many rows there are. An archive holds join
hashes, which suffice to join: it is made for its owner alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar

from cg_backends.keystore_files import AnyPath, checked_path
from cg_backends.local import Dump
from cg_backends.new_files import new_file
from cg_core import (
    PUBLIC_GROUP,
    ComputeGroupsError,
    GroupRow,
    InvalidValue,
    JobId,
    JobRow,
    MembershipRow,
    OpaqueId,
    Row,
)
from cg_core.ecmascript_json import parse, stringify
from cg_core.exact_numbers import integer_from_wire, to_wire
from cg_core.identifiers import checked_integer
from cg_core.row_json import row_from_json, row_to_json

T = TypeVar("T")

FORMAT: Final = "compute-groups"
VERSION: Final = 1
_LONGEST_LINE: Final = 2**16  # bytes; a group has 6 000 at most


class Archived(Protocol):
    """What can be archived: a durable store, a world in memory."""

    def dump(self) -> Dump:
        """All rows as they stand now."""

    def load(self, dump: Dump) -> None:
        """Take in all rows, or none."""


def export_state(place: Archived, path: AnyPath) -> int:
    """Write all that a store holds at one moment into a new file, for its owner alone.

    The store goes on meanwhile, and the rows are never in memory all at once.

    Args:
        place: a `Store`, or a `World`.
        path: where to; nothing may be there yet.

    Returns:
        How many rows there are.

    Raises:
        InvalidValue: the file is there already, or cannot be written.
        NetworkError, Busy: the store cannot be read.
    """
    with _new_file(checked_path(path)) as file:
        dump = place.dump()
        header = {"format": FORMAT, "version": VERSION}
        file.write(_line({**header, "lastGroupId": to_wire(dump.last_group_id)}))
        count = 0
        for row in dump.rows:
            file.write(_line(row_to_json(row)))
            count += 1
        file.write(_line({"rows": count}))
    return count


def import_state(path: AnyPath, place: Archived) -> int:
    """Take an archive into a store that holds nothing: all of it, or on an error nothing.

    Row ids are kept; new groups get ids above all that were ever given.

    Args:
        path: the archive.
        place: a `Store`, or a `World`.

    Returns:
        How many rows there are.

    Raises:
        InvalidValue: the file is no archive, or damaged (the message names the line), or the store
            has groups or jobs.
        NetworkError, Busy, OutcomeUnknown: as in any other call of the store.
    """
    archive = _Archive(checked_path(path))
    place.load(Dump(archive.last_group_id(), archive))
    return archive.count


def _line(value: Any) -> bytes:
    return stringify(value).encode() + b"\n"


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there when all is written, as a whole, or never; for its owner alone."""
    try:
        with new_file(path) as file:
            yield file
    except FileExistsError:
        fault = "it exists; choose another path, or move it away first"
    except OSError as error:
        fault = error.strerror or type(error).__name__
    else:
        return
    raise InvalidValue(f"{path} cannot be written: {fault}")


class _Archive:
    """The rows of an archive, read from its file each time that they are gone through.

    Attributes:
        count: how many there were the last time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self.count = 0

    def last_group_id(self) -> int:
        """The last row id that was given in the store that was exported."""
        (last,) = self._told(self._header)
        return last

    def __iter__(self) -> Iterator[Row]:
        return self._told(self._rows)

    def _told(self, read: Callable[[IO[bytes]], Iterator[T]]) -> Iterator[T]:
        """What is read from the file. A fault is told with its line, and without what is there."""
        self._line = 0
        try:
            with self._path.open("rb") as file:
                yield from read(file)
        except OSError as error:
            fault = f"{self._path} cannot be read: {error.strerror}"
        except (ComputeGroupsError, UnicodeDecodeError) as error:
            what = error.message if isinstance(error, ComputeGroupsError) else "it is not UTF-8"
            fault = f"line {self._line} of {self._path}: {what}; mend it, or export anew"
        else:
            return
        raise InvalidValue(fault)

    def _header(self, file: IO[bytes]) -> Iterator[int]:
        header = self._value(file)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise InvalidValue("this is no archive of compute groups")
        if header.get("version") != VERSION:
            raise InvalidValue(f"the archive is not of version {VERSION}, which alone is known")
        last = integer_from_wire(header.get("lastGroupId"))
        yield checked_integer("lastGroupId", last, least=PUBLIC_GROUP.id)

    def _rows(self, file: IO[bytes]) -> Iterator[Row]:
        (last_group_id,) = self._header(file)
        order = _Order(last_group_id)
        self.count = 0
        while True:
            value = self._value(file)
            if isinstance(value, dict) and "rows" in value:
                break
            row = row_from_json(value)
            order.require_next(row)
            self.count += 1
            yield row
        if value != {"rows": self.count} or file.read(1):
            raise InvalidValue(f"this is not the end of an archive of {self.count} rows")

    def _value(self, file: IO[bytes]) -> Any:
        self._line += 1
        line = file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise InvalidValue(
                "the file ends too early" if len(line) < _LONGEST_LINE else _TOO_LONG
            )
        return parse(line.decode())


_TOO_LONG: Final = "the line is too long to be one of an archive"


class _Order:
    """Whether rows follow one another as a store could have written them."""

    def __init__(self, last_group_id: int) -> None:
        self._last_group_id = last_group_id
        self._kind = 0
        self._groups = {PUBLIC_GROUP.id}
        self._last = PUBLIC_GROUP.id
        self._opaque_ids: set[OpaqueId] = {PUBLIC_GROUP.opaque_id}
        self._join_keys: set[str | None] = {PUBLIC_GROUP.join_key}
        self._jobs: set[JobId] = set()
        # The group whose memberships are being read, and its jobs so far.
        self._group_id = 0
        self._members: set[JobId] = set()

    def require_next(self, row: Row) -> None:
        """Refuse a row that cannot stand here.

        Raises:
            InvalidValue: it is there already, or what it refers to is not.
        """
        kind = _KINDS.index(type(row))
        _require(kind >= self._kind, "groups come first, then jobs, then memberships")
        self._kind = kind
        match row:
            case GroupRow():
                self._add_group(row)
            case JobRow():
                _require(row.id not in self._jobs, "this job was there before")
                self._jobs.add(row.id)
            case MembershipRow():
                self._add_membership(row)

    def _add_group(self, row: GroupRow) -> None:
        _require(row.id > self._last, "the row ids of groups must rise")
        _require(row.id <= self._last_group_id, "its row id is above the lastGroupId of line 1")
        _require(row.opaque_id not in self._opaque_ids, "another group has this opaqueId")
        _require(row.join_key not in self._join_keys, "another group has this joinKey")
        self._last = row.id
        self._groups.add(row.id)
        self._opaque_ids.add(row.opaque_id)
        if row.join_key is not None:
            self._join_keys.add(row.join_key)

    def _add_membership(self, row: MembershipRow) -> None:
        _require(row.group_id in self._groups, "there is no such group")
        _require(row.job_id in self._jobs, "there is no such job")
        if row.group_id != self._group_id:
            _require(row.group_id > self._group_id, "memberships of a group must stand together")
            self._group_id = row.group_id
            self._members.clear()
        _require(row.job_id not in self._members, "the job is in this group already")
        self._members.add(row.job_id)


_KINDS: Final = (GroupRow, JobRow, MembershipRow)


def _require(is_so: bool, fault: str) -> None:  # noqa: FBT001 - what is to be so comes first
    if not is_so:
        raise InvalidValue(fault)
