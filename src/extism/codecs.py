"""
How a Python annotation becomes a WebAssembly value, and back: one table.

A *wire* is one row: the WebAssembly type, how a parameter is read, how a result is written. Everything
that is not a number travels as a handle: `Blob` rows turn bytes into values and are wrapped once, in
`_handle`. What reads and writes blocks is handed in as `current.CurrentPlugin`.

Dataclasses, pydantic's models and msgspec's structs travel as JSON objects (`records.py`).
"""

from __future__ import annotations

import json
import pickle
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Protocol, TypeVar, Union

from extism.records import dumps, is_record, loader

if TYPE_CHECKING:
    from collections.abc import Callable

    from extism.abi import ValueType

__all__ = ["Codec", "Json", "Pickle", "Raw", "Wire", "parameter_wire", "result_wires"]

T = TypeVar("T")


class Json:
    """`Annotated[T, Json]`: the value travels as JSON text; a parameter that is no `T` is an error."""


class Pickle:
    """
    `Annotated[T, Pickle]`: the value travels as a pickle.

    A pickle from a guest runs code of the guest's choice here, so a parameter needs
    `Pickle(trusted=True)`; a result may be plain `Pickle`.
    """

    def __init__(self, *, trusted: bool = False) -> None:
        self.trusted = trusted


class Codec(Generic[T]):
    """
    `Annotated[T, Codec(f)]`: `f` makes the value out of the bytes that the guest sent.

    On a result it goes the other way: `f` makes the bytes out of the value.
    """

    def __init__(self, codec: Callable[[Any], T]) -> None:
        self.codec = codec


class Raw:
    """`Annotated[int, Raw]`: a result is the number itself, not a handle to 8 bytes that hold it."""


