"""Where a scheduler's configuration says that compute groups are served.

A scheduler publishes its configuration as KVIN: JSON in which an object says what it stands for.

    {"ctr": 0, "ps": {...}}             an object and its properties; `ctr` is its class
    {"ctr": 18, "arg": "https://..."}   an object of another class, here a URL
    {"arr": [..., {"lst": 2}]}          an array; its last item stands there twice more
    {"raw": ...}                        plain JSON
    {"undefined": true}                 undefined
    {"seen": 3}                         an object or array that was there before, by its number

The one property that is wanted is looked up in the text as it was parsed. Nothing is built from it,
so no class that it names is looked for, and a cycle is as good as a tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cg_core.ecmascript_json import JSONValue, parse
from cg_core.errors import ProtocolError

_VERSIONS: Final = ("v8", "v9")  # what dcp-client 5 writes; a class has one number in both
_LONGEST_TEXT: Final = 2**18  # characters; a scheduler has a tenth of that to say
_MOST_STEPS: Final = 2**18  # all that so long a text can ask for, but for {"lst": 1000000000}

_HOME: Final = ("scheduler", "services", "computeGroups", "location")


def service_location(text: str) -> str:
    """The URL of the service of compute groups that a scheduler names, as it is written there.

    Args:
        text: what the scheduler publishes at `/etc/dcp-config.kvin`.

    Raises:
        ProtocolError: it is no KVIN, or there is no URL in `scheduler.services.computeGroups`.
    """
    top = _top(text)
    value = top
    for name in _HOME:
        value = _property(value, name, top)
        if value is None:
            raise ProtocolError(
                "the scheduler publishes no services.computeGroups that has a location; ask its "
                "operator, or give the URL of the service in place of the scheduler's"
            )
    match value:
        case {"ctr": 18 | "URL" | "dcpUrl$$DcpURL", "arg": str(url)} | {"raw": str(url)}:
            return url
        case _:
            raise ProtocolError(
                "the scheduler publishes a services.computeGroups.location that is no URL"
            )


def _top(text: str) -> JSONValue:
    if len(text) > _LONGEST_TEXT:
        raise ProtocolError(
            f"the scheduler's configuration has {len(text)} characters; "
            f"more than {_LONGEST_TEXT} are not read"
        )
    try:
        value = parse(text)
    except ProtocolError as error:
        raise ProtocolError(f"the scheduler's configuration is not KVIN: {error.message}") from None
    match value:
        case {"_serializeVerId": str(version), "what": top} if version in _VERSIONS:
            return top
        case _:
            raise ProtocolError(
                "the scheduler's configuration is JSON, but not KVIN of a known version "
                f"({', '.join(_VERSIONS)})"
            )


def _property(value: JSONValue, name: str, top: JSONValue) -> JSONValue:
    # None is for what is not there, undefined or null.
    found: JSONValue = None
    match value:
        case {"raw": dict(members)}:
            found = {"raw": members.get(name)}
        case {"ctr": _, "ps": dict(members)}:
            found = members.get(name)
    match found:
        case {"raw": None} | {"undefined": _}:
            return None
        case {"seen": number}:
            return next(
                (each for place, each in enumerate(_numbered(top)) if place == number), None
            )
        case _:
            return found


def _numbered(top: JSONValue) -> Iterator[JSONValue]:
    """The objects and arrays, in the order in which KVIN numbers them.

    It ends early at what has numbers that are not known here: a sparse array, a map, a set.
    """
    rows = [iter([top])]
    for _ in range(_MOST_STEPS):
        value = next(rows[-1], _NO_MORE)
        match value:
            case _ if value is _NO_MORE:
                rows.pop()
                if not rows:
                    return
            case {"raw": _} | {"number": _} | {"bigint": _}:
                pass
            case {"isl": _}:
                return
            case {"arr": list(items)}:
                yield value
                rows += _properties(value), _unfolded(items)  # the items come first
            case {"ctr": _}:
                yield value
                rows.append(_properties(value))
            case {"undefined": _} | {"seen": _} | {"json": _}:
                pass
            case dict():
                return


_NO_MORE: Final[dict[str, JSONValue]] = {}


def _properties(value: JSONValue) -> Iterator[JSONValue]:
    match value:
        case {"ps": dict(properties)}:
            yield from properties.values()


def _unfolded(items: list[JSONValue]) -> Iterator[JSONValue]:
    last: JSONValue = None
    for item in items:
        match item:
            case {"lst": int(times)}:
                yield from (last for _ in range(times))
            case _:
                last = item
                yield item
