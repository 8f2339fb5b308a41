"""The error numbers of WASI preview 1 that the house itself gives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


SUCCESS: Final = 0
DQUOT: Final = 19
INVAL: Final = 28
MFILE: Final = 33
NAMETOOLONG: Final = 37
NOMEM: Final = 48
PERM: Final = 63
