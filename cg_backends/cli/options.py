"""The options that commands share. Each decorator makes one argument of several options."""

# ruff: noqa: PLC0415 - `cg create --help` must not wait for what only `cg create` needs

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

if TYPE_CHECKING:
    from cg_backends.cli.secret_input import SecretInput

Function: TypeAlias = Callable[..., Any]
SECONDS: Final = click.FloatRange(min=0, min_open=True)


class Command(click.Command):
    """A command that does not repeat arguments that it does not take: they may be secrets."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, and what is left over is refused."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            raise click.UsageError(
                "there are more arguments than the command takes (they are not shown: a secret may "
                "be among them, which is never an argument, for others could read it); put what "
                "has spaces in it in quotes",
                ctx,
            )
        return rest


as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, errors too.")
"""Passes `as_json`; `place_options` has it."""

no_question = click.option(
    "--yes", "-y", "is_sure", is_flag=True, help="Do not ask whether it is meant."
)
"""Passes `is_sure`, for `ask`."""


def ask(question: str, *, is_sure: bool) -> None:
    """Ask whether what cannot be undone is meant, unless the user has said so.

    Raises:
        click.UsageError: there is no terminal to ask at.
        click.ClickException: it is not meant.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone, and there is no terminal to ask; say --yes")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was done")


def secret_options(name: str, title: str) -> Callable[[Function], Function]:
    """Where a secret is: passes a `SecretInput` by the name, with underscores."""
    options = (
        click.option(f"--{name}-stdin", is_flag=True, help=f"Read the {title} from stdin."),
        click.option(f"--{name}-file", metavar="FILE", help="... from a file."),
        click.option(f"--{name}-env", metavar="NAME", help="... from an environment variable."),
    )
    key = name.replace("-", "_")

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_secret(**given: Any) -> Any:
            from cg_backends.cli.secret_input import SecretInput

            read: SecretInput = SecretInput(
                f"--{name}",
                given.pop(f"{key}_stdin"),
                given.pop(f"{key}_file"),
                given.pop(f"{key}_env"),
            )
            return function(**given, **{key: read})

        return _with_options(with_secret, options)

    return decorate


passphrase_options = secret_options("passphrase", "keystore's passphrase")
"""Passes `passphrase`, a `SecretInput`."""


def group_options(function: Function) -> Function:
    """How a command names a group, and nothing else: passes `group`, a `GroupName`."""

    @wraps(function)
    def with_group(
        *, join_key: str | None, id: int | None, opaque_id: str | None, **given: Any
    ) -> Any:
        from cg_backends.cli.names import group_name

        return function(**given, group=group_name(join_key, id, opaque_id))

    argument = click.argument("join_key", metavar="[GROUP]", required=False)
    return _with_options(with_group, (argument, *_IDS))


def job_options(function: Function) -> Function:
    """How a command names jobs of a group: passes `group`, a `GroupName`, and `jobs`."""

    @wraps(function)
    def with_jobs(
        *, names: tuple[str, ...], id: int | None, opaque_id: str | None, **given: Any
    ) -> Any:
        from cg_backends.cli.names import group_name, job_ids

        by_id = id is not None or opaque_id is not None
        join_key = None if by_id or not names else names[0]
        group = group_name(join_key, id, opaque_id)
        jobs = job_ids(names if by_id else names[1:], given.pop("jobs_file"))
        return function(**given, group=group, jobs=jobs)

    argument = click.argument("names", nargs=-1, metavar="[GROUP] JOB...")
    file = click.option(
        "--jobs-file", metavar="FILE", help="A file of jobs, one in each line; - for stdin."
    )
    return _with_options(with_jobs, (argument, *_IDS, file))


_IDS: Final = (
    click.option("--id", type=int, metavar="N", help="The group, by its row id."),
    click.option("--opaque-id", metavar="ID", help="The group, by its opaque id."),
)


def place_options(function: Function) -> Function:
    """Where groups are, who calls, and who reads the answer: passes `place`, a `Place`."""

    @wraps(function)
    def with_place(**given: Any) -> Any:
        from cg_backends.cli.place import PlaceOptions

        options = PlaceOptions(**{name: given.pop(name) for name in (*_PLACE, "passphrase")})
        place = options.place(as_json=given.pop("as_json"))
        return function(**given, place=place)

    return _with_options(with_place, (*_PLACE.values(), passphrase_options, as_json))


_PLACE: Final = {
    "service": click.option(
        "--service", metavar="URL", help="The service to call. [env: CG_SERVICE]"
    ),
    "scheduler": click.option(
        "--scheduler",
        metavar="URL",
        help="The scheduler that tells where the service is. [env: DCP_SCHEDULER_LOCATION]",
    ),
    "store": click.option(
        "--store",
        metavar="URL",
        help="Without a service, the database. [env: CG_STORE; default: compute-groups.db in DCP's "
        "folder, ~/.dcp]",
    ),
    "identity": click.option(
        "--identity",
        metavar="NAME|PATH",
        help="The keystore of who calls. [default: id in DCP's folder, made if there is none]",
    ),
    "join_identity": click.option(
        "--join-identity",
        metavar="NAME|PATH",
        help="Another keystore, whose address groups may let in.",
    ),
    "timeout": click.option(
        "--timeout",
        type=SECONDS,
        metavar="SECONDS",
        help="For each call. [default: 60, without a service 30]",
    ),
    "transport": click.option(
        "--transport",
        type=click.Choice(["websocket", "polling"]),
        help="The only way to a service that is tried.",
    ),
    "service_address": click.option(
        "--service-address", metavar="ADDRESS", help="The address that the service must have."
    ),
    "insecure": click.option(
        "--insecure", is_flag=True, help="Let join hashes go unencrypted over a network."
    ),
}


def _with_options(
    function: Function, options: tuple[Callable[[Function], Function], ...]
) -> Function:
    for option in reversed(options):
        function = option(function)
    return function
