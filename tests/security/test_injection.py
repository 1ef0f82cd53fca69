"""What callers choose reaches a database as a value, never as a part of a statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from cg_backends.sql import Store
from cg_core import GroupNotFound, Identity, JobId, OpaqueId
from cg_core.descriptors import checked_join_key
from tests.peers.databases import DATABASES, new_url, talk
from tests.strategies import ALPHANUMERIC, storable_characters

ALICE, BOB = (Identity(bytes([n]) * 32).address for n in (1, 2))
MARK: Final = "zq9"
"""Stands in each text, and in no statement of ours."""

# What ends a literal, a statement or a comment in one database or another, or stands for others.
PARTS: Final = (
    "'", "''", '"', "`", "\\", "\\'", "\\\\'", ";", "--", "-- ", "#", "/*", "*/", "%", "%s",
    "%(value)s",
    "_", "?", ":value", ":1", "$1", "$$", "{}", "\n", "\r", "\t", "\x1a", "\b", "\ufeff", "\u2019",
    "\u02bc", "\uff07", "\u0301", "\U0001f600", "\ud7ff", "\ue000", "\uffff", "\U0010ffff",
    " OR 1=1", "'; DROP TABLE computeGroups; --", "' OR '1'='1", "\\'; DELETE FROM jobs; #",
    "'||(SELECT joinHash FROM computeGroups LIMIT 1)||'", "0x27", "CHAR(39)", "\xbf\x27", "\x80",
)  # fmt: skip
hostile = st.lists(
    st.sampled_from(PARTS) | st.text(storable_characters, max_size=5), min_size=1, max_size=12
).map(lambda parts: (MARK + "".join(parts))[:255])
identifiers = st.text(ALPHANUMERIC, min_size=19, max_size=19).map(MARK.__add__)


class Listened:
    """A store, and all the statements that its database was given.

    Attributes:
        statements: as the driver got them, before any value was put in.
    """

    def __init__(self, url: str) -> None:
        self.statements: list[str] = []
        self.store = Store(url)
        engine = self.store._database._engine
        event.listen(engine, "before_cursor_execute", self._hear)
        self.store.connect(BOB).create("Bob's", join_key="Bob's", join_secret="s3cret")
        self.bobs = self.store.connect(BOB).list_groups()

    def _hear(self, _: object, __: object, statement: str, *others: object) -> None:
        self.statements.append(statement)


@contextmanager
def odd_modes(url: str) -> Iterator[None]:
    """The server as its keeper may have set it up: by these modes a text ends elsewhere."""
    with talk(url) as connection:
        before = connection.exec_driver_sql("SELECT @@GLOBAL.sql_mode").scalar_one()
        modes = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH"
        connection.exec_driver_sql(f"SET GLOBAL sql_mode = '{modes}'")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SET GLOBAL sql_mode = '{before}'")


@pytest.fixture(scope="module", params=[*DATABASES, "mariadb-odd"])
def listened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Listened]:
    system, _, odd = str(request.param).partition("-")
    url = new_url(system, tmp_path_factory.mktemp("store"))
    with odd_modes(url) if odd else nullcontext():
        yield (found := Listened(url))
        found.store.close()


@settings(max_examples=60)
@given(name=hostile, description=hostile, key=hostile, other=hostile, job=identifiers)
def test_it_comes_back_as_it_was_and_nothing_else_changes(
    listened: Listened, name: str, description: str, key: str, other: str, job: str
) -> None:
    alice = listened.store.connect(ALICE)
    group = alice.create(name, description=description, join_key=key, join_secret=other)
    try:
        kept = alice.get_group(key)
        assert (kept.id, kept.name, kept.description, kept.join_key) == (
            group,
            name,
            description,
            key,
        )
        alice.add_job(group, JobId(job), join_key=key, join_secret=other)
        assert alice.list_jobs(key) == (job,)
        if other != key:
            with pytest.raises(GroupNotFound):
                alice.list_jobs(checked_join_key(other))
            alice.change_group(group, name=other, join_key=other, join_secret=name)
            assert alice.get_group(other).name == other
            with pytest.raises(GroupNotFound):
                alice.get_group(key)
        assert len(alice.list_groups()) == 1
    finally:
        alice.delete_group(group)
    assert listened.store.connect(BOB).list_groups() == listened.bobs
    assert not [statement for statement in listened.statements if MARK in statement]


@settings(max_examples=60)
@given(id=identifiers, job=identifiers)
def test_ids_likewise(listened: Listened, id: str, job: str) -> None:
    alice = listened.store.connect(ALICE)
    group = alice.create("x", opaque_id=OpaqueId(id))
    try:
        assert alice.get_group(OpaqueId(id)).id == group
        alice.add_job(OpaqueId(id), JobId(job))
        alice.remove_job(group, JobId(job))
        assert alice.list_jobs(group) == ()
    finally:
        alice.delete_group(group)
    assert not [statement for statement in listened.statements if MARK in statement]


def test_these_tests_would_see_a_text_in_a_statement(tmp_path: Path) -> None:
    found = Listened(f"sqlite:///{tmp_path}/store.db")
    with found.store._database._engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT '{MARK}'")
    assert MARK in found.statements[-1]
    found.store.close()
