"""What the host configured for this plug-in: text by key, read only."""

from __future__ import annotations

import json
from typing import Any, TypeVar, overload

from . import ffi, values
from .errors import InputError

__all__ = ["Config"]

T = TypeVar("T")
D = TypeVar("D")


class Config:
    """The configuration; a key with an empty value reads as missing."""

    @overload
    @staticmethod
    def get_str(key: str) -> str | None: ...
    @overload
    @staticmethod
    def get_str(key: str, default: D) -> str | D: ...
    @staticmethod
    def get_str(key: str, default: object = None) -> object:
        """Return the text for `key`, `default` where it is missing."""
        value = ffi.host.config_get(key.encode())
        return default if value is None else value.decode()

    @overload
    @staticmethod
    def get(key: str, t: type[T]) -> T | None: ...
    @overload
    @staticmethod
    def get(key: str, t: type[T], default: D) -> T | D: ...
    @staticmethod
    def get(key: str, t: Any, default: Any = None) -> Any:
        """
        Return the value for `key` as one of the annotation `t`, `default` where it is missing.

        `str` takes it as it is, a member of an Enum is its value, everything else is read from JSON.

        Raises:
            InputError: It is something else; the text names the key.
        """
        value = ffi.host.config_get(key.encode())
        try:
            return default if value is None else values.decode(t, value)
        except InputError as error:
            raise error.under(f"config {key}") from None

    @staticmethod
    def get_json(key: str, default: Any = None) -> Any:
        """Return the value for `key`, read as JSON, `default` where it is missing."""
        value = ffi.host.config_get(key.encode())
        return default if value is None else json.loads(value)
