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
    save_identity(ALICE, home.dcp / "id.keystore")
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
    ],
)
def test_bash_completes(folder: Path, line: str, found: list[str]) -> None:
    """Nothing is asked of a service or a database; what is wrong in the line is no matter."""
    ended = subprocess.run(
        ["bash", "-c", TAB, "bash", str(folder / "script"), line],
        capture_output=True, check=True, text=True, timeout=SECONDS,
        env=ENVIRONMENT | {"PATH": f"{folder}:{ENVIRONMENT['PATH']}", "HOME": str(folder)},
    )  # fmt: skip
    assert (ended.stdout.splitlines(), ended.stderr) == (found, "")
    assert not (folder / ".dcp" / "compute-groups.db").exists()
