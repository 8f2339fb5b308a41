"""
A linear memory, seen from the host: every range is checked against the memory's real size.

The host reads and writes the guest's bytes in place, through one memoryview that is exactly as long as
the memory was when it was taken. A memory never shrinks, and in this configuration never moves, so a view that
has become too short is still right as far as it goes; it is taken anew when more is asked for.
"""

from __future__ import annotations

from extism._engine.bindings import lib
from extism._engine.faults import error_text
from extism._engine.foreign import (
    byref,
    c_char,
    c_int,
    c_ssize_t,
    c_uint64,
    c_void_p,
    py_object,
    pythonapi,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from extism._engine.store import Store

__all__ = ["Memory"]


class Memory:
    """
    One linear memory of a store, which lives as long as this object.

    Views are not what keeps it: whoever hands bytes to others hands them what `lend` gives.
    """

    __slots__ = ("_store", "_struct", "_view")

    def __init__(self, store: Store, struct: bytes, size: int | None = None) -> None:
        self._store = store
        self._struct = struct
        self._view = self._map(self.size if size is None else size)

    @property
    def size(self) -> int:
        """The size in bytes at this moment."""
        size: int = lib.wasmtime_memory_data_size(self._store.context, self._struct)
        return size

    def view(self, end: int = 0) -> memoryview:
        """Return the bytes in place: at least `end` of them if the memory has that many, else all."""
        if end > len(self._view):
            self._view = self._map(self.size)
        return self._view

    def range(self, offset: int, length: int) -> memoryview:
        """
        Return `length` bytes from `offset` in place.

        Raises:
            IndexError: The range is not inside the memory.
        """
        end = offset + length
        view = self._view if end <= len(self._view) else self.view(end)
        if offset < 0 or length < 0 or end > len(view):
            raise IndexError(
                f"bytes {offset} to {end} are not inside the memory of {len(view)} bytes"
            )
        return view[offset:end]

    def read(self, offset: int, length: int) -> bytes:
        """
        Return a copy of `length` bytes from `offset`.

        Raises:
            IndexError: The range is not inside the memory.
        """
        return bytes(self.range(offset, length))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """
        Copy `data` to `offset`.

        Raises:
            IndexError: The range is not inside the memory.
        """
        self.range(offset, len(data))[:] = data

    def grow(self, pages: int) -> int | None:
        """Add `pages` of 64 KiB and return the old size in pages; None when a limit forbids it."""
        before = c_uint64()
        error = lib.wasmtime_memory_grow(self._store.context, self._struct, pages, byref(before))
        if error:
            error_text(error)
            return None
        return before.value

    def lend(self, offset: int, length: int) -> memoryview:
        """
        Return `length` bytes from `offset` in place; they stay what they are when the plugin is closed.

        Raises:
            IndexError: The range is not inside the memory.
        """
        self.range(offset, length)
        array: Any = (c_char * length).from_address(self._address() + offset)
        array.owner = self._store
        return memoryview(array).cast("B")

    def _address(self) -> int:
        address: int = lib.wasmtime_memory_data(self._store.context, self._struct)
        return address

    def _map(self, size: int) -> memoryview:
        # No array of ctypes: that takes four objects, this takes two.
        view: memoryview = (
            _view_of(self._address(), size, _WRITABLE) if size else memoryview(bytearray())
        )
        return view


_WRITABLE: Final = 0x200
"""`PyBUF_WRITE`."""

_view_of: Final = pythonapi["PyMemoryView_FromMemory"]
_view_of.restype = py_object
_view_of.argtypes = (c_void_p, c_ssize_t, c_int)
