"""What people look at: tables on a terminal; anywhere else, lines whose fields tabs separate."""

# ruff: noqa: PLC0415 - rich is for those who look at it

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import attrs
import click

from cg_backends.cli.printable import printable
from cg_core import Group, GroupProperties
from cg_core.exact_numbers import to_wire


def show_groups(groups: Sequence[Group]) -> None:
    """Print groups, one in each row: row id, name, join key, who may add jobs, since when."""
    _show(
        ("id", "name", "join key", "jobs by", "created"),
        [
            (group.id, group.name, group.join_key, _ACCESS[group.deploy_access], group.created_at)
            for group in groups
        ],
    )


def show_group(group: Group) -> None:
    """Print all there is to know about a group, a property in each row."""
    properties = [field.name for field in attrs.fields(GroupProperties)]
    fields = [field.name for field in attrs.fields(Group) if field.name not in properties]
    rows = [(name.replace("_", " "), getattr(group, name)) for name in (*fields, *properties)]
    _show(("property", "value"), rows)


_ACCESS = {"owner": "the owner", "join": "who can join"}


def _show(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    texts = [[_text(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            click.echo("\t".join(row))
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Narrow: with 20 columns, too, there is room in each for a letter, which may be a wide one.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return printable(str(to_wire(value)))
