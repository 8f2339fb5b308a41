"""Variables: values by key, kept as bytes, which last from call to call as long as the plug-in instance."""

from __future__ import annotations

import json
from typing import Any, TypeVar, overload

from . import ffi, values
from .errors import InputError

__all__ = ["Var"]

T = TypeVar("T")
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

    @overload
    @staticmethod
    def get(key: str, t: type[T]) -> T | None: ...
    @overload
    @staticmethod
    def get(key: str, t: type[T], default: D) -> T | D: ...
    @staticmethod
    def get(key: str, t: Any, default: Any = None) -> Any:
        """
        Return the variable `key` as a value of the annotation `t`, `default` where it is missing.

        It reads what `set` stored: text and bytes as they are, a member of an Enum by its value, everything else
        from JSON.

        Raises:
            InputError: It is something else; the text names the variable.
        """
        value = ffi.host.var_get(key.encode())
        try:
            return default if value is None else values.decode(t, value)
        except InputError as error:
            raise error.under(f"var {key}") from None

    @staticmethod
    def get_json(key: str, default: Any = None) -> Any:
        """Return the variable `key`, read as JSON, `default` where it is missing."""
        value = ffi.host.var_get(key.encode())
        return default if value is None else json.loads(value)

    @staticmethod
    def set(key: str, value: object) -> None:
        """
        Store `value` under `key`; None deletes the variable.

        Text is stored as UTF-8, bytes as they are, an Enum as its value, everything else as JSON.

        Raises:
            TypeError: It has no form in JSON.
        """
        ffi.host.var_set(key.encode(), None if value is None else values.encode_any(value))

    @staticmethod
    def delete(key: str) -> None:
        """Delete the variable `key`; one that is missing is left missing."""
        ffi.host.var_set(key.encode(), None)
