"""`cg serve`: the store, the identity, and the limits that the options name, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import click

from cg_backends.cli.caller import opened
from cg_backends.cli.place import default_store
from cg_backends.cli.secret_input import SecretInput
from cg_backends.keystore_files import may_be_there
from cg_backends.keystores import keystore_path, new_identity, save_identity
from cg_backends.random_text import random_text
from cg_backends.service.application import Application
from cg_backends.service.listening import listen, parse_listen
from cg_backends.service.log import LogFormat, log_to_stderr
from cg_backends.service.running import run_until_signal
from cg_backends.service.socket_limits import SocketLimits
from cg_backends.sql import Store
from cg_backends.sql.urls import shown_url
from cg_core import Address, Identity, Terms
from cg_core.remote.service_url import ServiceURL
from cg_core.service import Service, ServiceLimits
from cg_core.session import Capacity, Settings

_GRACE = 10.0  # seconds; a session waits 7 for its last answers and its goodbye
_PATIENCE = 10.0  # seconds that a call waits for a database that others keep locked


@attrs.frozen(kw_only=True)
class Options:
    """What the command line says; see `cg serve --help`."""

    listen: str
    store: str | None
    identity: str
    passphrase: SecretInput
    url: str | None
    allow_create: tuple[str, ...]
    public_group: bool
    public_jobs: int
    max_sessions: int
    max_sessions_per_peer: int
    max_unproved: int
    proof_time: float
    max_connections: int
    max_message: int
    max_held: int
    calls_per_second: float
    calls_at_once: int
    linger: float
    stamps: int
    log_level: str
    log_format: LogFormat

    def limits(self) -> ServiceLimits:
        """The caps of the service."""
        return ServiceLimits(
            connections=attrs.evolve(
                ServiceLimits().connections,
                message_length=self.max_message,
                held_length=self.max_message + 2_000_000,
                held_in_all=self.max_held,
                connections=self.max_connections,
            ),
            capacity=Capacity(
                sessions=self.max_sessions,
                sessions_per_peer=self.max_sessions_per_peer,
                unproved=self.max_unproved,
            ),
            sessions=Settings(linger_time=self.linger, proof_timeout=self.proof_time),
            calls_per_second=self.calls_per_second,
            calls_at_once=self.calls_at_once,
            untaken_answers=self.max_held,
            stamps=self.stamps,
        )

    def creators(self, host: str) -> frozenset[Address] | None:
        """Who may create groups; None: anyone.

        Raises:
            click.UsageError: it is not said, and others than this machine can call.
        """
        if self.allow_create == ("anyone",):
            return None
        if self.allow_create:
            return frozenset(Address(each, "--allow-create") for each in self.allow_create)
        if ServiceURL.parse(_origin(host, 0)).is_loopback:
            return None
        raise click.UsageError(
            f"{host} can be called from other machines: say who may create groups there, with "
            "--allow-create ADDRESS (repeatable) or --allow-create anyone"
        )


def serve_until_signal(options: Options) -> None:
    """Serve until SIGINT or SIGTERM comes."""
    log_to_stderr(options.log_level, options.log_format)
    host, port = parse_listen(options.listen)
    creators = options.creators(host)
    url = None if options.url is None else ServiceURL.parse(options.url, "--url")
    terms = Terms(creators=creators, public_jobs_per_caller=options.public_jobs)
    with listen(host, port) as listener:
        place = options.store or default_store()
        with Store(
            place, public_group=options.public_group, terms=terms, timeout=_PATIENCE
        ) as store:
            identity, keystore = _identity(options, store)
            service = Service(identity, random_text, url=url, limits=options.limits())
            here = str(url or _origin(host, listener.getsockname()[1]))
            asyncio.run(
                run_until_signal(
                    Application(service, store),
                    listener,
                    SocketLimits(connections=2 * options.max_connections),
                    grace=_GRACE,
                    on_ready=lambda: _greet(here, identity.address, place, keystore, creators),
                )
            )


def _identity(options: Options, store: Store) -> tuple[Identity, Path]:
    # Made on first use, and written only if the store takes it.
    path = keystore_path(options.identity)
    is_new = not may_be_there(path)
    identity = new_identity() if is_new else opened(path, options.passphrase)
    store.claim(identity.address)
    if is_new:
        save_identity(identity, path, options.passphrase.read() or "")
    return identity, path


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _greet(
    here: str, address: Address, place: str, keystore: Path, creators: frozenset[Address] | None
) -> None:
    who = "anyone" if creators is None else ", ".join(sorted(creators))
    click.echo(
        f"""\
Serving compute groups at {here}
as {address} (key: {keystore})
from {shown_url(place)}; {who} may create groups.

Python:
  from cg_backends.sync import connect
  with connect("{here}", service_address="{address}") as groups:
      print(groups.list_groups())

dcp-client:
  process.env.DCP_SCHEDULER_LOCATION = "{here}";
  await require("dcp-client").init();
  await require("dcp/compute-groups").createGroup({{ joinKey: "farm", joinSecret: "?" }}, "farm");
"""
    )
