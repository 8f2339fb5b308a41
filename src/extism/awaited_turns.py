"""
How a task waits for its turn to have a copy of a pool, while the event loop goes on.

Who has which copy, and who is next, is in `turns.py`: threads and tasks stand in one queue.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from extism.turns import Turn

if TYPE_CHECKING:
    from extism.pooled import PooledPlugin
    from extism.turns import Signal, Turns

__all__ = ["AwaitedTurn", "take"]


class AwaitedTurn(Turn):
    """A task's turn to have a copy."""

    __slots__ = ("event",)

    def _signal(self) -> Signal:
        self.task = asyncio.current_task()
        self.event = _Event()
        return self.event


class _Event:
    """An event of this loop, which any thread may set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.is_set = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Tell whether it is set; nobody waits for it here."""
        del blocking, timeout
        return self.is_set

    def release(self) -> None:
        """Wake the task that waits."""
        self.is_set = True
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            return  # its loop has ended, and the task with it

    async def wait(self, timeout: float | None) -> bool:
        """Wait until it is set; False if that took too long."""
        if self.is_set:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


async def take(turns: Turns, timeout: float | None, *, is_slow: bool) -> Turn:
    """
    Wait for a turn, as `Turns.take` does, while the loop goes on.

    Args:
        turns: Of a pool.
        timeout: Seconds to wait, not counting the time that making a copy takes; None for ever.
        is_slow: Whether code runs when a copy is made.

    Raises:
        PoolTimeout: Nobody gave a copy back in time.
        PluginClosed: The pool was closed.
        PluginBusy: This task holds all copies itself, and would wait for ever.
        Error: A copy could not be made.
    """
    turn = AwaitedTurn()
    try:
        turns.queue_up(turn)
        await _wait(turns, turn, timeout)
        if turn.copy is None:
            turn.copy = await _made(turns) if is_slow else turns.make()
    except BaseException:
        turns.give_up(turn)
        raise
    return turn.lent()


async def _wait(turns: Turns, turn: AwaitedTurn, timeout: float | None) -> None:
    seconds = None if timeout in {None, math.inf} else timeout
    if seconds is None and not turn.event.is_set and turns.is_stuck(turn):
        raise turns.busy("task")
    if not await turn.event.wait(seconds) and turns.leave(turn):
        raise turns.late(timeout)
    turn.check()


async def _made(turns: Turns) -> PooledPlugin:
    from extism._runtime.aside import aside

    return await aside(turns.make, lambda: None)
