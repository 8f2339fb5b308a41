"""
`Awaits`: who has a plugin of those who await its calls, and who is next.

Theory of operation: a plugin has one lock, which a plain call holds while it runs. An awaited call holds it as well,
from its task; it is no thread's own, so anybody may let go of it. Who finds it taken queues up; the first of the
queue is woken when an awaited call gives the plugin back, and looks every now and then whether a thread has.

What can go wrong: a call that is awaited inside the plugin's own running call would wait for ever. So each turn is
noted in the context of its task, which tasks that it begins inherit; who finds it there gets `PluginBusy`. Calls of
plugins that are made for it could be awaited inside each other until there is no address space; so there is a limit.
"""

from __future__ import annotations

from _thread import get_ident
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from extism._runtime.loops import Signal
from extism.errors import CallError, PluginBusy

if TYPE_CHECKING:
    from _thread import LockType

__all__ = ["Awaits"]

_NAP: Final = 0.001
_LONG_NAP: Final = 0.05
"""Seconds after which the first of the queue looks again: for a thread's call, and for an awaited one."""

_DEPTH: Final = 100
"""Awaited calls inside each other: fewer than the frames of Python suffice for, each a stack and an instance."""

_inside: Final[ContextVar[tuple[Turn, ...]]] = ContextVar("extism turns", default=())
"""The turns in whose host functions this task runs, or was begun."""


class Turn:
    """One turn; a task may know it for longer than it lasts."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class Awaits:
    """
    The turns of one plugin.

    Args:
        lock: The plugin's own.

    Attributes:
        thread: Whose loop has the turn; None while there is none. The call itself may run on another one.
        turn: That of who has the plugin; None while nobody does, or a thread.
    """

    __slots__ = ("_lock", "_queue", "thread", "turn")

    def __init__(self, lock: LockType) -> None:
        self._lock = lock
        self._queue: list[Signal] = []
        self.thread: int | None = None
        self.turn: Turn | None = None

    def take(self) -> bool:
        """
        Take the plugin if it is free, to be given back, and tell whether it was.

        Raises:
            PluginBusy: A host function of the call that runs asked for it, and would wait for ever.
            CallError: 100 awaited calls are inside each other already.
        """
        inside = _inside.get()
        if inside:
            self._check(inside)
        if self._queue or not self._lock.acquire(blocking=False):
            return False
        self._begin()
        return True

    def _check(self, inside: tuple[Turn, ...]) -> None:
        if self.turn in inside:
            raise PluginBusy(
                "cannot make reentrant calls into plugin: a host function awaits a call of the plugin that "
                "is running it; use a second Plugin"
            )
        if len(inside) >= _DEPTH and len(_lasting(inside)) >= _DEPTH:
            raise CallError(
                f"{_DEPTH} awaited calls are running inside each other's host functions; no more may begin"
            )

    async def queue_up(self) -> None:
        """Wait for the plugin; who got it gives it back."""
        place = Signal()
        self._queue.append(place)
        try:
            while True:
                is_first = self._queue[0] is place
                if is_first and self._lock.acquire(blocking=False):
                    break
                nap = _NAP if self.turn is None else _LONG_NAP
                await place.wait(nap if is_first else None)
                place.clear()
        finally:
            self._queue.remove(place)
            self._wake_first()
        self._begin()

    def _begin(self) -> None:
        self.turn = turn = Turn()
        self.thread = get_ident()
        inside = _inside.get()
        _inside.set((*_lasting(inside), turn) if inside else (turn,))

    def give_back(self) -> None:
        """Let the next have the plugin."""
        turn, self.turn, self.thread = self.turn, None, None
        if turn is not None:
            turn.is_over = True
        _inside.set(_lasting(_inside.get()))
        self._lock.release()
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].release()


def _lasting(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns that are not over: tasks that begin each other hand on those that are, without end."""
    return tuple([each for each in turns if not each.is_over])
