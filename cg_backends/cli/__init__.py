"""The command `cg`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `cg`; the entry point of the console script."""
    try:
        from cg_backends.cli.application import cg  # noqa: PLC0415 - click is an extra
        from cg_backends.cli.ending import end, run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("cg needs its libraries: pip install 'compute-groups[cli]'")
    end(run(cg, sys.argv[1:]))
