"""The command `cg`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run `cg`; the entry point of the console script."""
    hears_ctrl_c = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if hears_ctrl_c:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to be said yet
    try:
        from cg_backends.cli.application import cg  # noqa: PLC0415 - click is an extra
        from cg_backends.cli.ending import end, run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("cg needs its libraries: pip install 'compute-groups[cli]'")
    if hears_ctrl_c:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    end(run(cg, sys.argv[1:]))
