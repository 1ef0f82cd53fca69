"""Requests, built and checked, against an attrs class of the same fields that checks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version

import attrs

from benchmarks.measure import Figure, Work, compare
from cg_core import AddJob, CreateGroup, ListJobs

JOB = "P+Y4IApeFQLrYS2W7MkVg7"


@attrs.frozen
class Unchecked:
    """What the least checked request could be."""

    group: object
    job: object = None
    join_key: object = None


def figures(*, quick: bool) -> Iterator[Figure]:
    """The commonest, the one with credentials, the largest."""
    works: dict[str, Work] = {
        "ListJobs(7)": partial(ListJobs, 7),
        "AddJob(7, job)": partial(AddJob, 7, JOB),
        "AddJob(7, job, key, secret)": partial(AddJob, 7, JOB, join_key="k", join_secret="s"),
        "CreateGroup(name, key, secret)": partial(
            CreateGroup, "render farm", join_key="k", join_secret="s"
        ),
    }
    peer = partial(Unchecked, 7, JOB, "k")
    for name, work in works.items():
        yield compare(
            f"{name}, built and checked", work,
            f"class of attrs {version('attrs')}, unchecked", peer, goal=None, quick=quick,
        )  # fmt: skip
