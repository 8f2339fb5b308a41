"""
The layout of a budget: bytes that are left for memories and tables to grow by, and marks beside them.

::

    | bytes that are left, a multiple of 16 | 0 | ENDED | REFUSED | STRICT |
     63                                    4  3    2        1        0

Everything that is taken is a multiple of 16, so the marks change neither a comparison nor a difference.

The code that keeps to it is made by `meter.py`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["ELEMENT_BYTES", "ENDED", "MARKS", "PAUSING", "REFUSED", "STRICT"]

STRICT: Final = 1
"""Set by the owner of the budget: code that wants more than is left ends; else it gets -1."""

REFUSED: Final = 2
"""Code wanted more than was left, and was told so by -1."""

ENDED: Final = 4
"""Code wanted more than was left, and was ended, by the trap of `unreachable`."""

MARKS: Final = 15
"""The bits of the budget that are no bytes."""

ELEMENT_BYTES: Final = 16
"""What an element of a table counts; a page of memory counts as many bytes as it has."""

PAUSING: Final = "host.pausing"
"""What functions are called that stand before imports which may wait (`pausing.py`)."""
