"""What `import cg_core` costs beyond the libraries that it needs, each time in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import ROUNDS, Figure, figure

PROBE = """
import json, time
begun = time.perf_counter()
import attrs, cattrs, cattrs.gen, cattrs.v, coincurve, eth_hash.backends.pysha3
libraries = time.perf_counter()
import cg_core
print(json.dumps([time.perf_counter() - libraries, libraries - begun]))
"""


def figures(*, quick: bool) -> Iterator[Figure]:
    """The goal is 25 ms: seconds, not a ratio, so it is in the name."""
    rounds = []
    for _ in range(3 if quick else ROUNDS * 3):
        command = [sys.executable, "-c", PROBE]
        run = subprocess.run(command, capture_output=True, check=True, text=True)
        core, libraries = json.loads(run.stdout)
        rounds.append((core, libraries))
    yield figure(
        "import cg_core, beyond its libraries (goal: 25 ms)",
        "import of attrs, cattrs, coincurve, eth-hash",
        rounds[1:],
        goal=None,
    )
