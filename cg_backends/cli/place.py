"""Where the groups are, and who calls: what the options and the environment say."""

# ruff: noqa: PLC0415 - who calls a service does not wait for a database's libraries, nor the reverse

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from cg_backends.cli.caller import caller_address, caller_identity
from cg_backends.cli.calls import Answer, Executor, Work, carry_out
from cg_backends.cli.ending import note_done
from cg_backends.cli.interrupts import Interrupts
from cg_backends.cli.names import told
from cg_backends.cli.printable import printable
from cg_backends.cli.progress import progress
from cg_backends.cli.secret_input import SecretInput
from cg_backends.keystores import dcp_folder
from cg_core import READS, Address, Caller, CreateGroup, InvalidValue, NetworkError, Request

if TYPE_CHECKING:
    from cg_backends.cli.service_calls import ServiceExecutor
    from cg_backends.cli.store_calls import StoreExecutor

T = TypeVar("T")

# Where the command line says nothing: the first of these that the environment has.
_ENVIRONMENT: Final = (
    ("CG_SERVICE", "service"),
    ("CG_STORE", "store"),
    ("DCP_SCHEDULER_LOCATION", "scheduler"),
)
_STOPPING: Final = (
    "Stopping: what is under way is waited for; Ctrl-C again leaves it, and its outcome unknown.\n"
)


@attrs.frozen
class Place:
    """Where requests are carried out, for a caller.

    Attributes:
        as_json: whether a program reads what we say.
        caller: who calls.
        where: where the groups are, in a sentence: "at http://127.0.0.1:9800/".
    """

    _executor: Executor
    as_json: bool
    caller: Address | None = None
    where: str = "here"
    _variable: str | None = None  # of the environment, that says where
    _is_service: bool = False

    def call(self, request: Request[T]) -> T:
        """Carry out a request.

        Raises:
            ComputeGroupsError: as the client's methods raise it.
            KeyboardInterrupt: Ctrl-C came before it was done; the message says what is known.
        """
        work = Work([request])
        interrupts = Interrupts()
        self._carry_out(work, interrupts)
        if type(request) in READS:
            interrupts.end()  # nothing was done: who has seen enough of it may stop it
        (answer,) = work.answers
        if answer is None:
            raise KeyboardInterrupt("nothing was done")
        if answer.error is None:
            result: T = answer.result
            if isinstance(request, CreateGroup):
                note_done(f"{told(answer.result)} was created")
            elif type(request) not in READS:
                note_done("it was done")
            return result
        if work.is_interrupted:
            raise KeyboardInterrupt(answer.error.message)
        raise answer.error

    def call_all(self, requests: Sequence[Request[Any]], title: str) -> Work:
        """Carry out requests in their order; on a terminal, with progress.

        Args:
            requests: they.
            title: what is being done.

        Returns:
            What has come of them.
        """
        interrupts = Interrupts()
        with progress(title, len(requests)) as advance:
            work = Work(requests, advance=advance)
            self._carry_out(work, interrupts)
        return work

    def note(self, text: str) -> None:
        """Tell people something; what programs read is left alone."""
        if not self.as_json:
            click.echo(text, err=True)

    def _carry_out(self, work: Work, interrupts: Interrupts) -> None:
        try:
            carry_out(self._executor, work, interrupts, self._tell_of_stopping)
        except NetworkError as error:
            raise self._named(error) from None
        for index, answer in enumerate(work.answers):
            if answer is not None and isinstance(answer.error, NetworkError):
                work.answers[index] = Answer(error=self._named(answer.error))

    def _named(self, error: NetworkError) -> NetworkError:
        """The error, with the variable that says where to go, which may be forgotten."""
        said = f"{self._variable}: " if self._variable else ""
        named = NetworkError(f"{said}{error.message}", code=error.code, name=error.name)
        if self._is_service and error.code == "ECONNREFUSED":
            named.add_note("is `cg serve` running there?")
        return named

    def _tell_of_stopping(self) -> None:
        if not self.as_json:
            sys.stderr.write(_STOPPING)  # click would write into the progress bar


