"""
How a task waits for its turn to have a copy of a pool, while the event loop goes on.

Who has which copy, and who is next, is in `turns.py`: threads and tasks stand in one queue.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from extism._runtime.aside import aside
from extism._runtime.loops import Signal
from extism.turns import Turn

if TYPE_CHECKING:
    from extism.turns import Turns

__all__ = ["take"]


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
    signal = Signal()
    turn = Turn(signal, asyncio.current_task())
    try:
        turns.queue_up(turn)
        await _wait(turns, turn, signal, timeout)
        if turn.copy is None:
            turn.copy = await aside(turns.make, lambda: None) if is_slow else turns.make()
    except BaseException:
        # Its task was cancelled, say: a place in the queue must not be lost.
        turns.give_up(turn)
        raise
    return turn.lent()


async def _wait(turns: Turns, turn: Turn, signal: Signal, timeout: float | None) -> None:
    seconds = None if timeout in {None, math.inf} else timeout
    if seconds is None and not signal.is_set and turns.is_stuck(turn):
        raise turns.busy("task")
    if not await signal.wait(seconds) and turns.leave(turn):
        raise turns.late(timeout)
    turn.check()
