"""What all commands have in common: too many arguments, their help, and warnings."""

from __future__ import annotations

import logging
from typing import Any

import click

from cg_backends.cli.printable import printable


class PlaceOption(click.Option):
    """An option that says where groups are, or who calls; the help has them apart."""


class Command(click.Command):
    """A command that does not repeat arguments that it does not take: they may be secrets.

    Args:
        hint: what is said besides, where there are too many.
    """

    allow_extra_args = True

    def __init__(self, *arguments: Any, hint: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._hint = hint

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, and what is left over is refused."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            takes = any(isinstance(each, click.Argument) for each in self.params)
            given = len(ctx.args) + takes
            raise click.UsageError(
                f"{ctx.command_path} takes {'one' if takes else 'no'} argument, and {given} "
                + ("was given (not shown: it" if given == 1 else "were given (not shown: one")
                + " might be a secret)"
                + "; put what has spaces in it in quotes" * takes
                + self._hint,
                ctx,
            )
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own, and then where the groups are, and who calls."""
        own: list[tuple[str, str]] = []
        of_place: list[tuple[str, str]] = []
        for each in self.get_params(ctx):
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)):
                (of_place if isinstance(each, PlaceOption) else own).append(record)
        sections = {"Options": own, "Where the groups are, and who calls": of_place}
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; what the library warns of meanwhile is told on stderr."""
        logger, handler = logging.getLogger("cg"), _Warnings(logging.WARNING)
        logger.addHandler(handler)
        try:
            return super().invoke(ctx)
        finally:
            logger.removeHandler(handler)


class Group(click.Group):
    """Lists its commands as they were put in, and tells where an option belongs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, but of an option of a command it says where that stands."""
        given = [*args]  # click takes what it has read out of the list
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            option = error.option_name
            having = [name for name, each in self.commands.items() if _has(each, option)]
            if not having:
                raise
        command = next((each for each in given if each in having), "COMMAND")
        raise click.UsageError(
            f"{option} belongs behind the command: {ctx.command_path} {command} {option} ...", ctx
        )


def _has(command: click.Command, option: str) -> bool:
    if isinstance(command, click.Group):
        return any(_has(each, option) for each in command.commands.values())
    return any(option in (*each.opts, *each.secondary_opts) for each in command.params)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"Warning: {printable(record.getMessage())}", err=True)
