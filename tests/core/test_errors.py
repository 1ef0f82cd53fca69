"""The error tree: as it is printed, picklable, and the same on both sides of a service."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cg_core
from cg_core import (
    BadCredentials,
    Busy,
    ClientClosed,
    ComputeGroupsError,
    DuplicateJoinKey,
    GroupNotFound,
    InvalidType,
    InvalidValue,
    JobCancelled,
    LimitReached,
    NotFound,
    NotOwner,
    Refused,
    Unsupported,
    errors,
)
from cg_core.errors import error_from_answer
from tests.strategies import any_characters

Branch = tuple[str | None, str | None, str | None]
"""Of a class: its parent in the tree, its code, and Python's own error that it is besides."""


def tree(root: type[ComputeGroupsError]) -> Iterator[type[ComputeGroupsError]]:
    """The classes of the tree, each before its branches."""
    yield root
    for branch in root.__subclasses__():
        if branch.__module__ == "cg_core.errors":  # tests may have made others
            yield from tree(branch)


CLASSES = list(tree(ComputeGroupsError))
LOCAL = {"ComputeGroupsError", "ClientClosed", "ProtocolError"}
"""What happens on this side of a session, which no peer can report."""
ANSWERS = {found.__name__: found for found in CLASSES if found.__name__ not in LOCAL}

BY_CODE: dict[str, type[ComputeGroupsError]] = {
    "EINVAL": InvalidValue,
    "EREFUSED": Refused,
    "EPERM": NotOwner,
    "EACCES": BadCredentials,
    "ENOENT": NotFound,
    "ER_DUP_ENTRY": DuplicateJoinKey,
    "ECANCELED": JobCancelled,
    "EDQUOT": LimitReached,
    "EBUSY": Busy,
    "ENOSYS": Unsupported,
}
"""What a code stands for where no name comes with it."""

texts = st.text(any_characters)
classes = st.sampled_from(CLASSES)


def printed_tree(page: str) -> dict[str, Branch]:
    found: dict[str, Branch] = {}
    path: list[str] = []
    line = re.compile(
        r"    (?P<stem>[│├└─ ]*)(?P<name>\w+)(?: +(?P<code>E\w+|any code))?(?P<rest>.*)"
    )
    for text in page.splitlines():
        match = line.fullmatch(text)
        if match is None:
            continue
        depth = len(match["stem"]) // 4
        path[depth:] = [match["name"]]
        besides = re.search(r"also an? (\w+)", match["rest"])
        found[match["name"]] = (
            path[depth - 1] if depth else None,
            match["code"],
            besides[1] if besides else None,
        )
    return found


def real_tree() -> dict[str, Branch]:
    codes = {"ComputeGroupsError": None, "Refused": "any code"}
    return {
        found.__name__: (
            None if found is ComputeGroupsError else found.__bases__[0].__name__,
            codes.get(found.__name__, found.default_code),
            next((base.__name__ for base in found.__bases__[1:]), None),
        )
        for found in CLASSES
    }


def test_the_printed_tree_is_the_real_one() -> None:
    assert errors.__doc__ is not None
    assert printed_tree(errors.__doc__) == real_tree()
    assert len(CLASSES) == 19


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_is_public_and_says_what_it_means(kind: type[ComputeGroupsError]) -> None:
    assert getattr(cg_core, kind.__name__) is kind
    assert kind.__name__ in cg_core.__all__
    assert kind.__doc__


def test_wrong_arguments_are_what_python_programs_expect() -> None:
    assert issubclass(InvalidType, TypeError)
    assert issubclass(InvalidValue, ValueError)
    assert issubclass(ClientClosed, RuntimeError)


