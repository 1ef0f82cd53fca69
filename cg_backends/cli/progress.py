"""Progress on a terminal: how many, how fast, how long still."""

# ruff: noqa: PLC0415 - rich is for those who look at it

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WORTH_SHOWING = 20  # requests; fewer are done before anybody has looked
_ROOM_FOR_RATE, _ROOM_FOR_BAR = 30, 60  # columns of the terminal


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show a bar while the work lasts, if somebody looks at stderr.

    Args:
        title: what is being done.
        total: how many requests there are.

    Yields:
        What is told how many more are done.
    """
    if total < _WORTH_SHOWING or not sys.stderr.isatty():
        yield lambda _: None
        return

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.speed
            return Text("" if speed is None else f"{speed:,.{0 if speed >= 10 else 1}f}/s")

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [MofNCompleteColumn(), TimeRemainingColumn()]
    if console.width >= _ROOM_FOR_RATE:
        columns.insert(1, RateColumn())
    if console.width >= _ROOM_FOR_BAR:
        columns[:0] = [TextColumn("{task.description}"), BarColumn()]
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
