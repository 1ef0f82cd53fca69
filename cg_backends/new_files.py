"""New files that hold secrets: there as a whole or not at all, and for their owner alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when all is written, and is on the disk.

    Raises:
        FileExistsError: the name is taken; what is there stays as it is.
        OSError: it cannot be written.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=".new-") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.link(file.name, path)  # unlike a rename, it replaces nothing
