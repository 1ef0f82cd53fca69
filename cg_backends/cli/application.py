"""The commands of `cg` and their options. What a command needs is imported when it runs."""

# ruff: noqa: PLC0415 - `cg --help` must not wait for what only one command needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

import sys
from typing import Any

import click


class _Application(click.Group):
    """Shows the library's errors as a line on stderr, and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not _is_ours(error):
                raise
            raise click.UsageError(str(error)) from None


def _is_ours(error: Exception) -> bool:
    # Where the core is not even imported, it has raised nothing.
    core = sys.modules.get("cg_core")
    return core is not None and isinstance(error, core.ComputeGroupsError)


@click.group(cls=_Application, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="compute-groups", prog_name="cg")
def cg() -> None:
    """Compute groups of the Distributed Compute Protocol.

    \b
    Examples:
      cg demo               see the whole API at work, in memory
      cg hash "my group"    the join hash of a group's secret
    """


@cg.command()
def demo() -> None:
    """Run the whole API once, from create to cancel_all_jobs, in memory.

    Nothing is installed, started, or kept. The hashes are real.
    """
    from cg_backends.cli.demo import run

    run()


@cg.command(name="hash")
@click.argument("join_key")
@click.argument("not_a_secret", nargs=-1, metavar="")
@click.option(
    "--join-secret-stdin", is_flag=True, help="Read the join secret from stdin (one line)."
)
@click.option(
    "--join-secret-env",
    metavar="NAME",
    help="Take the join secret from the environment variable NAME.",
)
def hash_(
    join_key: str,
    not_a_secret: tuple[str, ...],
    *,
    join_secret_stdin: bool,
    join_secret_env: str | None,
) -> None:
    """Print the join hash of a join key and its secret.

    The secret is asked for, or comes from stdin or the environment; never as an argument, where
    every user of the machine could read it. The hash lets in as the secret does: keep it secret.

    \b
    Examples:
      cg hash scott
      pass show farm | cg hash farm --join-secret-stdin
      cg hash farm --join-secret-env FARM_SECRET
    """
    from cg_backends.cli.join_secret import join_secret
    from cg_core.join_hashes import join_hash

    if not_a_secret:
        # Taken, so that click does not repeat what may be a secret.
        raise click.UsageError(
            "a join secret is not given as an argument, where others could read it; give the join "
            "key alone (in quotes, if there are spaces in it)"
        )
    secret = join_secret(from_stdin=join_secret_stdin, environment_name=join_secret_env)
    click.echo(join_hash(join_key, secret).reveal())
