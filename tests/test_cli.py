"""`cg`, run as its users run it: in a process of its own, and where it asks, at a real terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points, version

import attrs
import pytest
from rich.cells import cell_len

from tests.golden import golden

termios = pytest.importorskip("termios", reason="a terminal of our own needs POSIX")

SECRET = "tiger"
SCOTT_TIGER = "eh1-672937c2b944982e071185b888770f8b8ea67c11f56d545e403e0d513c609b87"
"""The public vector: join key `scott`, join secret `tiger` (C-14)."""

SECONDS = 60  # how long to wait for what must come at once, before the test is given up

# What rich and click read of the environment is for each test to say.
READ_BY_LIBRARIES = re.compile("COLUMNS|LINES|NO_COLOR|FORCE_COLOR|TTY_.*|PYTHON(UTF8|IO.*)")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not READ_BY_LIBRARIES.fullmatch(name)
} | {"TERM": "xterm-256color", "PYTHONUTF8": "1"}


@attrs.frozen
class Ended:
    """What a process wrote, and how it ended; on a terminal there is one text for both streams."""

    status: int
    stdout: str
    stderr: str


def python(
    *arguments: str,
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
    encoding: str = "utf-8",
) -> Ended:
    """Run Python with pipes."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env=ENVIRONMENT | (environment or {}),
        timeout=SECONDS,
    )
    return Ended(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))


cg = partial(python, "-m", "cg_backends.cli")
"""Run `cg` with pipes."""


