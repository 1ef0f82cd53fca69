"""`cg` with a commit for each call of a service: `python -m benchmarks.one_at_a_time serve ...`."""

from __future__ import annotations

from cg_backends.cli import main
from cg_backends.service import execution

execution._MOST_TOGETHER = 1  # type: ignore[misc] # what is final for a service is what we compare
main()
