"""Thousands of awaited calls, half of them cancelled at random points: nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import threading
from pathlib import Path

import pytest
from wat_guests import wat

import extism

GUEST = wat(
    """(func (export "ask") (call $give (call $ask (call $ask (call $copy_input)))))
       (func (export "spin") (local $i i64)
         (loop $again
           (local.set $i (i64.add (local.get $i) (i64.const 1)))
           (br_if $again (i64.lt_u (local.get $i) (i64.const 3000000))))
         (call $give (call $input_offset)))""",
    before='(import "extism:host/user" "ask" (func $ask (param i64) (result i64)))',
)
TASKS = int(os.environ.get("EXTISM_TEST_TASKS", "600"))
"""In each round; `make awaited` takes 10,000."""


def resident() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.timeout(300)
def test_half_of_thousands_cancelled_at_random_points_leave_nothing():
    """Memory, descriptors and threads are flat, no answer is wrong, and no future is lost."""
    chance = random.Random(6)
    lost = []

    @extism.host_fn(name="ask")
    async def ask(text: str) -> str:
        await asyncio.sleep(chance.random() * 0.01)
        return text + "!"

    compiled = extism.CompiledPlugin(GUEST, functions=[ask])
    extism.HOST_FN_REGISTRY.clear()
    pool = extism.Pool(compiled, 300)

    async def one(number: int) -> bool:
        name, data = ("spin", str(number)) if number % 7 == 0 else ("ask", str(number))
        task = asyncio.create_task(pool.acall(name, data))
        if number % 2:
            await asyncio.sleep(chance.random() * 0.02)
            task.cancel()
        try:
            found = await task
        except asyncio.CancelledError:
            return number % 2 == 1
        return found == (data if name == "spin" else data + "!!").encode()

    async def round_() -> list[bool]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        return await asyncio.gather(*[one(number) for number in range(TASKS)])

    def left() -> tuple[int, int, int]:
        gc.collect()
        return resident(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    figures = []
    for _ in range(4):
        assert all(asyncio.run(round_()))
        figures.append(left())
    (_, *first), (before, *_), *_, (after, *last) = figures
    pool.close()

    assert lost == []
    assert all(now <= then for now, then in zip(last, first, strict=True)), (first, last)
    assert after - before < 20_000
