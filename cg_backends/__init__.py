"""Backends that carry out the requests of `cg_core`: one module each, imported by name.

from cg_backends.memory import connect
"""
