"""Progress on a terminal: how many, how fast, how long still."""

# ruff: noqa: PLC0415 - rich is for those who look at it

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WORTH_SHOWING = 20  # requests; fewer are done before anybody has looked


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
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(count: int) -> None:
            bar.advance(task, count)
            speed = bar.tasks[0].speed
            bar.update(task, rate="" if speed is None else f"{speed:,.0f}/s")

        yield advance
