"""
How values cross between Python and WebAssembly functions: what a parameter or result of an annotation is there.

| annotation                          | WebAssembly | value                                                   |
|-------------------------------------|-------------|---------------------------------------------------------|
| `int`, `I64`                        | i64         | the number                                              |
| `I32`                               | i32         | the number                                              |
| `float`, `F64`                      | f64         | the number                                              |
| `F32`                               | f32         | the number                                              |
| `bool`                              | i64         | 0 or 1; `Annotated[bool, I32]` is an i32                |
| `MemoryHandle`, none                | i64         | the handle of a block                                   |
| `str`, `bytes`, all that JSON has   | i64         | the handle of a block that holds it (`values.py`)       |
| `T` or None                         | as `T`      | None is 0                                               |

Here is one value; the parameters and results of a function are in `signatures.py`.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from . import ffi, memory, values
from .memory import MemoryHandle
from .records import strip_optional

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["F32", "F64", "I32", "I64", "Wire", "wire"]


@dataclass(frozen=True, slots=True)
class Number:
    """Marks an annotation as a number of WebAssembly: what `I32` and its like are made with."""

    type: str


I32: TypeAlias = Annotated[int, Number("i32")]
"""An int that crosses as an i32."""
I64: TypeAlias = Annotated[int, Number("i64")]
"""An int that crosses as an i64, as plain `int` does."""
F32: TypeAlias = Annotated[float, Number("f32")]
"""A float that crosses as an f32."""
F64: TypeAlias = Annotated[float, Number("f64")]
"""A float that crosses as an f64, as plain `float` does."""


@dataclass(frozen=True, slots=True)
class Wire:
    """
    How the values of one annotation cross.

    Attributes:
        type: The WebAssembly type.
        to_number: From a value to the number that crosses. The second argument collects the handles of blocks
            made for it.
        from_number: From the number that crossed to the value.
        is_block: Whether the number is the handle of a block that is read and then of no use.
    """

    type: str
    to_number: Callable[[Any, list[int]], float]
    from_number: Callable[[Any], Any]
    is_block: bool = False


def wire(annotation: Any, *, is_parameter: bool = False) -> Wire:
    """
    Return how values of an annotation cross.

    Args:
        annotation: Of a parameter or a result.
        is_parameter: Whether 0 is a text without characters where None is none of its values. A result may be None,
            which stands for no block.

    Raises:
        TypeError: There is no way for them to.
    """
    inner, is_optional = strip_optional(annotation)
    kind, marks = _split(inner)
    for mark in marks:
        number = mark if isinstance(mark, Number) else _number_of(mark)
        if number is not None:
            return _numbered(kind, number.type)
    if kind in _WIRES:
        return _WIRES[kind]
    decode = values.decoder(kind)
    to_number = _as_text if kind in _TEXTS else _as_json if _is_union(kind) else _as_handle
    has_empty = is_parameter and not is_optional and kind in _TEXTS

    def from_number(handle: int) -> Any:
        data = b"" if has_empty and not handle else ffi.host.load(handle)
        return None if data is None else decode(data)

    return Wire("i64", to_number, from_number, is_block=True)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in {typing.Union, types.UnionType}


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def _number_of(mark: Any) -> Number | None:
    """Return the mark inside `I32` and its like, which may be marks themselves: `Annotated[bool, I32]`."""
    return next((each for each in _split(mark)[1] if isinstance(each, Number)), None)


def _numbered(kind: Any, type_: str) -> Wire:
    make = bool if kind is bool else float if type_ in {"f32", "f64"} else int
    return Wire(type_, _INTO[type_], make)


def _integer(bits: int) -> Callable[[Any, list[int]], int]:
    def to_number(value: Any, _made: list[int]) -> int:
        if value is None:
            return 0
        if isinstance(value, Enum) or not isinstance(value, int):
            raise TypeError(f"an i{bits} is an int, not {type(value).__name__}")
        return _in_bits(value, bits)

    return to_number


def _in_bits(number: int, bits: int) -> int:
    """Return a number as the signed one of the same bits."""
    if not -(1 << bits - 1) <= number < 1 << bits:
        raise OverflowError(
            f"{number} does not fit into the {bits} bits of a host function's parameter"
        )
    return number - (1 << bits) if number >> bits - 1 > 0 else number


def _float(value: Any, _made: list[int]) -> float:
    if value is None:
        return 0.0
    if not isinstance(value, (int, float)):
        raise TypeError(f"a float is wanted, not {type(value).__name__}")
    return float(value)


def _by_value(value: Any, made: list[int]) -> int:
    """Return the i64 for a value whose annotation does not say how it crosses: what it is decides."""
    if value is None:
        return 0
    if isinstance(value, MemoryHandle):
        return value.offset
    data = values.encode(value)  # first: an enum may be an int as well
    if data is not None:
        return _store(data, made)
    if isinstance(value, int):
        return _in_bits(value, 64)
    raise TypeError(
        f"Unsupported python type: {type(value).__name__}; a host function takes int, bool, str, bytes, "
        "dict, list, Enum, records, MemoryHandle or None, and what the parameter's annotation says"
    )


def _as_int(value: Any, made: list[int]) -> int:
    """Return the number; text would be the handle of a block, which is a number that nobody meant."""
    if isinstance(value, int):
        return _in_bits(int(value), 64)
    if value is None or isinstance(value, MemoryHandle):
        return _by_value(value, made)
    raise TypeError(f"an int is wanted, not {type(value).__name__}")


def _as_handle(value: Any, made: list[int]) -> int:
    """Return the handle of a block for a value; a number is one that the block holds, and no handle itself."""
    if value is None or isinstance(value, MemoryHandle):
        return _by_value(value, made)
    return _store(values.encode_any(value), made)


def _as_text(value: Any, made: list[int]) -> int:
    if isinstance(value, int) and not isinstance(value, Enum):
        raise TypeError(f"text or bytes are wanted, not {type(value).__name__}")
    return _as_handle(value, made)


def _as_json(value: Any, made: list[int]) -> int:
    """Return the same where the block is read as JSON whatever it holds: text of one kind among others has quotes."""
    if value is None or isinstance(value, MemoryHandle):
        return _by_value(value, made)
    return _store(values.dumps(value).encode(), made)


def _store(data: bytes, made: list[int]) -> int:
    handle = ffi.host.store(data)
    made.append(handle)
    return handle


_TEXTS: Final = (str, bytes, bytearray, memoryview)
_INTO: Final[dict[str, Callable[[Any, list[int]], float]]] = {
    "i32": _integer(32),
    "i64": _integer(64),
    "f32": _float,
    "f64": _float,
}
_WIRES: Final[dict[Any, Wire]] = {
    int: Wire("i64", _as_int, int),
    bool: Wire("i64", _as_int, bool),
    float: Wire("f64", _float, float),
    MemoryHandle: Wire("i64", _by_value, memory.find),
    Any: Wire("i64", _by_value, memory.find),
    object: Wire("i64", _by_value, memory.find),
}