@attrs.frozen(kw_only=True)
class PlaceOptions:
    """What the command line says; see the help of any command that has these options."""

    service: str | None
    scheduler: str | None
    store: str | None
    identity: str | None
    passphrase: SecretInput
    join_identity: str | None
    timeout: float | None
    transport: str | None
    service_address: str | None
    insecure: bool

    def place(self, *, as_json: bool) -> Place:
        """The place that is meant.

        Raises:
            click.UsageError: two are.
            InvalidArgument: an option, or a variable of the environment, cannot be.
        """
        kind, value, said = self._where()
        variable = None if said.startswith("--") else said
        if kind == "store":
            self._require_nothing_for_a_service()
            url = value or default_store()
            where = f"in {_shown(url, said)}"
            store = self._in_store(url)
            return Place(store, as_json, store.caller.address, where, variable)

        from cg_core.remote import ServiceURL

        url = str(ServiceURL.parse(value, said))  # so that an error names what is to be mended
        is_service = kind == "service"
        service = self._by_service("url" if is_service else kind, value)
        where = f"at {url}" if is_service else f"at the service that {url} names"
        return Place(service, as_json, service.identity.address, where, variable, is_service)

    def _where(self) -> tuple[str, str, str]:
        given = [
            (name, value, f"--{name}")
            for name in ("service", "scheduler", "store")
            if (value := getattr(self, name)) is not None
        ]
        if len(given) > 1:
            raise click.UsageError(
                f"give one of {' and '.join(option for _, _, option in given)}: groups are looked "
                "for in one place"
            )
        of_environment = [
            (name, value, variable)
            for variable, name in _ENVIRONMENT
            if (value := os.environ.get(variable))
        ]
        return [*given, *of_environment, ("store", "", "")][0]

    def _require_nothing_for_a_service(self) -> None:
        # Who says it expects one, and is not to change this machine's groups by a slip.
        said = {
            "--transport": self.transport,
            "--service-address": self.service_address,
            "--insecure": self.insecure,
        }
        given = [option for option, value in said.items() if value]
        if given:
            raise click.UsageError(
                f"{' and '.join(given)} is about a service; say which, with --service or "
                "--scheduler"
            )

    def _in_store(self, url: str) -> StoreExecutor:
        from cg_backends.cli.store_calls import StoreExecutor

        join = self.join_identity
        joins = frozenset() if join is None else frozenset({caller_address(join)})
        caller = Caller(caller_address(self.identity), joins)
        if self.timeout is None:
            return StoreExecutor(url, caller)
        return StoreExecutor(url, caller, self.timeout)

    def _by_service(self, kind: str, url: str) -> ServiceExecutor:
        from cg_backends.cli.service_calls import ServiceExecutor

        join = self.join_identity
        options: dict[str, Any] = {
            kind: url,
            "join_identity": None if join is None else caller_identity(join, self.passphrase),
            "transport": self.transport,
            "service_address": self.service_address,
            "insecure": self.insecure,
        }
        if self.timeout is not None:
            options["timeout"] = self.timeout
        return ServiceExecutor(caller_identity(self.identity, self.passphrase), options)


def _shown(url: str, said: str) -> str:
    """The URL of a database, for a person."""
    from cg_backends.sql.urls import Location, shown_url

    try:
        Location.parse(url)
    except InvalidValue as error:
        fault = f"{said and f'{said}: '}{error.message}"
    else:
        return printable(shown_url(url))
    raise InvalidValue(fault)


def default_store() -> str:
    """The URL of the database in DCP's folder, which is made if there is none.

    Raises:
        NetworkError: it cannot be made.
    """
    try:
        folder = dcp_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        raise NetworkError(
            f"DCP's folder cannot be made: {error}; say where the groups are with --store, or name "
            "another folder with DCP_RESOURCE_DIR"
        ) from None
    return f"sqlite:///{folder / 'compute-groups.db'}"
