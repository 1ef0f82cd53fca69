"""Amounts and long integers, as operations and replies say them (C-4)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg_core import GroupProperties, JobId, ListJobs, OpaqueId, Request
from cg_core.ecmascript_json import parse, stringify
from cg_core.exact_numbers import integer_from_wire, property_from_wire, to_wire
from cg_core.operations import Operation, from_operation, to_operation
from tests.core.arguments import PROPERTIES
from tests.strategies import amounts, job_ids, opaque_ids, requests, row_ids


def travelled(value: Any) -> Any:
    return parse(stringify(value))


@given(st.integers(0, 2**63 - 1) | st.integers(2**53 - 2, 2**53 + 2))
def test_an_integer_is_exact_to_a_peer_whose_numbers_are_doubles(number: int) -> None:
    assert integer_from_wire(travelled(to_wire(number))) == number
    assert (type(to_wire(number)) is int) == (number < 2**53)


@given(amounts)
def test_c4_an_amount_is_exact_and_in_plain_notation(amount: Decimal) -> None:
    assert Decimal(travelled(to_wire(amount))) == amount
    assert re.fullmatch("[0-9]+([.][0-9]+)?", to_wire(amount))


@given(opaque_ids | job_ids)
def test_an_id_is_plain_text(id: OpaqueId | JobId) -> None:
    assert to_wire(id) == id
    assert type(to_wire(id)) is str


@given(st.fixed_dictionaries(PROPERTIES))
def test_c4_each_property_is_read_as_it_was_meant(given_properties: dict[str, Any]) -> None:
    assert set(given_properties) == {field.name for field in attrs.fields(GroupProperties)}
    for field, value in given_properties.items():
        assert property_from_wire(field, travelled(to_wire(value))) == value


@pytest.mark.parametrize(
    "other",
    ["7", "1" * 15, "1" * 20, "0" * 16, "-1234567890123456", "", None, 7, 1.5, True, [], {}],
)
def test_what_is_no_long_integer_is_left_to_the_checks(other: Any) -> None:
    assert integer_from_wire(other) is other
    assert property_from_wire("max_concurrent_jobs", other) is other
    assert property_from_wire("deploy_access", other) is other


def test_an_opaque_id_of_digits_is_no_integer() -> None:
    assert integer_from_wire("1" * 22) == "1" * 22
    assert property_from_wire("deploy_access", "1" * 16) == "1" * 16


@given(row_ids)
def test_a_row_id_of_many_digits_names_its_group(id: int) -> None:
    operation = to_operation(ListJobs(id), "the session")
    arrived = Operation(operation.name, travelled(operation.data))
    assert from_operation(arrived, "the session") == ListJobs(id)


@given(requests)
def test_no_request_loses_digits_to_a_peer_whose_numbers_are_doubles(request: Request[Any]) -> None:
    operation = to_operation(request, "the session")
    arrived = Operation(operation.name, travelled(operation.data))
    assert from_operation(arrived, "the session") == from_operation(operation, "the session")
