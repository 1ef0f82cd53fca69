"""asyncio and trio behind one face, so that a test can stop what runs at any of its steps."""

from __future__ import annotations

import abc
import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

import attrs
import trio

import cg_backends.asyncio
import cg_backends.trio
from cg_core import AsyncClient

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, object]]


class How(enum.Enum):
    """By what work is stopped."""

    CANCEL = "its task, or its scope, is cancelled"
    TIMEOUT = "the time around it is over"


@attrs.frozen
class Cut:
    """What came of stopping some work.

    Attributes:
        was_tried: whether the work was still going on at the step in question.
        was_felt: whether the work was stopped; it may have had nothing more to wait for.
    """

    was_tried: bool
    was_felt: bool


@attrs.frozen
class Bell:
    """Any thread may ring it, once."""

    ring: Callable[[], object]
    wait: Callable[[], Awaitable[object]]


class Runtime(abc.ABC):
    """One of the two."""

    name: str

    @abc.abstractmethod
    def connect(self, url: str, **options: Any) -> AsyncClient:
        """A client of this runtime's backend."""

    @abc.abstractmethod
    def run(self, main: Callable[[], Coroutine[Any, Any, T]], *, debug: bool = False) -> T:
        """Run an async function; fail where it leaves a task, or a fault that nobody has seen."""

    @abc.abstractmethod
    async def cut(self, step: int, work: Work, how: How, *, again: int | None = None) -> Cut:
        """Do some work, and stop it at a step: when tasks have gone on so many times.

        Step 0 comes after the work has begun to wait, step -1 before it begins.

        Args:
            step: when to stop it.
            work: what to do, in one task.
            how: by what.
            again: so many steps later it is cancelled once more. (On trio it is all the time.)
        """

    @abc.abstractmethod
    def tasks(self) -> set[object]:
        """All tasks there are."""

    @abc.abstractmethod
    async def beside(self, work: Work, meanwhile: Callable[[], Awaitable[T]]) -> T:
        """Do some work in a task of its own, and something else meanwhile; wait for both."""

    @abc.abstractmethod
    async def until(self, work: Work, end: Callable[[], Awaitable[object]]) -> None:
        """Do some work in a task of its own, which is cancelled when something else is done."""

    @abc.abstractmethod
    def bell(self) -> Bell:
        """A bell that a task waits for, and any thread rings."""


class _SteppedLoop(asyncio.SelectorEventLoop):
    """Counts what is called soon: each step of a task is."""

    def __init__(self) -> None:
        super().__init__()
        self._alarms: dict[Callable[[], object], int] = {}

    def at_step(self, step: int, then: Callable[[], object]) -> None:
        self._alarms[then] = step

    def never(self) -> None:
        self._alarms.clear()

    def call_soon(  # type: ignore[override] # what it is called with is its caller's business
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        for then, step in tuple(self._alarms.items()):
            self._alarms[then] = step - 1
            if step == 0:
                del self._alarms[then]
                super().call_soon(then)
        return handle


class Asyncio(Runtime):
    """asyncio."""

    name = "asyncio"

    def connect(self, url: str, **options: Any) -> AsyncClient:
        return cg_backends.asyncio.connect(url, **options)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]], *, debug: bool = False) -> T:
        faults: list[dict[str, Any]] = []

        async def watched() -> T:
            before = self.tasks()
            result = await main()
            assert self.tasks() == before
            return result

        with asyncio.Runner(debug=debug, loop_factory=_SteppedLoop) as runner:
            runner.get_loop().slow_callback_duration = 60  # how fast it is, is not the question
            runner.get_loop().set_exception_handler(lambda _, context: faults.append(context))
            result = runner.run(watched())
        assert faults == []
        return result

    async def cut(self, step: int, work: Work, how: How, *, again: int | None = None) -> Cut:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _SteppedLoop)
        was_tried = was_felt = False
        limit = asyncio.timeout(0 if step < 0 and how is How.TIMEOUT else None)

        async def limited() -> None:
            async with limit:
                await work()

        def stop() -> None:
            nonlocal was_tried
            if not task.done():
                was_tried = True
                if how is How.CANCEL:
                    task.cancel()
                elif step >= 0:
                    limit.reschedule(loop.time())

        loop.at_step(step, stop)
        if again is not None:
            loop.at_step(step + again, lambda: task.cancel())  # noqa: PLW0108 # there is no task yet
        task = loop.create_task(limited())
        if step < 0:
            stop()
        try:
            await task
        except asyncio.CancelledError:
            assert how is How.CANCEL
            was_felt = True
        except TimeoutError:
            assert how is How.TIMEOUT
            was_felt = True
        finally:
            loop.never()
        return Cut(was_tried, was_felt)

    def tasks(self) -> set[object]:
        return set(asyncio.all_tasks())

    async def beside(self, work: Work, meanwhile: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work())
            return await meanwhile()

    async def until(self, work: Work, end: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.get_running_loop().create_task(work())
        try:
            await end()
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()

    def bell(self) -> Bell:
        rung = asyncio.Event()
        loop = asyncio.get_running_loop()
        return Bell(lambda: loop.call_soon_threadsafe(rung.set), rung.wait)


class _Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    def __init__(self, step: int, then: Callable[[], object]) -> None:
        self._left = step
        self._then = then

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._left == 0:
            self._then()
        self._left -= 1


class Trio(Runtime):
    """trio."""

    name = "trio"

    def connect(self, url: str, **options: Any) -> AsyncClient:
        return cg_backends.trio.connect(url, **options)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]], *, debug: bool = False) -> T:
        async def watched() -> T:
            before = self.tasks()
            result = await main()
            assert self.tasks() == before
            return result

        return trio.run(watched)

    async def cut(self, step: int, work: Work, how: How, *, again: int | None = None) -> Cut:
        was_tried = False
        scope = trio.CancelScope()

        def stop() -> None:
            nonlocal was_tried
            was_tried = True
            if how is How.CANCEL:
                scope.cancel()
            else:
                scope.deadline = trio.current_time()

        steps = _Steps(step, stop)
        trio.lowlevel.add_instrument(steps)
        if step < 0:
            stop()
        try:
            with scope:
                await work()
        finally:
            trio.lowlevel.remove_instrument(steps)
        return Cut(was_tried, scope.cancelled_caught)

    def tasks(self) -> set[object]:
        root = trio.lowlevel.current_root_task()
        assert root is not None  # it runs
        found: set[object] = set()
        rest = [root]
        while rest:
            task = rest.pop()
            found.add(task)
            rest += [each for nursery in task.child_nurseries for each in nursery.child_tasks]
        return found

    async def beside(self, work: Work, meanwhile: Callable[[], Awaitable[T]]) -> T:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            return await meanwhile()

    async def until(self, work: Work, end: Callable[[], Awaitable[object]]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await end()
            nursery.cancel_scope.cancel()

    def bell(self) -> Bell:
        rung = trio.Event()
        token = trio.lowlevel.current_trio_token()
        return Bell(lambda: token.run_sync_soon(rung.set), rung.wait)


RUNTIMES: Final = {runtime.name: runtime for runtime in (Asyncio(), Trio())}
