"""The properties of DCP 5: each in its one exact form, or refused by name (C-4)."""

from __future__ import annotations

import decimal
import re
import traceback
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cg_core import GroupProperties, InvalidArgument, InvalidType, InvalidValue
from cg_core import properties as module
from cg_core.properties import PropertyArguments, amount_from_text, checked_properties
from tests.strategies import amounts, any_characters, anything, counts, properties, rates

FIELDS = attrs.fields_dict(GroupProperties)
AMOUNTS = ["deploy_fee", "add_job_fee", "max_total_payment", "max_concurrent_escrow"]
COUNTS = [name for name in FIELDS if name.startswith("max_concurrent_") and name not in AMOUNTS]
LIMITS = [name for name in FIELDS if name.startswith("max_")]
PLAIN = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{0,17}[1-9])?")


def checked(field: str, value: object) -> Any:
    arguments: Any = {field: value}
    return checked_properties(arguments)[field]


def refused(field: str, value: object) -> InvalidArgument:
    with pytest.raises((InvalidType, InvalidValue)) as caught:
        checked(field, value)
    assert field in caught.value.message
    return caught.value


def test_one_table_serves_create_and_change() -> None:
    assert set(FIELDS) == set(get_type_hints(PropertyArguments))
    assert {"commission_rate", *AMOUNTS} == module.AMOUNTS
    unlimited = {name for name, hint in get_type_hints(PropertyArguments).items()
                 if type(None) in get_args(hint)}  # fmt: skip
    assert unlimited == set(LIMITS)


@given(properties)
def test_well_formed_properties_keep_their_values(given: Any) -> None:
    found = checked_properties(given)
    assert found == given
    assert repr(checked_properties(dict(found))) == repr(found)  # type: ignore[arg-type] # checked


def test_what_is_not_given_has_the_default_of_the_seed() -> None:
    assert GroupProperties(**checked_properties({})) == GroupProperties(
        commission_rate=Decimal(0),
        deploy_fee=Decimal(0),
        add_job_fee=Decimal(0),
        max_total_payment=None,
        max_concurrent_escrow=None,
        max_concurrent_jobs=None,
        max_concurrent_workers=None,
        max_concurrent_sandboxes=None,
        max_concurrent_cpus=None,
        max_concurrent_gpus=None,
        deploy_access="owner",
    )


@pytest.mark.parametrize("field", FIELDS)
def test_none_is_no_limit_and_nothing_else(field: str) -> None:
    if field in LIMITS:
        assert checked(field, None) is None
    else:
        assert isinstance(refused(field, None), InvalidType)


@given(st.sampled_from(AMOUNTS), amounts, st.integers(0, 30))
def test_an_amount_has_one_exact_form(field: str, amount: Decimal, zeros: int) -> None:
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, digits + (0,) * zeros, exponent - zeros))
    forms = {repr(checked(field, value)) for value in (amount, longer, Decimal(str(amount)))}
    assert forms == {repr(checked(field, amount))}
    assert Fraction(checked(field, amount)) == Fraction(amount)
    assert PLAIN.fullmatch(format(checked(field, amount), "f"))


@given(st.sampled_from(AMOUNTS), st.integers(0, 10**20 - 1))
def test_an_int_is_the_amount_that_it_is(field: str, whole: int) -> None:
    assert repr(checked(field, whole)) == f"Decimal('{whole}')"
    assert repr(checked(field, Decimal(whole).normalize(decimal.Context(prec=20)))) == repr(
        checked(field, whole)
    )


@given(amounts, rates)
def test_no_decimal_context_changes_an_amount(amount: Decimal, rate: Decimal) -> None:
    arguments: Any = {"deploy_fee": amount, "commission_rate": rate}
    expected = repr(checked_properties(arguments))
    every_trap = [decimal.Inexact, decimal.Rounded, decimal.Clamped, decimal.Subnormal]
    with decimal.localcontext(decimal.Context(prec=1, Emin=0, Emax=0, traps=every_trap)):
        assert repr(checked_properties(arguments)) == expected


