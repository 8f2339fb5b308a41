"""Variables: bytes by key, which last from call to call as long as the plug-in instance."""

from __future__ import annotations

import json
from typing import Any, TypeVar, overload

from . import ffi

__all__ = ["Var"]

D = TypeVar("D")


class Var:
    """
    The variables of this plug-in instance; an empty value reads as missing.

    The host limits their size (1 MiB together unless it says otherwise); past that, it ends the call.
    """

    @overload
    @staticmethod
    def get_bytes(key: str) -> bytes | None: ...
    @overload
    @staticmethod
    def get_bytes(key: str, default: D) -> bytes | D: ...
    @staticmethod
    def get_bytes(key: str, default: object = None) -> object:
        """Return the variable `key`, `default` where it is missing."""
        value = ffi.host.var_get(key.encode())
        return default if value is None else value

    @overload
    @staticmethod
    def get_str(key: str) -> str | None: ...
    @overload
    @staticmethod
    def get_str(key: str, default: D) -> str | D: ...
    @staticmethod
    def get_str(key: str, default: object = None) -> object:
        """Return the variable `key`, read as UTF-8, `default` where it is missing."""
        value = ffi.host.var_get(key.encode())
        return default if value is None else value.decode()

    @staticmethod
    def get_json(key: str, default: Any = None) -> Any:
        """Return the variable `key`, read as JSON, `default` where it is missing."""
        value = ffi.host.var_get(key.encode())
        return default if value is None else json.loads(value)

    @staticmethod
    def set(key: str, value: bytes | bytearray | memoryview | str | None) -> None:
        """Store `value`, text as UTF-8, under `key`; None deletes the variable."""
        if isinstance(value, str):
            value = value.encode()
        elif isinstance(value, (bytearray, memoryview)):
            value = bytes(value)
        if not isinstance(value, (bytes, type(None))):
            raise TypeError(f"Var.set takes bytes or str, not {type(value).__name__}")
        ffi.host.var_set(key.encode(), value)

    @staticmethod
    def delete(key: str) -> None:
        """Delete the variable `key`; one that is missing is left missing."""
        ffi.host.var_set(key.encode(), None)
