"""Completion: the scripts for shells, and what bash makes of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cg_backends.conformance import ALICE
from cg_backends.keystores import save_identity
from tests.cli.processes import ENVIRONMENT, SECONDS, Home
from tests.cli.shell import Shell

# Bash as it is when Tab is pressed behind a line: what completes the command, and what it finds.
TAB = """
compopt() { local IFS=' '; echo "$*"; }
source "$1"
read -ra COMP_WORDS <<< "$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
found=$(complete -p cg)
function=${found#*-F }
${function%% *} cg "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("shell", "parts"),
    [
        ("bash", ["complete -o nosort -F", "_CG_COMPLETE=bash_complete"]),
        ("zsh", ["#compdef cg", "_CG_COMPLETE=zsh_complete"]),
        ("fish", ["complete --no-files --command cg", "_CG_COMPLETE=fish_complete"]),
    ],
)
def test_there_is_a_script_for_each_shell(home: Home, shell: str, parts: list[str]) -> None:
    script = Shell(home).done("completion", shell)
    for part in parts:
        assert part in script
    assert not home.dcp.exists()


def test_other_shells_are_told(home: Home) -> None:
    ended = Shell(home).run("completion", "csh")
    assert (ended.status, ended.stdout) == (2, "")
    assert "'bash', 'zsh', 'fish'" in ended.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where bash finds `cg`, and the script as it would be installed."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "cg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cg_backends.cli "$@"\n')
    program.chmod(0o700)
    home = Home(folder)
    for name in ("robot", "id"):
        save_identity(ALICE, home.dcp / f"{name}.keystore")
    (folder / "script").write_text(Shell(home).done("completion", "bash"))
    return folder


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cg can", ["cancel-job", "cancel-all-jobs"]),
        ("cg identity ", ["new", "show"]),
        ("cg list --tr", ["--transport"]),
        ("cg list --transport ", ["websocket", "polling"]),
        ("cg create x --no-join", ["--no-join-secret"]),
        ("cg add-job farm ", [""]),
        ("cg add-job farm --sideways --js", ["--json"]),
        ("cg create x --deploy-access ", ["owner", "join"]),
        ("cg create x --deploy-access j", ["join"]),
        ("cg add-job farm --jobs-file no", ["-o default", ""]),
        ("cg hash farm --join-secret-file ", ["-o default", ""]),
        ("cg list --passphrase-file ./", ["-o default", ""]),
        ("cg list --identity ", ["-o default", "id", "robot"]),
        ("cg add-job farm --join-identity r", ["-o default", "robot"]),
        ("cg identity show ro", ["-o default", "robot"]),
        ("cg serve --identity /etc/", ["-o default", ""]),
    ],
)
def test_bash_completes(folder: Path, line: str, found: list[str]) -> None:
    """Nothing is asked of a service or a database; what is wrong in the line is no matter.

    `-o default` is how bash is asked for files where it is offered nothing else.
    """
    ended = subprocess.run(
        ["bash", "-c", TAB, "bash", str(folder / "script"), line],
        capture_output=True, check=True, text=True, timeout=SECONDS,
        env=ENVIRONMENT | {"PATH": f"{folder}:{ENVIRONMENT['PATH']}", "HOME": str(folder)},
    )  # fmt: skip
    assert (ended.stdout.splitlines(), ended.stderr) == (found, "")
    assert not (folder / ".dcp" / "compute-groups.db").exists()


def test_where_no_keystore_is_files_are_offered(home: Home) -> None:
    tab = {"_CG_COMPLETE": "zsh_complete", "COMP_CWORD": "3", "COMP_WORDS": "cg list --identity "}
    assert Shell(home, tab).done() == "file\n\n_\n"
    (home.dcp).mkdir()
    (home.dcp / "robot.keystore").touch()
    assert Shell(home, tab).done() == "file\n\n_\nplain\nrobot\n_\n"
