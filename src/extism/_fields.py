"""
What a field of a manifest may hold: the checks, and the words of the error when one fails.

A check is a function `(value, where) -> value as it is kept`; `where` is the path of the key, such as
`wasm[1].hash`. Which key takes which check is said in `manifest.py`, which alone uses them. A text of the
guest's configuration is never part of an error: it may be a password.
"""

from __future__ import annotations

import os

from extism.errors import ManifestError
from extism.escapes import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Final, TypeAlias, TypeGuard

    from extism.secret import Secret

__all__ = [
    "UNKNOWN",
    "Check",
    "at",
    "base64_or_bytes",
    "entries",
    "file_path",
    "listed",
    "mapping",
    "method",
    "paths",
    "show",
    "text",
    "text_or_none",
    "texts",
    "texts_by_key",
    "unknown_key",
    "whole",
    "wrong",
]

Check: TypeAlias = "Callable[[Any, str], Any]"

UNKNOWN: Final = "Unknown manifest format"
"""All that upstream says about a manifest it cannot read; ours goes on from there."""


def text(value: Any, where: str) -> str:
    """Return a text as it is."""
    if not isinstance(value, str):
        raise wrong(where, f"is {_kind(value)}", "a text")
    return value


def text_or_none(value: Any, where: str) -> str | None:
    """Return a text or null as it is."""
    if value is not None and not isinstance(value, str):
        raise wrong(where, f"is {_kind(value)}", "a text or null")
    return value


def file_path(value: Any, where: str) -> str:
    """Return a path as text; a `pathlib.Path` will do."""
    return text(os.fspath(value) if isinstance(value, os.PathLike) else value, where)


def method(value: Any, where: str) -> str:
    """Return the name of an HTTP method in upper case."""
    return text(value, where).upper()


def base64_or_bytes(value: Any, where: str) -> bytes:
    """Return the bytes; a text is decoded from standard base64 with padding, as upstream does."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if _is_mapping(value) and {"ptr", "len"} & set(value):
        raise wrong(where, "is a raw address", "bytes or base64 text; addresses are never read")
    import base64

    encoded = text(value, where)
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        allowed = "bytes, or standard base64 with padding and without line breaks"
        raise wrong(where, f"is {show(encoded)}, not base64 ({error})", allowed) from error


def whole(most: int) -> Check:
    """Return the check for null or a whole number from 0 to `most`."""
    allowed = f"a whole number from 0 to {most}, or null"

    def check(value: Any, where: str) -> int | None:
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise wrong(where, f"is {show(value)}", allowed)
        return value

    return check


def mapping(value: Any, where: str) -> Mapping[Any, Any]:
    """Return an object as it is."""
    if not _is_mapping(value):
        raise wrong(where, f"is {_kind(value)}", "an object (a dict, a TOML table)")
    return value


def entries(value: Any, where: str) -> list[Any] | tuple[Any, ...]:
    """Return a list as it is."""
    if not isinstance(value, list | tuple):
        raise wrong(where, f"is {_kind(value)}", "a list")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Return a list of texts; null is an empty one."""
    given = () if value is None else entries(value, where)
    return tuple(text(item, f"{where}[{index}]") for index, item in enumerate(given))


def texts_by_key(value: Any, where: str) -> dict[str, str | Secret]:
    """Return a copy of an object whose values are texts or secrets."""
    given = dict(mapping(value, where))
    for key, item in given.items():
        if not isinstance(key, str):
            raise wrong(where, f"has {_kind(key)} among its keys", "texts as keys")
        if not isinstance(item, str) and not _is_secret(item):
            raise wrong(at(where, key), f"is {_kind(item)}", "a text, or extism.Secret(text)")
    return given


def paths(value: Any, where: str) -> dict[str, str]:
    """Return a copy of an object from path to path; null is an empty one."""
    given = {} if value is None else mapping(value, where)
    return {file_path(k, where): file_path(v, at(where, str(k))) for k, v in given.items()}


def wrong(where: str, found: str, allowed: str) -> ManifestError:
    """Return the error for a value that its key does not take."""
    subject = where or "the manifest"
    return ManifestError(f"{UNKNOWN}: {subject} {found}; allowed: {allowed}", where=where)


def unknown_key(key: object, known: Iterable[str], where: str) -> ManifestError:
    """Return the error for a key that is not known at `where`."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(str(key)[:80].lower(), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    subject = f"{UNKNOWN}: {show(key)} is no key of {where or 'the manifest'}"
    return ManifestError(f"{subject}; {hint}allowed: {listed(names)}", where=at(where, str(key)))


def at(where: str, key: str) -> str:
    """Return the path of a key one step further in."""
    if len(key) > 80 or not key.replace("-", "_").replace("_", "0").isalnum():
        return f"{where}[{show(key)}]"
    return f"{where}.{key}" if where else key


def listed(keys: Iterable[object]) -> str:
    """Return the first few keys in one line."""
    return ", ".join(shown(str(key)[:40]) for key in list(keys)[:10]) or "none"


def show(value: object) -> str:
    """Return a number or the beginning of a text as it is, anything else by kind."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:60]}…")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "an enormous number" if abs(value) >= 10**40 else str(value)
    return _kind(value)


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    bytes: "bytes",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def _is_secret(value: object) -> bool:
    from extism.secret import Secret

    return isinstance(value, Secret)


def _is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    if isinstance(value, dict):
        return True
    from collections.abc import Mapping

    return isinstance(value, Mapping)


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"of type {type(value).__name__}")
