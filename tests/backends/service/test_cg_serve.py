"""`cg serve`, as its users have it: first use, greeting, options, log, end."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cg_backends.keystores import load_identity, save_identity
from cg_backends.sync import connect
from cg_core import (
    Busy,
    Client,
    GroupNotFound,
    Identity,
    LimitReached,
    NetworkError,
    NotOwner,
    OutcomeUnknown,
)
from tests.peers.live_service import PATIENCE, CGServe, cg_serve
from tests.peers.node_process import HERE, missing

ALICE = Identity(b"\1" * 32)
BOB = Identity(b"\3" * 32)
JOBS = [f"{number:022}" for number in range(5)]


def client_of(service: CGServe, identity: Identity = ALICE, **options: Any) -> Client:
    return connect(service.url, identity=identity, **options)


def refused(*options: str, folder: Path, status: int = 2) -> str:
    """What it says where it does not start."""
    with pytest.raises(RuntimeError) as caught, cg_serve(folder, *options, listen_on="127.0.0.1:0"):
        pass
    assert "Traceback" not in str(caught.value)
    assert f"ended with {status}" in str(caught.value)
    return str(caught.value)


# The first use, and the next


def test_on_first_use_it_makes_its_key_and_its_store_for_its_user_alone(tmp_path: Path) -> None:
    with cg_serve(tmp_path) as first, client_of(first) as alice:
        alice.create("farm", join_key="farm")
        keystore = tmp_path / "compute-groups-service.keystore"
        assert load_identity(keystore).address == first.address
        for path in (keystore, tmp_path / "compute-groups.db"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert str(path) in first.greeting
        assert first.stop() == 0
    with cg_serve(tmp_path) as second, client_of(second) as alice:
        assert second.address == first.address
        assert [group.name for group in alice.list_groups()] == ["farm"]


def test_its_greeting_is_a_program_that_works(tmp_path: Path) -> None:
    save_identity(ALICE, tmp_path / "id.keystore")
    with cg_serve(tmp_path) as service, client_of(service) as alice:
        alice.create("farm", join_key="farm")
        program = service.greeting.partition("Python:\n")[2].partition("\n\n")[0]
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True, check=True, text=True, timeout=PATIENCE,
            env=os.environ | {"DCP_RESOURCE_DIR": str(tmp_path)},
        )  # fmt: skip
        assert "name='farm'" in run.stdout


def test_its_greeting_is_a_program_of_dcp_client_that_works(tmp_path: Path) -> None:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    save_identity(ALICE, tmp_path / "id.keystore")
    with cg_serve(tmp_path) as service, client_of(service) as alice:
        program = service.greeting.partition("dcp-client:\n")[2]
        subprocess.run(
            ["node", "-e", f"(async () => {{ {program}; process.exit(0); }})()"],
            check=True, timeout=PATIENCE, cwd=HERE, stdin=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DCP_ETCDIR": str(tmp_path),
                "DCP_RESOURCE_DIR": str(tmp_path),
            },
        )  # fmt: skip
        assert [group.join_key for group in alice.list_groups()] == ["farm"]


# Who may


def test_only_those_create_whom_it_names(tmp_path: Path) -> None:
    options = ["--allow-create", ALICE.address, "--allow-create", "0x" + "11" * 20]
    with (
        cg_serve(tmp_path, *options) as service,
        client_of(service) as alice,
        client_of(service, BOB) as bob,
    ):
        assert ALICE.address in service.greeting
        with pytest.raises(NotOwner, match=f"{BOB.address} may not create groups here"):
            bob.create("farm", join_key="farm")
        alice.create("farm", join_key="farm", deploy_access="join")
        bob.add_job("farm", JOBS[0], join_key="farm")


def test_where_others_can_call_it_asks_who_may_create(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)say who may create .*--allow-create anyone"):
        CGServe(tmp_path, ["--listen", "0.0.0.0:0"], {})
    assert not list(tmp_path.glob("*.keystore"))
    with cg_serve(tmp_path, "--allow-create", "anyone", listen_on="0.0.0.0:0") as service:
        assert "anyone may create" in service.greeting


def test_the_public_group_has_a_cap_and_can_be_left_out(tmp_path: Path) -> None:
    with cg_serve(tmp_path, "--public-jobs", "2") as service, client_of(service) as alice:
        for job in JOBS[:2]:
            alice.add_job("public", job)
        with pytest.raises(LimitReached, match="2 jobs in the public group"):
            alice.add_job("public", JOBS[2])
    with (
        cg_serve(tmp_path, "--no-public-group") as service,
        client_of(service) as alice,
        pytest.raises(GroupNotFound),
    ):
        alice.add_job("public", JOBS[3])


# Limits


def test_who_calls_too_fast_is_refused_and_others_are_not(tmp_path: Path) -> None:
    options = ["--calls-per-second", "0.001", "--calls-at-once", "3"]
    with (
        cg_serve(tmp_path, *options) as service,
        client_of(service) as alice,
        client_of(service, BOB) as bob,
    ):
        for _ in range(3):
            alice.list_groups()
        with pytest.raises(Busy, match=r"more than 0\.001 calls a second"):
            alice.list_groups()
        bob.list_groups()


def test_where_there_is_no_room_a_newcomer_is_told_so(tmp_path: Path) -> None:
    with cg_serve(tmp_path, "--max-sessions", "1") as service, client_of(service) as alice:
        alice.list_groups()
        with client_of(service, BOB, connect_timeout=5) as bob:
            with pytest.raises(NetworkError, match="too much to do") as caught:
                bob.list_groups()
            assert caught.value.code == "EBUSY"
        answer = httpx.get(f"{service.url}dcp5/socketio/?EIO=4&transport=polling")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        alice.list_groups()
        counted = httpx.get(f"{service.url}metrics").text
        assert 'compute_groups_connections_refused_total{reason="sessions"}' in counted


def test_a_peer_has_so_many_sessions(tmp_path: Path) -> None:
    with cg_serve(tmp_path, "--max-sessions-per-peer", "1") as service, client_of(service) as alice:
        alice.list_groups()
        with client_of(service) as again, pytest.raises(Busy, match="has 1 sessions"):
            again.list_groups()
        with client_of(service, BOB) as bob:
            bob.list_groups()


# Wrong use


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--store", "oracle://x"], "names no database system"),
        (["--allow-create", "0x12"], "--allow-create"),
        (["--url", "ftp://x"], "--url must be like"),
        (["--max-sessions", "many"], "--max-sessions"),
        (["--calls-per-second", "0"], "--calls-per-second"),
        (["--identity", "/dev/null/folder/id.keystore"], "/dev/null/folder"),
        (["--identity", "a" * 300], "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(options: list[str], told: str, tmp_path: Path) -> None:
    assert told in refused(*options, folder=tmp_path)


def test_a_store_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    where = "/dev/null/folder"
    assert where in refused("--store", f"sqlite:///{where}/a.db", folder=tmp_path, status=4)


@pytest.mark.parametrize("place", ["9800", "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:0"])
def test_a_place_that_is_none_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"as in 127\.0\.0\.1:9800|from 0 to 65535"):
        CGServe(tmp_path, ["--listen", place, "--allow-create", "anyone"], {})


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with cg_serve(tmp_path) as service:
        place = service.url.removeprefix("http://").rstrip("/")
        with pytest.raises(RuntimeError, match="is in use"):
            CGServe(tmp_path, ["--listen", place], {})


# Watching it


def test_health_and_metrics_tell_how_it_is(tmp_path: Path) -> None:
    with cg_serve(tmp_path) as service, client_of(service) as alice:
        alice.create("farm", join_key="farm", join_secret="hush-hush")
        health = httpx.get(f"{service.url}health")
        assert health.json() == {"status": "ok", "address": service.address}
        metrics = httpx.get(f"{service.url}metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'requests_total{operation="createGroup",outcome="done"} 1' in metrics.text
        assert "hush-hush" not in metrics.text
        assert httpx.post(f"{service.url}health").status_code == 405
        assert httpx.get(f"{service.url}else").status_code == 404


def test_the_log_is_an_object_per_line_and_tells_no_secret(tmp_path: Path) -> None:
    options = ["--log-format", "json", "--log-level", "DEBUG"]
    with cg_serve(tmp_path, *options) as service:
        with client_of(service) as alice:
            alice.create("farm", join_key="farm", join_secret="hush-hush")
            with pytest.raises(GroupNotFound):
                alice.list_jobs("nowhere")
        assert service.stop() == 0
        lines = [json.loads(line) for line in service.log.splitlines()]
        events = [line["event"] for line in lines if line["level"] in ("INFO", "DEBUG")]
        assert events == [
            "session began", "answered", "answered", "session ended", "stopping", "stopped",
        ]  # fmt: skip
        answered = [line for line in lines if line["event"] == "answered"]
        told = [(line["operation"], line["outcome"], line["caller"]) for line in answered]
        assert told == [
            ("createGroup", "done", ALICE.address),
            ("listJobs", "GroupNotFound", ALICE.address),
        ]
        assert len({line["session"] for line in lines if "session" in line}) == 1
        assert all(len(line["session"]) == 8 for line in lines if "session" in line)
        for secret in ("hush", "eh1-", "farm", "nowhere", (b"\1" * 32).hex()):
            assert secret not in service.log


# Its end


@contextmanager
def locked(folder: Path) -> Iterator[Callable[[], None]]:
    """The store of `cg serve` is locked by somebody else; gives what ends that."""
    connection = sqlite3.connect(folder / "compute-groups.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.close
    finally:
        connection.close()


def call_that_waits(folder: Path, service: CGServe, alice: Client) -> Any:
    """A call that the store keeps waiting, in a thread."""
    alice.list_groups()
    call = ThreadPoolExecutor(1).submit(alice.create, "late", join_key="late")
    while "\ncompute_groups_requests_waiting 1" not in httpx.get(f"{service.url}metrics").text:
        pass
    return call


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_when_it_ends_what_was_asked_is_answered(end: int, tmp_path: Path) -> None:
    with cg_serve(tmp_path) as service, client_of(service) as alice:
        with locked(tmp_path) as unlock:
            call = call_that_waits(tmp_path, service, alice)
            service.signal(end)
            while httpx.get(f"{service.url}health").status_code == 200:
                pass
            assert httpx.get(f"{service.url}health").json()["status"] == "stopping"
            unlock()
        assert call.result(PATIENCE) > 1
        assert service.wait() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with cg_serve(tmp_path) as service, client_of(service, timeout=1) as alice:
        with locked(tmp_path):
            call = call_that_waits(tmp_path, service, alice)
            service.signal(signal.SIGTERM)
            while httpx.get(f"{service.url}health").status_code == 200:
                pass
            service.signal(signal.SIGTERM)
            service.wait()
        with pytest.raises((OutcomeUnknown, NetworkError)):
            call.result(PATIENCE)
