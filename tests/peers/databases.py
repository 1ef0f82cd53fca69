"""Databases for tests: SQLite, and MariaDB and PostgreSQL from Debian's packages.

A server is started once, where it is first needed. It lives in a temporary folder and listens on
this machine alone. Whatever becomes of the process that started it, it ends with it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from sqlalchemy import (
    Connection,
    create_engine,
    delete,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from cg_backends.sql import Store
from cg_backends.sql.tables import groups, jobs, memberships, store

USER: Final = "keeper"
PASSWORD: Final = "sesame-if-you-please"
_HUNG: Final = 60.0  # seconds after which a server that does not answer has failed

# Ends the server, and takes its files away, when the process that started it has gone.
_WATCH: Final = """
import shutil, subprocess, sys
folder, account, end, *command = sys.argv[1:]
who = {"user": account, "group": account, "extra_groups": []} if account else {}
with open(folder + "/log", "wb") as log:
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **who)
sys.stdin.read()
server.send_signal(int(end))
server.wait()
shutil.rmtree(folder, ignore_errors=True)
"""


@attrs.frozen
class System:
    """A database system.

    Attributes:
        title: what people call it.
        scheme: that of its URLs.
        options: what stands at their end.
        driver: what SQLAlchemy calls it, with its driver.
        account: of the operating system, under which it runs if we are root.
        home: a database that is always there.
        programs: its server, and what sets up a folder for it.
        end: the signal that ends the server at once.
        prepare: the command that does so.
        serve: the server's command: (server, folder, port, whether what is committed is to reach
            the disk).
    """

    title: str
    scheme: str
    options: str
    driver: str
    account: str
    home: str
    programs: tuple[str, str]
    end: signal.Signals
    prepare: Callable[[str, Path], list[str]]
    serve: Callable[[str, Path, int, bool], list[str]]

    def missing(self) -> str | None:
        """Which of its programs is not installed, if any."""
        return next((each for each in self.programs if _found(each) is None), None)


class Server:
    """A running server.

    Attributes:
        port: where it listens.
    """

    def __init__(self, system: System, port: int) -> None:
        self._system = system
        self.port = port
        self._numbers = count(1)

    def url(self, database: str, *, port: int | None = None) -> str:
        """The URL of one of its databases, as a user writes it."""
        where = f"127.0.0.1:{port or self.port}"
        return f"{self._system.scheme}://{USER}:{PASSWORD}@{where}/{database}{self._system.options}"

    def new_database(self, options: str = "") -> str:
        """Make a database; its name."""
        name = f"scheduler_{next(self._numbers)}"
        with talk(self.url(self._system.home)) as connection:
            connection.execute(text(f"CREATE DATABASE {name} {options}"))
        return name


@contextmanager
def server(system: System, *, durable: bool = False) -> Iterator[Server]:
    """A new server.

    Args:
        system: of which system.
        durable: whether what is committed reaches the disk.
    """
    account = system.account if os.getuid() == 0 else ""
    who: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="databases-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if account:
            shutil.chown(folder, account, account)
            who = {"user": account, "group": account, "extra_groups": []}
        (folder / "password").write_text(PASSWORD)
        (folder / "first.sql").write_text(
            f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {USER} WITH GRANT OPTION;\n"
        )
        program, preparing = (str(_found(each)) for each in system.programs)
        prepared = subprocess.run(
            system.prepare(preparing, folder), check=False, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, **who,
        )  # fmt: skip
        assert prepared.returncode == 0, prepared.stderr
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        command = system.serve(program, folder, port, durable)
        watch = stack.enter_context(
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _WATCH,
                    str(folder),
                    account,
                    str(int(system.end)),
                    *command,
                ],
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is not for it
            )
        )
        assert watch.stdin is not None
        stack.callback(watch.stdin.close)
        made = Server(system, port)
        _wait_for(made.url(system.home), folder)
        yield made


def _wait_for(url: str, folder: Path) -> None:
    deadline = time.monotonic() + _HUNG
    while True:
        try:
            with talk(url):
                return
        except DBAPIError:
            if time.monotonic() > deadline:
                log = (folder / "log").read_text(errors="replace")
                raise AssertionError(log[-2000:]) from None
            time.sleep(0.02)  # until it listens; no test depends on how long that takes


def _found(program: str) -> str | None:
    # Debian keeps PostgreSQL's where the path does not lead.
    of_postgresql = Path("/usr/lib/postgresql").glob(f"*/bin/{program}")
    newest = max(of_postgresql, key=lambda path: float(path.parent.parent.name), default=None)
    return str(newest) if newest else shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


MARIADB: Final = System(
    title="MariaDB",
    scheme="mariadb",
    options="?ssl_disabled=true",  # PyMySQL reads all certificates there are for each connection
    driver="mysql+pymysql",
    account="mysql",
    home="mysql",
    programs=("mariadbd", "mariadb-install-db"),
    end=signal.SIGKILL,
    prepare=lambda program, folder: [
        program, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}",
        "--skip-test-db",
        "--auth-root-authentication-method=normal", "--skip-name-resolve",
    ],
    serve=lambda program, folder, port, durable: [
        program, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid", f"--init-file={folder}/first.sql",
        f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
        f"--innodb-flush-log-at-trx-commit={int(durable)}",
        # What a hasty administrator may have chosen: the store is to hold its own.
        "--character-set-server=latin1", "--sql-mode=", "--transaction-isolation=SERIALIZABLE",
    ],
)  # fmt: skip
POSTGRESQL: Final = System(
    title="PostgreSQL",
    scheme="postgresql",
    options="",
    driver="postgresql+psycopg",
    account="postgres",
    home="postgres",
    programs=("postgres", "initdb"),
    end=signal.SIGQUIT,  # it has children, and memory that is shared with them
    prepare=lambda program, folder: [
        program, "-D", f"{folder}/data", "-U", USER, "--auth=scram-sha-256",
        f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
    ],
    serve=lambda program, folder, port, durable: [
        program, "-D", f"{folder}/data", "-k", str(folder), "-p", str(port), "-h", "127.0.0.1",
        *([] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]),
        "-c", "deadlock_timeout=10ms",
        "-c", "default_transaction_isolation=serializable", "-c", "timezone=America/Havana",
    ],
)  # fmt: skip
SYSTEMS: Final = {"mariadb": MARIADB, "postgresql": POSTGRESQL}

_DRIVERS: Final = {
    "sqlite": "sqlite",
    "mariadb": MARIADB.driver,
    "postgresql": POSTGRESQL.driver,
}


@contextmanager
def talk(url: str) -> Iterator[Connection]:
    """A connection of one's own to a database, on which each statement is a transaction."""
    parsed = make_url(url)
    driver = _DRIVERS[parsed.drivername]
    # Others may keep it locked, though not for good.
    wait = {"timeout": _HUNG} if driver == "sqlite" else {}
    engine = create_engine(
        parsed.set(drivername=driver), poolclass=NullPool, isolation_level="AUTOCOMMIT",
        connect_args=wait,
    )  # fmt: skip
    with engine.connect() as connection:
        yield connection


