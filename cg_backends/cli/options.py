"""The options that commands share. Each decorator makes one argument of several options."""

# ruff: noqa: PLC0415 - `cg create --help` must not wait for what only `cg create` needs

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from cg_backends.cli.commands import PlaceOption
from cg_backends.cli.completions import files, keystores

if TYPE_CHECKING:
    from cg_backends.cli.secret_input import SecretInput

Function: TypeAlias = Callable[..., Any]


class Number(click.ParamType):  # type: ignore[type-arg] # it takes one only in later clicks
    """A number.

    Args:
        name: how the help calls it.
        words: what it must be.
        read: makes it of a text.
        is_one: whether it may be one.
    """

    def __init__(
        self, name: str, words: str, read: type[int | float], is_one: Callable[[float], bool]
    ) -> None:
        self.name = name  # the help shows it in capitals
        self._words = words
        self._read = read
        self._is_one = is_one

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """The number.

        Raises:
            click.UsageError: it is none, or cannot be.
        """
        with suppress(ValueError):
            if self._is_one(number := self._read(value)):
                return number
        option = "" if param is None else param.opts[0]
        raise click.UsageError(f"{option} must be {self._words}", ctx)


SECONDS: Final = Number("seconds", "a number of seconds above 0", float, lambda value: value > 0)


as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, errors too.")
"""Passes `as_json`; `place_options` has it."""

no_question = click.option(
    "--yes", "-y", "is_sure", is_flag=True, help="Do not ask whether it is meant."
)
"""Passes `is_sure`, for `ask`."""


def ask(question: str, *, is_sure: bool) -> None:
    """Ask whether what cannot be undone is meant, unless the user has said so.

    Raises:
        click.UsageError: stdin is no terminal to ask at.
        click.ClickException: it is not meant.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            "this cannot be undone, and stdin is no terminal to ask at; say --yes"
        )
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was done")


def secret_options(
    name: str, title: str, cls: type[click.Option] = click.Option
) -> Callable[[Function], Function]:
    """Where a secret is: passes a `SecretInput` by the name, with underscores."""
    option = partial(click.option, cls=cls)
    options = (
        option(f"--{name}-stdin", is_flag=True, help=f"Read the {title} from stdin."),
        option(f"--{name}-file", metavar="FILE", shell_complete=files, help="... from a file."),
        option(f"--{name}-env", metavar="NAME", help="... from an environment variable."),
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


_PASSPHRASE: Final = ("passphrase", "keystore's passphrase")

passphrase_options = secret_options(*_PASSPHRASE)
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
        from cg_backends.cli.names import group_and_jobs

        group, jobs = group_and_jobs(names, id, opaque_id, given.pop("jobs_file"))
        return function(**given, group=group, jobs=jobs)

    argument = click.argument("names", nargs=-1, metavar="[GROUP] JOB...")
    file = click.option(
        "--jobs-file",
        metavar="FILE",
        shell_complete=files,
        help="A file of jobs, one in each line; - for stdin.",
    )
    return _with_options(with_jobs, (argument, *_IDS, file))


_IDS: Final = (
    click.option(
        "--id", type=int, metavar="N", help="The group, by the id that cg create printed."
    ),
    click.option("--opaque-id", metavar="ID", help="The group, by its opaque id."),
)


def place_options(function: Function) -> Function:
    """Where groups are, who calls, and who reads the answer: passes `place`, a `Place`."""

    @wraps(function)
    def with_place(**given: Any) -> Any:
        from cg_backends.cli.place import PlaceOptions

        options = PlaceOptions(
            **{name: given.pop(name) for name in (*_PLACE, "passphrase")},
            join_identity=given.pop("join_identity", None),
            insecure=given.pop("insecure", False),
        )
        place = options.place(as_json=given.pop("as_json"))
        return function(**given, place=place)

    passphrase = secret_options(*_PASSPHRASE, cls=PlaceOption)
    return _with_options(with_place, (*_PLACE.values(), passphrase, as_json))


_option = partial(click.option, cls=PlaceOption)

join_identity_option = _option(
    "--join-identity",
    metavar="NAME|PATH",
    shell_complete=keystores,
    help="A second keystore, to join groups by its address.",
)
"""For `place_options`, where jobs are let in."""

insecure_option = _option(
    "--insecure", is_flag=True, help="Let join hashes go unencrypted over a network."
)
"""For `place_options`, where join hashes are sent."""

_PLACE: Final = {
    "service": _option("--service", metavar="URL", help="The service to call. [env: CG_SERVICE]"),
    "scheduler": _option(
        "--scheduler",
        metavar="URL",
        help="The scheduler that tells where the service is. [env: DCP_SCHEDULER_LOCATION]",
    ),
    "store": _option(
        "--store",
        metavar="URL",
        help="Without a service, the database. [env: CG_STORE; default: compute-groups.db in DCP's "
        "folder, ~/.dcp]",
    ),
    "identity": _option(
        "--identity",
        metavar="NAME|PATH",
        shell_complete=keystores,
        help="The keystore of who calls. [default: id in DCP's folder, made if there is none]",
    ),
    "timeout": _option(
        "--timeout",
        type=SECONDS,
        help="For each call. [default: 60, without a service 30]",
    ),
    "transport": _option(
        "--transport",
        type=click.Choice(["websocket", "polling"]),
        help="Use only this transport. [default: WebSocket, else polling]",
    ),
    "service_address": _option(
        "--service-address",
        metavar="ADDRESS",
        help="The Ethereum address (0x...) whose key the service must have.",
    ),
}


def _with_options(
    function: Function, options: tuple[Callable[[Function], Function], ...]
) -> Function:
    for option in reversed(options):
        function = option(function)
    return function
