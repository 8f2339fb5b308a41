"""
The few instructions that this package and its callers write, as bytes.

Concatenate them to the body of a function (`Builder.add_function` closes it with `end`) or, with
`END`, to a constant expression. Reading and walking code is in `instructions.py`.
"""

from __future__ import annotations

import struct

from extism._wasm.leb128 import write_signed, write_unsigned
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from extism._wasm.externs import ValType

__all__ = [
    "DROP",
    "END",
    "I32_EQ",
    "I32_EQZ",
    "I32_WRAP_I64",
    "I64_ADD",
    "I64_AND",
    "I64_EQ",
    "I64_EXTEND_I32_U",
    "I64_GT_U",
    "I64_LT_U",
    "I64_OR",
    "I64_SHL",
    "I64_SUB",
    "IF",
    "RETURN",
    "SELECT",
    "UNREACHABLE",
    "Value",
    "br_if",
    "call",
    "const",
    "data_drop",
    "global_get",
    "global_set",
    "load",
    "local_get",
    "local_set",
    "memory_grow",
    "memory_init",
    "ref_func",
    "ref_null",
    "return_call",
    "store",
    "table_grow",
]

Value: TypeAlias = int | float | bytes
"""A number, signed or unsigned; or the exact bytes of it in memory, for a v128 or a chosen NaN."""

UNREACHABLE: Final = b"\x00"
IF: Final = b"\x04\x40"
"""An `if` without parameters and results."""
END: Final = b"\x0b"
RETURN: Final = b"\x0f"
DROP: Final = b"\x1a"
SELECT: Final = b"\x1b"
I32_EQZ: Final = b"\x45"
I32_EQ: Final = b"\x46"
I64_EQ: Final = b"\x51"
I64_LT_U: Final = b"\x54"
I64_GT_U: Final = b"\x56"
I64_ADD: Final = b"\x7c"
I64_SUB: Final = b"\x7d"
I64_AND: Final = b"\x83"
I64_OR: Final = b"\x84"
I64_SHL: Final = b"\x86"
I32_WRAP_I64: Final = b"\xa7"
I64_EXTEND_I32_U: Final = b"\xad"

_LOAD: Final = {"i32": b"\x28", "i64": b"\x29", "f32": b"\x2a", "f64": b"\x2b"}
_STORE: Final = {"i32": b"\x36", "i64": b"\x37", "f32": b"\x38", "f64": b"\x39"}
_ALIGN: Final = {"i32": b"\x02", "i64": b"\x03", "f32": b"\x02", "f64": b"\x03"}

_BITS: Final = {"i32": 32, "i64": 64}
_INTEGER: Final = {"i32": b"\x41", "i64": b"\x42"}
_EXACT: Final = {
    "f32": (b"\x43", "<f", 4),
    "f64": (b"\x44", "<d", 8),
    "v128": (b"\xfd\x0c", "", 16),
}


def const(type_: ValType, value: Value) -> bytes:
    """
    Return the instruction that gives `value`.

    Raises:
        WasmError: The value does not fit the type, or the type is no number or vector.
    """
    if type_ in _INTEGER:
        return _INTEGER[type_] + write_signed(_wrapped(type_, value))
    if type_ not in _EXACT:
        raise WasmError(f"there is no constant of type {type_}")
    opcode, layout, length = _EXACT[type_]
    if isinstance(value, bytes):
        if len(value) != length:
            raise WasmError(f"{type_} has {length} bytes, not {len(value)}")
        return opcode + value
    if not layout:
        raise WasmError(f"{type_} is given as {length} bytes, not as {value!r}")
    try:
        return opcode + struct.pack(layout, value)
    except OverflowError:
        raise WasmError(f"{value!r} does not fit {type_}") from None


def _wrapped(type_: ValType, value: Value) -> int:
    bits = _BITS[type_]
    if isinstance(value, bytes) and len(value) * 8 == bits:
        return int.from_bytes(value, "little", signed=True)
    if not isinstance(value, int) or not -(1 << bits - 1) <= value < 1 << bits:
        raise WasmError(f"{value!r} does not fit {type_}")
    return value - (1 << bits) if value >> bits - 1 > 0 else value


def call(function: int) -> bytes:
    """Return `call function`."""
    return b"\x10" + write_unsigned(function)


def br_if(depth: int) -> bytes:
    """Return `br_if depth`: leaves so many blocks if it takes something else than 0."""
    return b"\x0d" + write_unsigned(depth)


def return_call(function: int) -> bytes:
    """Return `return_call function`: the caller is gone when the function runs."""
    return b"\x12" + write_unsigned(function)


def local_get(local: int) -> bytes:
    """Return `local.get local`."""
    return b"\x20" + write_unsigned(local)


def local_set(local: int) -> bytes:
    """Return `local.set local`."""
    return b"\x21" + write_unsigned(local)


def global_get(index: int) -> bytes:
    """Return `global.get index`."""
    return b"\x23" + write_unsigned(index)


def global_set(index: int) -> bytes:
    """Return `global.set index`."""
    return b"\x24" + write_unsigned(index)


def load(type_: ValType, offset: int = 0) -> bytes:
    """Return `TYPE.load offset=offset` for a number: takes an address in memory 0, gives the value there."""
    return _LOAD[type_] + _ALIGN[type_] + write_unsigned(offset)


def store(type_: ValType, offset: int = 0) -> bytes:
    """Return `TYPE.store offset=offset` for a number: takes an address in memory 0 and a value."""
    return _STORE[type_] + _ALIGN[type_] + write_unsigned(offset)


def memory_grow(memory: int = 0) -> bytes:
    """Return `memory.grow memory`: takes pages, gives the old size or -1."""
    return b"\x40" + write_unsigned(memory)


def table_grow(table: int = 0) -> bytes:
    """Return `table.grow table`: takes a reference and how many of it, gives the old size or -1."""
    return b"\xfc\x0f" + write_unsigned(table)


def memory_init(segment: int, memory: int = 0) -> bytes:
    """Return `memory.init memory segment`: takes destination, offset in the segment, length."""
    return b"\xfc\x08" + write_unsigned(segment) + write_unsigned(memory)


def data_drop(segment: int) -> bytes:
    """Return `data.drop segment`."""
    return b"\xfc\x09" + write_unsigned(segment)


def ref_func(function: int) -> bytes:
    """Return `ref.func function`."""
    return b"\xd2" + write_unsigned(function)


def ref_null(heap: bytes = b"\x70") -> bytes:
    """Return `ref.null heap`, of functions unless said otherwise."""
    return b"\xd0" + heap
