"""The help of every command shows examples, and they are command lines that `cg` takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from cg_backends.cli.application import cg
from tests.cli.in_process import run_here
from tests.cli.processes import Home

ADDRESS = "0x8e077691A9f7152F7F709479233d06FA5273c15d"


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands, with what is typed to run them."""
    yield names, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


ALL = dict(commands(cg))
EACH = pytest.mark.parametrize("names", ALL, ids=lambda names: " ".join(("cg", *names)))


def examples(help: str) -> list[str]:
    """The lines of the examples, without what is said behind them."""
    _, heading, rest = help.partition("  Examples:\n")
    assert heading
    block = rest.partition("\n\n")[0].splitlines()
    assert all(line.startswith("    ") for line in block)
    return [re.sub(r"(?<=\S) {3,}.*", "", line.strip()) for line in block]


def command_lines(example: str) -> Iterator[list[str]]:
    """The calls of `cg` in a line for a shell."""
    for inner in re.findall(r"\$\((cg .*?)\)", example):
        yield from command_lines(inner)
    words = shlex.shlex(re.sub(r"\$\(.*?\)", ADDRESS, example), posix=True, punctuation_chars="|>")
    words.whitespace_split = True
    call: list[str] = []
    for word in [*words, "|"]:
        if word in ("|", ">"):
            if call[:1] == ["cg"]:
                yield call[1:]
            call = []
        else:
            call.append(word)


def parsed(arguments: list[str]) -> tuple[str, ...]:
    """Have click parse a command line; the names of the command that it runs.

    Raises:
        click.UsageError: it is none.
    """
    command: click.Command = cg
    context = click.Context(cg, **cg.context_settings)
    names: tuple[str, ...] = ()
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert name is not None
        assert found is not None
        names, command, parent = (*names, name), found, context
        context = click.Context(command, parent=parent)
        if not isinstance(command, click.Group):
            command.make_context(name, arguments, parent=parent)
    return names


@EACH
def test_help_shows_examples_that_can_be_typed(names: tuple[str, ...], home: Home) -> None:
    ended = run_here(home, *names, "--help")
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: {' '.join(('cg', *names))} ")
    calls = [call for line in examples(ended.stdout) for call in command_lines(line)]
    assert calls
    for call in calls:
        assert parsed(call) in ALL
    assert any(parsed(call)[: len(names)] == names for call in calls)


@EACH
def test_h_is_help(names: tuple[str, ...], home: Home) -> None:
    assert run_here(home, *names, "-h") == run_here(home, *names, "--help")


@EACH
def test_every_option_says_what_it_does(names: tuple[str, ...]) -> None:
    command = ALL[names]
    assert command.get_short_help_str(limit=200)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


PLACE_HEADING = "Where the groups are, and who calls:"


@EACH
def test_where_the_groups_are_is_said_apart(names: tuple[str, ...], home: Home) -> None:
    """And the options that do nothing for a command are none of its options."""
    own, heading, of_place = run_here(home, *names, "--help").stdout.partition(PLACE_HEADING)
    assert "RANGE" not in own + of_place
    calls = names != () and names[0] not in {"identity", "serve", "hash", "demo", "completion"}
    assert (heading != "") is calls
    assert ("--service" in of_place, "--passphrase-env" in of_place) == (calls, calls)
    assert ("--json" in of_place, "--help" in of_place) == (False, False)
    assert ("--join-identity" in of_place) is (names == ("add-job",))
    assert ("--insecure" in of_place) is (names in {("create",), ("change",)})


def test_an_example_with_a_wrong_option_would_be_found() -> None:
    (call,) = command_lines("pass show farm | cg create farm --join-secret-stdin > id.txt")
    assert call == ["create", "farm", "--join-secret-stdin"]
    assert parsed(call) == ("create",)
    for wrong in ([*call, "--nope"], ["nope"], ["list", "farm"]):
        with pytest.raises(click.UsageError):
            parsed(wrong)
    inner, outer = command_lines("cg serve --allow-create $(cg identity show)")
    assert (parsed(inner), parsed(outer)) == (("identity", "show"), ("serve",))
