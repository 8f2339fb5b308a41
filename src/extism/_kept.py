"""
`Kept`: things that were made with effort, kept for a while after their last use.

What is used least recently goes first, when there are too many or they are too large together, and everything that
nobody has asked for in five minutes goes with the next thing that comes. There is no timer: a process that loads
nothing more keeps what it has, within the two bounds.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, Final

__all__ = ["Kept"]

_SECONDS: Final = 300.0


class Kept:
    """
    Values by key; safe to share between threads.

    Args:
        most: How many.
        most_bytes: How large they may be together, by what `put` was told.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = allocate_lock()
        self._rows: dict[Hashable, tuple[Any, int, float]] = {}
        """The least recently used first."""

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Hashable) -> Any:
        """Return the value under `key` and count that as a use; None where there is none."""
        with self._lock:
            row = self._rows.pop(key, None)
            if row is None:
                return None
            self._rows[key] = (row[0], row[1], time.monotonic())
            return row[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes, unless it alone is too large."""
        now = time.monotonic()
        gone: list[Any] = []
        with self._lock:
            gone.append(self._drop(key))
            if size > self._most_bytes:
                return
            self._rows[key] = (value, size, now)
            self._bytes += size
            for oldest, (_, _, used) in list(self._rows.items()):
                is_room = len(self._rows) <= self._most and self._bytes <= self._most_bytes
                if is_room and now - used < _SECONDS:
                    break
                gone.append(self._drop(oldest))
        # What goes is freed here, without the lock: its end may run anybody's code.

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            gone, self._rows, self._bytes = self._rows, {}, 0
        gone.clear()

    def _drop(self, key: Hashable) -> Any:
        row = self._rows.pop(key, None)
        if row is None:
            return None
        self._bytes -= row[1]
        return row[0]