@given(st.sampled_from(AMOUNTS), st.decimals())
def test_a_decimal_is_taken_exactly_where_it_fits(field: str, value: Decimal) -> None:
    if fits(value):
        assert Fraction(checked(field, value)) == Fraction(value)
    else:
        assert isinstance(refused(field, value), InvalidValue)


@given(
    st.sampled_from(AMOUNTS),
    st.integers(-(10**40), 10**40),
    st.integers(-40, 40),
)
def test_digits_are_counted_before_and_behind_the_point(
    field: str, digits: int, exponent: int
) -> None:
    value = Decimal(f"{digits}E{exponent}")
    if fits(value):
        assert Fraction(checked(field, value)) == Fraction(value)
    else:
        assert isinstance(refused(field, value), InvalidValue)


def fits(value: Decimal) -> bool:
    """C-4, said in whole numbers: a multiple of 10^-18, from 0, below 10^20."""
    if not value.is_finite() or abs(value.adjusted()) > 100:
        return value == 0 if value.is_finite() else False
    units = Fraction(value) * 10**18
    return units.denominator == 1 and 0 <= units < 10**38


@given(st.sampled_from(["commission_rate", *AMOUNTS]), anything)
def test_any_wrong_amount_is_refused_by_name(field: str, wrong: Any) -> None:
    assume(not (wrong is None and field in LIMITS))
    if isinstance(wrong, Decimal | int) and not isinstance(wrong, bool):
        assume(not fits(Decimal(wrong)) or (field == "commission_rate" and wrong >= 1))
        assert isinstance(refused(field, wrong), InvalidValue)
    else:
        assert isinstance(refused(field, wrong), InvalidType)


@given(st.sampled_from(COUNTS), anything)
def test_any_wrong_count_is_refused_by_name(field: str, wrong: Any) -> None:
    assume(wrong is not None)
    if isinstance(wrong, int) and not isinstance(wrong, bool):
        assume(not 0 <= wrong < 2**63)
        assert isinstance(refused(field, wrong), InvalidValue)
    else:
        assert isinstance(refused(field, wrong), InvalidType)


@given(st.sampled_from(COUNTS), counts)
def test_a_count_is_kept(field: str, count: int) -> None:
    assert checked(field, count) == count


@pytest.mark.parametrize("field", COUNTS)
def test_a_count_ends_where_the_columns_end(field: str) -> None:
    assert (checked(field, 0), checked(field, 2**63 - 1)) == (0, 2**63 - 1)
    for beyond in (-1, 2**63):
        assert isinstance(refused(field, beyond), InvalidValue)


@given(anything)
def test_access_is_one_of_two_words(wrong: Any) -> None:
    assume(wrong not in ("owner", "join"))
    kind = InvalidValue if isinstance(wrong, str) else InvalidType
    assert isinstance(refused("deploy_access", wrong), kind)


@pytest.mark.parametrize("word", ["owner", "join"])
def test_access_is_given_as_a_plain_word(word: str) -> None:
    class Word(str):
        __slots__ = ()

    found = checked("deploy_access", Word(word))
    assert (type(found), found) == (str, word)


MARK = "86753090210"


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "wrong",
    [
        -int(MARK),
        int(MARK) * 10**20,
        Decimal(f"-{MARK}"),
        Decimal(f"0.{MARK * 2}"),
        Decimal(f"NaN{MARK}"),
        Decimal(f"sNaN{MARK}"),
        float(MARK),
        MARK,
        f"owner{MARK}",
        [MARK],
        MARK.encode(),
    ],
    ids=repr,
)
def test_a_wrong_value_is_not_repeated(field: str, wrong: object) -> None:
    assert MARK not in str(refused(field, wrong))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("1E+2", "100"),
        ("100.00", "100"),
        ("-0", "0"),
        ("0E+999999999", "0"),
        ("0E-999999999", "0"),
        ("1E-18", "0.000000000000000001"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("1." + "0" * 10**6, "1"),
    ],
    ids=lambda text: text[:45],
)
def test_form_of_an_amount(value: str, form: str) -> None:
    assert format(checked("deploy_fee", Decimal(value)), "f") == form


