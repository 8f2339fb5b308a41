"""The configuration that a guest reads: texts by key, set by the host, never by the guest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from extism.secret import Secret, reveal

if TYPE_CHECKING:
    from extism._capabilities.variables import Shelf

__all__ = ["Config"]

_HALVES: Final = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs: a Python str may hold them, UTF-8 may not."""


class Config:
    """Texts by key, plain or secret; a value is revealed only by `get`, and to the guest."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str | Secret] | None = None) -> None:
        self._values = dict(values or {})

    def __repr__(self) -> str:
        return f"<Config {sorted(self._values)}>"

    def get(self, key: str) -> str | None:
        """Return the text under `key`, `None` where there is none."""
        value = self._values.get(key)
        return None if value is None else reveal(value)

    def offer(self, shelf: Shelf) -> None:
        """Put everything on the shelf of the guest that has just asked, if it does so often."""
        if not shelf.is_wanted():
            return
        texts = {_encoded(key): reveal(value) for key, value in self._values.items()}
        if any(_HALVES.search(text) for text in texts.values()):
            return  # `get` gives it, and whoever wants to send it to the guest says what is wrong
        if shelf.put((key, text.encode()) for key, text in texts.items()):
            shelf.open()

    def updated(self, changes: Mapping[Any, Any]) -> Config:
        """
        Return a copy with `changes` merged in; `None` takes a key away.

        Raises:
            TypeError: The changes are no mapping, a key is no str, or a value is neither str, `Secret` nor
                `None`. The text names the key and never shows the value.
        """
        if not isinstance(changes, Mapping):
            raise TypeError(f"config is a {type(changes).__name__}; allowed: a mapping of texts")
        merged = dict(self._values)
        for key, value in changes.items():
            if not isinstance(key, str):
                raise TypeError(f"config: a key is a {type(key).__name__}; keys are str")
            if value is None:
                merged.pop(key, None)
            elif isinstance(value, str | Secret):
                merged[key] = value
            else:
                found = type(value).__name__
                raise TypeError(
                    f"config[{key!r}] is a {found}; allowed: str, extism.Secret or None"
                )
        return Config(merged)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
