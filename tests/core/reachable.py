"""What an object keeps alive: how tests see that memory is bounded."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable
from typing import Any


def reachable(root: object, wanted: Callable[[Any], bool]) -> int:
    """How many references to wanted objects there are in an object and all that it holds."""
    found = 0
    seen = {id(root)}
    stack: list[object] = [root]
    while stack:
        for held in gc.get_referents(stack.pop()):
            found += wanted(held)
            code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
            if id(held) not in seen and not isinstance(held, code):
                seen.add(id(held))
                stack.append(held)
    return found
