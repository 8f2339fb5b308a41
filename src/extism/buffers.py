"""
`ByteBuffer`: bytes in place, in the shape that upstream's applications know from cffi.

An item and a slice are `bytes`, and both can be assigned; `bytes(buffer)`, `len` and everything that takes a
buffer work. A memoryview would give numbers and views instead, and `plugin.memory(block)[:].decode()`,
which is how upstream's users read, would fail.

An array of ctypes behaves just so. Its class is bound to a length; the last few hundred are kept.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Protocol, overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

__all__ = ["ByteBuffer", "copy_of", "in_place"]

_KINDS_KEPT: Final = 256


class ByteBuffer(Protocol):
    """Bytes of fixed length that can be changed; what is assigned to a slice has the slice's length."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...
    @overload
    def __getitem__(self, place: int, /) -> bytes: ...
    @overload
    def __getitem__(self, place: slice, /) -> bytes: ...
    def __setitem__(self, place: int | slice, value: bytes | bytearray | memoryview, /) -> None: ...
    def __bytes__(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...


def in_place(view: memoryview) -> ByteBuffer:
    """Return the bytes of a writable view as a buffer; the view's owner lives as long as the buffer."""
    kind = _kind(len(view))
    buffer: ByteBuffer = kind.from_buffer(view) if len(view) else kind()
    return buffer


def copy_of(data: bytes) -> ByteBuffer:
    """Return a buffer of its own with a copy of `data`."""
    buffer: ByteBuffer = _kind(len(data)).from_buffer_copy(data)
    return buffer


@lru_cache(maxsize=_KINDS_KEPT)
def _kind(length: int) -> Any:
    # A class of our own for each length, not `c_char * length`: ctypes keeps its own for ever.
    return type("ByteBuffer", (_Bytes,), {"_type_": ctypes.c_char, "_length_": length})


class _Bytes(ctypes.Array):  # type: ignore[type-arg]  # ctypes' arrays take no argument at run time
    _type_ = ctypes.c_char
    _length_ = 0

    def __bytes__(self) -> bytes:
        return memoryview(self).tobytes()

    def __setitem__(self, place: Any, value: Any) -> None:
        if not isinstance(place, slice):
            super().__setitem__(place, value)
            return
        # ctypes would go through a slice item by item.
        data = value if isinstance(value, bytes | bytearray) else bytes(value)
        target = memoryview(self).cast("B")[place]
        if len(target) != len(data):
            raise ValueError("right operand length must match slice length")
        target[:] = data

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bytes | bytearray | memoryview | _Bytes):
            return bytes(self) == bytes(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<ByteBuffer of {len(self)} bytes>"
