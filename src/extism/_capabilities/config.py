"""The configuration that a guest reads: texts by key, set by the host, never by the guest."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from extism._capabilities.variables import Shelf
    from extism.secret import Secret

__all__ = ["Config"]


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
        return None if value is None else _revealed(value)

    def offer(self, shelf: Shelf) -> None:
        """Put everything on the shelf of the guest that has just asked, if it does so often."""
        if not shelf.is_wanted():
            return
        texts = {_encoded(key): _revealed(value) for key, value in self._values.items()}
        if not all(_is_encodable(text) for text in texts.values()):
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
        if not _is_mapping(changes):
            raise TypeError(f"config is a {type(changes).__name__}; allowed: a mapping of texts")
        merged = dict(self._values)
        for key, value in changes.items():
            if not isinstance(key, str):
                raise TypeError(f"config: a key is a {type(key).__name__}; keys are str")
            if value is None:
                merged.pop(key, None)
            elif isinstance(value, str) or _is_secret(value):
                merged[key] = value
            else:
                found = type(value).__name__
                raise TypeError(
                    f"config[{key!r}] is a {found}; allowed: str, extism.Secret or None"
                )
        return Config(merged)


def _revealed(value: str | Secret) -> str:
    return value if isinstance(value, str) else value.reveal()


def _is_secret(value: object) -> bool:
    from extism.secret import Secret

    return isinstance(value, Secret)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_encodable(text: str) -> bool:
    """Tell whether UTF-8 can hold a text: a Python str may have halves of surrogate pairs in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_mapping(value: object) -> bool:
    if isinstance(value, dict):
        return True
    from collections.abc import Mapping

    return isinstance(value, Mapping)
