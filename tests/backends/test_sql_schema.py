"""The tables: made once, by whoever comes first, and never where another program has its own."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from cg_backends.conformance import ALICE, BOB, JOB
from cg_backends.sql import Store
from cg_backends.sql.tables import TABLES
from cg_core import Address, Busy, GroupId, GroupNotFound, InvalidValue
from cg_core.json_shapes import camel_case
from tests.peers.databases import DATABASES, new_url, running, talk

PROGRAMS = 6


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


def run(url: str, *statements: str) -> None:
    """Statements of another program; names stand in backticks."""
    with talk(url) as connection:
        quote = "`" if connection.dialect.name == "mysql" else '"'
        for statement in statements:
            connection.execute(text(statement.replace("`", quote)))


def tables(url: str) -> set[str]:
    with talk(url) as connection:
        find = {
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
            "mysql": "SHOW TABLES",
            "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        }
        return set(connection.execute(text(find[connection.dialect.name])).scalars())


def test_programs_that_start_at_once_all_find_the_tables(url: str) -> None:
    all_are_there = threading.Barrier(PROGRAMS)

    def start(store: Store, number: int) -> GroupId:
        all_are_there.wait()
        return store.connect(ALICE).create("farm", join_key=str(number))

    with ExitStack() as stack, ThreadPoolExecutor(PROGRAMS) as threads:
        stores = [stack.enter_context(Store(url)) for _ in range(PROGRAMS)]
        made = [*threads.map(start, stores, range(PROGRAMS))]
    assert set(made) == {*range(2, 2 + PROGRAMS)}
    assert tables(url) == {table.name for table in TABLES}


def test_an_administrator_knows_the_tables_and_columns(url: str) -> None:
    with Store(url) as store:
        client = store.connect(ALICE)
        farm = client.create("farm", join_key="farm", join_secret="s3cret", max_concurrent_gpus=5)
        client.add_job(farm, JOB, join_key="farm", join_secret="s3cret")
    assert tables(url) >= {"computeGroups", "computeGroupJobs", "jobs"}
    with talk(url) as connection:
        quote = connection.dialect.identifier_preparer.quote
        groups = connection.execute(text(f"SELECT * FROM {quote('computeGroups')} ORDER BY id"))
        public, row = groups.mappings().all()
        assert (public["id"], row["id"]) == (1, farm)
        for name in ("opaque_id", "join_key", "join_hash", "max_concurrent_gpus", "created_at"):
            assert row[camel_case(name)] is not None
        joined = connection.execute(text(f"SELECT * FROM {quote('computeGroupJobs')}")).mappings()
        assert [each["computeGroupId"] for each in joined] == [farm]


@pytest.mark.parametrize("table", ["computeGroups", "jobs", "computeGroupJobs"])
def test_tables_of_another_program_are_left_alone(table: str, url: str) -> None:
    run(url, f"CREATE TABLE `{table}` (id INT)")
    with Store(url) as store, pytest.raises(InvalidValue, match=f"table {table} of another"):
        store.state()
    assert tables(url) == {table}


def test_a_store_of_another_program_is_left_alone(url: str) -> None:
    run(url, "CREATE TABLE `computeGroupStore` (id INT)")
    with Store(url) as store, pytest.raises(InvalidValue, match="computeGroupStore of another"):
        store.state()
    assert tables(url) == {"computeGroupStore"}


def test_tables_of_another_version_are_left_alone(url: str) -> None:
    with Store(url) as store:
        store.connect(ALICE).create("farm")
        run(url, "UPDATE `computeGroupStore` SET `schemaVersion` = 2")
        # A program that has begun sees it, too, before it writes.
        with pytest.raises(InvalidValue, match="tables of version 2, and this library knows"):
            store.connect(ALICE).create("lab")
    with Store(url) as store:
        for _ in range(2):
            with pytest.raises(InvalidValue, match="tables of version 2, and this library knows"):
                store.state()
        run(url, "UPDATE `computeGroupStore` SET `schemaVersion` = 1")
        assert len(store.state().groups) == 1


def test_tables_of_a_later_version_may_look_otherwise(url: str) -> None:
    run(
        url,
        "CREATE TABLE `computeGroupStore` (`schemaVersion` INT, `weather` INT)",
        "INSERT INTO `computeGroupStore` VALUES (7, 1)",
    )
    with Store(url) as store, pytest.raises(InvalidValue, match="tables of version 7"):
        store.state()


def test_who_was_stopped_while_making_tables_goes_on(url: str) -> None:
    """On MariaDB each table is made for good, one by one; whatever is lacking is made."""
    with Store(url) as store:
        store.state()
    run(url, "DELETE FROM `computeGroupStore`", "DROP TABLE `computeGroupJobs`")
    with Store(url) as store:
        client = store.connect(ALICE)
        client.add_job("public", JOB)
        client.create("farm")
    assert tables(url) == {table.name for table in TABLES}


def test_who_waits_too_long_for_the_tables_is_told(tmp_path: Path) -> None:
    url = new_url("mariadb", tmp_path)
    with talk(url) as connection, Store(url, timeout=1) as store:
        lock = "SHA1(CONCAT('computeGroups of ', DATABASE()))"
        connection.execute(text(f"SELECT GET_LOCK({lock}, 0)"))
        with pytest.raises(Busy, match="being made by another program"):
            store.state()
        connection.execute(text(f"SELECT RELEASE_LOCK({lock})"))
        assert store.state().groups == ()


def test_a_database_that_has_not_all_characters_is_told() -> None:
    server = running("postgresql")
    name = server.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with Store(server.url(name)) as store, pytest.raises(InvalidValue, match="ENCODING 'UTF8'"):
        store.state()
    assert tables(server.url(name)) == set()


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store(f"sqlite:///{tmp_path}/farm.db") as store:
            store.connect(ALICE).create("farm")
            files = [*tmp_path.iterdir()]
            assert {file.name for file in files} >= {"farm.db", "farm.db-wal"}
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)


def test_the_public_group_can_be_left_out_and_is_there_again(url: str) -> None:
    with Store(url) as open_to_all, Store(url, public_group=False) as other:
        open_to_all.connect(ALICE).add_job("public", JOB)
        with pytest.raises(GroupNotFound):
            other.connect(BOB).add_job("public", JOB)
        assert open_to_all.state() == other.state()


def test_a_store_is_claimed_once(url: str) -> None:
    with Store(url) as store, Store(url) as other:
        store.claim(ALICE.address)
        other.claim(ALICE.address)
        with pytest.raises(InvalidValue, match=f"{ALICE.address}.*{BOB.address}"):
            other.claim(BOB.address)
        store.claim(ALICE.address)


def test_no_two_services_claim_a_store(url: str) -> None:
    both_are_there = threading.Barrier(2)

    def claim(store: Store, who: Address) -> bool:
        both_are_there.wait()
        try:
            store.claim(who)
        except InvalidValue:
            return False
        return True

    with Store(url) as one, Store(url) as other, ThreadPoolExecutor(2) as threads:
        won = [*threads.map(claim, [one, other], [ALICE.address, BOB.address])]
    assert sorted(won) == [False, True]
