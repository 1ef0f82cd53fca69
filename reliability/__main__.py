"""`python -m reliability SUBJECT`: what the service and its clients bear; `--report` keeps it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from reliability import timing
from reliability.faults import command as faults
from reliability.load import command as load

SUBJECTS: Final = {
    "load": (
        load, "hundreds of sessions at once for minutes, then more until the service refuses"
    ),
    "faults": (
        faults, "a long workload while the network, the service, the disk and the clock fail"
    ),
    "timing": (timing, "whether the time of a comparison of secrets tells anything of them"),
}  # fmt: skip


def main() -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    subjects = parser.add_subparsers(metavar="SUBJECT", required=True)
    for name, (module, about) in SUBJECTS.items():
        subject = subjects.add_parser(name, help=about, description=module.__doc__)
        subject.add_argument("--report", type=Path, metavar="FOLDER", help="write the report there")
        subject.add_argument("--quick", action="store_true", help="a smoke run of seconds")
        module.add_arguments(subject)
        subject.set_defaults(run=module.run)
    given = parser.parse_args()
    status: int = given.run(given)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
