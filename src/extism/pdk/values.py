"""
Python values as bytes: what an input, an output, a variable, or a block that a host function takes holds.

Text, bytes and the values of enums go as they are; everything else goes as JSON. `encode` looks at the value,
`decoder` at the annotation that the author gave. What JSON values become is in `records.py`.
"""

from __future__ import annotations

import functools
import json
import typing
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from .errors import InputError
from .leaves import Number, leaf, wanted
from .records import Reading, dumps, is_record, reading, strip_optional

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "decode",
    "decoder",
    "dumps",
    "encode",
    "encode_any",
    "from_json",
    "is_text",
    "kind_of",
]

_BYTES: Final = (bytes, bytearray, memoryview)

_ENCODERS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], bytes]], ...]] = (
    (Enum, lambda value: str(value.value).encode()),  # first: an enum may be a str as well
    (str, str.encode),
    (_BYTES, bytes),
    ((dict, list), lambda value: dumps(value).encode()),
)


def encode(value: object) -> bytes | None:
    """Return the bytes of a str, bytes, Enum (its value), dict, list or record (JSON); None for other types."""
    for kind, encoder in _ENCODERS:
        if isinstance(value, kind):
            return encoder(value)
    return dumps(value).encode() if is_record(value) else None


def encode_any(value: object) -> bytes:
    """
    Return the bytes of any value: of what `encode` does not know, the JSON; of None, none.

    Raises:
        TypeError: It has no form in JSON.
    """
    if value is None:
        return b""
    data = encode(value)
    return dumps(value).encode() if data is None else data


def decode(kind: Any, data: bytes) -> Any:
    """
    Return `data` as a value of the annotation `kind`.

    Raises:
        TypeError: JSON has no form for it.
        InputError: The bytes do not spell such a value.
    """
    return decoder(kind)(data)


def decoder(kind: Any) -> Callable[[bytes], Any]:
    """
    Return what makes a value of the annotation `kind` out of bytes.

    Text and bytes are taken as they are; a member of an enum, a literal text, a date and what else is text in JSON,
    with or without JSON's quotes; everything else is read as JSON. Where None is allowed, no bytes are None.

    Raises:
        TypeError: JSON has no form for it.
    """
    try:
        hash(kind)
    except TypeError:  # an annotation with a mark that has no hash
        return _decoder(kind)
    return _kept(kind)


@functools.cache
def _kept(kind: Any) -> Callable[[bytes], Any]:
    return _decoder(kind)


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    plain, is_optional = kind_of(kind)
    read = _TAKEN.get(plain) if isinstance(plain, type) else None
    if read is None:
        as_json = _json_decoder(reading(kind))
        has_parts = not (is_text(plain) or leaf(plain))
        read = as_json if has_parts else _text_or(as_json, plain)
    if is_optional or plain is type(None):
        return lambda data: read(data) if data else None
    return read


def kind_of(annotation: Any) -> tuple[Any, bool]:
    """Return what is annotated, without marks and `| None`, and whether None is allowed."""
    plain, is_optional = strip_optional(_unmarked(annotation))
    return _unmarked(plain), is_optional


def _unmarked(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def is_text(kind: Any) -> bool:
    """Tell whether values are one of a few texts: members of an enum, a literal of strings."""
    if typing.get_origin(kind) is Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(kind))
    return isinstance(kind, type) and issubclass(kind, Enum)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"expected text, got bytes that are not UTF-8: {error}") from None


_TAKEN: Final[dict[Any, Callable[[bytes], Any]]] = {
    str: _text,
    bytes: lambda data: data,
    bytearray: bytearray,
    memoryview: memoryview,
}
"""What is taken as it is."""


def _text_or(as_json: Callable[[bytes], Any], kind: Any) -> Callable[[bytes], Any]:
    """Return what takes one of a few texts as it is, and what is no JSON as JSON's text: config has no quotes."""
    by_text = _by_text(kind)

    def read(data: bytes) -> Any:
        text = _text(data)
        if text in by_text:
            return by_text[text]
        try:
            json.loads(text)
        except ValueError:
            if not text and not by_text:
                raise InputError(f"expected {wanted(kind)}, got nothing") from None
            return as_json(
                json.dumps(text).encode()
            )  # which makes it a date, or says what it should be
        return as_json(data)

    return read


def _by_text(kind: Any) -> dict[str, Any]:
    """Return the values of a literal or an enum by their texts; other kinds have none."""
    if typing.get_origin(kind) is Literal:
        return {choice: choice for choice in typing.get_args(kind)}
    return {str(member.value): member for member in kind} if is_text(kind) else {}


def _json_decoder(how: Reading) -> Callable[[bytes], Any]:
    read, needs_digits = how
    return lambda data: read(from_json(data, needs_digits=needs_digits))


def from_json(data: bytes, wanted: str = "JSON", *, needs_digits: bool = False) -> Any:
    """
    Return the value of a JSON text.

    Args:
        data: The text.
        wanted: What an error says that it should be.
        needs_digits: Whether numbers with a fraction or an exponent are to keep how they are written.

    Raises:
        InputError: It is none.
    """
    if not data:
        raise InputError(f"expected {wanted}, got nothing")
    try:
        return json.loads(data, parse_float=Number) if needs_digits else json.loads(data)
    except ValueError as error:
        raise InputError(f"expected {wanted}, got {_shown(data)}: {error}") from None


def _shown(data: bytes) -> str:
    text = data[:40].decode(errors="backslashreplace")
    return f'"{text}{"..." if len(data) > 40 else ""}"'
