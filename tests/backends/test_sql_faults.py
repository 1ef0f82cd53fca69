"""What databases and networks do to a store: it tries again, or says what happened, never both."""

from __future__ import annotations

import gc
import logging
import random
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, make_url, text

import cg_core.clients
from cg_backends.conformance import ALICE, JOB, JOB2
from cg_backends.sql import Store
from cg_core import (
    AddJob,
    Busy,
    Caller,
    ClientClosed,
    ComputeGroupsError,
    CreateGroup,
    GetGroup,
    InvalidValue,
    ListGroups,
    NetworkError,
    OutcomeUnknown,
    join_hash,
)
from tests.peers.databases import (
    DATABASES,
    PASSWORD,
    SYSTEMS,
    USER,
    locked,
    new_url,
    running,
    talk,
    through,
)
from tests.peers.proxy import Cut, Direction, proxy

CALLER = Caller(ALICE.address)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture(params=SYSTEMS)
def server_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


class Clock:
    """Says when it is, and does something the first time that it is asked: in a transaction."""

    def __init__(self, then: Callable[[], object]) -> None:
        self._then: Callable[[], object] | None = then
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        then, self._then = self._then, None
        if then is not None:
            then()
        return datetime(2026, 11, 23, tzinfo=UTC)


@contextmanager
def at_commit(then: Callable[[], object]) -> Iterator[None]:
    """Something is done right before the next commit."""
    left = [then]

    def hook(_: object) -> None:
        if left:
            left.pop()()

    event.listen(Engine, "commit", hook)
    yield
    event.remove(Engine, "commit", hook)
    assert not left


def end_connections(url: str) -> None:
    """Have the server end all connections to a database but this one."""
    with talk(url) as connection:
        if connection.dialect.name == "mysql":
            find = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
            find += " AND id <> CONNECTION_ID()"
            for (number,) in connection.execute(text(find)).all():
                connection.execute(text(f"KILL {number}"))
        else:
            find = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            find += " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(find))


# Connections that are lost


def test_a_connection_lost_between_transactions_is_made_anew(server_url: str) -> None:
    with Store(server_url) as store:
        client = store.connect(ALICE)
        farm = client.create("farm")
        end_connections(server_url)
        client.add_job(farm, JOB)
        end_connections(server_url)
        assert client.list_jobs(farm) == (JOB,)


def test_a_connection_lost_in_the_middle_of_a_transaction_is_made_anew(server_url: str) -> None:
    clock = Clock(lambda: end_connections(server_url))
    with Store(server_url, clock=clock) as store:
        farm = store.connect(ALICE).create("farm", join_key="farm")
        assert clock.asked == 2
        assert [group.id for group in store.state().groups] == [farm] == [2]


def test_a_commit_that_never_arrives_is_unknown_and_was_not_done(server_url: str) -> None:
    with (
        proxy(make_url(server_url).port or 0) as link,
        Store(through(server_url, link.port)) as store,
    ):
        client = store.connect(ALICE)
        farm = client.create("farm")
        with at_commit(link.cut), pytest.raises(OutcomeUnknown, match="look before you repeat it"):
            client.add_job(farm, JOB)
        assert client.list_jobs(farm) == ()
        client.add_job(farm, JOB2)
        assert client.list_jobs(farm) == (JOB2,)


def test_a_commit_whose_answer_is_lost_is_unknown_and_was_done_once(server_url: str) -> None:
    with (
        proxy(make_url(server_url).port or 0) as link,
        Store(through(server_url, link.port)) as store,
    ):
        client = store.connect(ALICE)
        farm = client.create("farm")

        def lose_the_answer() -> None:
            (connection,) = link.connections
            so_far = connection.carried(Direction.TO_CLIENT)
            link.plans[0] = Cut(Direction.TO_CLIENT, so_far)

        with at_commit(lose_the_answer), pytest.raises(OutcomeUnknown):
            client.add_job(farm, JOB)
        client.add_job(farm, JOB2)  # when the server has done with the other one
        assert client.list_jobs(farm) == (JOB, JOB2)


