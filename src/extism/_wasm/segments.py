"""
A memory image to data segments: what is not zero, in few enough pieces.

Theory of operation:
    A new memory is zero, so only the runs that are not need a segment. Two runs with a short gap
    between them cost less as one: a segment's header takes up to 12 bytes (1 flags, 1 + 5 offset and
    its opcode, 1 `end`, 4 length), and each segment takes the engine some time as well. So gaps below
    `GAP` bytes are kept as zeros. If that still gives more than `MOST` pieces, the gap is doubled until
    it does not.

All searching is done by `bytes.find` and one regular expression: 17 MB take some 20 ms.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from extism._wasm.assembly import END, const
from extism._wasm.model import DataSegment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._wasm.externs import MemoryType

__all__ = ["GAP", "MOST", "runs", "segments"]

GAP: Final = 96
"""Shortest gap that is worth a segment: 12 bytes gave 143,000 of them for 11 MB, 96 bytes 8,700."""

MOST: Final = 50_000
"""Engines refuse 100,000; half of it leaves room for a module that is snapshotted twice."""

_NOT_ZERO: Final = re.compile(rb"[^\x00]")


def runs(image: bytes, gap: int = GAP, most: int = MOST) -> list[tuple[int, int]]:
    """
    Return (offset, end) of the pieces of `image` that are not zero.

    Args:
        image: The whole memory.
        gap: Zeros in a row that part two pieces.
        most: Pieces at most.

    Every piece starts and ends with a byte that is not zero. The result depends on the arguments only.
    """
    pieces = list(_runs(image, gap))
    while len(pieces) > most:
        gap *= 2
        pieces = list(_merged(pieces, gap))
    return pieces


def _runs(image: bytes, gap: int) -> Iterator[tuple[int, int]]:
    zeros = bytes(gap)
    first = _NOT_ZERO.search(image)
    while first:
        offset = first.start()
        end = image.find(zeros, offset)
        if end < 0:
            yield offset, len(image.rstrip(b"\0"))
            return
        yield offset, end
        first = _NOT_ZERO.search(image, end)


def _merged(pieces: list[tuple[int, int]], gap: int) -> Iterator[tuple[int, int]]:
    offset, end = pieces[0]
    for next_offset, next_end in pieces[1:]:
        if next_offset - end >= gap:
            yield offset, end
            offset = next_offset
        end = next_end
    yield offset, end


def segments(
    image: bytes, memory: int, type_: MemoryType, most: int = MOST
) -> Iterator[DataSegment]:
    """Return the active segments that make an empty memory of that index and type equal `image`."""
    address = "i64" if type_.limits.is_64 else "i32"
    view = memoryview(image)
    for offset, end in runs(image, most=most):
        yield DataSegment(view[offset:end], memory, const(address, offset) + END)
