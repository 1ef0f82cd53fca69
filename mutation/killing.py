"""A pytest plugin: runs the tests once, and then, for each mutant, those that ran its lines.

The first run tells which test runs which lines, and for how long. Each mutant lives in a fork of
the process that has collected the tests and warmed up: the code of one function is exchanged
there, and its tests run until one fails, the shortest first. Where a change is in what is done at
import, or in what runs then alone, or where none failed (what a function makes once may be kept),
all is imported anew, and the module's own tests run.
"""

from __future__ import annotations

import gc
import io
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

import attrs
import coverage
import pytest
from hypothesis import Phase, settings

from mutation.mutants import functions, mutants

# Shrinking would take time, and nobody looks at the example.
settings.register_profile(
    "mutation", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)  # fmt: skip
OPTIONS: Final = (
    "-p", "no:cacheprovider", "--hypothesis-profile", "mutation",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis, which is imported above
)  # fmt: skip
_ROOT = Path(__file__).parent.parent
_MEMORY = 6 * 2**30
# A test may take as many times the CPU time that it took before, and these seconds.
_TIMES: Final = 10
_SECONDS: Final = 5


@attrs.define
class Killing:
    """The plugin.

    Attributes:
        modules: the files of the modules to change.
        share: how much of the mutants, an even sample.
        budget: seconds of CPU time for one mutant.
        workers: how many mutants at once.
        results: the file that gets a line for each.
    """

    modules: list[Path]
    share: float
    budget: float
    workers: int
    results: Path
    _seconds: dict[str, float] = attrs.field(factory=dict, init=False)
    _ran: dict[Path, Mapping[int, Collection[str]]] = attrs.field(factory=dict, init=False)
    _failed: str = attrs.field(default="", init=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember that a test failed."""
        if report.failed:
            self._failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests, and then the mutants."""
        self._run_all(session.items)
        if self._failed:
            raise pytest.UsageError(f"{self._failed} fails with nothing changed")
        gc.collect()
        gc.freeze()  # what is not visited is not copied by forks

        def work(number: int) -> Callable[[], None]:
            return lambda: self._work(number, session)

        workers = [_forked(work(number)) for number in range(self.workers)]
        if sum(os.waitpid(worker, 0)[1] for worker in workers):
            raise pytest.UsageError("a worker failed; not all mutants were tried")
        return True

    def _run_all(self, items: list[pytest.Item]) -> None:
        files = list(map(str, self.modules))
        watch = coverage.Coverage(data_file=None, config_file=False, include=files)
        watch.start()
        for item, following in zip(items, [*items[1:], None], strict=True):
            watch.switch_context(item.nodeid)
            begun = time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            self._seconds[item.nodeid] = time.process_time() - begun
        watch.stop()
        for path in self.modules:
            self._ran[path] = watch.get_data().contexts_by_lineno(str(path))

    def _work(self, number: int, session: pytest.Session) -> None:
        session.config.pluginmanager.unregister(name="terminalreporter")
        tests = {item.nodeid: item for item in session.items}
        living: dict[CodeType, list[FunctionType]] = {}
        gc.unfreeze()
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                living.setdefault(each.__code__, []).append(each)
        gc.freeze()
        sample = random.Random(0)  # the same sample each time
        for path, ran in self._ran.items():
            code = compile(path.read_text(), path, "exec")
            old = functions(code)
            chosen = [each for each in mutants(path) if sample.random() < self.share]
            for mutant in chosen[number :: self.workers]:
                new = functions(mutant.code)
                changed = next((key for key in old if new.get(key, old[key]) != old[key]), None)
                ways = []
                if changed and (to_run := self._running(ran, mutant.line, old[changed])):
                    of_function = living.get(old[changed], [])
                    run = [tests[name] for name in to_run]
                    ways.append(self._in_function(of_function, new[changed], run))
                if mutant.code != code:
                    ways.append(self._at_import(path, mutant.code))
                if ways:  # else it is the same to Python
                    module = str(path.relative_to(_ROOT))
                    told = [module, mutant.line, mutant.change, *_verdict(ways)]
                    with self.results.open("a") as results:
                        results.write(json.dumps(told) + "\n")

    def _running(self, ran: Mapping[int, Collection[str]], line: int, code: CodeType) -> list[str]:
        # The tests that run a line, or else its function. If none runs the function, what runs the
        # line is made of it at import, and keeps the code that it had.
        names = {name for _, _, one in code.co_lines() for name in ran.get(one or 0, ())}
        if names:
            names = set(ran.get(line, ())) or names
        return sorted(names & self._seconds.keys(), key=self._seconds.__getitem__)

    # In a fork. It writes each test before it runs, so that it is known where this ends.

    def _in_function(
        self, living: list[FunctionType], code: CodeType, to_run: list[pytest.Item]
    ) -> Callable[[int], str]:
        def live(writing: int) -> str:
            for function in living:
                if function.__code__.co_freevars != code.co_freevars:
                    return "open"  # as where `super()` is left out: Python exchanges no such thing
                function.__code__ = code
            begun = time.process_time()
            for item in to_run:
                before = self._seconds[item.nodeid]
                if time.process_time() - begun + before > self.budget:
                    return "open"
                os.write(writing, f"{item.nodeid}\n".encode())
                signal.setitimer(signal.ITIMER_PROF, _SECONDS + _TIMES * before)
                item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
                if self._failed:
                    return "killed"
            return "survived"

        return live

    def _at_import(self, path: Path, code: CodeType) -> Callable[[int], str]:
        module = path.relative_to(_ROOT)
        own_tests = Path("tests/core", *module.parts[1:-1], f"test_{module.name}")
        before = sum(
            seconds for name, seconds in self._seconds.items() if name.startswith(f"{own_tests}::")
        )

        def live(writing: int) -> str:
            if not 0 < before < self.budget:
                return "open"
            for name in list(sys.modules):
                if name.partition(".")[0] in {"cg_core", "cg_backends", "tests"}:
                    del sys.modules[name]
            sys.meta_path.insert(0, _Importer(".".join(module.with_suffix("").parts), path, code))
            os.write(writing, f"{own_tests}::\n".encode())
            signal.setitimer(signal.ITIMER_PROF, _SECONDS + _TIMES * before)
            with redirect_stdout(io.StringIO()):
                status = pytest.main([*OPTIONS, "-x", str(own_tests)])
            return "killed" if status else "survived"

        return live


class _Importer(Loader, MetaPathFinder):
    """Imports one module as other code."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self._name:
            return None
        return spec_from_file_location(name, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def _verdict(ways: list[Callable[[int], str]]) -> tuple[str, str]:
    verdict, by = "survived", ""
    for lives in ways:
        verdict, by = _outcome(lives)
        if verdict != "survived":
            break
    return verdict, by


def _outcome(lives: Callable[[int], str]) -> tuple[str, str]:
    reading, writing = os.pipe()

    def live() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        os.write(writing, lives(writing).encode())

    child = _forked(live)
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = lines.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGPROF:
        told.append("timed out")
    elif status:
        told.append("killed")  # it did not even get to a test
    verdict = told.pop()
    return verdict, told[-1] if told else ""


def _forked(do: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException:  # a fork must not go on as its parent does
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child
