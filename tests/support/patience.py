"""
Time in tests: bounds that tell a promise kept from a promise broken, on a slow and busy machine as well.

What keeps a promise may be late by `ROOM`; what breaks it lasts for `AGES`, or for ever. How late it really is on a
machine that is still, `make bench` measures.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AGES", "ROOM", "repeating", "took", "until", "within"]

ROOM = 10.0
"""Seconds that an end may be late by on a machine that is busy."""

AGES = 60.0
"""Seconds that something goes on for which is to be cut short: far more than `ROOM`, less than a test may last."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block takes at least so long, and is late by no more than `ROOM`."""
    started = time.monotonic()
    yield
    lasted = time.monotonic() - started
    assert seconds <= lasted < seconds + ROOM


def took(function: Callable[[], object], expected: type[BaseException]) -> float:
    """How long `function` took to raise what was expected."""
    started = time.monotonic()
    with pytest.raises(expected):
        function()
    return time.monotonic() - started


def until(holds: Callable[[], object], seconds: float = AGES) -> bool:
    """Wait for something, and tell whether it came."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def repeating(function: Callable[[], object], every: float = 0.1) -> Iterator[None]:
    """
    Call a function from another thread, again and again while the block lasts.

    Nobody knows when a call of the block has begun; what comes before that has no effect, what comes next has.
    """
    over = threading.Event()

    def work() -> None:
        while not over.wait(every):
            function()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
