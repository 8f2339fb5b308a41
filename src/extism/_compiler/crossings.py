"""
Code at the border of a plug-in: how parameters and results pass between its functions and the interpreter.

Both sides meet in a *frame*, bytes in the interpreter's memory with 8 of them, a *cell*, for each parameter or
result. Here are the instructions that fill and empty frames; which functions they become is in `shim.py`, and what
Python makes of the cells in the guest library's `wires.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from extism._wasm.assembly import (
    END,
    IF,
    UNREACHABLE,
    call,
    const,
    load,
    local_get,
    local_set,
    store,
)
from extism._wasm.externs import FuncType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from extism._wasm.externs import ValType

__all__ = ["CELL", "SLOT", "Body", "plugin_function", "shared_function", "slot"]

CELL: Final = 8
"""Bytes of a frame for each value."""

SLOT: Final = FuncType(("i32",))
"""What the interpreter calls through the table, whatever the host function's own type: it takes a frame."""

Body = tuple[bytes, tuple["ValType", ...]]
"""Instructions without the closing `end`, and the types of locals beside the parameters."""


def plugin_function(number: int, invoke: int) -> Body:
    """Return the body of an export that takes nothing and gives a return code: `(result i32)`."""
    return const("i32", number) + call(invoke), ()


def shared_function(number: int, type_: FuncType, invoke: int, frame: int) -> Body:
    """
    Return the body of an export of any type.

    A return code other than 0 has no way out here: the error is set, and the caller must not go on.

    Args:
        number: Of the export.
        type_: Its type.
        invoke: Index of `py_invoke`.
        frame: Index of `py_frame`, which gives the address of a frame.
    """
    length = CELL * max(len(type_.params), len(type_.results))
    address = len(type_.params)
    at = const("i32", length) + call(frame) + local_set(address)
    body = at if type_.params else b""
    for place, value in enumerate(type_.params):
        body += local_get(address) + local_get(place) + store(value, CELL * place)
    body += const("i32", number) + call(invoke) + IF + UNREACHABLE + END
    # Asked anew: what ran meanwhile may have had longer frames.
    body += at if type_.results else b""
    return body + _loads(address, type_.results), ("i32",)


def slot(type_: FuncType, function: int) -> Body:
    """Return the body of the function that stands in the table for an import."""
    results = range(1, 1 + len(type_.results))
    body = _loads(0, type_.params) + call(function)
    body += b"".join(local_set(place) for place in reversed(results))
    for place in results:
        value = type_.results[place - 1]
        body += local_get(0) + local_get(place) + store(value, CELL * (place - 1))
    return body, type_.results


def _loads(address: int, types: Sequence[ValType]) -> bytes:
    return b"".join(
        local_get(address) + load(value, CELL * place) for place, value in enumerate(types)
    )
