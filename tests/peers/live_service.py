"""The service that we ship, live: in a thread of the test process, or as `cg serve` runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from anyio.from_thread import BlockingPortal, start_blocking_portal

from cg_backends.memory import World
from cg_backends.random_text import random_text
from cg_backends.service.application import Application
from cg_backends.service.execution import Store
from cg_backends.service.http_server import HTTPServer
from cg_backends.service.listening import listen
from cg_backends.service.socket_limits import SocketLimits
from cg_core import Address, Caller, ComputeGroupsError, Identity, Request
from cg_core.service import Service, ServiceLimits

IDENTITY: Final = Identity(b"\2" * 32)
PATIENCE: Final = 30  # seconds after which a test that waits has failed


class Worlds:
    """A store that is a world in memory, and another one whenever a test wishes.

    Attributes:
        world: the one of now.
    """

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    def execute_all(self, asked: Sequence[tuple[Request[Any], Caller]]) -> list[object]:
        return [self._outcome(*each) for each in asked]

    def _outcome(self, request: Request[Any], caller: Caller) -> object:
        try:
            return self.world.execute(request, caller)
        except ComputeGroupsError as error:
            return error


class LiveService:
    """A service that is up, in a thread. Its methods are called in the test's thread.

    Attributes:
        address: whose name it signs with.
        port: where it listens, on 127.0.0.1.
        url: the same, for a client.
        http: its sockets.
    """

    def __init__(
        self,
        store: Store,
        portal: BlockingPortal,
        *,
        identity: Identity = IDENTITY,
        limits: ServiceLimits | None = None,
        sockets: SocketLimits | None = None,
        port: int = 0,
    ) -> None:
        self.address = identity.address
        self._portal = portal
        service = Service(identity, random_text, limits=limits)
        self._application = Application(service, store)
        self.http = HTTPServer(self._application, sockets or SocketLimits())
        listener = listen("127.0.0.1", port)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        portal.call(self.http.start, listener)

    def stop(self) -> None:
        """Say goodbye to all, and go."""
        self._portal.call(self._application.stop, PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Go at once, without a goodbye; the port is free."""
        self._portal.call(self.http.stop, 0)
        self._portal.call(self._application.stop, 0)


@contextmanager
def live_service(store: Store | None = None, **options: Any) -> Iterator[LiveService]:
    """A service within a `with`, over a store; a world in memory if none is given."""
    with start_blocking_portal() as portal:
        service = LiveService(store or Worlds(), portal, **options)
        try:
            yield service
        finally:
            service.kill()


class CGServe:
    """`cg serve` as a process.

    Attributes:
        url: where it is.
        address: whose name it signs with.
        greeting: its first lines.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str],
        environment: dict[str, str],
        module: str = "cg_backends.cli",
    ) -> None:
        self._log = (folder / f"serve-{len(list(folder.iterdir()))}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", *options],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"DCP_RESOURCE_DIR": str(folder)} | environment,
        )
        try:
            self.greeting = self._greeting()
        except BaseException:
            self.close()
            raise
        self.url = self._found(r"^Serving compute groups at (\S+)$")
        self.address = Address(self._found(r"^as (\S+)"))

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return Path(self._log.name).read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; its exit status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> int:
        """Tell it to end, and wait for that; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def _greeting(self) -> str:
        # An empty line follows the last of the lines for dcp-client.
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if line == "\n" and "dcp-client" in "".join(lines):
                return "".join(lines)
        raise RuntimeError(f"cg serve ended with {self._process.wait(PATIENCE)}:\n{self.log}")

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.greeting, re.MULTILINE)
        assert found is not None, self.greeting
        return found[1]


@contextmanager
def cg_serve(
    folder: Path,
    *options: str,
    listen_on: str = "127.0.0.1:0",
    module: str = "cg_backends.cli",
    **environment: str,
) -> Iterator[CGServe]:
    """`cg serve` within a `with`, whose files are in a folder.

    Args:
        folder: for its store and its key.
        options: of its command line.
        listen_on: where it listens.
        module: what is run.
        environment: variables of its environment.
    """
    process = CGServe(folder, ["--listen", listen_on, *options], environment, module)
    try:
        yield process
    finally:
        process.close()
