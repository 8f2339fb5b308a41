"""
`Awaits`: who has a plugin of those who await its calls, and who is next.

Theory of operation: a plugin has one lock, which `Plugin.call` holds while it runs. An awaited call holds it as well,
from its task; it is no thread's own, so anybody may let go of it. Who finds it taken queues up; the first of the
queue is woken when an awaited call gives the plugin back, and looks every now and then whether a thread has.

What can go wrong: a call that is awaited inside the plugin's own running call would wait for ever. So each turn is
noted in the context of its task, which tasks that it begins inherit; who finds it there gets `PluginBusy`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from extism.errors import PluginBusy

if TYPE_CHECKING:
    from _thread import LockType

__all__ = ["Awaits"]

_NAP: Final = 0.001
_LONG_NAP: Final = 0.05
"""Seconds after which the first of the queue looks again: for a thread's call, and for an awaited one."""


class _Place:
    """A place in the queue."""

    __slots__ = ("_loop", "_signal")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._signal = asyncio.Event()

    async def sleep(self, seconds: float | None) -> None:
        """Wait until somebody wakes it, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._signal.wait()
        except TimeoutError:
            return
        self._signal.clear()

    def wake(self) -> None:
        """Wake it, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._signal.set)
        except RuntimeError:
            return  # its loop has ended, and it with that


_inside: Final[ContextVar[tuple[object, ...]]] = ContextVar("extism turns", default=())
"""The turns in whose host functions this task runs, or was begun."""


class Awaits:
    """
    The turns of one plugin.

    Args:
        lock: The plugin's own.

    Attributes:
        turn: That of who has the plugin; None while nobody does, or a thread.
    """

    def __init__(self, lock: LockType) -> None:
        self._lock = lock
        self._queue: deque[_Place] = deque()
        self.turn: object | None = None

    async def take(self) -> None:
        """
        Wait for the plugin; who got it gives it back.

        Raises:
            PluginBusy: A host function of the call that runs asked for it, and would wait for ever.
        """
        outer = _inside.get()
        if self.turn is not None and self.turn in outer:
            raise PluginBusy(
                "cannot make reentrant calls into plugin: a host function awaits a call of the plugin that "
                "is running it; use a second Plugin"
            )
        if self._queue or not self._lock.acquire(blocking=False):
            await self._queue_up()
        self.turn = turn = object()
        _inside.set((*outer, turn))

    async def _queue_up(self) -> None:
        place = _Place()
        self._queue.append(place)
        try:
            while True:
                is_first = self._queue[0] is place
                if is_first and self._lock.acquire(blocking=False):
                    return
                nap = _NAP if self.turn is None else _LONG_NAP
                await place.sleep(nap if is_first else None)
        finally:
            self._queue.remove(place)
            self._wake_first()

    def give_back(self) -> None:
        """Let the next have the plugin."""
        turn, self.turn = self.turn, None
        _inside.set(tuple([each for each in _inside.get() if each is not turn]))
        self._lock.release()
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].wake()