def test_of_what_was_asked_together_only_writes_are_unknown(server_url: str) -> None:
    with (
        proxy(make_url(server_url).port or 0) as link,
        Store(through(server_url, link.port)) as store,
    ):
        client = store.connect(ALICE)
        farm = client.create("farm")
        with at_commit(link.cut):
            answers = store.execute_all(
                [(AddJob(farm, JOB), CALLER), (GetGroup(farm), CALLER), (GetGroup(9), CALLER)]
            )
        kinds = [type(answer).__name__ for answer in answers]
        assert kinds == ["OutcomeUnknown", "Group", "GroupNotFound"]
        with at_commit(link.cut):
            assert len(client.list_groups()) == 1  # what only reads may be asked again


# SQLAlchemy leaves a cursor open whose connection is lost, at which psycopg grumbles.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_export_whose_connection_is_lost_says_so(server_url: str) -> None:
    with Store(server_url) as store:
        client = store.connect(ALICE)
        client.add_job(client.create("farm", join_key="farm"), JOB, join_key="farm")
        rows = iter(store.dump().rows)
        next(rows)
        end_connections(server_url)
        with pytest.raises(NetworkError, match="connection was lost") as caught:
            list(rows)
        assert caught.value.__context__ is None
        gc.collect()
        assert len(list(store.dump().rows)) == 3


def test_an_export_of_what_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "paine.db").write_bytes(b"These are the times that try men's souls." * 99)
    with Store(f"sqlite:///{tmp_path}/paine.db") as store, pytest.raises(NetworkError) as caught:
        store.dump()
    assert caught.value.__context__ is None


def test_a_server_that_is_back_in_time_is_waited_for(server_url: str) -> None:
    with (
        proxy(make_url(server_url).port or 0) as link,
        Store(through(server_url, link.port)) as store,
    ):
        client = store.connect(ALICE)
        farm = client.create("farm")
        link.cut()
        # The next two connections fail before a word is said.
        link.plans |= {1: Cut(Direction.TO_CLIENT), 2: Cut(Direction.TO_CLIENT)}
        client.add_job(farm, JOB)
        assert client.list_jobs(farm) == (JOB,)
        assert len(link.connections) == 4


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_server_that_is_not_there_is_told_at_once(name: str, tmp_path: Path) -> None:
    with proxy(1) as link:  # nobody listens there
        nobody = through(new_url(name, tmp_path), link.port)
        with (
            Store(nobody) as store,
            pytest.raises(NetworkError, match="cannot be reached") as caught,
        ):
            store.state()
    assert PASSWORD not in str(caught.value)
    assert f"127.0.0.1:{link.port}" in str(caught.value)


