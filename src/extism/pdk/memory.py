"""
Blocks of the memory that plug-in and host share: what a handle in a host function's signature points to.

All blocks end with the call. Input, output, variables and the arguments of `import_fn` need none of this.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from . import ffi

__all__ = ["MemoryHandle", "alloc", "bytes", "find", "free", "string"]


@dataclass(frozen=True, slots=True)
class MemoryHandle:
    """
    A block in the shared memory.

    Attributes:
        offset: Of its first byte; what host functions call a handle. 0 for the block of no bytes.
        length: In bytes.
    """

    offset: int
    length: int


def alloc(data: builtins.bytes | bytearray | memoryview | str) -> MemoryHandle:
    """Return a new block that holds a copy of `data`, text as UTF-8."""
    content = data.encode() if isinstance(data, str) else builtins.bytes(memoryview(data))
    return MemoryHandle(ffi.host.store(content), len(content))


def find(offset: int) -> MemoryHandle | None:
    """Return the block that starts at `offset`, None where there is none."""
    length = ffi.host.length(offset)
    return MemoryHandle(offset, length) if length else None


def bytes(handle: MemoryHandle) -> builtins.bytes:  # noqa: A001  upstream's name
    """
    Return a copy of the bytes in a block.

    Raises:
        ValueError: The block was freed, or belongs to an earlier call.
    """
    if handle.length == 0:
        return b""
    data = ffi.host.load(handle.offset)
    if data is None:
        raise ValueError(f"{handle} is not a live block: it was freed, or its call has ended")
    return data[: handle.length]


def string(handle: MemoryHandle) -> str:
    """Return the text in a block, read as UTF-8."""
    return bytes(handle).decode()


def free(handle: MemoryHandle) -> None:
    """Free a block; a block that was freed before is left alone."""
    ffi.host.free(handle.offset)