@given(classes, texts, st.none() | texts, st.none() | texts, st.lists(texts))
def test_an_error_survives_copies_and_pickles(
    kind: type[ComputeGroupsError],
    message: str,
    code: str | None,
    name: str | None,
    notes: list[str],
) -> None:
    error = kind(message, code=code, name=name)
    for note in notes:
        error.add_note(note)
    pickled = [pickle.dumps(error, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for copied in (copy.copy(error), copy.deepcopy(error), *map(pickle.loads, pickled)):
        assert type(copied) is kind
        assert (copied.message, copied.code, copied.name) == (error.message, error.code, error.name)
        assert getattr(copied, "__notes__", []) == notes
        assert (copied.args, str(copied)) == (error.args, str(error))


@given(classes, texts)
def test_an_error_has_the_code_and_name_of_its_class(
    kind: type[ComputeGroupsError], message: str
) -> None:
    error = kind(message)
    assert (error.message, error.code, error.name) == (message, kind.default_code, kind.__name__)
    assert (str(error), error.args) == (message, (message,))


@given(classes, texts, texts, texts)
def test_a_code_or_name_of_another_origin_is_shown(
    kind: type[ComputeGroupsError], message: str, code: str, name: str
) -> None:
    own_code, own_name = kind.default_code, kind.__name__
    assert str(kind(message, code=own_code, name=own_name)) == message
    assert (
        str(kind(message, code=f"{own_code}{code}!")) == f"{message} [{own_name} {own_code}{code}!]"
    )
    assert (
        str(kind(message, name=f"{own_name}{name}!")) == f"{message} [{own_name}{name}! {own_code}]"
    )


class OfAProgram(NotOwner):
    """An error that a program derives from ours."""

    default_code = "EMINE"


def test_an_error_of_a_program_takes_part() -> None:
    error = pickle.loads(pickle.dumps(OfAProgram("no")))
    assert (type(error), error.code, error.name) == (OfAProgram, "EMINE", "OfAProgram")
    assert str(error) == "no"


names = st.none() | st.sampled_from(sorted(found.__name__ for found in CLASSES)) | texts
codes = st.none() | st.sampled_from(sorted({found.default_code for found in CLASSES})) | texts


@given(texts, names, codes)
def test_an_answer_is_the_error_of_its_name_or_else_of_its_code(
    message: str, name: str | None, code: str | None
) -> None:
    error = error_from_answer(message, name=name, code=code)
    kind = ANSWERS.get(name or "") or BY_CODE.get(code or "") or Refused
    assert type(error) is kind
    assert error.message == message
    assert error.name == (name or kind.__name__)
    assert error.code == (code or kind.default_code)


@pytest.mark.parametrize("kind", ANSWERS.values())
def test_an_error_that_travels_arrives_as_itself(kind: type[ComputeGroupsError]) -> None:
    sent = kind("no")
    for code in (sent.code, None):
        received = error_from_answer(sent.message, name=sent.name, code=code)
        assert type(received) is kind
        assert str(received) == "no"


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
def test_a_code_alone_is_the_error_that_it_stands_for(
    code: str, kind: type[ComputeGroupsError]
) -> None:
    received = error_from_answer("no", code=code)
    assert (type(received), received.code, str(received)) == (kind, code, "no")


def test_every_code_stands_for_an_error() -> None:
    of_the_store = {"EIO", "EOUTCOME"}  # by name only: alone they might be anything
    assert {*BY_CODE, *of_the_store} == {found.default_code for found in ANSWERS.values()}


def test_a_name_says_more_than_a_code() -> None:
    received = error_from_answer("no", name="GroupNotFound", code="EPERM")
    assert (type(received), received.code) == (GroupNotFound, "EPERM")


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_a_peer_cannot_report_what_happens_on_this_side(name: str) -> None:
    code = getattr(errors, name).default_code if name != "ClientClosed" else "ECLOSED"
    received = error_from_answer("no", name=name, code=code)
    assert type(received) is Refused
    assert str(received) == f"no [{name} {code}]"


def test_what_is_not_known_here_is_kept_and_shown() -> None:
    received = error_from_answer("the moon is full", name="Lunatic", code="ELUNE")
    assert (type(received), received.name, received.code) == (Refused, "Lunatic", "ELUNE")
    assert str(received) == "the moon is full [Lunatic ELUNE]"
    assert str(error_from_answer("no")) == "no"


def test_a_bare_error_says_the_same_and_has_seen_nothing() -> None:
    with pytest.raises(Refused) as caught:
        raise Refused("no", code="EXTRA", name="Other")
    bare = caught.value.bare()
    assert (type(bare), str(bare)) == (Refused, "no [Other EXTRA]")
    assert bare.__traceback__ is None
