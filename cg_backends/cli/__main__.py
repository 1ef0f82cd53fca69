"""`python -m cg_backends.cli` is `cg`."""

from cg_backends.cli import main

main()
