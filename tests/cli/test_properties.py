"""What the options of `create` and `change` say reaches the core exactly (C-1 to C-4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg_backends.cli.property_options import PROPERTIES
from cg_core import ChangeGroup, CreateGroup, GroupProperties, JoinHash, join_hash
from cg_core.properties import AMOUNTS
from tests import strategies
from tests.cli.in_process import requests_of, run_here
from tests.cli.processes import Home

ADDRESS = "0x8e077691A9f7152F7F709479233d06FA5273c15d"
OPAQUE_ID = "bYcYGQ3NOpFnP4FKs6IBQd"


def option(name: str) -> str:
    return "--" + name.replace("_", "-")


def options(values: dict[str, Any]) -> list[str]:
    """The command line that says them; `=` lets a text begin with a dash."""
    return [f"{option(name)}={_text(value)}" for name, value in values.items()]


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def test_the_options_are_the_properties_of_the_core() -> None:
    assert list(PROPERTIES) == [field.name for field in attrs.fields(GroupProperties)]


@settings(max_examples=60)
@given(
    strategies.texts,
    st.none() | strategies.descriptions,
    st.none() | strategies.addresses,
    st.none() | strategies.opaque_ids,
    strategies.properties,
)
def test_create_asks_the_core_for_what_its_options_say(
    name: str,
    description: str | None,
    join_address: str | None,
    opaque_id: str | None,
    properties: dict[str, Any],
) -> None:
    others = {"description": description, "join_address": join_address, "opaque_id": opaque_id}
    given: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
    (request,) = requests_of("create", *options(given | properties), "--", name)
    assert request == CreateGroup(name, **given, **properties)


@settings(max_examples=60)
@given(
    st.none() | strategies.texts,
    st.none() | strategies.descriptions,
    st.none() | strategies.addresses,
    strategies.properties,
)
def test_change_asks_the_core_for_what_its_options_say(
    name: str | None,
    description: str | None,
    join_address: str | None,
    properties: dict[str, Any],
) -> None:
    others = {"name": name, "description": description, "join_address": join_address}
    given = {name: value for name, value in others.items() if value is not None} | properties
    given = given or {"name": "some change"}
    (request,) = requests_of("change", "--id", "2", *options(given))
    assert request == ChangeGroup(2, **given)


@settings(max_examples=40)
@given(strategies.join_keys, st.none() | strategies.join_secrets)
def test_join_key_and_secret_reach_the_core_as_their_hash(key: str, secret: str | None) -> None:
    credentials = [f"--join-key={key}"]
    if secret is None:
        credentials.append("--no-join-secret")
        held = None
    else:
        credentials.append("--join-secret-env=FARM_SECRET")
        held = join_hash(key, secret)
    variables: dict[str, Any] = {} if secret is None else {"FARM_SECRET": secret}
    (create,) = requests_of("create", "a name", *credentials, **variables)
    assert create == CreateGroup("a name", join_key=key, join_hash=held)
    (change,) = requests_of("change", "--id", "2", *credentials, **variables)
    assert change == ChangeGroup(2, join_key=key, join_hash=held)


def test_a_join_hash_stands_for_the_secret() -> None:
    text = join_hash("farm", "s3cret").reveal()
    credentials = ("--join-key", "farm", "--join-hash-env", "FARM_HASH")
    (create,) = requests_of("create", "a name", *credentials, FARM_HASH=text)
    assert create == CreateGroup("a name", join_key="farm", join_hash=JoinHash(text))
    (change,) = requests_of("change", "--id", "2", *credentials, FARM_HASH=text)
    assert change == ChangeGroup(2, join_key="farm", join_hash=JoinHash(text))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--no-join-key",), {"join_key": None, "join_secret": None}),
        (("--no-join-address",), {"join_address": None}),
        (
            ("--no-join-key", "--join-address", ADDRESS, "--description="),
            {
                "join_key": None,
                "join_secret": None,
                "join_address": ADDRESS,
                "description": "",
            },
        ),
        (
            ("--no-join-address", "--join-key", "farm", "--no-join-secret"),
            {"join_address": None, "join_key": "farm", "join_secret": None},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_change_takes_away_what_it_is_told_to(
    options: tuple[str, ...], expected: dict[str, Any]
) -> None:
    (request,) = requests_of("change", "--id", "2", *options)
    assert request == ChangeGroup(2, **expected)


def test_a_new_group_takes_its_owners_jobs_only_unless_it_is_told_otherwise() -> None:
    """C-4: what is not given is the core's default, and `deploy_access` is "owner"."""
    (request,) = requests_of("create", "a name")
    assert isinstance(request, CreateGroup)
    assert request.properties == GroupProperties(deploy_access="owner")


NUMBERS = [name for name in PROPERTIES if name != "deploy_access"]
NO_NUMBERS = [
    "", " ", "abc", "-1", "+1", "1,5", "1_0", " 1", "0x10", "NaN", "Infinity", "None", "\u0663",
    "9" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused_and_the_option_named(name: str, home: Home) -> None:
    wrong = [*NO_NUMBERS]
    wrong += [] if name in AMOUNTS else ["1.5", "1e3", str(2**63)]
    wrong += [] if name.startswith("max_") else ["none"]
    wrong += ["1"] if name == "commission_rate" else []
    wrong += ["1" + "0" * 20, "0." + "0" * 18 + "1"] if name in AMOUNTS else []
    for text in wrong:
        for command in (("create", "a name"), ("change", "--id", "2")):
            ended = run_here(home, *command, f"{option(name)}={text}")
            assert (ended.status, ended.stdout) == (2, ""), text
            last = ended.stderr.splitlines()[-1]
            assert last.startswith(f"Error: {option(name)}"), text
            assert len(last) < 200
    assert run_here(home, "list", "--json").stdout == "[]\n"


@pytest.mark.parametrize("text", ["", "none", "Owner", "everybody"])
def test_who_may_add_jobs_is_the_owner_or_who_can_join(text: str, home: Home) -> None:
    ended = run_here(home, "create", "a name", f"--deploy-access={text}")
    assert (ended.status, ended.stdout) == (2, "")
    assert "Error: --deploy-access must be 'owner' or 'join'" in ended.stderr


@pytest.mark.parametrize("text", ["5e-2", "0.05", "0.050000000000000000", "5E-2"])
def test_an_amount_is_what_its_digits_say(text: str) -> None:
    (request,) = requests_of("create", "a name", "--commission-rate", text)
    assert isinstance(request, CreateGroup)
    assert str(request.properties.commission_rate) == "0.05"


def test_amounts_are_kept_to_the_last_digit(home: Home) -> None:
    """Written, read, changed, read again: no number goes through a double."""
    most = f"{'9' * 20}.{'9' * 18}"
    assert run_here(home, "create", "a name", "--max-total-payment", most).status == 0
    assert f"max total payment\t{most}\n" in run_here(home, "show", "--id", "2").stdout
    run_here(home, "change", "--id", "2", "--max-total-payment", "none", "--deploy-fee", "1e-18")
    shown = run_here(home, "show", "--id", "2").stdout
    assert "max total payment\t-\n" in shown
    assert f"deploy fee\t{Decimal('1e-18'):f}\n" in shown