@pytest.mark.parametrize("field", ["deploy_fee", "commission_rate", "max_concurrent_jobs"])
@pytest.mark.parametrize(
    "huge",
    [Decimal("1E+9999999"), Decimal("1E-9999999"), 10**10**6, -(10**10**6)],
    ids=["huge", "tiny", "huge int", "-huge int"],
)
def test_a_value_is_checked_before_its_digits_are_written_out(field: str, huge: Any) -> None:
    """Its digits, or a copy of them, would need more memory than the whole check does."""
    tracemalloc.start()
    try:
        refused(field, huge)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000


@pytest.mark.parametrize("value", ["1E+20", "1E-19", "1E+999999999", "1E-999999999", "-1E-18"])
def test_an_amount_of_too_many_digits_is_refused(value: str) -> None:
    assert isinstance(refused("deploy_fee", Decimal(value)), InvalidValue)


def test_a_rate_is_less_than_one() -> None:
    largest = Decimal("0.999999999999999999")
    assert checked("commission_rate", largest) == largest
    for beyond in (1, Decimal("1.0"), Decimal(5)):
        assert "less than 1" in str(refused("commission_rate", beyond))


def test_a_misspelt_property_is_refused_with_what_was_meant() -> None:
    assert "did you mean max_concurrent_jobs?" in str(refused("max_concurent_jobs", 5))
    assert "did you mean join_secret?" in str(refused("join_secert", MARK))
    for name in ("name", "description", "join_key", "join_hash", "join_address"):
        assert str(refused(f"{name}s", MARK)).endswith(f"; did you mean {name}?")
    assert "they are commission_rate, " in str(refused("x", 5))


def test_a_misspelt_secret_is_kept_by_no_frame_of_ours() -> None:
    refusal = refused("join_secert", MARK)
    frames = [frame for frame, _ in traceback.walk_tb(refusal.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals["__name__"] == module.__name__]
    assert ours
    assert MARK not in repr([frame.f_locals for frame in ours])


def test_a_strange_name_is_shown_short_and_escaped() -> None:
    with pytest.raises(InvalidType) as caught:
        checked("\ud800\n" + MARK * 100, 5)
    assert str(caught.value).startswith(r"'\ud800\n8675")
    assert len(str(caught.value)) < 300


json_numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@given(st.sampled_from(AMOUNTS), json_numbers)
def test_a_number_is_read_exactly_from_its_text(field: str, text: str) -> None:
    assert Fraction(amount_from_text(field, text)) == Fraction(text)


@given(amounts)
def test_an_amount_is_read_back_from_its_plain_notation(amount: Decimal) -> None:
    assert amount_from_text("deploy_fee", format(amount, "f")) == amount


@given(st.text(any_characters) | json_numbers.map(lambda text: f"{text}{MARK}x"))
def test_a_text_that_is_no_number_is_refused_and_not_repeated(text: str) -> None:
    assume(not set(text) <= set("0123456789+-.eE"))
    messages = []
    for wrong in (text, "?" * len(text)):
        with pytest.raises(InvalidValue, match=r"^deploy_fee ") as caught:
            amount_from_text("deploy_fee", wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "text",
    ["", "-", "NaN", "sNaN1", "Infinity", "-inf", "1_000", "+1", " 1", "1\n", "1.", ".5", "1e",
     "--1", "0x1", "1,5", "\u0661", "\uff11", "1e1000", "9" * 65, "0." + "9" * 65, "9" * 10**6],
    ids=lambda text: repr(text[:9]),
)  # fmt: skip
def test_text_that_is_no_number_or_too_long_a_one(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^deploy_fee "):
        amount_from_text("deploy_fee", text)


def test_the_checks_run_without_the_validators_of_attrs() -> None:
    """`attrs.validators.disabled()` switches validators off for the whole process (C-17)."""
    with attrs.validators.disabled():
        refused("deploy_fee", -1)
        refused("max_concurrent_jobs", -1)
        refused("deploy_access", "all")
