"""The commands of `cg` and their options. What a command needs is imported when it runs."""

# ruff: noqa: PLC0415 - `cg --help` must not wait for what only one command needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

_AT_LEAST_0 = click.IntRange(min=0)
_AT_LEAST_1 = click.IntRange(min=1)
_RATE = _SECONDS = click.FloatRange(min=0, min_open=True)


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
      cg serve              a service of your own, at http://127.0.0.1:9800/
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


@cg.command()
@click.option(
    "--listen", default="127.0.0.1:9800", show_default=True, metavar="HOST:PORT", help="Where."
)
@click.option(
    "--store",
    metavar="URL",
    help="The database: sqlite:///path, mariadb://..., postgresql://... "
    "[default: compute-groups.db in DCP's folder, ~/.dcp]",
)
@click.option(
    "--store-env", metavar="NAME", help="Take the URL, which may hold a password, from NAME."
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The keystore with the service's key, made if there is none. "
    "[default: compute-groups-service.keystore in DCP's folder]",
)
@click.option("--url", help="Where clients find the service, if not where it listens.")
@click.option(
    "--allow-create",
    multiple=True,
    metavar="ADDRESS",
    help="Who may create groups (repeatable), or `anyone`. "
    "[default: anyone, where only this machine can call]",
)
@click.option(
    "--public-group/--no-public-group", default=True, help="Whether there is a public group."
)
@click.option(
    "--public-jobs",
    default=1_000,
    type=_AT_LEAST_0,
    show_default=True,
    help="Most jobs of a caller in it.",
)
@click.option(
    "--max-sessions", default=10_000, type=_AT_LEAST_1, show_default=True, help="Sessions in all."
)
@click.option(
    "--max-sessions-per-peer",
    default=1_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="... of one peer.",
)
@click.option(
    "--max-unproved",
    default=2_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="Connections that have not said whose they are.",
)
@click.option(
    "--proof-time",
    default=30.0,
    type=_SECONDS,
    show_default=True,
    help="Seconds that they may take to say so.",
)
@click.option(
    "--max-connections",
    default=10_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="Connections in all.",
)
@click.option(
    "--max-message",
    default=10_000_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="Characters of a message.",
)
@click.option(
    "--max-held",
    default=100_000_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="Characters of what has not wholly come, and of what is not taken yet, in all.",
)
@click.option(
    "--calls-per-second",
    default=1_000.0,
    type=_RATE,
    show_default=True,
    help="Calls a second of one caller.",
)
@click.option(
    "--calls-at-once",
    default=5_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="... after a while without calls.",
)
@click.option(
    "--linger",
    default=7_300.0,
    type=_SECONDS,
    show_default=True,
    help="Seconds that a session outlives its peer.",
)
@click.option(
    "--stamps",
    default=10_000,
    type=_AT_LEAST_1,
    show_default=True,
    help="Calls of one caller kept from replay.",
)
@click.option(
    "--log-level",
    default="INFO",
    show_default=True,
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    help="DEBUG tells of each call.",
)
@click.option(
    "--log-format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="A line for people, or a JSON object.",
)
def serve(**options: Any) -> None:
    """Serve compute groups to Python's clients and to the official one.

    The groups are kept in a database, the service's key in a keystore; both are made on first use.
    SIGINT and SIGTERM end it: what was asked is answered, and all are told goodbye.

    \b
    Examples:
      cg serve
      cg serve --store sqlite:///farm.db
      cg serve --listen 0.0.0.0:9800 --allow-create 0x8e077691A9f7152F7F709479233d06FA5273c15d
    """
    try:
        from cg_backends.cli.serve import Options, serve
    except ModuleNotFoundError as error:
        need = f"cg serve needs {error.name}: pip install 'compute-groups[service]'"
        raise click.UsageError(need) from None
    try:
        serve(Options(**options))
    except ModuleNotFoundError as error:  # a database's driver
        raise click.UsageError(str(error)) from None