def through(url: str, port: int) -> str:
    """The URL of a database by way of another port."""
    return make_url(url).set(port=port).render_as_string(hide_password=False)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Nobody else can write to a store meanwhile."""
    with talk(url) as connection:
        begin = "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN"
        connection.exec_driver_sql(begin)
        connection.execute(select(store).with_for_update())
        yield
        connection.exec_driver_sql("ROLLBACK")


DATABASES: Final = ("sqlite", *SYSTEMS)
"""What a store runs on."""


@cache
def running(name: str) -> Server:
    """The server of that name, for all tests of this process; the test is skipped without it."""
    missing = SYSTEMS[name].missing()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(server(SYSTEMS[name]))


def new_url(name: str, folder: Path) -> str:
    """The URL of a database without any tables.

    Args:
        name: one of `DATABASES`.
        folder: where SQLite's files are.
    """
    if name == "sqlite":
        return f"sqlite:///{folder}/{next(_files)}.db"
    return running(name).url(running(name).new_database())


def empty_url(name: str, folder: Path) -> str:
    """The URL of a database in which there is nothing but, perhaps, tables; quicker than `new_url`.

    Whoever had it before is to be done with it.
    """
    if name == "sqlite":
        url = new_url(name, folder)
        Path(url.removeprefix("sqlite:///")).write_bytes(_file_with_tables())
        return url
    return _emptied(name).url()


@cache
def _file_with_tables() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with Store(f"sqlite:///{folder}/empty.db") as made:
            made.state()
        return Path(folder, "empty.db").read_bytes()


class _Emptied:
    """A database that is used again and again."""

    def __init__(self, name: str) -> None:
        self._server = running(name)
        self._database = self._server.new_database()
        stack = ExitStack()
        atexit.register(stack.close)
        self._connection = stack.enter_context(talk(self._server.url(self._database)))

    def url(self) -> str:
        if inspect(self._connection).has_table(store.name):
            for table in (memberships, jobs):
                self._connection.execute(delete(table))
            self._connection.execute(delete(groups).where(groups.c.id != 1))
            nothing = {"service_address": None, "last_group_id": 1, "last_position": 0}
            self._connection.execute(update(store), nothing)
        return self._server.url(self._database)


_emptied: Final = cache(_Emptied)
_files: Final = count(1)
