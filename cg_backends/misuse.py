"""An asynchronous client is used in one `async with`, in one event loop: the errors otherwise."""

from __future__ import annotations

from cg_core import ClientClosed


def not_open() -> ClientClosed:
    """A call outside of the client's `async with`."""
    return ClientClosed(
        "this client is not open; use it within `async with connect(...) as groups`"
    )


def wrong_library(own: str) -> ClientClosed:
    """An `async with` that does not run in an event loop of the backend's own library."""
    return ClientClosed(
        f"no event loop of {own}'s runs here; connect by the backend of the one that does, "
        "cg_backends.asyncio or cg_backends.trio"
    )


def used_before() -> ClientClosed:
    """A second `async with`."""
    return ClientClosed("this client was used in an `async with` before; connect anew for another")


def open_elsewhere() -> ClientClosed:
    """A call from another event loop, or another thread."""
    return ClientClosed(
        "this client is open in another event loop; use it there, or connect anew in this one"
    )
