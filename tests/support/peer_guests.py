"""Manifests for the differential suite, in few words."""

from __future__ import annotations

import base64
from typing import Any

from wat_guests import wat

LANGUAGES = {"c": "c", "zig": "zig", "assemblyscript": "ts"}
"""Folders of `tests/guests` and the ending of the sources in them."""


def data(text: str | bytes, **keys: str) -> dict[str, Any]:
    """A source that is module text or bytes."""
    content = text.encode() if isinstance(text, str) else text
    return {"data": base64.b64encode(content).decode(), **keys}


def module(body: str, *, before: str = "", memory: str | None = None, **manifest: Any) -> Any:
    """A manifest of one module around `body`, see `wat_guests.wat`."""
    own = "" if memory is None and "(memory " in body else memory
    return {"wasm": [data(wat(body, before=before, memory=own))], **manifest}


def text(content: str, **manifest: Any) -> Any:
    """A manifest of one module, as it is."""
    return {"wasm": [data(content)], **manifest}


def guest(name: str, **manifest: Any) -> Any:
    """A manifest of one compiled guest, such as `c/echo.c`."""
    return {"wasm": [{"guest": name}], **manifest}


def in_every_language(topic: str) -> list[tuple[str, str]]:
    """The languages that have a guest of that topic, each with the guest's name."""
    return [(folder, f"{folder}/{topic}.{ending}") for folder, ending in LANGUAGES.items()]
