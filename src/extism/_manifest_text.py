"""
The text of a manifest: JSON or TOML to what `manifest.py` makes one of, and a manifest to JSON.

Loaded by those who have a text; a manifest that is a dict or a path needs nothing of it. What may stand in a
manifest is not said here.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from extism._fields import UNKNOWN, show
from extism.errors import ManifestError
from extism.secret import MASK, Secret

__all__ = ["dumped", "json_text", "parsed"]


def parsed(value: str | bytes | bytearray | memoryview) -> object:
    """
    Return what JSON or TOML text says; only JSON begins with a brace.

    Raises:
        ManifestError: It is neither, a key is there twice, or it is nested too deeply.
    """
    text = _decoded(value)
    is_json = text.lstrip().startswith("{")
    if not is_json:
        _check_keys(text)
    try:
        if is_json:
            import json

            return json.loads(text, object_pairs_hook=_without_duplicates)
        import tomllib

        return tomllib.loads(text)
    except ManifestError:
        raise
    except RecursionError as error:
        raise ManifestError(f"{UNKNOWN}: nested too deeply") from error
    except ValueError as error:
        form = "JSON" if is_json else "TOML (and JSON begins with a brace)"
        raise ManifestError(f"{UNKNOWN}: not {form}: {error}") from error


def _decoded(value: str | bytes | bytearray | memoryview) -> str:
    """Return the text, without a byte order mark."""
    try:
        text = value if isinstance(value, str) else bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{UNKNOWN}: not UTF-8 text ({error})") from error
    return text.removeprefix("\ufeff")


def _check_keys(text: str) -> None:
    """Refuse TOML keys of a hundred parts: the time that the parser takes grows with the square of them."""
    import re

    long = r"""(?<![\w"'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}"""
    if re.search(long, text):
        raise ManifestError(f"{UNKNOWN}: nested too deeply")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ManifestError(f"{UNKNOWN}: the key {show(key)} is there twice", where=key)
        found[key] = value
    return found


def dumped(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not at their defaults, and so on inside."""
    found: dict[str, Any] = {}
    for each in fields(instance):
        value = getattr(instance, each.name)
        default = each.default_factory() if callable(each.default_factory) else each.default
        if value != default:
            found[each.name] = _dumped_value(value)
    return found


def _dumped_value(value: Any) -> Any:
    match value:
        case tuple():
            return [_dumped_value(item) for item in value]
        case dict():
            return dict(value)
    return dumped(value) if is_dataclass(value) else value


def json_text(value: dict[str, Any], indent: int | None) -> str:
    """Return what `dumped` gives as JSON: bytes in base64, each secret as `***`."""
    import json

    return json.dumps(value, default=_to_json_value, indent=indent, ensure_ascii=False)


def _to_json_value(value: object) -> str:
    if isinstance(value, Secret):
        return MASK
    import base64

    assert isinstance(value, bytes), type(value)
    return base64.b64encode(value).decode("ascii")
