"""`aside.py`: work on a thread of its own, awaited, and stopped when nobody awaits it any more."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest
from patience import AGES

from extism._runtime.aside import aside

color = contextvars.ContextVar("color", default="none")


def test_what_it_returns_and_raises_arrives():
    """From another thread, which sees the caller's context."""

    def fail():
        raise KeyboardInterrupt("x")

    async def main():
        color.set("red")
        found = await aside(lambda: (color.get(), threading.get_ident()), list)
        with pytest.raises(KeyboardInterrupt, match="x"):
            await aside(fail, list)
        return found

    seen, thread = asyncio.run(main())
    assert (seen, thread == threading.get_ident()) == ("red", False)


def test_who_is_cancelled_before_the_work_can_be_stopped_has_it_stopped_then():
    """The first wish to stop came too early, and is repeated."""
    has_begun, is_stopped, ends = threading.Event(), threading.Event(), []

    def run():
        time.sleep(0.05)
        has_begun.set()
        ends.append(is_stopped.wait(AGES))

    def stop():
        if has_begun.is_set():
            is_stopped.set()

    async def main():
        task = asyncio.create_task(aside(run, stop))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return list(ends)

    assert asyncio.run(main()) == [True]
