"""The directive `commands`: what `cg COMMAND --help` says, for each command."""

from __future__ import annotations

from collections.abc import Iterator

import click
from docutils.nodes import Node, literal_block, section, title
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cg_backends.cli.application import cg


class Commands(SphinxDirective):
    """A section for each command, with its help."""

    def run(self) -> list[Node]:
        """The sections."""
        return [self._section(context) for context in _contexts("cg", cg)]

    def _section(self, context: click.Context) -> Node:
        name, text = context.command_path, context.get_help()
        made = section(ids=[name.replace(" ", "-")], names=[name])
        made += [title(text=name), literal_block(text, text, language="text")]
        self.state.document.note_implicit_target(made)
        return made


def _contexts(
    name: str, command: click.Command, above: click.Context | None = None
) -> Iterator[click.Context]:
    """A command and those below it, each as it is when it is called."""
    settings = {"terminal_width": 80, **command.context_settings}
    context = click.Context(command, info_name=name, parent=above, **settings)
    yield context
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            yield from _contexts(below, each, context)


def setup(app: Sphinx) -> None:
    """Tell Sphinx of the directive."""
    app.add_directive("commands", Commands)
