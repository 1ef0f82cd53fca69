"""The command `cg`: its commands, put together. What one of them needs is imported when it runs."""

# ruff: noqa: PLC0415 - `cg --help` must not wait for what only one command needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cg_backends.cli import groups, jobs
from cg_backends.cli.commands import Command, Group
from cg_backends.cli.ending import COMPLETE
from cg_backends.cli.identities import identity
from cg_backends.cli.options import secret_options
from cg_backends.cli.serve import serve

if TYPE_CHECKING:
    from cg_backends.cli.secret_input import SecretInput


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="compute-groups", prog_name="cg")
def cg() -> None:
    """Compute groups of the Distributed Compute Protocol.

    Groups are kept on this machine, in ~/.dcp, unless --store, --service or --scheduler, behind the
    command, says where else. Who you are is told by the keystore `id` there, which is made at its
    first use.

    \b
    Examples:
      cg create "render farm" --join-key farm           a group; its secret is asked for
      cg add-job farm P+Y4IApeFQLrYS2W7MkVg7            a job in it
      cg list-jobs farm --service http://127.0.0.1:9800/
      cg serve                                          a service, for others
      cg demo                                           the whole API at work, in memory
    """


for command in (
    groups.create,
    groups.list_,
    groups.show,
    groups.change,
    groups.delete,
    jobs.add_job,
    jobs.list_jobs,
    jobs.remove_job,
    jobs.remove_all_jobs,
    jobs.cancel_job,
    jobs.cancel_all_jobs,
    identity,
    serve,
):
    cg.add_command(command)


@cg.command("hash", cls=Command)
@click.argument("join_key")
@secret_options("join-secret", "join secret")
def hash_(*, join_key: str, join_secret: SecretInput) -> None:
    """Print the join hash of a join key and its secret.

    The secret is asked for, or comes from stdin, a file or the environment; never as an argument,
    where every user of the machine could read it. The hash lets in as the secret does: keep it
    secret.

    \b
    Examples:
      cg hash scott
      pass show farm | cg hash farm --join-secret-stdin
      cg hash farm --join-secret-env FARM_SECRET
    """
    from cg_core.join_hashes import JoinSecret, join_hash

    secret = JoinSecret(join_secret.read_or_ask("Join secret", confirmed=False))
    click.echo(join_hash(join_key, secret).reveal())


@cg.command(cls=Command)
def demo() -> None:
    """Run the whole API once, in memory.

    Nothing is installed, started, or kept. The hashes are real.

    \b
    Examples:
      cg demo
    """
    from cg_backends.cli.demo import run

    run()


@cg.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print what makes a shell complete cg and its options.

    \b
    Examples:
      cg completion bash > ~/.local/share/bash-completion/completions/cg
      cg completion zsh > "${fpath[1]}/_cg"
      cg completion fish > ~/.config/fish/completions/cg.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None  # click has all three
    click.echo(script(cg, {}, "cg", COMPLETE).source())