# Becomes `cg` with the terminal as its own, as a shell would start it: one that itself was started
# in the background has SIGINT ignored, which would be inherited.
AT_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "cg_backends.cli", *sys.argv[1:]])
"""


def cg_at_terminal(
    *arguments: str,
    types: str = "",
    columns: int = 80,
    environment: dict[str, str] | None = None,
    stdout: int | None = None,
) -> Ended:
    """Run `cg` at a terminal, where each line of `types` is typed when the secret is asked for.

    Args:
        arguments: the command line.
        types: what is typed.
        columns: how wide the terminal is.
        environment: variables besides those of all tests.
        stdout: `subprocess.PIPE` for a stdout that is not the terminal.
    """
    ours, its = os.openpty()
    with os.fdopen(ours, "rb+", buffering=0) as terminal:
        termios.tcsetwinsize(its, (50, columns))
        process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, *arguments],
            stdin=its,
            stdout=its if stdout is None else stdout,
            stderr=its,
            env=ENVIRONMENT | (environment or {}),
            start_new_session=True,
        )
        os.close(its)
        with process:
            try:
                shown = b""
                for line in types.splitlines(keepends=True):
                    asked = read(terminal.fileno(), until=b"Join secret: ")
                    assert asked.endswith(b"Join secret: "), asked
                    shown += asked
                    terminal.write(line.encode())
                shown += read(terminal.fileno())
                written = process.stdout.read() if process.stdout else b""
                status = process.wait(SECONDS)
            finally:
                process.kill()
    text = shown.decode().replace("\r\n", "\n")
    return Ended(status, written.decode() if stdout is not None else text, text)


def read(terminal: int, until: bytes | None = None) -> bytes:
    """What a terminal shows, up to a text or until nobody writes to it any more."""
    shown = b""
    with suppress(OSError):  # how Linux says that nobody has the terminal open
        while until is None or not shown.endswith(until):
            ready, _, _ = select.select([terminal], [], [], SECONDS)
            assert ready, f"nothing more than {shown!r}"
            more = os.read(terminal, 1 if until else 65536)
            if not more:
                break
            shown += more
    return shown


# cg demo

IDS = ("P+Y4IApeFQLrYS2W7MkVg7", "Q+Y4IApeFQLrYS2W7MkVg8", "R+Y4IApeFQLrYS2W7MkVg9")
CALLS = (
    "create", "change_group", "add_job", "list_jobs", "remove_job", "cancel_job",
    "cancel_all_jobs", "delete_group",
)  # fmt: skip
ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def demo_at(columns: int) -> str:
    """The demo on a terminal, without its colours."""
    ended = cg_at_terminal("demo", columns=columns)
    assert ended.status == 0
    return ESCAPE.sub("", ended.stdout)


def require_the_whole_api(shown: str) -> None:
    for call in CALLS:
        assert f"{call}(" in shown
    assert "NotOwner (EPERM)" in shown
    assert re.search(r"BadCredentials.*?\(EACCES\)", shown, re.DOTALL)


def require_no_secret(shown: str) -> None:
    for secret in ("s3cret", "guess", "eh1-", "hidden"):
        assert secret not in shown


def test_demo_shows_each_call_and_real_refusals_and_no_secret() -> None:
    ended = cg("demo")
    assert (ended.status, ended.stderr) == (0, "")
    require_the_whole_api(ended.stdout)
    require_no_secret(ended.stdout)


def test_demo_lists_the_jobs_in_the_order_in_which_they_joined() -> None:
    shown = cg("demo", environment={"COLUMNS": "200"}).stdout
    answer = shown[shown.rindex("list_jobs(2)") :]
    assert re.findall("|".join(map(re.escape, IDS)), answer)[:3] == list(IDS)


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_demo_breaks_no_id(columns: int) -> None:
    shown = demo_at(columns)
    require_no_secret(shown)
    for id in IDS:
        assert shown.count(id) >= 2
        # Wherever one begins or ends, it is there as a whole.
        assert shown.count(id[:6]) == shown.count(id[-6:]) == shown.count(id)


@pytest.mark.parametrize("columns", [20, 40, 80, 100, 200])
def test_demo_fits_the_terminal_and_nothing_is_cut_off(columns: int) -> None:
    shown = demo_at(columns)
    require_no_secret(shown)
    lines = shown.splitlines()
    assert max(map(cell_len, lines)) <= columns
    borders = [line for line in lines if line.startswith(tuple("┏┃┡│├└"))]
    assert len(borders) > len(CALLS)
    assert {line[-1] for line in borders} <= set("┓┃┩│┤┘")


def test_demo_has_colours_on_a_terminal_and_nowhere_else() -> None:
    assert "\x1b[3" in cg_at_terminal("demo").stdout
    assert "\x1b" not in cg("demo").stdout


def test_demo_heeds_no_color() -> None:
    shown = cg_at_terminal("demo", environment={"NO_COLOR": "1"}).stdout
    assert re.search("\x1b\\[[0-9;]*3[0-7]m", shown) is None
    require_the_whole_api(cg("demo", environment={"NO_COLOR": "1"}).stdout)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_demo_is_told_in_whatever_encoding_stdout_has(encoding: str) -> None:
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    ended = cg("demo", environment=environment, encoding=encoding)
    assert (ended.status, ended.stderr) == (0, "")
    assert "NotOwner (EPERM)" in ended.stdout


# cg hash


def test_hash_asks_for_the_secret_and_does_not_echo_it() -> None:
    ended = cg_at_terminal("hash", "scott", types=f"{SECRET}\n")
    assert ended.status == 0
    assert ended.stdout.split() == ["Join", "secret:", SCOTT_TIGER]
    assert SECRET not in ended.stdout


def test_hash_asks_at_the_terminal_so_that_stdout_is_the_hash_alone() -> None:
    ended = cg_at_terminal("hash", "scott", types=f"{SECRET}\n", stdout=subprocess.PIPE)
    assert (ended.status, ended.stdout) == (0, f"{SCOTT_TIGER}\n")
    assert SCOTT_TIGER not in ended.stderr
    assert SECRET not in ended.stderr


def test_hash_asks_again_when_nothing_is_typed() -> None:
    ended = cg_at_terminal("hash", "scott", types=f"\n{SECRET}\n")
    assert ended.status == 0
    assert ended.stdout.count("Join secret: ") == 2
    assert ended.stdout.endswith(f"{SCOTT_TIGER}\n")


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_hash_is_given_up_with_a_key_and_without_a_traceback(key: str) -> None:
    ended = cg_at_terminal("hash", "scott", types=key)
    assert ended.status == 1
    assert "Aborted!" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no newline", "LF", "CRLF"])
def test_hash_reads_the_secret_from_stdin(end: str) -> None:
    ended = cg("hash", "scott", "--join-secret-stdin", stdin=f"{SECRET}{end}".encode())
    assert (ended.status, ended.stdout, ended.stderr) == (0, f"{SCOTT_TIGER}\n", "")


def test_hash_reads_the_secret_from_the_environment() -> None:
    ended = cg("hash", "scott", "--join-secret-env", "FARM", environment={"FARM": SECRET})
    assert (ended.status, ended.stdout, ended.stderr) == (0, f"{SCOTT_TIGER}\n", "")


# Spaces at both ends, no ASCII, a space in the key, addresses as the official client salts them.
VECTORS = [
    (vector["details"].get("joinKey") or vector["details"]["joinAddress"],
     vector["details"]["joinSecret"], vector["result"])
    for vector in golden("hashing")["join_hash"]
    if vector["id"] in {"j1", "j13", "j16", "j18", "j20", "j21", "j22"}
]  # fmt: skip


@pytest.mark.parametrize(("join_key", "secret", "expected"), VECTORS)
def test_hash_is_the_official_clients(join_key: str, secret: str, expected: str) -> None:
    by_stdin = cg("hash", join_key, "--join-secret-stdin", stdin=secret.encode())
    by_environment = cg("hash", join_key, "--join-secret-env", "FARM", environment={"FARM": secret})
    assert by_stdin == by_environment == Ended(0, f"{expected}\n", "")


def require_refused(ended: Ended, *told: str) -> None:
    """`cg` ended with the status of a usage error, its reason, and no secret."""
    assert (ended.status, ended.stdout) == (2, "")
    for part in told:
        assert part in ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"", "0 characters"),
        (b"\n", "0 characters"),
        (b"\r\n", "0 characters"),
        (b"tiger\xff", "not UTF-8"),
        (b"tiger\xed\xa0\x80", "not UTF-8"),
        ("tiger".encode("utf-16"), "not UTF-8"),
        (b"tiger\0", "NUL"),
        (b"tiger\nlion\n", "several lines"),
        (b"tiger\n\n", "several lines"),
        (b"tiger" * 100, "500 characters"),
    ],
    ids=[
        "nothing", "LF", "CRLF", "no UTF-8", "half a surrogate pair", "UTF-16", "NUL",
        "two lines", "an empty line", "too long",
    ],
)  # fmt: skip
def test_hash_refuses_a_stdin_that_is_no_secret(stdin: bytes, told: str) -> None:
    require_refused(cg("hash", "scott", "--join-secret-stdin", stdin=stdin), told)


@pytest.mark.parametrize(
    ("environment", "told"),
    [({}, "no variable FARM"), ({"FARM": ""}, "0 characters"), ({"FARM": "tiger\udcff"}, "secret")],
    ids=["unset", "empty", "no UTF-8"],
)
def test_hash_refuses_a_variable_that_holds_no_secret(
    environment: dict[str, str], told: str
) -> None:
    ended = cg("hash", "scott", "--join-secret-env", "FARM", environment=environment)
    require_refused(ended, told)


def test_hash_refuses_two_ways_at_once() -> None:
    ended = cg(
        "hash", "scott", "--join-secret-stdin", "--join-secret-env", "FARM",
        stdin=SECRET.encode(), environment={"FARM": SECRET},
    )  # fmt: skip
    require_refused(ended, "not both")


def test_hash_without_a_terminal_says_how_to_give_the_secret() -> None:
    require_refused(cg("hash", "scott"), "--join-secret-stdin", "--join-secret-env")
    require_refused(cg("hash", "scott", stdin=SECRET.encode()), "--join-secret-stdin")


def test_hash_without_a_terminal_does_not_wait_for_one() -> None:
    """Nothing is ever written to its stdin, and it stays open."""
    command = [sys.executable, "-m", "cg_backends.cli", "hash", "scott"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stderr=pipe) as process:
        try:
            assert process.wait(SECONDS) == 2
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [("tiger",), ("--join-secret", "tiger"), ("--join-secret=tiger",), ("-s", "tiger")],
    ids=" ".join,
)
def test_hash_takes_no_secret_as_an_argument_and_does_not_repeat_it(
    arguments: tuple[str, ...],
) -> None:
    ended = cg("hash", "scott", "--join-secret-stdin", *arguments, stdin=b"lion")
    require_refused(ended, "argument" if arguments == (SECRET,) else "No such option")


@pytest.mark.parametrize("join_key", ["", "k" * 256], ids=["empty", "long"])
def test_hash_refuses_what_is_no_join_key(join_key: str) -> None:
    ended = cg("hash", join_key, "--join-secret-stdin", stdin=SECRET.encode())
    require_refused(ended, "join_key", f"{len(join_key)} characters")


def test_hash_needs_a_join_key() -> None:
    require_refused(cg("hash"), "JOIN_KEY")


def test_a_join_key_may_begin_with_a_dash() -> None:
    ended = cg("hash", "--join-secret-stdin", "--", "-scott", stdin=SECRET.encode())
    assert ended.status == 0
    assert re.fullmatch("eh1-[0-9a-f]{64}\n", ended.stdout)


# cg itself


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)], ids=" ".join)
def test_help_names_the_commands(arguments: tuple[str, ...]) -> None:
    ended = cg(*arguments)
    assert (ended.status, ended.stderr) == (0, "")
    assert re.search(r"^  demo  .*\n  hash  ", ended.stdout, re.MULTILINE)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_hash_names_every_way_to_give_the_secret(option: str) -> None:
    ended = cg("hash", option)
    assert (ended.status, ended.stderr) == (0, "")
    for part in ("JOIN_KEY", "--join-secret-stdin", "--join-secret-env NAME", "cg hash scott"):
        assert part in ended.stdout


def test_version_is_the_packages() -> None:
    ended = cg("--version")
    assert (ended.status, ended.stdout) == (0, f"cg, version {version('compute-groups')}\n")


def test_without_a_command_cg_shows_its_help_as_an_error() -> None:
    ended = cg()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == cg("--help").stdout


def test_an_unknown_command_is_told() -> None:
    require_refused(cg("nope"), "nope")


def test_help_loads_neither_the_core_nor_rich() -> None:
    """They are for the commands that use them; `cg --help` is there at once."""
    program = (
        "import sys\nfrom cg_backends.cli.application import cg\n"
        "cg(['--help'], standalone_mode=False)\n"
        "print(*sorted({'cg_core', 'rich', 'click'} & set(sys.modules)), file=sys.stderr)"
    )
    assert python("-c", program).stderr == "click\n"


def test_the_package_installs_cg_as_a_command() -> None:
    (script,) = entry_points(group="console_scripts", name="cg")
    assert script.value == "cg_backends.cli:main"


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from cg_backends.cli import main
main()
"""


def test_without_click_cg_says_what_to_install() -> None:
    ended = python("-c", WITHOUT.format(module="click"))
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == "cg needs its libraries: pip install 'compute-groups[cli]'\n"


def test_what_else_is_missing_is_not_taken_for_click() -> None:
    ended = python("-c", WITHOUT.format(module="cg_backends.cli.application"))
    assert ended.status == 1
    assert "No module named 'cg_backends.cli.application'" in ended.stderr
    assert "pip install" not in ended.stderr
