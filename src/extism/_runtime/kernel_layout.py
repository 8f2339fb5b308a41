"""
Where the kernel keeps what the host reads and writes in place; what it means is told in `kernel.wat`.

::

    data  | root record | first headers | blocks ...
          0             256             2048
    meta  | further headers ...
          2048
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "AHEAD",
    "BEGUN",
    "BLOCK",
    "ERROR",
    "ERROR_OFFSET",
    "FIRST",
    "GRANULE",
    "HEADER",
    "HEADERS",
    "INITIAL_BYTES",
    "LAST",
    "LAST_GENERATION",
    "MARKS",
    "MARKS_OFFSET",
    "PLACES",
    "PLACES_OFFSET",
    "REACH",
    "ROOT",
    "SPAN",
    "SPAN_OFFSET",
    "WANTED",
    "WANTED_OFFSET",
]

INITIAL_BYTES: Final = 16 * 65536
"""The size of `data` before anything is allocated."""

FIRST: Final = 2048
"""The first handle. What the kernel believes lies in `data` as far as it lies below, all else in `meta`."""

GRANULE: Final = 32
"""Bytes that blocks are made of."""

HEADERS: Final = 256
"""Where the header of the first block is."""

AHEAD: Final = FIRST // 2 - HEADERS
"""By how much a header comes sooner than half its handle."""

HEADER: Final = struct.Struct("<I4xI")
"""A header: generation, capacity in granules, bytes used."""

BLOCK: Final = struct.Struct("<IIQ")
"""All of a header: generation, capacity, used."""

LAST: Final = struct.Struct("<QQ")
"""The header of a block's last granule."""

ROOT: Final = struct.Struct("<QQQ")
"""The root record, offset 0 of `data`: output offset, output length, error handle."""

BEGUN: Final = struct.Struct("<9QI4xI172xIIII")
"""
What a call begins with, from offset 0 of `data`.

The root record of `kernel.wat`: output offset and length, error, input offset, length and words, span, words,
dirty, generation, wanted; empty bins; then the header of the first block, which is the input.
"""

ERROR: Final = struct.Struct("<Q")
ERROR_OFFSET: Final = 16

SPAN: Final = struct.Struct("<Q16xI")
"""Offset 48 of `data`: span, generation."""

SPAN_OFFSET: Final = 48

PLACES: Final = struct.Struct("<QQQI48xI")
"""Offset 48 of `data`: span, words, dirty, generation, which bins are filled."""

PLACES_OFFSET: Final = 48

REACH: Final = struct.Struct("<QQQ")
"""Offset 48 of `data`: span, words, dirty."""

MARKS: Final = struct.Struct("<QI")
"""Offset 64 of `data`: dirty, generation."""

MARKS_OFFSET: Final = 64

LAST_GENERATION: Final = (1 << 32) - 2
"""Behind it all headers have to be cleared."""

WANTED: Final = struct.Struct("<I")
WANTED_OFFSET: Final = 80
