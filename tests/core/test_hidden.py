"""Secrets show nowhere: not in what is printed, logged, dumped, pickled or raised (C-13)."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import reprlib
import string
import traceback
from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import rich
from hypothesis import given
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from cg_core import (
    Identity,
    InvalidArgument,
    InvalidType,
    JoinHash,
    JoinHashHash,
    JoinSecret,
    join_hash,
)
from cg_core.hidden import Hidden
from tests.strategies import join_secrets, wrong_texts

SECRET = "zebra-Tr0ub4dor"
SESSION = "q7Kd0ZbT1mX9vLc2RfYh4oWsAe3GnUjP5tB6iNyC8w"
HASH = join_hash("farm", SECRET).reveal()
HASH_HASH = join_hash("farm", SECRET).salted(SESSION).reveal()
KEY = "79d359d9e5baa53a1199eced7c46a366f71bb4c4b15532e7da0f3896670dbb87"
NO_KEY = "f" * 32 + KEY[32:]  # 32 bytes, but beyond the order of the curve

VALUES: dict[str, Hidden] = {
    "JoinSecret": JoinSecret(SECRET),
    "JoinHash": JoinHash(HASH),
    "JoinHashHash": JoinHashHash(SESSION, HASH_HASH),
    "Identity": Identity(KEY),
}
every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


def traces_in(shown: str) -> set[str]:
    """The forms of the secrets above that a text shows."""
    digests = [bytes.fromhex(text.removeprefix("eh1-")) for text in (HASH, HASH_HASH, KEY, NO_KEY)]
    forms = {
        form
        for raw in [SECRET.encode(), *digests]
        for form in (raw.hex(), repr(raw)[2:-1], b64encode(raw).decode(), str(int.from_bytes(raw)))
    }
    return {form for form in forms | {SECRET} if form.lower() in shown.lower()}


def on_console(value: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=1_000).print(value)
    return stream.getvalue()


def inspected(value: object) -> str:
    stream = io.StringIO()
    rich.inspect(value, console=Console(file=stream, width=1_000))
    return stream.getvalue()


def logged(value: object) -> str:
    stream = io.StringIO()
    logger = logging.getLogger("of this test alone")
    logger.handlers, logger.propagate = [logging.StreamHandler(stream)], False
    logger.warning("%s %r", value, value)
    logger.warning(value)
    logger.error("failed for %(value)s", {"value": value}, exc_info=LookupError(value))
    return stream.getvalue()


def traced(fail: Callable[[], object]) -> str:
    """Two tracebacks of a failure, with the local variables of every frame."""
    try:
        fail()
    except Exception as error:
        plain = traceback.TracebackException.from_exception(error, capture_locals=True)
        coloured = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=9_999
        )
        return "".join(plain.format()) + on_console(coloured)
    raise AssertionError("nothing failed")


def fails_with_local(value: object) -> str:
    def fail() -> None:
        local = value
        raise LookupError(f"not found: {local}")

    return traced(fail)


@attrs.frozen
class AttrsBox:
    content: object


@dataclasses.dataclass
class DataclassBox:
    content: object


WAYS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": format,
    "f-string": lambda value: f"{value} {value!r} {value!s} {value!a} {value=}",
    "%-format": lambda value: "%s %r %a" % (value, value, value),  # noqa: UP031 - what is tested
    "str.format": lambda value: "{} {!r}".format(value, value),  # noqa: UP032 - what is tested
    "string.Template": lambda value: string.Template("$value").substitute(value=value),
    "print": lambda value: on_console(value) + f"{[value]} {(value,)} { {'key': value} }",
    "logging": logged,
    "json": lambda value: json.dumps({"value": value}, default=str),
    "json by repr": lambda value: json.dumps([value], default=repr),
    "pprint": lambda value: pprint.pformat({"value": [value]}),
    "reprlib": reprlib.repr,
    "rich.pretty": lambda value: pretty_repr({"value": [value]}, expand_all=True),
    "rich.inspect": inspected,
    "in an attrs object": lambda value: repr(AttrsBox(value)) + pretty_repr(AttrsBox(value)),
    "attrs.asdict": lambda value: repr(attrs.asdict(AttrsBox(value))),
    "in a dataclass": lambda value: repr(DataclassBox(value)) + pretty_repr(DataclassBox(value)),
    "dataclasses.asdict": lambda value: repr(dataclasses.asdict(DataclassBox(value))),
    "in an exception": lambda value: f"{LookupError(value)} {LookupError(value)!r}",
    "traceback with locals": fails_with_local,
    "copies": lambda value: repr([copy.copy(value), copy.deepcopy({"value": value})]),
}
every_way = pytest.mark.parametrize("show", WAYS.values(), ids=WAYS)


@every_value
@every_way
def test_a_hidden_value_shows_in_no_way(value: Hidden, show: Callable[[object], str]) -> None:
    assert traces_in(show(value)) == set()


@every_way
def test_each_way_would_show_a_value_that_does_not_hide(show: Callable[[object], str]) -> None:
    assert traces_in(show(SimpleNamespace(s=SECRET))) == {SECRET}


def test_every_kind_of_hidden_value_is_tried() -> None:
    kinds = {kind for kind in Hidden.__subclasses__() if kind.__module__.startswith("cg_core")}
    assert kinds == {type(value) for value in VALUES.values()}


@given(join_secrets)
def test_what_is_shown_does_not_depend_on_the_secret(secret: str) -> None:
    held = join_hash("farm", secret)
    assert repr(JoinSecret(secret)) == "<JoinSecret hidden>"
    assert repr(held) == "<JoinHash hidden>"
    assert repr(held.salted(SESSION)) == "<JoinHashHash hidden>"


@every_value
def test_a_hidden_value_has_no_vars(value: Hidden) -> None:
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError):
        vars(value)


@every_value
def test_a_hidden_value_is_its_own_copy(value: Hidden) -> None:
    assert copy.copy(value) is value
    assert copy.deepcopy(value) is value
    assert copy.deepcopy([value])[0] is value


@every_value
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hidden_value_does_not_pickle(value: Hidden, protocol: int) -> None:
    def fail() -> bytes:
        return pickle.dumps({"config": [value]}, protocol)

    with pytest.raises(InvalidType, match=f"a {type(value).__name__} does not pickle"):
        fail()
    assert traces_in(traced(fail)) == set()


wrong: Any = [SECRET, HASH, KEY]  # none of them is a str
FAILURES: dict[str, Callable[[], object]] = {
    "JoinSecret with NUL": lambda: JoinSecret(SECRET + "\0"),
    "JoinSecret that is too long": lambda: JoinSecret(SECRET * 99),
    "JoinSecret of bytes": lambda: JoinSecret(SECRET.encode()),  # type: ignore[arg-type] # the test
    "JoinSecret of a list": lambda: JoinSecret(wrong),
    "JoinHash in upper case": lambda: JoinHash(HASH.upper()),
    "JoinHash with a newline": lambda: JoinHash(HASH + "\n"),
    "JoinHash of a list": lambda: JoinHash(wrong),
    "JoinHashHash in upper case": lambda: JoinHashHash(SESSION, HASH_HASH.upper()),
    "JoinHashHash of a list": lambda: JoinHashHash(SESSION, wrong),
    "join_hash of a wrong secret": lambda: join_hash("farm", SECRET + "\ud800"),
    "join_hash of a list": lambda: join_hash("farm", wrong),
    "join_hash without a key": lambda: join_hash("", SECRET),
    "join_hash without a key, of a JoinSecret": lambda: join_hash("", JoinSecret(SECRET)),
    "Identity of 65 digits": lambda: Identity(KEY + "0"),
    "Identity beyond the order": lambda: Identity(NO_KEY),
    "Identity of 33 bytes": lambda: Identity(bytes.fromhex(KEY) + b"\0"),
    "Identity of a list": lambda: Identity(wrong),
    "Identity of a bytearray": lambda: Identity(bytearray.fromhex(KEY)),  # type: ignore[arg-type] # the test
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failing_construction_shows_nothing(fail: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        fail()
    assert caught.value.__context__ is None  # where a debugger would look next
    assert traces_in(traced(fail)) == set()


def test_a_frame_that_keeps_the_secret_would_show_it() -> None:
    def careless(secret: str) -> None:
        raise LookupError

    assert traces_in(traced(lambda: careless(SECRET))) == {SECRET}


@given(wrong_texts(holding=SECRET))
def test_no_wrong_secret_is_kept_by_a_frame_of_ours(wrong: Any) -> None:
    for make in (JoinSecret, JoinHash, Identity):
        with pytest.raises(InvalidArgument) as caught:
            make(wrong)
        assert traces_in(str(caught.value)) == set()
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        assert {frame.f_globals["__name__"] for frame in frames[1:]} == {make.__module__}
        kept = [value for frame in frames[1:] for value in frame.f_locals.values()]
        assert not any(value is wrong for value in kept)
