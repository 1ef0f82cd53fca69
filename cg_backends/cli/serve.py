"""The command that serves groups to others."""

# ruff: noqa: PLC0415 - `cg serve --help` must not wait for what only `cg serve` needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

from typing import Any

import click

from cg_backends.cli.commands import Command
from cg_backends.cli.completions import keystores
from cg_backends.cli.options import SECONDS, Number, passphrase_options

_FROM_0 = Number("n", "a whole number from 0", int, lambda value: value >= 0)
_FROM_1 = Number("n", "a whole number from 1", int, lambda value: value >= 1)
_RATE = Number("n", "a number above 0", float, lambda value: value > 0)


@click.command(cls=Command)
@click.option(
    "--listen", default="127.0.0.1:9800", show_default=True, metavar="HOST:PORT", help="Where."
)
@click.option(
    "--store",
    envvar="CG_STORE",
    metavar="URL",
    help="The database: sqlite:///path, mariadb://..., postgresql://... "
    "[env: CG_STORE; default: compute-groups.db in DCP's folder, ~/.dcp]",
)
@click.option(
    "--identity",
    default="compute-groups-service",
    show_default=True,
    metavar="NAME|PATH",
    shell_complete=keystores,
    help="The keystore with the service's key, made if there is none.",
)
@passphrase_options
@click.option(
    "--url", metavar="URL", help="Where clients find the service, if not where it listens."
)
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
    type=_FROM_0,
    show_default=True,
    help="Most jobs of a caller in it.",
)
@click.option(
    "--max-sessions", default=10_000, type=_FROM_1, show_default=True, help="Sessions in all."
)
@click.option(
    "--max-sessions-per-peer",
    default=1_000,
    type=_FROM_1,
    show_default=True,
    help="... of one peer.",
)
@click.option(
    "--max-unproved",
    default=2_000,
    type=_FROM_1,
    show_default=True,
    help="Connections that have not yet signed anything.",
)
@click.option(
    "--proof-time",
    default=30.0,
    type=SECONDS,
    show_default=True,
    help="Seconds that they may take to do so.",
)
@click.option(
    "--max-connections",
    default=10_000,
    type=_FROM_1,
    show_default=True,
    help="Connections in all.",
)
@click.option(
    "--max-message",
    default=10_000_000,
    type=_FROM_1,
    show_default=True,
    help="Characters of a message.",
)
@click.option(
    "--max-held",
    default=100_000_000,
    type=_FROM_1,
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
    type=_FROM_1,
    show_default=True,
    help="... after a while without calls.",
)
@click.option(
    "--linger",
    default=7_300.0,
    type=SECONDS,
    show_default=True,
    help="Seconds that a session is kept for a client that has lost its connection.",
)
@click.option(
    "--stamps",
    default=10_000,
    type=_FROM_1,
    show_default=True,
    help="Calls of one caller remembered, so that none is replayed.",
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
    """Run a service, for the Python clients and dcp-client.

    The groups are kept in a database, the service's key in a keystore; both are made on first use.
    SIGINT and SIGTERM end it: what was asked is answered, and all are told goodbye.

    \b
    Examples:
      cg serve
      cg serve --store sqlite:///farm.db
      cg serve --listen 0.0.0.0:9800 --allow-create 0x8e077691A9f7152F7F709479233d06FA5273c15d
    """
    try:
        from cg_backends.cli.serving import Options, serve_until_signal
    except ModuleNotFoundError as error:
        need = f"cg serve needs {error.name}: pip install 'compute-groups[service]'"
        raise click.UsageError(need) from None
    serve_until_signal(Options(**options))
