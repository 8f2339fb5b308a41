"""What the host configured for this plug-in: text by key, read only."""

from __future__ import annotations

import json
from typing import Any, TypeVar, overload

from . import ffi

__all__ = ["Config"]

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

    @staticmethod
    def get_json(key: str, default: Any = None) -> Any:
        """Return the value for `key`, read as JSON, `default` where it is missing."""
        value = ffi.host.config_get(key.encode())
        return default if value is None else json.loads(value)
