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
    "ERROR_OFFSET",
    "FIRST",
    "GRANULE",
    "HEADERS",
    "INITIAL_BYTES",
    "LAST_GENERATION",
    "MARKS_OFFSET",
    "PLACES_OFFSET",
    "SPAN_OFFSET",
    "WANTED_OFFSET",
    "read_header",
    "read_marks",
    "read_places",
    "read_root",
    "read_span",
    "write_begun",
    "write_error",
    "write_header",
    "write_last",
    "write_reach",
    "write_wanted",
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

read_header: Final = struct.Struct("<I4xI").unpack_from
"""Of a header: generation, bytes used."""

write_header: Final = struct.Struct("<IIQ").pack_into
"""All of a header: generation, capacity, used."""

write_last: Final = struct.Struct("<QQ").pack_into
"""The header of a block's last granule."""

read_root: Final = struct.Struct("<QQQ").unpack_from
"""The root record, offset 0 of `data`: output offset, output length, error handle."""

write_begun: Final = struct.Struct("<9QI4xI172xIIII").pack_into
"""
What a call begins with, from offset 0 of `data`.

The root record of `kernel.wat`: output offset and length, error, input offset, length and words, span, words,
dirty, generation, wanted; empty bins; then the header of the first block, which is the input.
"""

write_error: Final = struct.Struct("<Q").pack_into
ERROR_OFFSET: Final = 16

read_span: Final = struct.Struct("<Q16xI").unpack_from
"""Offset 48 of `data`: span, generation."""

SPAN_OFFSET: Final = 48

read_places: Final = struct.Struct("<QQQI48xI").unpack_from
"""Offset 48 of `data`: span, words, dirty, generation, which bins are filled."""

PLACES_OFFSET: Final = 48

write_reach: Final = struct.Struct("<QQQ").pack_into
"""Offset 48 of `data`: span, words, dirty."""

read_marks: Final = struct.Struct("<QI").unpack_from
"""Offset 64 of `data`: dirty, generation."""

MARKS_OFFSET: Final = 64

LAST_GENERATION: Final = (1 << 32) - 2
"""Behind it all headers have to be cleared."""

write_wanted: Final = struct.Struct("<I").pack_into
WANTED_OFFSET: Final = 80
