"""Archives: a state goes out and comes in as it was, between any two places, or not at all."""

from __future__ import annotations

import json
import os
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_backends.archive import export_state, import_state
from cg_backends.conformance import ALICE, JOB, JOB2, JOB3
from cg_backends.local import Dump
from cg_backends.memory import World
from cg_backends.sql import Store
from cg_core import GroupRow, InvalidType, InvalidValue, JobRow, MembershipRow, join_hash
from tests.core.test_row_json import group_rows
from tests.peers.databases import DATABASES, SYSTEMS, empty_url
from tests.strategies import addresses, job_ids

Place: TypeAlias = World | Store


@contextmanager
def empty_place(name: str) -> Iterator[Place]:
    if name == "memory":
        yield World()
        return
    with TemporaryDirectory() as folder, Store(empty_url(name, Path(folder))) as store:
        yield store


@pytest.fixture(params=["memory", *DATABASES])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with empty_place(request.param) as made:
        yield made


@st.composite
def dumps(draw: st.DrawFn) -> Dump:
    """Whatever a store may hold."""
    unique = (lambda row: row.id, lambda row: row.opaque_id, lambda row: row.join_key or row.id)
    groups: list[GroupRow] = draw(st.lists(group_rows(), max_size=3, unique_by=unique))
    groups.sort(key=lambda row: row.id)
    any_job = st.builds(JobRow, job_ids, addresses, cancelled=st.booleans())
    jobs: list[JobRow] = draw(st.lists(any_job, max_size=5, unique_by=lambda row: row.id))
    ids = [1, *(group.id for group in groups)]
    members = [
        MembershipRow(group_id, job.id)
        for group_id in ids
        for job in draw(st.permutations(jobs))[: draw(st.integers(0, 5))]
    ]
    last = draw(st.integers(max(ids), 2**63 - 1))
    return Dump(last, (*groups, *jobs, *members))


def comes_back(name: str, dump: Dump) -> None:
    with TemporaryDirectory() as folder, empty_place(name) as place:
        first, second = Path(folder, "first"), Path(folder, "second")
        world = World()
        world.load(dump)
        count = export_state(world, first)
        assert import_state(first, place) == count == len(list(dump.rows))
        assert place.state() == world.state()
        again = place.dump()
        assert (again.last_group_id, tuple(again.rows)) == (dump.last_group_id, dump.rows)
        assert export_state(place, second) == count
        assert first.read_bytes() == second.read_bytes()


@given(dumps())
def test_a_state_comes_back_from_memory(dump: Dump) -> None:
    comes_back("memory", dump)


