"""The commands that make, change, show and delete groups."""

# ruff: noqa: PLC0415 - `cg create --help` must not wait for what only `cg create` needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cg_backends.cli.commands import Command
from cg_backends.cli.credentials import credential_options
from cg_backends.cli.options import (
    ask,
    group_options,
    insecure_option,
    no_question,
    place_options,
)
from cg_backends.cli.property_options import given_properties, property_options

if TYPE_CHECKING:
    from cg_backends.cli.credentials import Credentials
    from cg_backends.cli.place import Place
    from cg_core import GroupName

_join_address = click.option(
    "--join-address", metavar="ADDRESS", help="An address; whoever can sign for it may join, too."
)


@click.command(cls=Command)
@click.argument("name")
@click.option("--description", help="What it is for. [default: its name and the date]")
@click.option(
    "--join-key",
    metavar="KEY",
    help="The name under which machines join and jobs are let in; unique.",
)
@credential_options
@_join_address
@click.option("--opaque-id", metavar="ID", help="Its opaque id, if it is free.")
@property_options
@place_options
@insecure_option
def create(*, credentials: Credentials, join_key: str | None, place: Place, **given: Any) -> None:
    """Create a group, which you then own, and print its id.

    A group with a join key has a join secret as well, which is asked for, or comes from stdin, a
    file or the environment; or say --no-join-secret. Only the owner adds jobs, unless
    --deploy-access join.

    \b
    Examples:
      cg create "render farm" --join-key farm
      pass show farm | cg create "render farm" --join-key farm --join-secret-stdin
      cg create scratch --max-concurrent-jobs 100
    """
    from cg_backends.cli.names import group_to_json
    from cg_core import CreateGroup

    if join_key is not None:
        given |= {"join_key": join_key, **credentials.arguments(new=True)}
    elif credentials.is_given:
        raise click.UsageError("a join secret needs its join key: give --join-key KEY, too")
    group = place.call(CreateGroup(**given_properties(given)))
    if place.as_json:
        click.echo(json.dumps(group_to_json(group)))
    else:
        click.echo(group)
        place.note("Created.")


@click.command(cls=Command)
@group_options
@click.option("--name", help="Its new name.")
@click.option("--description", help="Its new description.")
@click.option("--join-key", "new_key", metavar="KEY", help="Its new join key, with its secret.")
@click.option("--no-join-key", is_flag=True, help="Nobody joins by key any more.")
@credential_options
@_join_address
@click.option("--no-join-address", is_flag=True, help="Nobody joins by signature any more.")
@property_options
@place_options
@insecure_option
def change(
    *,
    group: GroupName,
    new_key: str | None,
    no_join_key: bool,
    no_join_address: bool,
    credentials: Credentials,
    place: Place,
    **given: Any,
) -> None:
    """Change a group of yours. What is not given stays as it is.

    Join key and join secret change together, because the key is a part of the hash. `none` takes a
    limit away.

    \b
    Examples:
      cg change farm --name "old farm"
      cg change farm --join-key farm            a new secret, which is asked for
      cg change --id 2 --max-concurrent-jobs none --deploy-access join
    """
    from cg_backends.cli.names import group_to_json, told
    from cg_core import ChangeGroup

    if no_join_key:
        if new_key is not None or credentials.is_given:
            raise click.UsageError("--no-join-key takes key and secret away; give no others")
        given |= {"join_key": None, "join_secret": None}
    elif new_key is not None:
        given |= {"join_key": new_key, **credentials.arguments(new=True)}
    elif credentials.is_given:
        raise click.UsageError("join key and secret change together: give --join-key KEY, too")
    changes = given_properties(given)
    if no_join_address:
        if "join_address" in changes:
            raise click.UsageError("give --join-address or --no-join-address, not both")
        changes["join_address"] = None
    place.call(ChangeGroup(group, **changes))
    if place.as_json:
        click.echo(json.dumps({"changed": group_to_json(group)}))
    place.note(f"Changed {told(group)}.")


@click.command(cls=Command)
@group_options
@no_question
@place_options
def delete(*, group: GroupName, is_sure: bool, place: Place) -> None:
    """Delete a group of yours, for good. Its jobs leave it; they are not cancelled.

    \b
    Examples:
      cg delete farm
      cg delete --id 2 --yes
    """
    from cg_backends.cli.names import group_to_json, told
    from cg_core import DeleteGroup

    request = DeleteGroup(group)
    ask(f"Delete {told(group)} for good?", is_sure=is_sure)
    place.call(request)
    if place.as_json:
        click.echo(json.dumps({"deleted": group_to_json(group)}))
    place.note(f"Deleted {told(group)}.")


@click.command(
    "list",
    cls=Command,
    hint="; `cg show GROUP` shows one group, `cg list-jobs GROUP` its jobs",
)
@place_options
def list_(*, place: Place) -> None:
    """List your groups, oldest first.

    \b
    Examples:
      cg list
      cg list --json | jq '.[].joinKey'
    """
    from cg_backends.cli.shown import show_groups
    from cg_core import ListGroups
    from cg_core.group_json import group_to_json

    groups = place.call(ListGroups())
    if place.as_json:
        click.echo(json.dumps([group_to_json(group) for group in groups], indent=2))
    elif groups:
        show_groups(groups)
    else:
        place.note(
            f"You ({place.caller}) have no groups {place.where}. To make one: cg create NAME"
        )


@click.command(cls=Command)
@group_options
@place_options
def show(*, group: GroupName, place: Place) -> None:
    """Show a group of yours, all but its secret.

    \b
    Examples:
      cg show farm
      cg show --id 2 --json
    """
    from cg_backends.cli.shown import show_group
    from cg_core import GetGroup
    from cg_core.group_json import group_to_json

    found = place.call(GetGroup(group))
    if place.as_json:
        click.echo(json.dumps(group_to_json(found), indent=2))
    else:
        show_group(found)
