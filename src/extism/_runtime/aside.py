"""
Work that blocks, on a thread of its own, for whoever awaits it.

Nothing that goes well passes here: it is for code that runs while an instance is made, for plugins whose code cannot be
stopped in the middle, and for who waits for a call of another thread.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from extism._engine.large_stack import start
from extism._engine.stacks import MAX_DEPTH, enrol

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")

__all__ = ["aside"]

_AGAIN: Final = 0.01
"""Seconds after which who is to be stopped is told so again: it may not have begun when it was first."""


async def aside(run: Callable[[], T], stop: Callable[[], object]) -> T:
    """
    Return what `run` returns on another thread, or raise what it raises.

    It sees a copy of the caller's context variables. Who is cancelled meanwhile has it stopped, and waits for that.

    Args:
        run: What to do.
        stop: Makes `run` end soon, if it has begun; called from the loop when the caller is cancelled, until it has.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def body() -> None:
        enrol(threading.get_ident(), MAX_DEPTH)
        try:
            tell: Callable[[], object] = partial(done.set_result, run())
        except BaseException as exc:  # noqa: BLE001 - raised again where it belongs
            tell = partial(done.set_exception, exc)
        loop.call_soon_threadsafe(tell)

    start(threading.Thread(target=copy_context().run, args=(body,), name="extism-aside"))
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait([done], timeout=None if cancelled is None else _AGAIN)
        except asyncio.CancelledError as exc:
            cancelled = exc
        if cancelled is not None:
            stop()
    if cancelled is not None:
        done.exception()
        raise cancelled
    return done.result()