@settings(max_examples=settings().max_examples // 2)
@given(dumps())
def test_a_state_comes_back_from_sqlite(dump: Dump) -> None:
    comes_back("sqlite", dump)


@pytest.mark.parametrize("name", SYSTEMS)
@settings(max_examples=settings().max_examples // 5)
@given(dumps())
def test_a_state_comes_back_from_a_server(name: str, dump: Dump) -> None:
    comes_back(name, dump)


def fill(place: Place) -> None:
    """Groups, one of them gone; jobs, one of them cancelled; the public group is used, too."""
    client = place.connect(ALICE.address)
    farm = client.create("farm", join_key="farm", join_secret="s3cret", max_concurrent_jobs=2)
    client.create("lab", description="", deploy_fee=1)
    gone = client.create("gone")
    client.delete_group(gone)
    for job in (JOB, JOB2):
        client.add_job(farm, job, join_key="farm", join_secret="s3cret")
    client.add_job("public", JOB3)
    client.cancel_job(farm, JOB)


def test_life_goes_on_after_an_import(place: Place, tmp_path: Path) -> None:
    world = World()
    fill(world)
    export_state(world, tmp_path / "archive")
    import_state(tmp_path / "archive", place)
    client = place.connect(ALICE.address)
    assert client.list_jobs("farm") == (JOB2,)
    client.add_job("farm", JOB3, join_secret="s3cret")  # the hash came, too; the limit is 2
    client.cancel_job("farm", JOB)  # it was in the group, and was cancelled there
    client.remove_job("farm", JOB2)
    client.add_job("farm", JOB2, join_secret="s3cret")
    assert client.list_jobs("farm") == (JOB3, JOB2)
    assert client.create("new") == 5  # 4 was given to a group that is gone


def test_the_file_is_its_owners_alone_and_new(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    fill(place)
    export_state(place, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    with pytest.raises(InvalidValue, match="exists; choose another path"):
        export_state(place, path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["archive"]  # noqa: PTH208 # as it is, hidden files and all


def test_where_no_file_can_be_the_fault_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="cannot be written: No such file"):
        export_state(World(), tmp_path / "nowhere" / "archive")
    with pytest.raises(InvalidValue, match="cannot be read: No such file"):
        import_state(tmp_path / "nowhere", World())
    with pytest.raises(InvalidType, match="path must be a str or a Path"):
        export_state(World(), 5)  # type: ignore[arg-type]


def test_an_export_shows_one_moment_and_holds_up_nobody(place: Place) -> None:
    fill(place)
    dump = place.dump()
    rows = iter(dump.rows)
    first = next(rows)
    assert isinstance(first, GroupRow)
    client = place.connect(ALICE.address)
    client.change_group("farm", name="new name")
    client.delete_group("farm")
    client.add_job("public", JOB2)
    later = list(rows)
    assert MembershipRow(first.id, JOB2) in later
    assert MembershipRow(1, JOB2) not in later


def test_a_place_in_use_takes_nothing_in(place: Place, tmp_path: Path) -> None:
    export_state(World(), tmp_path / "nothing")
    client = place.connect(ALICE.address)
    client.add_job("public", JOB)
    before = place.state()
    with pytest.raises(InvalidValue, match="has groups or jobs; import into"):
        import_state(tmp_path / "nothing", place)
    assert place.state() == before


def test_a_place_that_gave_higher_ids_goes_on_above_them(place: Place, tmp_path: Path) -> None:
    export_state(World(), tmp_path / "nothing")
    client = place.connect(ALICE.address)
    client.delete_group(client.create("gone"))
    import_state(tmp_path / "nothing", place)
    assert client.create("new") == 3


@pytest.fixture
def lines(tmp_path: Path) -> list[Any]:
    world = World()
    fill(world)
    export_state(world, tmp_path / "good")
    return [json.loads(line) for line in (tmp_path / "good").read_text().splitlines()]


def swapped(lines: list[Any], one: int, other: int) -> None:
    lines[one], lines[other] = lines[other], lines[one]


# Lines 1 to 10: header; groups 2, 3; jobs JOB, JOB2, JOB3; memberships 1 3, 2 1, 2 2; end.
FAULTS: dict[str, tuple[Callable[[list[Any]], object], str]] = {
    "no header": (lambda lines: lines.pop(0), "line 1 .* no archive"),
    "a later version": (lambda lines: lines[0].update(version=2), "line 1 .* not of version 1"),
    "no last id": (lambda lines: lines[0].pop("lastGroupId"), "line 1 .* lastGroupId must be"),
    "a last id too low": (lambda lines: lines[0].update(lastGroupId=2), "line 3 .* above"),
    "another object": (lambda lines: lines.insert(1, {"weather": {}}), "line 2 .* one member"),
    "a group of nobody": (lambda lines: lines[1]["group"].update(owner=None), "line 2 .* owner"),
    "a group twice": (lambda lines: lines.insert(2, lines[1]), "line 3 .* must rise"),
    "groups in disorder": (lambda lines: swapped(lines, 1, 2), "line 3 .* must rise"),
    "a key twice": (lambda lines: lines[2]["group"].update(joinKey="farm"), "line 3 .* joinKey"),
    "the public key": (lambda lines: lines[1]["group"].update(joinKey="public"), "line 2"),
    "an opaque id twice": (
        lambda lines: lines[2]["group"].update(opaqueId=lines[1]["group"]["opaqueId"]),
        "line 3 .* opaqueId",
    ),
    "a job twice": (lambda lines: lines.insert(4, lines[3]), "line 5 .* before"),
    "jobs before groups": (lambda lines: swapped(lines, 2, 3), "line 4 .* groups come first"),
    "no such group": (
        lambda lines: lines[7]["membership"].update(computeGroupId=4),
        "line 8 .* no such group",
    ),
    "no such job": (lambda lines: lines.pop(5), "line 6 .* no such job"),
    "a membership twice": (lambda lines: lines.insert(8, lines[7]), "line 9 .* in this group"),
    "memberships in disorder": (lambda lines: swapped(lines, 6, 8), "line 9 .* stand together"),
    "a line less": (lambda lines: lines.pop(7), "line 9 .* not the end"),
    "no end": (lambda lines: lines.pop(), "line 10 .* ends too early"),
    "more after the end": (lambda lines: lines.append(lines[1]), "line 10 .* not the end"),
}


@pytest.mark.parametrize(("damage", "told"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", ["memory", "sqlite"])
def test_a_damaged_archive_is_told_by_its_line_and_nothing_comes_in(
    damage: Callable[[list[Any]], object], told: str, name: str, lines: list[Any], tmp_path: Path
) -> None:
    damage(lines)
    bad = tmp_path / "bad"
    bad.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with empty_place(name) as place:
        with pytest.raises(InvalidValue, match=told):
            import_state(bad, place)
        assert place.state() == World().state()
        import_state(tmp_path / "good", place)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1 .* ends too early"),
        (b"\xff\n", "line 1 .* not UTF-8"),
        (b"{\n", "line 1 .* not JSON"),
        (b"[" * 70_000, "line 1 .* too long"),
        (b"[]\n", "line 1 .* no archive"),
    ],
    ids=["nothing", "no UTF-8", "no JSON", "a long line", "an array"],
)
def test_what_is_no_archive_is_told(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(InvalidValue, match=told):
        import_state(tmp_path / "bad", World())


def test_any_cut_of_an_archive_is_seen(lines: list[Any], tmp_path: Path) -> None:
    content = (tmp_path / "good").read_bytes()
    for length in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(InvalidValue):
            import_state(tmp_path / "cut", World())


def test_a_fault_shows_no_hash(lines: list[Any], tmp_path: Path) -> None:
    """Not in its message, nor in a frame or an error that hangs on it (C-13)."""
    text = join_hash("farm", "s3cret").reveal()
    assert text in (tmp_path / "good").read_text()
    lines[1]["group"]["name"] = ""
    (tmp_path / "bad").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("memory", "sqlite"):
        with empty_place(name) as place, pytest.raises(InvalidValue) as caught:
            import_state(tmp_path / "bad", place)
        error = caught.value
        assert error.__context__ is None
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
        assert text not in repr((error, error.args, frames))
