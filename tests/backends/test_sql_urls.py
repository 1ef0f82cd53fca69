"""URLs of databases: what is wrong with one is told, and none of it is shown."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from cg_backends.sql import Store
from cg_core import CreateGroup, InvalidType, InvalidValue
from tests.backends.test_sql_together import CALLER
from tests.peers.databases import running

SECRET = "open-barley"

WRONG: dict[str, tuple[Any, str]] = {
    "no text": (5, "url must be a str, not int"),
    "None": (None, "url must be a str, not None"),
    "a path": (f"/{SECRET}/farm.db", "cannot be read; write it as sqlite:///compute-groups.db"),
    "a name": (SECRET, "cannot be read"),
    "nothing": ("", "cannot be read"),
    "in memory": ("sqlite://", "names no file"),
    "in memory by name": ("sqlite:///:memory:", "cg_backends.memory"),
    "two slashes": (f"sqlite://{SECRET}.db", "names no file; write sqlite:///name.db"),
    "a URI": (f"sqlite:///file:{SECRET}?uri=true", "names no file"),
    "a service": (f"http://keeper:{SECRET}@127.0.0.1:9800/", "is that of a service"),
    "another system": (f"oracle://keeper:{SECRET}@host/farm", "names no database system"),
    "no database": (f"mariadb://keeper:{SECRET}@host", "names no database; write"),
    "no database, with a slash": (
        f"postgresql://keeper:{SECRET}@host/",
        "names no database; write",
    ),
    "an @ in a password": (f"mysql://keeper:open@{SECRET}@host/farm", "write %40 for it"),
    "a port that is none": (f"mysql://keeper:{SECRET}@host:port/farm", "cannot be read"),
    "no such driver": (f"mysql+{SECRET[:4]}://keeper@host/farm", "knows no driver"),
    "a driver with a plus in its name": ("mysql+my+sql://keeper@host/farm", "knows no driver"),
    "a module of SQLAlchemy that is no driver": (
        "mysql+types://keeper@host/farm",
        "knows no driver",
    ),
    "an asynchronous driver": ("sqlite+aiosqlite:///farm.db", "aiosqlite is an asynchronous one"),
    "another one": (f"postgresql+asyncpg://keeper:{SECRET}@host/farm", "asynchronous"),
}


@pytest.mark.parametrize(("url", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_url_is_told_and_not_shown(url: Any, told: str) -> None:
    with pytest.raises((InvalidType, InvalidValue), match=told) as caught:
        Store(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", True])
def test_a_wrong_timeout_is_told(timeout: Any) -> None:
    with pytest.raises((InvalidType, InvalidValue), match="timeout must be"):
        Store(timeout=timeout)


@pytest.mark.parametrize("timeout", [None, 1e300, 10**400, 0.001, 5])
def test_a_timeout_may_be_as_long_as_one_likes(timeout: Any, tmp_path: Any) -> None:
    with Store(f"sqlite:///{tmp_path}/farm.db", timeout=timeout) as store:
        assert store.execute(CreateGroup("farm"), CALLER) == 2


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("mariadb", "mysql"),
        ("mariadb", "mariadb"),
        ("mariadb", "mariadb+pymysql"),
        ("postgresql", "postgres"),
        ("postgresql", "postgresql+psycopg"),
    ],
)
@pytest.mark.parametrize("timeout", [None, 5])
def test_each_scheme_leads_to_its_system(name: str, scheme: str, timeout: float | None) -> None:
    server = running(name)
    url = server.url(server.new_database())
    other = scheme + url[url.index(":") :]
    with Store(other, timeout=timeout) as store:
        assert store.execute(CreateGroup("farm"), CALLER) == 2
    with Store(url) as store:
        assert len(store.state().groups) == 1


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("mariadb://host/farm", "pymysql", "mariadb"),
        ("mysql://host/farm", "pymysql", "mariadb"),
        ("postgresql://host/farm", "psycopg", "postgresql"),
    ],
)
def test_a_driver_that_is_not_installed_is_told(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    told = rf"needs {module}: pip install 'compute-groups\[{extra}\]'"
    with pytest.raises(ModuleNotFoundError, match=told) as caught:
        Store(url)
    assert caught.value.name == module


def test_a_driver_of_ones_own_is_told_by_its_name() -> None:
    told = r"needs psycopg2: install it, or take psycopg2 out of the url, and pip install"
    with pytest.raises(ModuleNotFoundError, match=told):
        Store("postgresql+psycopg2://host/farm")


def test_without_sqlalchemy_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cg_backends.sql")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'compute-groups\[sql\]'"):
        importlib.import_module("cg_backends.sql")
