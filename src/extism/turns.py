"""
`Turns`: who has which copy of a pool, and who is next.

Theory of operation: whoever wants a copy draws a *turn*. `_assign` matches the turns that wait with idle
copies and free places, in the order of arrival, and that is all it does: copies are made and closed outside
the lock, and a turn that got a place without a copy makes one itself. A copy that comes back belongs to
the next turn at once, so nobody who comes later can snatch it. Every turn sleeps on a signal of its own:
giving back wakes one, not all.

What can go wrong: a thread that holds a copy and waits for another one may wait for ever, like with any lock.
Where that is certain (the thread holds all of them) it is told with `PluginBusy`; else a time-out helps.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from extism._engine.stacks import first_caller
from extism.errors import PluginBusy, PluginClosed, PoolTimeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Lock
    from typing import Protocol, Self

    from extism.pooled import PooledPlugin

    class Signal(Protocol):
        """A lock that is held, or what a task waits for (`_runtime/loops.py`)."""

        def release(self) -> None:
            """Wake who waits for it."""


__all__ = ["Turn", "Turns"]

CLOSED: Final = "the pool is closed"


class Turn:
    """
    Somebody's turn to have a copy.

    Args:
        signal: Released when they need not wait any longer.
        task: Who they are, if they await it (`awaited_turns.py`); None for a thread.

    Attributes:
        copy: What they got; None while they wait, and while they make one.
        calls_before: How many calls it had run when they got it.
        is_refused: Whether the pool was closed before they got one.
        thread: Who they are, or where their loop runs.
    """

    __slots__ = ("calls_before", "copy", "is_refused", "signal", "task", "thread")

    def __init__(self, signal: Signal, task: object = None) -> None:
        self.copy: PooledPlugin | None = None
        self.calls_before = 0
        self.is_refused = False
        self.signal = signal
        self.task = task
        self.thread = first_caller(threading.get_ident())

    def lent(self) -> Self:
        """Let the copy be used, from now on."""
        assert self.copy is not None, "they got one, or made one"
        self.copy.loan += 1
        self.copy.is_lent = True
        return self

    def is_needed_by(self, waiting: Turn) -> bool:
        """Tell whether who has this turn cannot give back its copy while `waiting` waits."""
        if self.thread != waiting.thread:
            return False
        return waiting.task is None or self.task is None or self.task is waiting.task

    def check(self) -> None:
        """Raise `PluginClosed` if it was refused."""
        if self.is_refused:
            raise PluginClosed(CLOSED)


class Turns:
    """
    The copies of one pool and the queue for them.

    Args:
        make: Makes a copy, for a turn that has a place without one.
        maximum: How many there may be.
        max_calls: How many calls a copy may run; any number if None.
    """

    def __init__(
        self, make: Callable[[], PooledPlugin], maximum: int, max_calls: int | None = None
    ) -> None:
        self.make = make
        self._maximum = maximum
        self._max_calls = max_calls
        self._lock = threading.Lock()
        self._waiting: deque[Turn] = deque()
        self._returned: deque[Turn] = deque()
        self._busy: set[Turn] = set()
        self._idle: list[PooledPlugin] = []
        self.is_closed = False
        self._created = self._recycled = self._lent = self._calls = self._timed_out = 0
        _living.add(self)

    def __str__(self) -> str:
        return (
            f"{len(self._busy)} busy, {len(self._idle)} idle, {self._maximum} most "
            f"| {len(self._waiting)} waiting"
        )

    def tally(self) -> dict[str, int]:
        """Return the numbers of `pool.PoolStatistics`, all of one moment."""
        with self._lock:
            found = {
                "maximum": self._maximum,
                "busy": len(self._busy),
                "idle": len(self._idle),
                "waiting": len(self._waiting),
                "created": self._created,
                "recycled": self._recycled,
                "lent": self._lent,
                "calls": self._calls,
                "timed_out": self._timed_out,
            }
        self._settle()
        return found

    def close(self) -> None:
        """Close idle copies now and lent ones when they come back, and refuse whoever waits."""
        with self._lock:
            self.is_closed = True
        self._settle()

    def take(self, timeout: float | None) -> Turn:
        """
        Wait for a turn, and return it with its copy.

        Args:
            timeout: Seconds to wait, not counting the time that making a copy takes; None for ever.

        Raises:
            PoolTimeout: Nobody gave a copy back in time.
            PluginClosed: The pool was closed.
            PluginBusy: This thread holds all copies itself, and would wait for ever.
            Error: A copy could not be made.
        """
        signal = threading.Lock()
        signal.acquire()
        turn = Turn(signal)
        try:
            self.queue_up(turn)
            self._wait(turn, signal, timeout)
            if turn.copy is None:
                turn.copy = self.make()
        except BaseException:
            # Ctrl-C, say: a place in the queue must not be lost.
            self.give_up(turn)
            raise
        return turn.lent()

    def queue_up(self, turn: Turn) -> None:
        """Let a turn wait; its signal says when it need not any longer."""
        self._waiting.append(turn)
        self._settle()

    def _wait(self, turn: Turn, signal: Lock, timeout: float | None) -> None:
        if signal.acquire(blocking=False):
            turn.check()
            return
        longest = threading.TIMEOUT_MAX
        seconds = longest if timeout is None else min(max(timeout, 0), longest)
        if seconds == longest and self.is_stuck(turn):
            raise self.busy("thread")
        if not signal.acquire(timeout=seconds) and self.leave(turn):
            raise self.late(timeout)
        turn.check()

    def is_stuck(self, turn: Turn) -> bool:
        """Tell whether only who waits could give back what this turn waits for."""
        with self._lock:
            is_waiting = turn in self._waiting
            found = is_waiting and all(each.is_needed_by(turn) for each in self._busy)
        self._settle()
        return found

    def busy(self, who: str) -> PluginBusy:
        """Return the error of a thread or a task that holds all copies itself."""
        return PluginBusy(
            f"this {who} holds all {self._maximum} plugins of the pool and waits for one more: "
            "give one back first, or raise `maximum`"
        )

    def late(self, timeout: float | None) -> PoolTimeout:
        """Return the error of who waited in vain."""
        return PoolTimeout(f"no plugin became free within {timeout} s: {self}")

    def leave(self, turn: Turn) -> bool:
        """Leave the queue after waiting in vain; False if the turn has come in the very last moment."""
        with self._lock:
            is_waiting = turn in self._waiting
            if is_waiting:
                self._waiting.remove(turn)
                self._timed_out += 1
        self._settle()
        return is_waiting

    def give_up(self, turn: Turn) -> None:
        """Forget a turn that ended in an error: its wait, or its place."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn in self._busy:
                self._returned.append(turn)
        self._settle()

    def give_back(self, turn: Turn) -> None:
        """Hand a copy to whoever is next; never waits."""
        assert turn.copy is not None
        turn.copy.is_lent = False
        self._returned.append(turn)
        # NB a generator may be collected, and give its copy back, while this very thread has the lock: it is
        # not waited for here. Whoever has it comes by `_settle` after it.
        if not self._lock.locked():
            self._settle()

    def _settle(self) -> None:
        """Wake and close what `_assign` says, until nothing more has come back."""
        while True:
            with self._lock:
                ready, gone = self._assign()
            for turn in ready:
                turn.signal.release()
            for copy in gone:
                copy.close()
            if not self._returned:
                return

    def _assign(self) -> tuple[list[Turn], list[PooledPlugin]]:
        """
        Match those who wait with what is free, and return whom to wake and what to close.

        1. What came back is idle, or gone if it is worn or the pool is closed.
        2. Who waits gets the copy that became idle last.
        3. Where none is idle but a place is free, who waits gets the place, to make a copy.
        """
        ready: list[Turn] = []
        gone = self._put_away()
        if self.is_closed:
            gone += self._idle
            self._idle.clear()
        while self._waiting and (self.is_closed or self._idle or len(self._busy) < self._maximum):
            turn = self._waiting.popleft()
            ready.append(turn)
            if self.is_closed:
                turn.is_refused = True
                continue
            self._busy.add(turn)
            self._lent += 1
            if self._idle:
                turn.copy = self._idle.pop()
                turn.calls_before = turn.copy.call_count
            else:
                self._created += 1
        return ready, gone

    def _put_away(self) -> list[PooledPlugin]:
        """Make what came back idle, and return what is not to be used again."""
        worn = []
        while self._returned:
            turn = self._returned.popleft()
            self._busy.discard(turn)
            copy = turn.copy
            if copy is None:
                self._created -= 1
                self._lent -= 1
                continue
            self._calls += copy.call_count - turn.calls_before
            if copy.is_worn(self._max_calls):
                self._recycled += 1
                worn.append(copy)
            else:
                self._idle.append(copy)
        return worn

    def forget_other_threads(self) -> None:
        """After a fork: only this thread goes on, and two processes shall not share a guest's state."""
        me = first_caller(threading.get_ident())
        self._lock = threading.Lock()
        self._waiting.clear()
        self._returned.clear()
        self._idle.clear()
        self._busy = {turn for turn in self._busy if turn.thread == me}


_living: Final[weakref.WeakSet[Turns]] = weakref.WeakSet()
"""Those of this process, for the child of a fork."""


def _after_fork_in_child() -> None:
    for turns in list(_living):
        turns.forget_other_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
