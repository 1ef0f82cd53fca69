"""What clients of a service have besides what all clients have (tests/backends/conformance.py)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import cg_backends.asyncio
import cg_backends.memory
import cg_backends.sync
import cg_backends.trio
from tests.backends.remote import BACKENDS

# One line swaps them


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any, str]]:
    """Names, kinds, defaults and types; httpx has a client of each kind."""
    return [
        (each.name, each.kind, each.default, each.annotation.replace("AsyncClient", "Client"))
        for each in inspect.signature(function).parameters.values()
    ]


def documented(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").replace("an `async with`", "a `with`")


def test_connect_has_one_signature_and_one_text_on_all_three() -> None:
    sync, *others = (module.connect for module in BACKENDS.values())
    for other in others:
        assert parameters(other) == parameters(sync)
        assert documented(other) == documented(sync)
    for name in inspect.signature(sync).parameters:
        assert f"\n    {name}: " in documented(sync)


@pytest.mark.parametrize(
    "in_memory", [cg_backends.memory.connect, cg_backends.memory.connect_async]
)
def test_the_in_memory_backend_takes_what_the_others_take(in_memory: Callable[..., Any]) -> None:
    remote = inspect.signature(cg_backends.sync.connect).parameters
    memory = inspect.signature(in_memory).parameters
    assert memory.keys() - remote.keys() == {"world"}
    assert {name: memory[name].kind for name in remote} == {
        name: remote[name].kind for name in remote
    }


@pytest.mark.parametrize(
    "made",
    [
        cg_backends.asyncio.AsyncioClient,
        cg_backends.trio.TrioClient,
    ],
)
def test_the_asynchronous_clients_have_the_methods_that_they_inherit(made: type) -> None:
    own = {name for name in vars(made) if not name.startswith("_")}
    assert own == {"call", "aclose"}
    assert {name for name in vars(cg_backends.sync.SyncClient) if name[0] != "_"} == {
        "call",
        "close",
    }
