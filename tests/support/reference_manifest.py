"""The reference of manifests: the keys of each part, with what a key takes in the words of its own check."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from reference_docstrings import attributes, first_sentence

from extism import manifest
from extism.abi import (
    DEFAULT_MAX_HTTP_RESPONSE_BYTES,
    DEFAULT_MAX_PAGES,
    DEFAULT_MAX_VAR_BYTES,
)
from extism.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["manifest_keys"]

_PARTS = {
    "The manifest": manifest.Manifest,
    "`memory`": manifest.MemoryOptions,
    "`wasm`: a file": manifest.WasmFile,
    "`wasm`: bytes": manifest.WasmData,
    "`wasm`: a URL": manifest.WasmUrl,
}

_DEFAULTS = {
    "max_pages": f"{DEFAULT_MAX_PAGES} ({DEFAULT_MAX_PAGES >> 4} MiB)",
    "max_http_response_bytes": f"{DEFAULT_MAX_HTTP_RESPONSE_BYTES} (50 MiB)",
    "max_var_bytes": f"{DEFAULT_MAX_VAR_BYTES} (1 MiB)",
    "timeout_ms": "no limit",
    "name": "`main`",
    "hash": "not checked",
}
"""What a key means that is left out, where its default in Python does not say it."""


def manifest_keys() -> str:
    return "\n\n".join(part for title, cls in _PARTS.items() for part in _part(title, cls))


def _part(title: str, cls: type) -> Iterable[str]:
    text = inspect.getdoc(cls) or ""
    said = attributes(text)
    checks = manifest._FIELDS[cls]
    assert list(checks) == [field.name for field in dataclasses.fields(cls)]
    rows = [
        f"| `{field.name}` | {_taken(checks[field.name])} | {_default(field)} | {said[field.name]} |\n"
        for field in dataclasses.fields(cls)
    ]
    yield f"## {title}"
    yield first_sentence(text)
    yield "".join(["| key | takes | without it | means |\n", "|---|---|---|---|\n", *rows]).rstrip()


def _default(field: dataclasses.Field[Any]) -> str:
    if field.name in _DEFAULTS:
        return _DEFAULTS[field.name]
    if field.default is not dataclasses.MISSING and field.default != ():
        return f"`{field.default}`"
    if field.default_factory is not dataclasses.MISSING or field.default == ():
        return "refused" if field.name == "wasm" else "empty"
    return "refused"


class _Strange:
    """Something that no key takes."""


def _taken(check: Any) -> str:
    """What a check takes: its own words about a value that it refuses, also for what is inside of it."""
    words = _allowed(check, _Strange())
    inside: dict[str, Any] = {_LIST: [_Strange()], _OBJECT: {"key": _Strange()}}
    if words in inside:
        item = _allowed(check, inside[words])
        words = words.partition(" (")[0]
        words += f" of {_PLURAL[item]}" if item in _PLURAL else ""
    return f"{words}, or null" if "null" not in words and _takes(check, None) else _short(words)


_LIST = "a list"
_OBJECT = "an object (a dict, a TOML table)"
_PLURAL = {
    "a text": "texts",
    "a text, or extism.Secret(text)": "texts or secrets",
    _OBJECT: "objects",
}


def _short(words: str) -> str:
    return words.replace(str(2**64 - 1), "2^64 - 1").replace(str(2**32 - 1), "2^32 - 1")


def _takes(check: Any, value: Any) -> bool:
    try:
        check(value, "key")
    except ManifestError:
        return False
    return True


def _allowed(check: Any, value: Any) -> str:
    try:
        check(value, "key")
    except ManifestError as error:
        return str(error).partition("allowed: ")[2]
    raise AssertionError(f"{check} takes anything")
