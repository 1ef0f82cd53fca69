"""JSON values: any of them, places in them, and what was made of them."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st


def json_values(
    scalars: st.SearchStrategy[Any], members: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    """Any JSON value of these scalars, with these members more often than with others."""
    return st.recursive(
        scalars,
        lambda values: st.lists(values, max_size=4) | st.dictionaries(members | st.text(), values),
        max_leaves=12,
    )


Path = tuple[int | str, ...]


def paths(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """Where in a JSON value there is something."""
    yield so_far
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*so_far, key))
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from paths(item, (*so_far, place))


def inmost_first(value: Any) -> list[Path]:
    """All places, each before those that it is inside of: what replaces one leaves the rest."""
    return sorted(paths(value), key=len, reverse=True)


def replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return changed


def inside(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def is_of(value: Any, kind: Any) -> bool:
    """Whether a value is what an annotation says, all the way down."""
    origin = get_origin(kind)
    if kind in (Any, object):
        return True
    if origin is Literal:
        return value in get_args(kind)
    if origin in (Union, types.UnionType):
        return any(is_of(value, member) for member in get_args(kind))
    if origin is tuple:
        return isinstance(value, tuple)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if not attrs.has(kind):
        return True
    hints = get_type_hints(kind)
    return all(is_of(getattr(value, field.name), hints[field.name]) for field in attrs.fields(kind))
