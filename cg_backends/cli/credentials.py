"""Credentials on the command line: a join key, and what is shown or set beside it."""

# ruff: noqa: PLC0415 - `cg create --help` must not wait for the core

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import attrs
import click

from cg_backends.cli.options import Function, secret_options

if TYPE_CHECKING:
    from cg_backends.cli.secret_input import SecretInput

_NONE = "--no-join-secret"


@attrs.frozen
class Credentials:
    """What the options say beside a join key."""

    join_secret: SecretInput
    join_hash: SecretInput
    no_join_secret: bool

    @property
    def is_given(self) -> bool:
        """Whether any option says anything."""
        return self.join_secret.is_given or self.join_hash.is_given or self.no_join_secret

    def arguments(self, *, new: bool) -> dict[str, Any]:
        """A request's `join_secret` or `join_hash`; the secret is asked for if need be.

        Args:
            new: whether it is set from now on, and not only shown.

        Raises:
            click.UsageError: more than one option says it, or none and stdin is no terminal.
            InvalidValue: it cannot be one.
        """
        from cg_core import JoinHash, JoinSecret

        if self.join_secret.is_given + self.join_hash.is_given + self.no_join_secret > 1:
            raise click.UsageError(f"give the join secret, its hash, or {_NONE}, not several")
        if self.no_join_secret:
            return {"join_secret": None}
        if (held := self.join_hash.read()) is not None:
            return {"join_hash": JoinHash(held)}
        asked = self.join_secret.read_or_ask("Join secret", confirmed=new, otherwise=_NONE)
        return {"join_secret": JoinSecret(asked)}


def credential_options(function: Function) -> Function:
    """A join secret, its hash, or neither: passes `credentials`."""

    @wraps(function)
    def with_credentials(
        *, join_secret: SecretInput, join_hash: SecretInput, no_join_secret: bool, **given: Any
    ) -> Any:
        return function(**given, credentials=Credentials(join_secret, join_hash, no_join_secret))

    decorators: tuple[Callable[[Function], Function], ...] = (
        click.option(_NONE, is_flag=True, help="The join key alone lets in: there is no secret."),
        secret_options("join-hash", "secret's join hash"),
        secret_options("join-secret", "join secret"),
    )
    decorated: Function = with_credentials
    for decorate in decorators:
        decorated = decorate(decorated)
    return decorated
