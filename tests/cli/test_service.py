"""`cg` and a service: every command, the ways to name it, and many jobs."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cg_backends.memory import World
from cg_core import Address, Operation, Unsupported
from cg_core.ecmascript_json import JSONValue
from cg_core.service import ServiceLimits
from tests.cli.processes import Ended, Home
from tests.cli.shell import Shell
from tests.peers.in_process import in_process
from tests.peers.live_service import LiveService, cg_serve, live_service
from tests.peers.node import official_target
from tests.peers.rules import rules

JOBS = [f"{number:022}" for number in range(1_000)]
OTHERS = [f"x{number:021}" for number in range(8)]
ANSI = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell on the machine where `cg serve` runs."""
    return Shell(Home(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def remote(local: Shell) -> Iterator[Shell]:
    """The same shell, which calls the service; that one serves the groups of its user."""
    local.home.dcp.mkdir()
    with cg_serve(local.home.dcp) as service:
        yield local.with_variables(CG_SERVICE=service.url)


def names(shell: Shell, *options: str) -> list[str]:
    """The names of the groups that `cg list` shows."""
    return [line.split("\t")[1] for line in shell.done("list", *options).splitlines()]


def create(shell: Shell, join_key: str) -> str:
    """Make a group without a secret; its id."""
    return shell.done("create", join_key, "--join-key", join_key, "--no-join-secret").strip()


def test_each_command_works_on_the_groups_that_this_machine_has(
    local: Shell, remote: Shell
) -> None:
    """What one changes, the other sees: they are one database, and one owner."""
    id = create(remote, "farm")
    assert json.loads(local.done("show", "farm", "--json"))["id"] == int(id)
    remote.done("change", "farm", "--name", "old farm", "--max-concurrent-jobs", "7")
    shown = remote.done("show", "--id", id, "--json")
    assert shown == local.done("show", "--id", id, "--json")
    assert json.loads(shown)["maxConcurrentJobs"] == 7
    assert remote.done("list") == local.done("list")
    assert "old farm" in names(remote)

    remote.done("add-job", "farm", *OTHERS[:6], "--no-join-secret")
    local.done("add-job", "farm", OTHERS[6], "--no-join-secret")
    assert remote.done("list-jobs", "farm") == local.done("list-jobs", "farm")
    assert remote.done("list-jobs", "farm").split() == OTHERS[:7]
    remote.done("remove-job", "farm", OTHERS[0], OTHERS[2])
    remote.done("cancel-job", "farm", OTHERS[1], "--yes")
    refused = local.run("add-job", "farm", OTHERS[1], "--no-join-secret")
    assert (refused.status, "JobCancelled" in refused.stderr) == (1, True)
    assert remote.done("cancel-all-jobs", "farm", "--yes").split() == OTHERS[3:7]
    remote.done("add-job", "farm", OTHERS[0], OTHERS[7], "--no-join-secret")
    assert remote.done("remove-all-jobs", "farm", "--yes").split() == [OTHERS[0], OTHERS[7]]
    assert local.done("list-jobs", "farm") == ""
    remote.done("delete", "farm", "--yes")
    assert local.run("show", "farm").status == remote.run("show", "farm").status == 3


def test_at_a_terminal_a_service_is_shown_as_this_machine_is(local: Shell, remote: Shell) -> None:
    """A table, and a question."""
    create(local, "barn")
    tables = []
    for shell in (local, remote):
        with shell.terminal("list") as ours:
            tables.append(ours.end())
    assert tables[0] == tables[1]
    assert "join key" in tables[0].stdout
    with remote.terminal("delete", "barn") as ours:
        ours.until("for good? [y/N]: ")
        ours.type("y\n")
        assert ours.end().status == 0
    assert "barn" not in names(local)


# Where the groups are


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Places with a group each, which is called as they are; `home` is that of a user.

    `one` and `two` are services, `file` is a database.
    """
    shell = Shell(Home(tmp_path_factory.mktemp("home")))
    with live_service() as one, live_service() as two:
        found = {"one": one.url, "two": two.url, "file": f"sqlite:///{shell.home.folder}/file.db"}
        for name, place in found.items():
            option = "--store" if name == "file" else "--service"
            shell.done("create", name, option, place)
        shell.done("create", "home")
        yield found | {"home": str(shell.home.folder)}


WAYS = [
    # The command line, the environment, and whose groups are listed.
    ("", "", "home"),
    ("", "CG_SERVICE=one", "one"),
    ("", "CG_STORE=file", "file"),
    ("", "DCP_SCHEDULER_LOCATION=two", "two"),
    ("", "CG_SERVICE= CG_STORE= DCP_SCHEDULER_LOCATION=", "home"),
    ("", "CG_SERVICE=one CG_STORE=file DCP_SCHEDULER_LOCATION=two", "one"),
    ("", "CG_STORE=file DCP_SCHEDULER_LOCATION=two", "file"),
    ("", "CG_SERVICE= CG_STORE=file", "file"),
    ("--service one", "CG_SERVICE=two CG_STORE=file DCP_SCHEDULER_LOCATION=two", "one"),
    ("--scheduler two", "CG_SERVICE=one CG_STORE=file DCP_SCHEDULER_LOCATION=one", "two"),
    ("--store file", "CG_SERVICE=one CG_STORE=nowhere DCP_SCHEDULER_LOCATION=two", "file"),
    ("--service one --transport polling", "", "one"),
    ("--scheduler two --transport websocket", "", "two"),
]


@pytest.mark.parametrize(("options", "variables", "expected"), WAYS)
def test_options_come_before_the_environment(
    places: dict[str, str], options: str, variables: str, expected: str
) -> None:
    pairs = (each.split("=") for each in variables.split())
    environment = {name: places.get(value, value) for name, value in pairs}
    shell = Shell(Home(Path(places["home"])), environment)
    assert names(shell, *(places.get(each, each) for each in options.split())) == [expected]


@pytest.mark.parametrize(
    "options",
    ["--service one --scheduler two", "--service one --store file", "--store file --scheduler two"],
)
def test_two_places_at_once_are_refused(places: dict[str, str], options: str) -> None:
    shell = Shell(Home(Path(places["home"])))
    ended = shell.run("list", *(places.get(each, each) for each in options.split()))
    assert (ended.status, ended.stdout) == (2, "")
    for option in options.split()[::2]:
        assert option in ended.stderr


@pytest.mark.parametrize(
    "options", [["--transport", "polling"], ["--service-address", "0x" + "11" * 20], ["--insecure"]]
)
def test_what_is_about_a_service_needs_one(home: Home, options: list[str]) -> None:
    """Who thinks that a service is called does not change this machine's groups."""
    ended = Shell(home).run("create", "farm", *options)
    assert (ended.status, ended.stdout) == (2, "")
    assert f"{options[0]} is about a service" in ended.stderr
    assert not home.dcp.exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--service", "farm.example"], {}, "--service"),
        (["--scheduler", ""], {}, "--scheduler"),
        ([], {"CG_SERVICE": "ftp://farm.example/"}, "CG_SERVICE"),
        ([], {"DCP_SCHEDULER_LOCATION": "nowhere"}, "DCP_SCHEDULER_LOCATION"),
        (["--service", "http://127.0.0.1/", "--service-address", "0x12"], {}, "--service-address"),
        (["--service", "http://127.0.0.1/", "--transport", "pigeon"], {}, "--transport"),
    ],
)
def test_what_is_no_place_is_told_by_its_name(
    home: Home, arguments: list[str], variables: dict[str, str], named: str
) -> None:
    ended = Shell(home, variables).run("list", *arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert named in ended.stderr


def test_the_transport_that_is_asked_for_is_the_only_one(home: Home) -> None:
    with in_process(rules(World())) as peer:
        shell = Shell(home, {"CG_SERVICE": peer.url})
        shell.done("list", "--transport", "polling")
        assert all("transport=polling" in request.target for request in peer.requests)
        peer.refuse_websockets = 404
        ended = shell.run("list", "--transport", "websocket")
        assert (ended.status, ended.stdout) == (6, "")


def test_a_service_has_the_address_that_it_must_have(home: Home) -> None:
    with live_service() as service:
        shell = Shell(home, {"CG_SERVICE": service.url})
        shell.done("create", "farm", "--service-address", service.address)
        for command in (["create", "other"], ["list"]):
            ended = shell.run(*command, "--service-address", "0x" + "11" * 20)
            assert (ended.status, ended.stdout) == (6, "")
            assert f"has the address {service.address}, and not 0x1111" in ended.stderr
        assert names(shell) == ["farm"]


def test_a_join_hash_goes_unencrypted_to_this_machine_only(home: Home) -> None:
    """0.0.0.0 is this machine, but who reads the URL cannot know that."""
    with live_service() as service:
        url = service.url.replace("127.0.0.1", "0.0.0.0")
        shell = Shell(home, {"CG_SERVICE": url, "FARM": "tiger"})
        farm = ["create", "farm", "--join-key", "farm", "--join-secret-env", "FARM"]
        refused = shell.run(*farm)
        assert (refused.status, refused.stdout) == (2, "")
        assert "use https, or say --insecure" in refused.stderr
        shell.done("create", "no secret")
        shell.done(*farm, "--insecure")
        assert names(shell) == ["no secret", "farm"]


def test_another_identity_lets_in(home: Home) -> None:
    """Who holds the keystore of a join address joins, and nobody else (C-9)."""
    gate = Shell(home).done("identity", "new", "gate", "--no-passphrase").strip()
    with live_service() as service:
        for shell in (Shell(home), Shell(home, {"CG_SERVICE": service.url})):
            shell.done("create", "farm", "--join-address", gate)
            add = ["add-job", "--id", "2", JOBS[0]]
            assert shell.run(*add).status == 1
            shell.done(*add, "--join-identity", "gate")
            assert shell.done("list-jobs", "--id", "2").split() == [JOBS[0]]
            nobody = shell.run(*add, "--join-identity", "nobody")
            assert (nobody.status, nobody.stdout) == (2, "")
            assert "make one: cg identity new nobody\n" in nobody.stderr


# DCP's own service


def test_the_official_target_does_what_it_knows(home: Home) -> None:
    """It knows the seed's calls; to list groups is ours."""
    answer = rules(World())

    def dcps_own(
        operation: Operation, session_id: str, caller: Address, joins_as: frozenset[Address]
    ) -> JSONValue:
        if operation.name in ("listGroups", "getGroup"):
            raise Unsupported(f"there is no operation {operation.name}")
        return answer(operation, session_id, caller, joins_as)

    with official_target(dcps_own, private_key=secrets.token_hex(32)) as target:
        shell = Shell(home, {"CG_SERVICE": target.url, "FARM": "tiger"})
        shell.done("create", "farm", "--join-key", "farm", "--join-secret-env", "FARM")
        shell.done("add-job", "farm", *JOBS[:100], "--join-secret-env", "FARM")
        assert shell.done("list-jobs", "farm").split() == JOBS[:100]
        assert shell.run("add-job", "farm", JOBS[0], "--no-join-secret").status == 1
        for command in (["list"], ["show", "farm"]):
            ended = shell.run(*command, "--json")
            assert (ended.status, ended.stdout) == (1, "")
            error = json.loads(ended.stderr.splitlines()[-1])["error"]
            assert (error["name"], error["code"], error["exitCode"]) == ("Unsupported", "ENOSYS", 1)


# Many jobs


def job_file(folder: Path, jobs: Sequence[str] = JOBS) -> str:
    """A file of jobs; its path."""
    path = folder / "jobs.txt"
    path.write_text("\n".join(jobs))
    return str(path)


@pytest.fixture
def add_many(local: Shell) -> Iterator[list[str]]:
    """What adds a thousand jobs to a group."""
    create(local, "many")
    yield ["add-job", "many", "--jobs-file", job_file(local.home.folder), "--no-join-secret"]
    local.done("delete", "many", "--yes")


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_many_jobs_keep_their_order_and_show_how_far_they_are(
    local: Shell, remote: Shell, add_many: list[str], columns: int
) -> None:
    """How many, how fast, how long still: what has room. In the end nothing of it is left."""
    is_plain = columns == 40
    shell = remote.with_variables(NO_COLOR="1") if is_plain else remote
    with shell.terminal(*add_many, columns=columns) as ours:
        ended = ours.end()
    *drawn, last = ended.stdout.split("\x1b[2K")
    assert (ended.status, last) == (0, 'Added 1000 jobs to the group "many".\n')
    assert drawn[-1].endswith("\n\x1b[?25h\r\x1b[1A")  # the cursor is back, at the bar's place
    texts = [ANSI.sub("", each).strip() for each in drawn]
    assert all(len(text) <= columns for text in texts)
    assert any(re.search(r"\d+/1000 ", text) for text in texts)
    assert any(re.search(r"\d:\d\d:\d\d$", text) for text in texts)
    assert any(re.search(r"\d/s ", text) for text in texts) is (columns >= 40)
    assert any("Adding jobs ━" in text for text in texts) is (columns >= 80)
    assert bool(re.search(r"\x1b\[[0-9;]*m", ended.stdout)) is not is_plain
    assert local.done("list-jobs", "many").split() == JOBS


def test_many_jobs_tell_a_program_nothing_on_their_way(
    local: Shell, remote: Shell, add_many: list[str]
) -> None:
    assert remote.process(*add_many) == Ended(0, "", 'Added 1000 jobs to the group "many".\n')
    told = json.loads(remote.done(*add_many, "--json"))
    assert told["group"] == {"joinKey": "many"}
    assert told["jobs"] == [{"job": job, "outcome": "added"} for job in JOBS]
    assert local.done("list-jobs", "many").split() == JOBS


def slow_service(
    calls_at_once: int, calls_per_second: float
) -> AbstractContextManager[LiveService]:
    limits = ServiceLimits(calls_per_second=calls_per_second, calls_at_once=calls_at_once)
    return live_service(limits=limits)


def test_a_service_that_has_too_much_to_do_is_waited_for(home: Home) -> None:
    """No job is left out. Out of order are at most those that were on their way when it said so."""
    jobs = JOBS[:120]
    with slow_service(41, 200) as service:
        shell = Shell(home, {"CG_SERVICE": service.url})
        create(shell, "farm")
        shell.done("add-job", "farm", *jobs, "--no-join-secret")
        listed = shell.done("list-jobs", "farm").split()
    assert sorted(listed) == jobs
    moved = [place for place, job in enumerate(jobs) if listed[place] != job]
    assert not moved or moved[-1] - moved[0] < 40


def test_a_service_that_stays_so_is_given_up(home: Home) -> None:
    with slow_service(2, 0.001) as service:
        shell = Shell(home, {"CG_SERVICE": service.url})
        create(shell, "farm")
        arguments = ["add-job", "farm", *JOBS[:4], "--no-join-secret", "--timeout", "1"]
        ended = shell.run(*arguments, "--json")
        assert json.loads(ended.stderr.splitlines()[-1])["error"]["name"] == "Busy"
        outcomes = [job["outcome"] for job in json.loads(ended.stdout)["jobs"]]
        assert (ended.status, outcomes) == (1, ["added", "refused", "not tried", "not tried"])
