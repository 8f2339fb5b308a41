"""`HOST_FN_REGISTRY`: every function that `host_fn` ever decorated, for plugins that are handed none by name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["HOST_FN_REGISTRY"]

HOST_FN_REGISTRY: Final[list[Any]] = []
"""Of `functions.Function`s; `functions.py`, which fills it, is loaded by those who have any."""
