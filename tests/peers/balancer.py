"""HAProxy before several processes of a service, sticky by source address (docs/service.md)."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

DOCUMENTED: Final = Path(__file__).parents[2] / "docs/service.md"
_HUNG: Final = 30  # seconds


@contextmanager
def balancer(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """HAProxy as the documentation sets it up, but for TLS; its URL.

    Args:
        folder: for its configuration.
        ports: of the processes, on 127.0.0.1.
    """
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        pytest.skip("HAProxy is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "haproxy.cfg"
    configuration.write_text(_configuration(port, ports))
    process = subprocess.Popen([program, "-db", "-f", configuration], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        transport = httpx.HTTPTransport(retries=10)  # until it listens
        with httpx.Client(transport=transport, timeout=_HUNG) as http:
            http.get(f"{url}health")
        yield url
    finally:
        process.kill()
        process.wait(_HUNG)


def _configuration(port: int, ports: Sequence[int]) -> str:
    (documented,) = re.findall(r"```text\n(defaults.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    above, _, _ = documented.partition("    server one")
    bound = re.sub(r"bind .*", f"bind 127.0.0.1:{port}", above)
    servers = [f"    server s{each} 127.0.0.1:{each}\n" for each in ports]
    return bound + "".join(servers)
