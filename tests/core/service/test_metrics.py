"""What was counted, in Prometheus' text format, by the rules of that format."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from cg_core.service.metrics import Metrics

OPERATIONS = ("createGroup", "listJobs", "unknown")
OUTCOMES = ("done", "Busy", "NotOwner")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{{{LABEL}(?:,{LABEL})*\}})? (\S+)")

seconds = st.floats(0, 100) | st.sampled_from([0.001, 0.01, 1.0, 10.0])
answers = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(OUTCOMES), seconds))
counts = st.integers(0, 10**6)


class Family(NamedTuple):
    """A metric: its type, and its samples by name and labels."""

    kind: str
    samples: dict[tuple[str, str], float]


def families(text: str) -> dict[str, Family]:
    """What Prometheus reads in a text; it must keep the format."""
    found: dict[str, Family] = {}
    name = told = ""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, told = line.split(" ", 3)
            assert name not in found, "a family stands in one place"
            assert told
        elif line.startswith("# TYPE "):
            _, _, of, kind = line.split(" ")
            assert of == name
            assert name not in found
            assert kind in ("counter", "gauge", "histogram")
            found[name] = Family(kind, {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            sample, labels, value = match.groups("")
            family = found[name]
            suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
            assert sample in [name + suffix for suffix in suffixes]
            assert (sample, labels) not in family.samples, "a sample stands there once"
            assert float(value) >= 0
            family.samples[sample, labels] = float(value)
    return found


def counted(metrics: Metrics, **now: int) -> dict[str, Family]:
    return families(metrics.exposition(**({"connections": 0, "sessions": 0, "waiting": 0} | now)))


@given(answers)
def test_no_answer_is_lost_and_buckets_add_up(answers: list[tuple[str, str, float]]) -> None:
    metrics = Metrics()
    seconds = 0.0
    for answer in answers:
        metrics.answered(*answer)
        seconds += answer[2]  # from Python 3.12 on, sum() is more exact than that
    found = counted(metrics)
    expected = Counter(answer[:2] for answer in answers)
    assert found["compute_groups_requests_total"].samples == {
        ("compute_groups_requests_total", f'{{operation="{operation}",outcome="{outcome}"}}'): count
        for (operation, outcome), count in expected.items()
    }
    name = "compute_groups_request_seconds"
    samples = found[name].samples
    assert samples[f"{name}_count", ""] == len(answers)
    assert samples[f"{name}_sum", ""] == seconds
    bounds = []
    for (sample, labels), count in samples.items():
        if sample == f"{name}_bucket":
            bounds.append(float(labels.removeprefix('{le="').removesuffix('"}')))
            assert count == sum(seconds <= bounds[-1] for *_, seconds in answers)
    # A dashboard's queries name them.
    assert bounds == [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, float("inf"),
    ]  # fmt: skip


@given(counts, counts, counts, counts, counts, st.dictionaries(st.sampled_from(["a", "b"]), counts))
def test_what_there_is_and_what_there_was(
    connections: int, sessions: int, waiting: int, made: int, opened: int, refused: dict[str, int]
) -> None:
    metrics = Metrics(connections=made, sessions=opened, refused=Counter(refused))
    found = counted(metrics, connections=connections, sessions=sessions, waiting=waiting)
    for name, count in {
        "connections": connections,
        "connections_total": made,
        "sessions": sessions,
        "sessions_total": opened,
        "requests_waiting": waiting,
    }.items():
        assert found[f"compute_groups_{name}"].samples == {(f"compute_groups_{name}", ""): count}
    told = found["compute_groups_connections_refused_total"].samples
    assert {labels: count for (_, labels), count in told.items()} == {
        f'{{reason="{reason}"}}': count for reason, count in refused.items()
    }


def test_names_are_as_prometheus_wants_them() -> None:
    for name, family in counted(Metrics()).items():
        assert name.startswith("compute_groups_")
        assert name.endswith("_total") == (family.kind == "counter")
        assert family.kind != "histogram" or name.endswith("_seconds")


def test_memory_is_bounded_by_the_names_of_operations_and_errors() -> None:
    metrics = Metrics()
    for _ in range(1_000):
        metrics.answered("listJobs", "done", 0.5)
    assert len(metrics.exposition(connections=0, sessions=0, waiting=0).splitlines()) < 50
