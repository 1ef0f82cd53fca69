"""A script of this folder under Node, in a process of its own, that speaks JSON lines."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from typing import IO, Any, Final, cast

import pytest

from cg_core.ecmascript_json import JSONValue, parse

HERE: Final = Path(__file__).parent
PATIENCE: Final = 60.0
"""Seconds after which a peer that says nothing has failed. None needs more than one."""


@cache
def missing() -> str | None:
    """Why no script can run here, or None: then all that it needs has been installed."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Node.js and npm are not installed"
    installed = HERE / "node_modules" / ".installed-from"
    with (HERE / "package-lock.json").open(encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process installs, the others wait for it
        wanted = lock.read()
        if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
            npm = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=HERE, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if npm.returncode != 0:
                return f"npm ci failed: {npm.stderr[-1000:]}"
            installed.write_text(wanted, encoding="utf-8")
    return None


class NodeProcess:
    """A running script; see `node_process`."""

    def __init__(
        self,
        script: str,
        options: Sequence[str],
        private_key: str,
        handle: Callable[[NodeProcess, Any], None],
        ended: Callable[[], None],
        folder: str,
    ) -> None:
        self.greeting: Future[Any] = Future()
        self._handle = handle
        self._ended = ended
        self._failure: BaseException | None = None
        self._killed = False
        self._writing = Lock()
        self._process = subprocess.Popen(
            ["node", str(HERE / script), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # Nothing of this machine's own DCP is read, and nothing is left behind.
            env={
                "PATH": os.environ["PATH"], "HOME": folder, "DCP_ETCDIR": folder,
                "DCP_RESOURCE_DIR": folder, "DCP_CONFIG_LOCATION": "",
                "PEER_PRIVATE_KEY": private_key,
            },
        )  # fmt: skip
        self.pid = self._process.pid
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        self._reader = Thread(target=self._read, name=script, daemon=True)
        self._reader.start()

    def write(self, message: JSONValue) -> None:
        """Tell it something, from any thread. Once it has ended nobody hears it."""
        line = json.dumps(message, allow_nan=False) + "\n"
        with self._writing, suppress(BrokenPipeError, ValueError):  # ended; the pipe is closed
            self._stdin.write(line.encode())
            self._stdin.flush()

    def kill(self) -> None:
        """End it at once, as if its machine had failed (SIGKILL)."""
        self._killed = True
        self._process.kill()
        self._process.wait(PATIENCE)

    def end(self) -> None:
        """Let it end, as it does when its stdin does.

        Raises:
            RuntimeError: it had ended by itself.
            Exception: what `handle` raised.
        """
        with self._writing, suppress(BrokenPipeError):
            self._stdin.close()
        try:
            status = self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._reader.join()
            self._stdout.close()
        if self._failure is not None:
            raise self._failure
        if status != 0 and not self._killed:
            raise RuntimeError(f"{self._reader.name} ended with status {status}; see its stderr")

    def _read(self) -> None:
        try:
            for line in self._stdout:
                message = parse(line.decode())
                if self.greeting.done():
                    self._handle(self, message)
                else:
                    self.greeting.set_result(message)
        except BaseException as failure:  # `end` raises it
            self._failure = failure
        finally:
            self.greeting.cancel()
            self._ended()


@contextmanager
def node_process(
    script: str,
    *options: str,
    private_key: str = "",
    handle: Callable[[NodeProcess, Any], None],
    ended: Callable[[], None] = lambda: None,
) -> Iterator[NodeProcess]:
    """A script for the length of a `with` block, from its first line on, the greeting.

    Skips the test where there is no Node.

    Args:
        script: its name in this folder.
        options: its command line.
        private_key: its identity, 64 hex digits.
        handle: is called with each further line, in a thread that reads them.
        ended: is called in that thread when there will be no more.
    """
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with TemporaryDirectory() as folder:
        process = NodeProcess(script, options, private_key, handle, ended, folder)
        try:
            process.greeting.result(PATIENCE)
            yield process
        finally:
            process.end()