class Blocks(Protocol):
    """What a wire needs of the running plugin: bytes by handle (`current.CurrentPlugin`)."""

    def read(self, handle: int) -> bytes: ...
    def write(self, data: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class Wire:
    """
    One row: how a value of one annotation crosses.

    Attributes:
        type: The WebAssembly type.
        read: From a number to the value of a parameter.
        write: From the value of a result to a number.
    """

    type: ValueType
    read: Callable[[Blocks, Any], Any]
    write: Callable[[Blocks, Any], Any]


@dataclass(frozen=True, slots=True)
class _Blob:
    """How a value becomes bytes and back."""

    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


def parameter_wire(annotation: Any) -> Wire:
    """
    Return how a parameter of that annotation is read.

    Raises:
        TypeError: The annotation has no row; the text says which have one.
    """
    return _wire(annotation, _PARAMETERS)


def result_wires(annotation: Any) -> tuple[Wire, ...]:
    """
    Return how a result of that annotation is written; several for a tuple, none for None.

    Raises:
        TypeError: The annotation has no row.
    """
    if annotation in {None, type(None)}:
        return ()
    if typing.get_origin(annotation) is tuple:
        return tuple(_wire(each, _RESULTS) for each in typing.get_args(annotation))
    return (_wire(annotation, _RESULTS),)


@dataclass(frozen=True, slots=True)
class _Direction:
    """What differs between parameters and results: the row of a plain int, and what marks mean."""

    int_row: Wire
    marked: Callable[[Any, Any], _Blob | None]


def _wire(annotation: Any, direction: _Direction) -> Wire:
    """Look up an annotation: plain, `Annotated`, or one of both or None."""
    inner = _unwrap_optional(annotation)
    if inner is not None:
        return _optional(_wire(inner, direction))
    if typing.get_origin(annotation) is Annotated:
        base, *marks = typing.get_args(annotation)
        for mark in marks:
            if base is int and _is(mark, Raw):
                return _RAW_INT
            blob = direction.marked(base, mark)
            if blob is not None:
                return _handle(blob)
        return _wire(base, direction)
    if annotation is int:
        return direction.int_row
    if annotation in _NUMBERS:
        return _NUMBERS[annotation]
    if annotation in _BLOBS:
        return _handle(_BLOBS[annotation])
    if is_record(annotation):
        return _handle(_record(annotation))
    raise TypeError(
        f"{_name(annotation)} has no WebAssembly form: use str, bytes, int, float, bool, a dataclass, "
        "Optional[...], or Annotated[..., Json], Annotated[..., Pickle], Annotated[..., Codec(function)]"
    )


def _unwrap_optional(annotation: Any) -> Any:
    if typing.get_origin(annotation) not in {Union, types.UnionType}:
        return None
    arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
    return arms[0] if len(arms) == 1 < len(typing.get_args(annotation)) else None


def _optional(wire: Wire) -> Wire:
    """0 is None, both ways."""
    return Wire(
        wire.type,
        lambda blocks, number: wire.read(blocks, number) if number else None,
        lambda blocks, value: 0 if value is None else wire.write(blocks, value),
    )


def _handle(blob: _Blob) -> Wire:
    decode, encode = blob.decode, blob.encode
    return Wire(
        "i64",
        lambda blocks, handle: decode(blocks.read(handle)),
        lambda blocks, value: blocks.write(encode(value)),
    )


def _typed(kind: type | tuple[type, ...], convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `convert`, refusing values that are not of `kind`."""

    def checked(value: Any) -> Any:
        if not isinstance(value, kind):
            wanted = kind.__name__ if isinstance(kind, type) else kind[0].__name__
            raise TypeError(f"{wanted} wanted, {type(value).__name__} found: {value!r:.60}")
        return convert(value)

    return checked


def _number(kind: ValueType, wanted: type, read: Callable[[Any], Any]) -> Wire:
    accepted = (wanted, int) if wanted is float else wanted
    check = _typed(accepted, wanted)
    return Wire(kind, lambda _, number: read(number), lambda _, value: check(value))


def _int_bytes(value: int) -> bytes:
    """Return the eight bytes of a number, signed or unsigned: the guest knows which it reads."""
    return value.to_bytes(8, "little", signed=value < 0)


_RAW_INT: Final = _number("i64", int, int)

_NUMBERS: Final[dict[Any, Wire]] = {
    float: _number("f64", float, float),
    bool: _number("i32", bool, bool),
}

_BLOBS: Final[dict[Any, _Blob]] = {
    str: _Blob(bytes.decode, _typed(str, str.encode)),
    bytes: _Blob(bytes, _typed((bytes, bytearray, memoryview), bytes)),
}

# Upstream's rule, kept: a result travels as a block of 8 bytes.
_INT_BLOB: Final = _Blob(
    lambda data: int.from_bytes(data, "little", signed=True), _typed(int, _int_bytes)
)


def _is(mark: Any, kind: type) -> bool:
    return mark is kind or isinstance(mark, kind)


def _parameter_blob(base: Any, mark: Any) -> _Blob | None:
    if _is(mark, Json):
        return _Blob(loader(base), dumps)
    if isinstance(mark, Codec):
        return _coded(mark)
    if _is(mark, Pickle):
        if not (isinstance(mark, Pickle) and mark.trusted):
            raise TypeError(
                "a pickle from a guest runs code here; if you trust the plugin, say "
                "Annotated[..., Pickle(trusted=True)], else use Json"
            )
        return _Blob(pickle.loads, pickle.dumps)
    return None


def _result_blob(base: Any, mark: Any) -> _Blob | None:
    if _is(mark, Json):
        return _record(base) if is_record(base) else _JSON
    if _is(mark, Pickle):
        return _Blob(pickle.loads, pickle.dumps)
    if isinstance(mark, Codec):
        return _coded(mark)
    return None


def _coded(mark: Codec[Any]) -> _Blob:
    """Return what reads parameters with the function, or writes results with it: it is used for one of both."""
    encode = _BLOBS[bytes].encode
    return _Blob(mark.codec, lambda value: encode(mark.codec(value)))


_JSON: Final = _Blob(json.loads, dumps)
_PARAMETERS: Final = _Direction(_RAW_INT, _parameter_blob)
_RESULTS: Final = _Direction(_handle(_INT_BLOB), _result_blob)


def _record(annotation: Any) -> _Blob:
    """Return how a dataclass, a model or a struct travels without being marked."""
    return _Blob(loader(annotation), _typed(annotation, dumps))


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
