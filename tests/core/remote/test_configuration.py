"""Where a scheduler says that compute groups are: as the official reader finds it."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cg_core import ProtocolError
from cg_core.remote.configuration import service_location
from tests.core.json_values import json_values, paths, replaced
from tests.golden import golden
from tests.strategies import any_characters

CONFIGURATIONS = golden("kvin/configurations")["configurations"]
NAMES = ["scheduler", "services", "computeGroups", "location"]
URL = "https://computegroups.example.org/service/"


@pytest.mark.parametrize("entry", CONFIGURATIONS, ids=itemgetter("label"))
def test_golden_configuration(entry: dict[str, Any]) -> None:
    if entry["location"] is not None:
        assert service_location(entry["text"]) == entry["location"]
    else:
        no_url = ("its location is NaN", "its location is false", "its location is a function")
        fault = "that is no URL" if entry["label"] in no_url else "no services.computeGroups"
        with pytest.raises(ProtocolError) as caught:
            service_location(entry["text"])
        assert fault in str(caught.value)


def test_the_golden_data_has_references_on_the_way() -> None:
    """Else the numbers of objects would go untested."""
    assert sum('"computeGroups":{"seen":' in entry["text"] for entry in CONFIGURATIONS) >= 5
    assert sum('"location":{"seen":' in entry["text"] for entry in CONFIGURATIONS) >= 10


# A writer of KVIN, to be read.


class Thing:
    """An object, an array or a URL; it may be in itself."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.members: list[Any] = []


def prepared(value: Any, seen: list[Thing]) -> Any:
    """What KVIN writes for a value; `seen` gets the objects in their order."""
    if not isinstance(value, Thing):
        return {"raw": value}
    if value in seen:
        return {"seen": seen.index(value)}
    seen.append(value)
    if value.kind == "url":
        return {"ctr": 18, "ps": {}, "arg": "https://elsewhere.example/"}
    if value.kind == "array":
        return {"arr": [prepared(member, seen) for member in value.members]}
    return {"ctr": 0, "ps": {name: prepared(member, seen) for name, member in value.members}}


def kvin(what: Any) -> str:
    return json.dumps({"_serializeVerId": "v9", "what": what})


@st.composite
def graphs(draw: st.DrawFn) -> Thing:
    """A configuration that names the service, with anything before it and around it."""
    kinds = draw(st.lists(st.sampled_from(["object", "array", "url"]), max_size=6))
    things = [Thing("object"), *map(Thing, kinds)]
    anything: st.SearchStrategy[Any] = st.sampled_from(things) | st.sampled_from(
        [None, 1, "text", {"location": 1}, []]
    )
    for thing in things:
        values = draw(st.lists(anything, max_size=3))
        for place, value in enumerate(values):
            thing.members.append((f"name{place}", value) if thing.kind == "object" else value)
    way = things[0]
    for name in NAMES[:-1]:
        step = draw(st.sampled_from([thing for thing in things if thing.kind == "object"]))
        # One object may be several steps; then it has several of the names.
        step = dict(way.members).get(name, step)
        if name not in dict(way.members):
            way.members.insert(draw(st.integers(0, len(way.members))), (name, step))
        way = step
    if "location" not in dict(way.members):
        location = Thing("url")
        way.members.append(("location", location))
        way = draw(st.sampled_from([thing for thing in things if thing.kind == "array"] or [way]))
        if way.kind == "array":
            way.members.append(location)
    return things[0]


@given(graphs())
def test_the_location_is_found_wherever_it_is_written(graph: Thing) -> None:
    seen: list[Thing] = []
    what = prepared(graph, seen)
    location = graph
    for name in NAMES:
        location = dict(location.members)[name]
    # Now that it is known which URL it is, that one alone gets its text.
    numbers = [number for number, thing in enumerate(seen) if thing.kind == "url"]
    assert location in seen
    texts = iter(URL if seen[number] is location else "https://no.example/" for number in numbers)
    assert service_location(kvin(with_texts(what, texts))) == URL


def with_texts(value: Any, texts: Any) -> Any:
    if isinstance(value, dict) and "arg" in value:
        return value | {"arg": next(texts)}
    if isinstance(value, dict) and "arr" in value:
        return {"arr": [with_texts(item, texts) for item in value["arr"]]}
    if isinstance(value, dict) and "ps" in value:
        return value | {"ps": {name: with_texts(each, texts) for name, each in value["ps"].items()}}
    return value