def test_a_server_that_has_gone_is_told_when_the_time_is_over(server_url: str) -> None:
    with proxy(make_url(server_url).port or 0) as link:
        store = Store(through(server_url, link.port), timeout=0.2)
        store.state()
    with pytest.raises(NetworkError, match="cannot be reached"):
        store.state()
    store.close()


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_wrong_password_is_told_and_not_shown(name: str, tmp_path: Path) -> None:
    wrong = new_url(name, tmp_path).replace(PASSWORD, "open-barley")
    with Store(wrong) as store, pytest.raises(NetworkError, match=USER) as caught:
        store.state()
    assert "open-barley" not in str(caught.value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_database_that_is_not_there_is_told(name: str) -> None:
    with Store(running(name).url("nowhere")) as store, pytest.raises(NetworkError, match="nowhere"):
        store.state()


# Locks


def test_who_waits_too_long_for_a_lock_is_told_and_nothing_is_done(url: str) -> None:
    with Store(url, timeout=0.05) as store:
        client = store.connect(ALICE)
        client.create("farm")
        with locked(url):
            # Who reads waits for nobody.
            assert len(client.list_groups()) == 1
            with pytest.raises(Busy, match="in use by others"):
                client.add_job("public", JOB)
        assert store.state().jobs == ()
        client.add_job("public", JOB)


def test_a_deadlock_is_tried_again(server_url: str) -> None:
    """Another program has locked a group's row, and then wants the store's, which the store has."""
    with talk(server_url) as other, ThreadPoolExecutor(1) as thread:
        quote = other.dialect.identifier_preparer.quote

        def want_the_stores_row() -> None:
            other.execute(text(f"SELECT * FROM {quote('computeGroupStore')} FOR UPDATE"))
            other.execute(text("COMMIT"))

        def meanwhile() -> None:
            wanting.append(thread.submit(want_the_stores_row))
            wait_until_somebody_waits(server_url)

        wanting: list[Future[None]] = []
        with Store(server_url) as before:
            farm = before.connect(ALICE).create("farm")
        # The store is to be the one that is undone: on MariaDB it is who has written less, on
        # PostgreSQL who looks for deadlocks first.
        if other.dialect.name == "postgresql":
            other.execute(text("SET deadlock_timeout = '1h'"))
        other.execute(text("CREATE TABLE scratch (id INT)"))
        other.execute(text("BEGIN"))
        for number in range(50):
            other.execute(text(f"INSERT INTO scratch VALUES ({number})"))
        other.execute(text(f"SELECT * FROM {quote('computeGroups')} FOR UPDATE"))
        clock = Clock(meanwhile)
        with Store(server_url, clock=clock) as store:
            client = store.connect(ALICE)
            client.change_group(farm, name="new name")
            assert clock.asked == 2
            assert wanting[0].result() is None
            assert client.get_group(farm).name == "new name"


def wait_until_somebody_waits(url: str) -> None:
    find = {
        "mysql": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        "postgresql": "SELECT 1 FROM pg_locks WHERE NOT granted",
    }
    with talk(url) as connection:
        while connection.execute(text(find[connection.dialect.name])).first() is None:
            pass


# What cannot be written


def test_on_a_full_disk_writes_are_refused_and_reads_go_on(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    with Store(url) as store:
        store.state()

    def fill_disk(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes: as many as there are

    event.listen(Engine, "connect", fill_disk)
    with Store(url) as store:
        creates = [CreateGroup("n" * 255, join_key=str(number).rjust(255)) for number in range(9)]
        answers = store.execute_all(
            [(request, CALLER) for create in creates for request in (create, ListGroups())]
        )
    event.remove(Engine, "connect", fill_disk)
    assert type(answers[-2]) is NetworkError
    assert "has no room left" in str(answers[-2])
    assert type(answers[-1]) is tuple
    with Store(url) as store:
        made = [answer for answer in answers[::2] if isinstance(answer, int)]
        assert [group.id for group in store.state().groups] == made


def test_a_user_who_may_not_write_is_told(server_url: str) -> None:
    with Store(server_url) as store:
        store.state()
    parsed = make_url(server_url)
    with talk(server_url) as connection:
        is_mysql = connection.dialect.name == "mysql"
        if is_mysql:
            make = [
                "CREATE OR REPLACE USER reader IDENTIFIED BY 'r'",
                f"GRANT SELECT ON {parsed.database}.* TO reader",
            ]
        else:
            make = [
                "DROP ROLE IF EXISTS reader",
                "CREATE ROLE reader LOGIN PASSWORD 'r' IN ROLE pg_read_all_data",
            ]
        for statement in make:
            connection.execute(text(statement))
    reader = parsed.set(username="reader", password="r").render_as_string(hide_password=False)
    with Store(reader) as store:
        assert store.execute(ListGroups(), CALLER) == ()
        with pytest.raises(NetworkError, match="cannot be written to; give this user the right"):
            store.execute(CreateGroup("farm"), CALLER)


def test_a_file_that_is_no_database_is_told_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = tmp_path / "paine.db", b"These are the times that try men's souls." * 99
    path.write_bytes(content)
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.dbapi2.connect

    def recorded(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3.dbapi2, "connect", recorded)
    with Store(f"sqlite:///{path}") as store, pytest.raises(NetworkError, match="is damaged, or"):
        store.state()
    assert path.read_bytes() == content
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


@pytest.mark.parametrize("offset", range(3_500, 5_000, 100))
def test_a_file_that_was_damaged_is_told(offset: int, tmp_path: Path) -> None:
    """Where its schema is, SQLite quotes what is there, and Python cannot read that."""
    path = tmp_path / "farm.db"
    with Store(f"sqlite:///{path}") as store:
        store.execute(CreateGroup("farm"), CALLER)
    content = bytearray(path.read_bytes())
    content[offset : offset + 1_000] = random.Random(offset).randbytes(1_000)
    path.write_bytes(content)
    with Store(f"sqlite:///{path}") as store:
        for act in (store.state, lambda: list(store.dump().rows)):
            with suppress(NetworkError, InvalidValue):  # what it is depends on what was hit
                act()


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/nowhere/farm.db") as store:
        with pytest.raises(NetworkError, match="No such file or directory"):
            store.state()
        (tmp_path / "nowhere").mkdir()
        assert store.state().groups == ()


def test_a_table_that_another_took_away_is_told(url: str) -> None:
    with Store(url) as store:
        store.state()
        with talk(url) as connection:
            quote = connection.dialect.identifier_preparer.quote
            connection.execute(text(f"ALTER TABLE {quote('jobs')} RENAME TO {quote('work')}"))
            try:
                answers = store.execute_all(
                    [(CreateGroup("farm"), CALLER), (AddJob("public", JOB), CALLER)]
                )
            finally:
                connection.execute(text(f"ALTER TABLE {quote('work')} RENAME TO {quote('jobs')}"))
        # What is possible alone is done.
        assert answers[0] == 2
        assert type(answers[1]) is NetworkError
        assert "refused a statement" in str(answers[1])


# Closed


def test_a_closed_store_is_told(url: str) -> None:
    store = Store(url)
    client = store.connect(ALICE)
    client.create("farm")
    store.close()
    store.close()
    for call in (client.list_groups, store.state, lambda: store.claim(ALICE.address), store.dump):
        with pytest.raises(ClientClosed, match="this store is closed"):
            call()
    answers = store.execute_all([(ListGroups(), CALLER), (CreateGroup("farm"), CALLER)])
    assert [type(answer) for answer in answers] == [ClientClosed, ClientClosed]


# Secrets


def test_no_secret_is_in_an_error_a_log_or_a_repr(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Join hashes, and the database's password (C-13)."""
    secret = join_hash("farm", "s3cret").reveal()
    for name in ("sqlalchemy", "psycopg", "pymysql"):
        caplog.set_level(logging.DEBUG, name)
    seen: list[object] = []

    def keep(call: Callable[[], object]) -> None:
        with pytest.raises(ComputeGroupsError) as caught:
            call()
        error = caught.value
        assert error.__context__ is None
        assert error.__cause__ is None
        # This test and the client's method were given a secret; what lies below them was not.
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        below = [
            frame.f_locals
            for frame in frames
            if frame.f_code.co_filename not in (__file__, cg_core.clients.__file__)
        ]
        assert below
        seen.extend([str(error), repr(error), error.args, below])

    with Store(url, timeout=0.05) as store:
        client = store.connect(ALICE)
        seen.extend([repr(store), repr(client), str(store)])
        farm = client.create("farm", join_key="farm", join_secret="s3cret")
        client.add_job(farm, JOB, join_key="farm", join_secret="s3cret")
        client.change_group(farm, join_key="lab", join_secret="tiger")
        client.change_group(farm, join_key="farm", join_secret="s3cret")
        list(store.dump().rows)
        keep(lambda: client.create("farm", join_key="farm", join_secret="s3cret"))
        with locked(url):
            keep(lambda: client.create("lab", join_key="lab", join_hash=secret))
        with talk(url) as connection:
            quote = connection.dialect.identifier_preparer.quote
            connection.execute(text(f"ALTER TABLE {quote('jobs')} RENAME TO {quote('work')}"))
            keep(lambda: client.add_job(farm, JOB2, join_key="farm", join_secret="s3cret"))
            connection.execute(text(f"ALTER TABLE {quote('work')} RENAME TO {quote('jobs')}"))
            # The statement that holds the hash is the one that fails.
            table, column = quote("computeGroups"), quote("joinHash")
            connection.execute(text(f"UPDATE {table} SET {column} = NULL"))
            connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN {column} TO {quote('x')}"))
            keep(lambda: client.change_group(farm, join_key="farm", join_hash=secret))
            connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN {quote('x')} TO {column}"))
    records = [(record.getMessage(), record.args, record.exc_info) for record in caplog.records]
    assert len(records) > 100
    everything = repr((seen, records))
    for hidden in (secret, PASSWORD):
        assert hidden not in everything
        assert hidden.encode().hex() not in everything
