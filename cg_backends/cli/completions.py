"""What a shell offers behind an option, besides what click knows by itself."""

from __future__ import annotations

from contextlib import suppress

import click
from click.shell_completion import CompletionItem


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Files, as the shell finds them."""
    return [CompletionItem(incomplete, type="file")]


def keystores(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the keystores in DCP's folder, and files."""
    from cg_backends.keystores import dcp_folder  # noqa: PLC0415 - no other completion waits for it

    names: list[str] = []
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home
        names = sorted(path.stem for path in dcp_folder().glob("*.keystore"))
    # Names come last: bash forgets what came before files, and looks for them if nothing follows.
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*files(ctx, param, incomplete), *found]
