"""The options for DCP 5's properties of a group (C-4)."""

# ruff: noqa: PLC0415 - `cg create --help` must not wait for the core

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

import click

from cg_backends.cli.options import Function

if TYPE_CHECKING:
    from cg_core.properties import PropertyArguments

# What they take in the help; the core judges what is given.
PROPERTIES: Final = {
    "commission_rate": ("RATE", "The owner's share of payments, below 1: 0.05 is 5 %."),
    "deploy_fee": ("AMOUNT", "What deploying a job costs."),
    "add_job_fee": ("AMOUNT", "What adding a job costs."),
    "max_total_payment": ("AMOUNT", "The most that may be paid in all."),
    "max_concurrent_escrow": ("AMOUNT", "The most in escrow at once."),
    "max_concurrent_jobs": ("N", "The most jobs in it at once."),
    "max_concurrent_workers": ("N", "The most workers at once."),
    "max_concurrent_sandboxes": ("N", "The most sandboxes at once."),
    "max_concurrent_cpus": ("N", "The most CPUs at once."),
    "max_concurrent_gpus": ("N", "The most GPUs at once."),
    "deploy_access": ("WHO", "Who may add jobs: `owner`, or whoever can `join`."),
}

_WHOLE_NUMBER: Final = re.compile("-?[0-9]{1,64}")


def property_options(function: Function) -> Function:
    """Passes each property as the text that was given, or None; for `given_properties`."""
    for name, (takes, meaning) in reversed(PROPERTIES.items()):
        offered = _access if name == "deploy_access" else None
        option = click.option(_option(name), metavar=takes, shell_complete=offered, help=meaning)
        function = option(function)
    return function


def given_properties(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a request: what was given, and properties as what their texts say.

    Raises:
        InvalidValue: a text says no value of its property; the message names the option.
    """
    return {
        name: _value(name, value) if name in PROPERTIES and value is not None else value
        for name, value in given.items()
        if value is not None or name in ("join_key", "join_secret")
    }


def _access(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    return [each for each in ("owner", "join") if each.startswith(incomplete)]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _value(name: str, text: str) -> object:
    from cg_core import InvalidValue
    from cg_core.properties import checked_properties

    try:
        given = cast("PropertyArguments", {name: _said(name, text)})
        return checked_properties(given)[name]
    except InvalidValue as error:
        fault = error.message.replace(name, _option(name), 1)
    raise InvalidValue(fault)


def _said(name: str, text: str) -> object:
    from cg_core import InvalidValue
    from cg_core.properties import AMOUNTS, amount_from_text

    if name == "deploy_access":
        return text
    if text == "none" and name.startswith("max_"):
        return None
    if name in AMOUNTS:
        return amount_from_text(name, text)
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    raise InvalidValue(f"{name} (a str) is not a whole number, nor `none` for no limit")
