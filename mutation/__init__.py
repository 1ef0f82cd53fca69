"""Whether the tests of `cg_core` notice when it is changed: `python -m mutation`."""