def nested(location: Any) -> Any:
    value = location
    for name in reversed(NAMES):
        value = {"ctr": 0, "ps": {name: value}}
    return value


def test_plain_json_will_do() -> None:
    plain = {"scheduler": {"services": {"computeGroups": {"location": URL}}}}
    assert service_location(kvin({"raw": plain})) == URL
    assert service_location(kvin(nested({"raw": URL}))) == URL


# What nobody should publish.

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
members = st.sampled_from(
    [*NAMES, "ctr", "ps", "arg", "arr", "raw", "seen", "lst", "undefined", "isl", "set", "len"]
)
values = json_values(scalars | st.integers(0, 9), members)


def assert_read_or_refused(text: str) -> None:
    try:
        assert isinstance(service_location(text), str)
    except ProtocolError as error:
        assert error.__context__ is None or error.__suppress_context__  # noqa: PT017 # and if not


@given(st.text(any_characters))
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="not KVIN"):
        service_location(text)


@given(values)
def test_what_is_no_kvin_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError):
        service_location(json.dumps(value))


@given(values | values.map(nested))
@example({"seen": 0})
@example(nested({"seen": -1}))
@example(nested({"seen": 10**30}))
@example(nested({"seen": {"seen": 0}}))
@example(nested({"ctr": "process.exit(1)", "arg": URL}))
@example(nested({"ctr": 18, "arg": [URL]}))
def test_what_could_be_kvin_is_read_or_refused(value: Any) -> None:
    assert_read_or_refused(kvin(value))


@given(st.data(), st.sampled_from(CONFIGURATIONS), values)
def test_what_is_spoilt_is_read_or_refused(data: st.DataObject, entry: Any, value: Any) -> None:
    whole = json.loads(entry["text"])
    place = data.draw(st.sampled_from(list(paths(whole))))
    assert_read_or_refused(json.dumps(replaced(whole, place, value)))


@pytest.mark.parametrize("version", ["v3", "v10", "", None, 9])
def test_another_version_is_refused(version: Any) -> None:
    text = json.dumps({"_serializeVerId": version, "what": nested({"raw": URL})})
    with pytest.raises(ProtocolError, match="not KVIN of a known version"):
        service_location(text)


def test_another_class_is_no_url() -> None:
    for kind in (0, 19, "dcpEth$$Address", "Function"):
        with pytest.raises(ProtocolError, match="that is no URL"):
            service_location(kvin(nested({"ctr": kind, "ps": {}, "arg": URL})))


@pytest.mark.parametrize(
    ("before", "number"),
    [
        ({"set": {"arr": [{"ctr": 0}]}}, 1),
        ({"mapKeys": {"arr": []}, "mapVals": {"arr": []}}, 1),
        ({"arr": [], "isl": [{"@": 3, "arr": [{"ctr": 0}]}], "len": 9}, 2),
        ({"arr": [1, {"lst": 10**9}]}, 2),
        ({"arr": [{"ctr": 0}, {"lst": 10**9}]}, 10**9 + 3),
    ],
    ids=["set", "map", "sparse array", "long array", "long array of objects"],
)
def test_a_number_that_cannot_be_known_is_refused(before: Any, number: int) -> None:
    """The wrong object would be worse than none. Without a reference there is no harm in it."""
    url = {"ctr": 18, "ps": {}, "arg": URL}
    shared = {"ctr": 0, "ps": {"before": before, "url": url, **nested({"seen": number})["ps"]}}
    with pytest.raises(ProtocolError, match=r"no services\.computeGroups"):
        service_location(kvin(shared))
    unshared = {"ctr": 0, "ps": {"before": before, **nested(url)["ps"]}}
    assert service_location(kvin(unshared)) == URL


def test_no_text_is_too_deep_to_be_refused() -> None:
    for opening, closing in (("[", "]"), ('{"ctr":0,"ps":{"scheduler":', "}}")):
        deep = opening * 8_000 + "1" + closing * 8_000
        with pytest.raises(ProtocolError):
            service_location(f'{{"_serializeVerId":"v9","what":{deep}}}')


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    text = kvin(nested({"raw": URL}))
    assert service_location(text.ljust(2**18)) == URL
    with pytest.raises(ProtocolError, match="262145 characters"):
        service_location(text.ljust(2**18 + 1))
