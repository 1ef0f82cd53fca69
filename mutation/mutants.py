"""Mutants: a module with one small change each, that a test should notice."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, Final

import attrs

_OTHER_OPERATOR: Final[dict[type[ast.AST], type[Any]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr, ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_OTHER_NAME: Final = {
    "min": "max", "max": "min", "any": "all", "all": "any", "append": "appendleft",
    "appendleft": "append", "popleft": "pop", "startswith": "endswith", "endswith": "startswith",
}  # fmt: skip
_FUNCTION = 0x3  # the flags OPTIMIZED and NEWLOCALS of the code of a function


@attrs.frozen
class Mutant:
    """A change.

    Attributes:
        line: where it is.
        change: what was there, and what is there now.
        code: the code of the changed module.
    """

    line: int
    change: str
    code: CodeType = attrs.field(repr=False)


def mutants(path: Path) -> Iterator[Mutant]:
    """All mutants of a module, in an order that stays as long as the module does."""
    tree = ast.parse(path.read_text())
    for parent, field, place, node in list(_places(tree)):
        for variant in _variants(node):
            changed = copy.copy(variant)  # it may be a part of the node, which stays as it is
            ast.fix_missing_locations(ast.copy_location(changed, node))
            _put(parent, field, place, changed)
            try:
                code = compile(tree, path, "exec")
            except (SyntaxError, TypeError, ValueError):
                pass  # no Python
            else:
                change = f"{_shown(node)} -> {_shown(variant)}"
                yield Mutant(getattr(node, "lineno", 0), change, code)
            finally:
                _put(parent, field, place, node)


def functions(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """The functions and methods in a module's code, by name and line; not what is within them."""
    found = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & _FUNCTION == _FUNCTION:
                found[inner.co_qualname, inner.co_firstlineno] = inner
            else:
                found |= functions(inner)
    return found


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    # Where a change may matter: not in annotations, docstrings, messages, and what is there for the
    # type checker.
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns"}:
            continue
        children = value if isinstance(value, list) else [value]
        for place, node in enumerate(children):
            if not isinstance(node, ast.AST) or _is_left_alone(node):
                continue
            yield tree, field, place if isinstance(value, list) else None, node
            if not isinstance(node, ast.Raise):
                yield from _places(node)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
            return True
        case ast.Assign([ast.Name("__slots__" | "__all__")]):
            return True
        case ast.Call(ast.Name("TypeVar" | "ParamSpec" | "cast")):
            return True
        case ast.AnnAssign(annotation=ast.Name("TypeAlias")):
            return True
    return False


def _is_prose(node: ast.AST) -> bool:
    # A message, in words.
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:200]


def _variants(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912, PLR0915 - a list of cases
    match node:
        case ast.Compare(left, [operator], right):
            yield ast.Compare(left, [_OTHER_OPERATOR[type(operator)]()], right)
        case ast.BoolOp(operator, values):
            for kept in _without_one(values):
                yield ast.BoolOp(operator, kept) if len(kept) > 1 else kept[0]
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OTHER_OPERATOR:
            yield ast.BinOp(left, _OTHER_OPERATOR[type(operator)](), right)
        case ast.If(_, body, orelse):
            yield from (ast.If(ast.Constant(value), body, orelse) for value in (True, False))
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.While(_, body, orelse):
            yield ast.While(ast.Constant(value=False), body, orelse)
        case ast.comprehension(target, iter_, ifs, is_async):
            for kept in _without_one(ifs):
                yield ast.comprehension(target, iter_, kept, is_async)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(str(value)) if not _is_prose(node):
            yield ast.Constant(f"{value}X")
        case ast.Constant(bytes(value)):
            yield ast.Constant(value + b"X")
        case ast.JoinedStr(values) if not any(map(_is_prose, values)):
            yield ast.JoinedStr([*values, ast.Constant("X")])
        case ast.Return(value) if value is not None:
            if not isinstance(value, ast.Constant) or value.value is not None:
                yield ast.Return(ast.Constant(None))
            yield ast.Pass()
        case (
            ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete() | ast.AugAssign()
        ):
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.ExceptHandler(type_, name):
            yield ast.ExceptHandler(type_, name, [ast.Raise()])
        case ast.Call(function, arguments, keywords):
            for given in _without_one(keywords):
                yield ast.Call(function, arguments, given)
            match function:
                case ast.Name(name) if name in _OTHER_NAME:
                    yield ast.Call(ast.Name(_OTHER_NAME[name], ast.Load()), arguments, keywords)
                case ast.Attribute(of, name) if name in _OTHER_NAME:
                    other = ast.Attribute(of, _OTHER_NAME[name], ast.Load())
                    yield ast.Call(other, arguments, keywords)
        case ast.List(elements, ast.Load()) | ast.Tuple(elements, ast.Load()):
            yield from (type(node)(kept, ast.Load()) for kept in _without_one(elements))
        case ast.Set(elements) if len(elements) > 1:
            yield from (ast.Set(kept) for kept in _without_one(elements))
        case ast.Dict(keys, values):
            for kept, held in zip(_without_one(keys), _without_one(values), strict=True):
                yield ast.Dict(kept, held)
        case ast.Slice(lower, upper, step):
            if lower is not None:
                yield ast.Slice(None, upper, step)
            if upper is not None:
                yield ast.Slice(lower, None, step)
        case ast.match_case(pattern, guard, body):
            yield ast.match_case(pattern, ast.Constant(value=False), body)
            if guard is not None:
                yield ast.match_case(pattern, None, body)


def _without_one(values: list[Any]) -> Iterator[list[Any]]:
    for place in range(len(values)):
        yield values[:place] + values[place + 1 :]
