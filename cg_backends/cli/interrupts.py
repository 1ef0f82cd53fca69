"""Ctrl-C, once there is something to be half done: it is heard, and is no exception any more.

Whoever does the work asks whether it was pressed, and what has been done is told before the process
ends. So it is heard from then on to the end of the process.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

import click

_KEY: Final = "cg.interrupts"
_LOOK: Final = 0.1  # seconds


class Interrupts:
    """Ctrl-C, heard from now on. A third one ends the process at once, whatever it does."""

    def __init__(self) -> None:
        self._count = 0
        self._happened: SimpleQueue[object] = SimpleQueue()  # signal handlers may put into it
        self._previous = signal.getsignal(signal.SIGINT)
        click.get_current_context().meta[_KEY] = self
        # Else a shell has us ignore it, which runs us in the background.
        if self._previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)

    def wait(self) -> object:
        """Wait for Ctrl-C, which is None, or for what is told."""
        while True:
            # A signal that comes just before Python waits does not end the wait.
            with suppress(Empty):
                return self._happened.get(timeout=_LOOK)

    def tell(self, what: object) -> None:
        """Wake up who waits, and tell it something; from any thread."""
        self._happened.put(what)

    def end(self) -> bool:
        """Hear no more; whether it ever was pressed."""
        signal.signal(signal.SIGINT, self._previous)
        return self._count > 0

    def _hear(self, *_: object) -> None:
        self._count += 1
        if self._count > 1:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._happened.put(None)


def heard_in(context: click.Context) -> Interrupts | None:
    """What a command has heard Ctrl-C by, if it did any work."""
    found: Interrupts | None = context.meta.get(_KEY)
    return found
