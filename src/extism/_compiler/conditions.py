"""
What an `if` will find inside a plug-in, as far as that is known beforehand.

Modules are written for many platforms, and import what only some of them have: under `sys.platform == "win32"`,
for an older Python, for a type checker. What the guest never comes to is not carried. Only what is plain to see is
told; everything else may be true or not.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["GUEST", "holds"]

GUEST: Final[Mapping[str, Any]] = {
    "TYPE_CHECKING": False,
    "sys.platform": "wasi",
    "os.name": "posix",
    "sys.version_info": (3, 13),
    "sys.version_info[0]": 3,
    "sys.version_info.major": 3,
    "sys.implementation.name": "cpython",
}
"""Expressions as they are written, and what they are in the guest."""

_COMPARED: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def holds(test: ast.expr) -> bool | None:
    """Return whether a condition is true inside a plug-in, None where that is not plain to see."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = holds(operand)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            return _joined([holds(value) for value in values], decisive=isinstance(op, ast.Or))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(op, left, right)
        case ast.Call(
            func=ast.Attribute(value=value, attr="startswith"),
            args=[ast.Constant(value=str(start))],
        ):
            known = _known(value)
            return known.startswith(start) if isinstance(known, str) else None
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Constant(value=bool(constant)):
            return constant
    return None


def _joined(values: list[bool | None], *, decisive: bool) -> bool | None:
    """Return the result of `or` (one true decides) or `and` (one false does)."""
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _compared(op: ast.cmpop, left: ast.expr, right: ast.expr) -> bool | None:
    compare = _COMPARED.get(type(op))
    values = (_known(left), _known(right))
    if compare is None or None in values or not (_is_named(left) or _is_named(right)):
        return None
    try:
        return compare(*_same_length(*values))
    except TypeError:
        return None


def _same_length(left: Any, right: Any) -> tuple[Any, Any]:
    """Return versions cut to what both say: `(3, 13)` stands for all of 3.13, whatever comes behind."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return left[: len(right)] or left, right[: len(left)]
    return left, right


def _is_named(node: ast.expr) -> bool:
    return _name(node) in GUEST


def _known(node: ast.expr) -> Any:
    """Return the value of an expression, None where it is not known."""
    name = _name(node)
    if name in GUEST:
        return GUEST[name]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None


def _name(node: ast.expr) -> str:
    """Return a dotted name, with an index where it has one, as it is written; "" for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{_name(value)}.{attr}"
        case ast.Subscript(value=value, slice=ast.Constant(value=int(index))):
            return f"{_name(value)}[{index}]"
        case ast.Subscript(value=value, slice=ast.Slice(lower=None, step=None)):
            return _name(value)  # sys.version_info[:2]
    return ""
