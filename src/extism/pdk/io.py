"""
The input and the output of a call, as text, bytes, JSON, or a type of the author's choice.

`input(t)` and `output(x)` choose by type; the others say the form in their name. The last output wins. An
error is set by raising an exception; `set_error` is for those who would rather not.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from . import ffi, values
from .errors import InputError
from .records import reading

__all__ = [
    "input",
    "input_bytes",
    "input_json",
    "input_str",
    "output",
    "output_bytes",
    "output_json",
    "output_str",
    "set_error",
]

T = TypeVar("T")


def input_bytes() -> bytes:
    """Return the input of the call."""
    return ffi.host.input()


def input_str() -> str:
    """Return the input of the call, read as UTF-8."""
    return ffi.host.input().decode()


@overload
def input_json(t: None = None) -> Any: ...
@overload
def input_json(t: type[T]) -> T: ...
def input_json(t: Any = None) -> Any:
    """
    Return the input of the call, read as JSON.

    Args:
        t: int and float convert the value; any other annotation (a dataclass, `list[int]`, ...) checks it,
            and says what is made of it.

    Raises:
        InputError: The input is not JSON, or is something else; it is a ValueError and a TypeError.
        TypeError: JSON has no form for `t`.
    """
    try:
        read, needs_digits = reading(Any if t is None else t)
        value = values.from_json(ffi.host.input(), needs_digits=needs_digits)
        if (t is int or t is float) and isinstance(value, (str, int, float)):
            return t(value)
        return read(value)
    except InputError as error:
        raise error.under("input") from None


def input(t: type[T]) -> T:  # noqa: A001  upstream's name
    """
    Return the input of the call as a value of the annotation `t`.

    `str` and `bytes` take it as it is; a member of an Enum is its value; everything else is read from JSON.

    Raises:
        InputError: It is something else; the error is a ValueError and a TypeError.
        TypeError: JSON has no form for `t`.
    """
    decode = values.decoder(t)
    try:
        value: T = decode(ffi.host.input())
    except InputError as error:
        raise error.under("input") from None
    return value


def output_bytes(data: bytes | bytearray | memoryview) -> None:
    """Make `data` the output of the call."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"output_bytes takes bytes, not {type(data).__name__}")
    ffi.host.output(data)


def output_str(text: str) -> None:
    """Make `text`, as UTF-8, the output of the call."""
    if not isinstance(text, str):
        raise TypeError(
            f"output_str takes str, not {type(text).__name__}; output_json takes any value"
        )
    ffi.host.output(text.encode())


def output_json(value: object) -> None:
    """Make `value`, as JSON, the output of the call; objects are written as their attributes."""
    ffi.host.output(values.dumps(value).encode())


def output(value: object = None) -> None:
    """Make a str, bytes, dict, list, dataclass (as JSON) or Enum (its value) the output; None is none."""
    if value is None:
        return
    data = values.encode(value)
    if data is None:
        raise TypeError(
            f"Unsupported type for output: {type(value).__name__}; output_json takes any value"
        )
    ffi.host.output(data)


def set_error(text: str) -> None:
    """Make `text` the error of the call, which then fails whatever the function returns."""
    ffi.host.error(text.encode(errors="backslashreplace"))
