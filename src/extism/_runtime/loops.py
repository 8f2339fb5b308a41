"""
What calls need of the event loop that they are awaited on: signals, waits that end with the call, and turns to compute.

Theory of operation of turns: code that computes is stopped at each epoch, having had the thread for a millisecond or
two. It then queues up here; a call that begins just after code has used up such a slice queues up as well. Between two
slices the loop makes some rounds, so that timers which have come due meanwhile, and the tasks that those wake, run
first: everything else waits for one slice at most, however many compute. Calls that are over sooner use up none.

The loop is asyncio's. A wait runs in the task of the caller, so that its context is the host function's, and ends by
`asyncio.timeout`, which can be brought forward when somebody cancels.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from extism.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from extism._engine.fibers import Awaited
    from extism._engine.store import Store

__all__ = ["Rounds", "Signal", "rounds_of", "running_loop", "settle_wait"]

_AT_ONCE: Final = -1.0
"""A time of the loop's clock that has passed."""

_ROUNDS: Final = 3
"""Of the loop, between two slices: one finds what is due, one wakes tasks, and they run in the third."""

_BATCH: Final = 16
"""Calls that go on together; those behind the first that uses up a slice find that out, and queue up again."""


def running_loop() -> asyncio.AbstractEventLoop:
    """
    Return the loop that runs on this thread.

    Raises:
        CallError: There is none.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise CallError(
            "calls are awaited on asyncio's event loop, and none is running on this thread; in trio, use "
            "trio-asyncio: `await trio_asyncio.aio_as_trio(plugin.acall)(...)`"
        ) from None


class Signal:
    """
    Something that a task of this loop waits for, and that any thread may release.

    Attributes:
        is_set: Whether it was released, and not cleared since.
    """

    __slots__ = ("_event", "_loop", "is_set")

    def __init__(self) -> None:
        self._loop = running_loop()
        self._event = asyncio.Event()
        self.is_set = False

    def release(self) -> None:
        """Wake the task that waits."""
        self.is_set = True
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            return  # its loop has ended, and the task with it

    async def wait(self, timeout: float | None) -> bool:
        """Wait until it is released; False if that took too many seconds."""
        if self.is_set:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

    def clear(self) -> None:
        """Let it be waited for again; for the task that waits, and nobody else."""
        self.is_set = False
        self._event.clear()


class _Place:
    """A place in the queue."""

    __slots__ = ("signal",)
    signal: asyncio.Future[None]


class Rounds:
    """
    Who may compute when on one event loop.

    Attributes:
        is_spent: Whether code has used up a slice just now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._queue: deque[_Place] = deque()
        self._is_scheduled = False
        self.is_spent = False

    def spend(self) -> None:
        """Note that code was stopped because it computed for long."""
        self.is_spent = True
        self._schedule()

    async def turn(self) -> None:
        """Wait for leave to compute."""
        loop, place = asyncio.get_running_loop(), _Place()
        self._queue.append(place)
        try:
            while True:
                place.signal = loop.create_future()
                self._schedule()
                await place.signal
                if not self.is_spent:
                    return
        finally:
            self._queue.remove(place)

    def _schedule(self) -> None:
        loop = self._loop()
        if not self._is_scheduled and loop is not None:
            self._is_scheduled = True
            loop.call_soon(self._next, _ROUNDS)

    def _next(self, rounds: int) -> None:
        """Let the first of the queue go on, after so many rounds if a slice was used up."""
        loop = self._loop()
        if self.is_spent and rounds and loop is not None:
            loop.call_soon(self._next, rounds - 1)
            return
        self._is_scheduled = self.is_spent = False
        for place in islice(self._queue, _BATCH):
            if not place.signal.done():
                place.signal.set_result(None)
        if self._queue:
            self._schedule()


_rounds: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds]] = (
    weakref.WeakKeyDictionary()
)


def rounds_of(loop: asyncio.AbstractEventLoop) -> Rounds:
    """Return the rounds of a loop, the same for all calls on it."""
    found = _rounds.get(loop)
    if found is None:
        found = _rounds[loop] = Rounds(loop)
    return found


class _Alarm:
    """Ends a wait when the call is cancelled, from any thread."""

    __slots__ = ("_limit", "_loop", "is_over")

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self.is_over = False

    def release(self) -> None:
        """Wake who waits; RuntimeError if the loop has ended."""
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._limit.reschedule(_AT_ONCE)


async def settle_wait(store: Store, awaited: Awaited) -> None:
    """
    Wait, until the deadline of the store's span, or until it is cancelled, and note what came of it.

    Raises:
        BaseException: What is no `Exception` goes to the caller as it is: its task was cancelled, as a rule.
    """
    left = None if store.deadline is None else store.deadline - monotonic()
    limit = asyncio.timeout(left)
    alarm = _Alarm(limit)
    try:
        async with limit:
            store.alarm = alarm
            if store.is_cancelled:
                alarm.release()
            awaited.result = await _waiting(awaited.wait)
    except Exception as exc:  # noqa: BLE001 - raised again on the fiber, as what the function raised
        awaited.raised = exc
    finally:
        store.alarm = None
        alarm.is_over = True
        awaited.is_cut = limit.expired()


def _waiting(wait: Awaitable[Any] | float) -> Awaitable[Any]:
    return asyncio.sleep(wait - monotonic()) if isinstance(wait, float) else wait
