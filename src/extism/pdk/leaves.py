"""
JSON values without parts, each checked for one type: numbers, text, true and false, null, and what is written as text.

Values with parts are read in `records.py`. `decimal` and `uuid` are not imported here, nor is `datetime`: a plug-in
that names such a type has done so, and one that does not is spared them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Number", "as_text", "is_decimal", "is_plain", "leaf", "shown", "wanted"]

_SHOWN: Final = 60


class Number(float):
    """A number of a JSON text, with all its digits: what `json.loads` makes where a Decimal is wanted."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        """Make it of what the JSON text has."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def shown(value: object) -> str:
    """Return a JSON value for an error text, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def leaf(annotation: Any) -> Callable[[Any], Any] | None:
    """Return what reads a value without parts, None if the annotation is of another kind."""
    if annotation is None or annotation is type(None):
        return _null
    if annotation in _PLAIN:
        return _checked(*_PLAIN[annotation])
    return _parsed(annotation, wanted(annotation)) if _full_name(annotation) in _TEXTED else None


def is_decimal(annotation: Any) -> bool:
    """Tell whether values are decimal numbers, for which a float is not exact."""
    return _full_name(annotation) == "decimal.Decimal"


def is_plain(annotation: Any) -> bool:
    """Tell whether a number, text, true or false may be of just that type."""
    return annotation in _PLAIN


def wanted(annotation: Any) -> str:
    """Return what errors call a value without parts of that annotation."""
    return (
        _PLAIN[annotation][0]
        if annotation in _PLAIN
        else _TEXTED.get(_full_name(annotation), "null")
    )


def as_text(value: Any) -> str | None:
    """Return the text by which JSON has a date, a time, a decimal number or a UUID; None for other values."""
    if not any(_full_name(kind) in _TEXTED for kind in type(value).__mro__):
        return None
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _full_name(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def _null(value: Any) -> None:
    if value is not None:
        raise InputError(f"expected null, got {shown(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    # JSON has one kind of number, and some writers give all of them a fraction.
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


_PLAIN: Final[dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool), bool),
    int: ("an integer", _is_whole, int),
    float: ("a number", _is_number, float),
    str: ("a string", lambda value: isinstance(value, str), str),
}
"""What an error calls it, what is one, and how it is made."""

_TEXTED: Final = {
    "datetime.datetime": "a date and time (ISO 8601)",
    "datetime.date": "a date (ISO 8601)",
    "datetime.time": "a time (ISO 8601)",
    "decimal.Decimal": "a decimal number",
    "uuid.UUID": "a UUID",
}
"""Types that JSON has as text, by their full name, and what an error calls them."""


def _checked(
    name: str, fits: Callable[[Any], bool], make: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if fits(value):
            return make(value)
        raise InputError(f"expected {name}, got {shown(value)}")

    return read


def _parsed(kind: Any, name: str) -> Callable[[Any], Any]:
    parse = getattr(kind, "fromisoformat", kind)
    takes_numbers = is_decimal(kind)

    def read(value: Any) -> Any:
        if isinstance(value, str) or (takes_numbers and _is_number(value)):
            try:
                return parse(value.text if isinstance(value, Number) else str(value))
            except (ValueError, ArithmeticError):
                pass  # said below
        raise InputError(f"expected {name}, got {shown(value)}")

    return read
