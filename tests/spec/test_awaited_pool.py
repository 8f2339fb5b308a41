"""A pool whose copies are awaited: tasks and threads stand in one queue."""

from __future__ import annotations

import asyncio
import math
import struct
import threading

import pytest
from patience import AGES
from wat_guests import ECHO, LOOP, STATEFUL, wat

import extism
from extism.errors import CallTimeout, PluginBusy, PluginClosed, PoolTimeout

ASKS = wat(
    '(func (export "ask") (call $give (call $ask (call $copy_input))))',
    before='(import "extism:host/user" "ask" (func $ask (param i64) (result i64)))',
)


@pytest.fixture
def pool(registry):
    """A function from a guest and options to a pool that is closed after the test."""
    made = []

    def make(text, maximum=2, **options):
        made.append(extism.Pool({"wasm": [{"data": text.encode()}]}, maximum, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def until_it(holds):
    """Wait until it holds, and a moment longer."""
    while not holds():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


def test_a_pool_is_awaited_for_more_calls_than_copies(pool):
    """Each waits for its turn, without a thread, and gets its own answer."""

    @extism.host_fn(name="ask")
    async def ask(text: str) -> str:
        await asyncio.sleep(0.005)
        return text.upper()

    copies = pool(ASKS, 3, functions=[ask])

    async def main():
        return await asyncio.gather(*[copies.acall("ask", f"n{at}") for at in range(30)])

    assert asyncio.run(main()) == [f"N{at}".encode() for at in range(30)]
    assert copies.statistics == (3, 0, 3, 0, 3, 0, 30, 30, 0)


def test_a_copy_is_lent_for_an_async_with_block(pool):
    """The same for all calls of the block; given back, it can be called no more."""
    copies = pool(STATEFUL)

    async def main():
        async with copies.plugin() as copy:
            found = [await copy.acall("count", b""), copy.call("count", b"")]
        with pytest.raises(PluginClosed, match="given back to its pool"):
            await copy.acall("count", b"")
        return [struct.unpack("<q", each)[0] for each in found]

    assert asyncio.run(main()) == [1, 2]


def test_who_awaits_a_copy_in_vain_is_told(pool):
    """After the pool's time-out; the place in the queue is free again."""
    copies = pool(ECHO, 1)

    async def wait():
        async with copies.plugin(timeout=0.01):
            raise AssertionError("it is lent")

    async def main():
        async with copies.plugin():
            with pytest.raises(PoolTimeout, match=r"no plugin became free within 0\.01 s"):
                await asyncio.create_task(wait())
        return await copies.acall("echo", b"x")

    assert asyncio.run(main()) == b"x"
    assert copies.statistics.timed_out == 1


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_a_task_that_holds_all_copies_is_refused_another(pool, timeout):
    """It would wait for ever; a thread that would hold up its loop is refused, too."""
    copies = pool(ECHO, 1)

    async def main():
        async with copies.plugin():
            with pytest.raises(PluginBusy, match="this task holds all 1 plugins"):
                async with copies.plugin(timeout):
                    raise AssertionError("it is lent")
            with pytest.raises(PluginBusy, match="this thread holds all 1 plugins"):
                copies.call("echo", b"x")

    asyncio.run(main())


def test_tasks_and_threads_stand_in_one_queue(pool):
    """A task waits while a thread has the only copy, and gets it after that."""
    copies = pool(ECHO, 1)
    has_it, may_end = threading.Event(), threading.Event()

    def hold():
        with copies.plugin():
            has_it.set()
            may_end.wait(AGES)

    thread = threading.Thread(target=hold)

    async def main():
        thread.start()
        has_it.wait(AGES)
        task = asyncio.create_task(copies.acall("echo", b"x"))
        await asyncio.sleep(0.02)
        is_waiting = not task.done()
        may_end.set()
        return is_waiting, await task

    assert asyncio.run(main()) == (True, b"x")
    thread.join()


@pytest.mark.same_process("making a copy takes longer there than it waits")
def test_a_copy_whose_awaited_call_was_ended_is_not_lent_again(pool):
    """Cancelled or late, it is closed; a cancelled wait costs nothing."""
    copies = pool(LOOP, 1)

    async def main():
        with pytest.raises(CallTimeout):
            await copies.acall("loop", b"", timeout=0.02)
        task = asyncio.create_task(copies.acall("loop", b""))
        await until_it(lambda: copies.statistics.created == 2)
        waiting = asyncio.create_task(copies.acall("noop", b""))
        await until_it(lambda: copies.statistics.waiting == 1)
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
        return await copies.acall("noop", b"")

    assert asyncio.run(main()) == b""
    status = copies.statistics
    assert (status.created, status.recycled, status.busy, status.waiting) == (3, 2, 0, 0)


def test_closing_a_pool_wakes_the_tasks_that_wait(pool):
    """They get `PluginClosed`."""
    copies = pool(ECHO, 1)

    async def main():
        async with copies.plugin():
            task = asyncio.create_task(copies.acall("echo", b"x"))
            await asyncio.sleep(0.01)
            copies.close()
            with pytest.raises(PluginClosed):
                await task

    asyncio.run(main())
