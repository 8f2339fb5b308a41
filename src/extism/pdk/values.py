"""
Python values as the host sees them: bytes, or one 64-bit number.

Two tables, each walked in order: `_ENCODERS` by the type of a value, `_DECODERS` by the type that the author
asked for. `io.py` uses them for input and output, `imports.py` for arguments and results.
"""

from __future__ import annotations

import json
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_decodable", "decode", "dumps", "encode", "signed", "strip_optional", "unsigned"]


def dumps(value: object) -> str:
    """Return `value` as JSON; enums give their value, objects their attributes."""
    return json.dumps(value, default=_attributes)


def _attributes(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return vars(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_ENCODERS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], bytes]], ...]] = (
    (Enum, lambda value: str(value.value).encode()),  # first: an enum may be a str as well
    (str, str.encode),
    ((bytes, bytearray, memoryview), bytes),
    ((dict, list), lambda value: dumps(value).encode()),
)


def encode(value: object) -> bytes | None:
    """Return the bytes of a str, bytes, dict, list (JSON) or Enum (its value); None for other types."""
    for kind, encoder in _ENCODERS:
        if isinstance(value, kind):
            return encoder(value)
    return None


def _to_enum(kind: type[Enum], data: bytes) -> Enum:
    text = data.decode()
    for member in kind:
        if str(member.value) == text:
            return member
    return kind(text)  # raises the ValueError that Python's users know, or asks kind._missing_


def _to_json(kind: type, data: bytes) -> Any:
    value = json.loads(data)
    if not isinstance(value, kind):
        raise TypeError(f"expected a JSON {kind.__name__}, not a {type(value).__name__}")
    return value


_DECODERS: Final[tuple[tuple[type, Callable[[Any, bytes], Any]], ...]] = (
    (Enum, _to_enum),
    (str, lambda _, data: data.decode()),
    (bytes, lambda _, data: data),
    (dict, _to_json),
    (list, _to_json),
)


def decode(kind: Any, data: bytes) -> Any:
    """
    Return `data` as a value of the type `kind`: str, bytes, dict, list or a subclass of Enum.

    Raises:
        TypeError: The type is none of these, or the JSON is of another one.
        ValueError: The bytes do not spell such a value.
    """
    plain, decoder = _decoder(kind)
    return decoder(plain, data)


def check_decodable(kind: Any) -> None:
    """Raise the TypeError that `decode` would raise for this type, before there are any bytes."""
    _decoder(kind)


def _decoder(kind: Any) -> tuple[type, Callable[[Any, bytes], Any]]:
    plain = get_origin(kind) or kind  # dict[str, int] is a dict
    if isinstance(plain, type):
        for known, decoder in _DECODERS:
            if plain is known or (known is Enum and issubclass(plain, Enum)):
                return plain, decoder
    raise TypeError(
        f"Unsupported python type: {getattr(kind, '__name__', kind)}; "
        "use str, bytes, dict, list or a subclass of Enum"
    )


def strip_optional(kind: Any) -> Any:
    """Return T for `T | None` and `Optional[T]`, other annotations as they are."""
    if get_origin(kind) in {Union, types.UnionType}:
        rest = [arg for arg in get_args(kind) if arg is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return kind


def unsigned(number: int) -> int:
    """Return the 64 bits of `number`, negative ones in two's complement."""
    if not -(1 << 63) <= number < 1 << 64:
        raise OverflowError(
            f"{number} does not fit into the 64 bits of a host function's parameter"
        )
    return number & 0xFFFF_FFFF_FFFF_FFFF


def signed(bits: int) -> int:
    """Return the number that 64 bits spell in two's complement."""
    return bits - (1 << 64) if bits >> 63 else bits
