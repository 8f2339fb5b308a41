"""
What of `ctypes` it takes to call the engine, without the 2 ms that importing it takes.

`ctypes` makes some forty types out of `_ctypes`, and loads `struct` and `types` for that. Here the dozen that the engine's
C has are made in the same way, under the same names. Where `_ctypes` has not what that takes, as on Windows, and where
pointers are not 64 bits wide, all of them are those of `ctypes`.

The one thing to know: they are other classes than those of `ctypes`, and a function that is declared with the ones does
not take the others. So everything in `_engine` has them from here.
"""

from __future__ import annotations

import _ctypes
import sys

__all__ = [
    "CDLL",
    "CFUNCTYPE",
    "POINTER",
    "Structure",
    "Union",
    "addressof",
    "byref",
    "c_bool",
    "c_char",
    "c_char_p",
    "c_double",
    "c_float",
    "c_int",
    "c_int32",
    "c_int64",
    "c_size_t",
    "c_ssize_t",
    "c_uint8",
    "c_uint32",
    "c_uint64",
    "c_void_p",
    "memmove",
    "py_object",
    "pythonapi",
    "string_at",
]

_MADE_OF = (
    "CFuncPtr", "FUNCFLAG_CDECL", "FUNCFLAG_PYTHONAPI", "Structure", "Union", "_Pointer", "_SimpleCData",
    "_memmove_addr", "_string_at_addr", "addressof", "byref", "dlopen",
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if TYPE_CHECKING or sys.maxsize < 1 << 32 or not all(hasattr(_ctypes, each) for each in _MADE_OF):
    from ctypes import (
        CDLL,
        CFUNCTYPE,
        POINTER,
        Structure,
        Union,
        addressof,
        byref,
        c_bool,
        c_char,
        c_char_p,
        c_double,
        c_float,
        c_int,
        c_int32,
        c_int64,
        c_size_t,
        c_ssize_t,
        c_uint8,
        c_uint32,
        c_uint64,
        c_void_p,
        memmove,
        py_object,
        pythonapi,
        string_at,
    )
else:
    from _ctypes import Structure, Union, addressof, byref

    def _derived(base: Any, name: str, **members: Any) -> Any:
        return type(base)(name, (base,), {"__module__": __name__, **members})

    def _simple(name: str, code: str) -> Any:
        return _derived(_ctypes._SimpleCData, name, _type_=code)  # noqa: SLF001

    c_bool = _simple("c_bool", "?")
    c_char = _simple("c_char", "c")
    c_char_p = _simple("c_char_p", "z")
    c_double = _simple("c_double", "d")
    c_float = _simple("c_float", "f")
    c_int = c_int32 = _simple("c_int", "i")
    c_int64 = c_ssize_t = _simple("c_int64", "q")
    c_uint8 = _simple("c_uint8", "B")
    c_uint32 = _simple("c_uint32", "I")
    c_uint64 = c_size_t = _simple("c_uint64", "Q")
    c_void_p = _simple("c_void_p", "P")
    py_object = _simple("py_object", "O")

    def POINTER(kind: Any) -> Any:  # noqa: N802 - as in `ctypes`
        """Return the type of pointers to a type; a new one each time."""
        return _derived(_ctypes._Pointer, f"LP_{kind.__name__}", _type_=kind)  # noqa: SLF001

    def _functype(result: Any, flags: int = 0, **members: Any) -> Any:
        flags |= _ctypes.FUNCFLAG_CDECL
        return _derived(
            _ctypes.CFuncPtr, "CFunctionType", _restype_=result, _flags_=flags, **members
        )

    def CFUNCTYPE(result: Any, *params: Any) -> Any:  # noqa: N802 - as in `ctypes`
        """Return the type of functions with this result and these parameters; a new one each time."""
        return _functype(result, _argtypes_=params)

    class CDLL:
        """A shared library, whose functions are looked up by name; each time another object."""

        _function = _functype(c_int)

        def __init__(self, path: str | None) -> None:
            self._handle = _ctypes.dlopen(path, 0)

        def __getitem__(self, name: str) -> Any:
            return self._function((name, self))

    class _PyDLL(CDLL):
        """The same for functions that need Python's lock, and may raise."""

        _function = _functype(c_int, _ctypes.FUNCFLAG_PYTHONAPI)

    pythonapi = _PyDLL(None)

    memmove = CDLL._function(_ctypes._memmove_addr)  # noqa: SLF001
    memmove.restype, memmove.argtypes = c_void_p, (c_void_p, c_void_p, c_size_t)

    _string_at = _PyDLL._function(_ctypes._string_at_addr)  # noqa: SLF001
    _string_at.restype, _string_at.argtypes = py_object, (c_void_p, c_int)

    def string_at(address: int, size: int = -1) -> bytes:
        """Return the bytes at an address; up to the first zero without a size."""
        return _string_at(address, size)
