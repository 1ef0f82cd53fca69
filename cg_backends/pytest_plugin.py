"""Fixtures for the tests of programs that use compute groups.

pytest finds this module by itself where the package is installed. In a test:

    def test_render(compute_groups):
        farm = compute_groups.create("render farm")
        my_program.deploy(compute_groups, farm)
        assert compute_groups.list_jobs(farm) == ("P+Y4IApeFQLrYS2W7MkVg7",)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cg_backends.memory import MemoryClient, World

# A backend is imported when a fixture is used, so that other people's tests start no later.
pytest.register_assert_rewrite("cg_backends.conformance")  # its assertions are explained, too


@pytest.fixture
def compute_groups_world() -> Iterator[World]:
    """An empty in-memory world: `compute_groups_world.connect(identity)` gives its clients.

    What `cg_backends.memory.connect(url)` keeps by URL is forgotten before and after.
    """
    from cg_backends.memory import World, forget_worlds  # noqa: PLC0415

    forget_worlds()
    yield World()
    forget_worlds()


@pytest.fixture
def compute_groups(compute_groups_world: World) -> Iterator[MemoryClient]:
    """A sync client of `compute_groups_world`, for one caller."""
    with compute_groups_world.connect() as client:
        yield client
