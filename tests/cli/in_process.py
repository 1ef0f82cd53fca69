"""`cg`, run in this process: where what it does counts, and neither a terminal nor a start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO, TextIOWrapper
from typing import Any
from unittest.mock import patch

from cg_backends.cli.application import cg
from cg_backends.cli.calls import Answer, Work
from cg_backends.cli.ending import run
from cg_backends.cli.place import Place, PlaceOptions
from cg_core import PUBLIC_GROUP, CreateGroup, GetGroup, Request
from tests.cli.processes import ENVIRONMENT, Ended, Home


class Typed(BytesIO):
    """What somebody types: a stdin that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@contextmanager
def _streams(stdin: bytes | Typed) -> Iterator[tuple[BytesIO, BytesIO]]:
    typed = stdin if isinstance(stdin, Typed) else BytesIO(stdin)
    files = typed, BytesIO(), BytesIO()
    with ExitStack() as patches:
        for name, file in zip(("stdin", "stdout", "stderr"), files, strict=True):
            text = TextIOWrapper(file, encoding="utf-8", write_through=True)
            patches.callback(text.detach)  # closing it would close what was written
            patches.enter_context(patch.object(sys, name, text))
        yield files[1:]


def run_here(home: Home, *arguments: str, stdin: bytes | Typed = b"", **variables: str) -> Ended:
    """Run `cg` as `home.cg` does, in this process."""
    environment = ENVIRONMENT | home.environment(**variables)
    with patch.dict(os.environ, environment, clear=True), _streams(stdin) as (stdout, stderr):
        status = run(cg, arguments)
    return Ended(status, stdout.getvalue().decode(), stderr.getvalue().decode())


class Recorder:
    """An executor that takes down what is asked, and says that it was done."""

    def __init__(self) -> None:
        self.requests: list[Request[Any]] = []

    def carry_out(self, work: Work) -> None:
        """See `Executor`."""
        while batch := work.take(1):
            ((index, request),) = batch
            self.requests.append(request)
            work.answer(index, Answer(self._result(request)))

    def _result(self, request: Request[Any]) -> object:
        if isinstance(request, CreateGroup):
            return 2
        return PUBLIC_GROUP.shown() if isinstance(request, GetGroup) else ()


def requests_of(*arguments: str, stdin: bytes = b"", **variables: str) -> list[Request[Any]]:
    """What a command line that is in order asks of the core."""
    recorder = Recorder()
    place = lambda _, *, as_json: Place(recorder, as_json)  # noqa: E731 - of one use
    with (
        patch.object(PlaceOptions, "place", place),
        patch.dict(os.environ, variables),
        _streams(stdin) as (_, stderr),
    ):
        status = run(cg, arguments)
    assert status == 0, stderr.getvalue().decode()
    return recorder.requests
