"""SK6: 10,000 tasks of asyncio that call plug-ins in threads, half of them cancelled at random points."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from typing import TYPE_CHECKING, Any

import extism
from extism.errors import Cancelled
from soak.forks import begun, ended
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

COPIES, AT_ONCE, BEAT = 4, 64, 0.005
MOST_LAG = 0.05


def soak(run: Run) -> None:
    """The loop stays awake, nothing is left unretrieved, and every copy can be lent again."""
    asyncio.run(main(run))


async def main(run: Run) -> None:
    """Start the tasks, 64 at a time, and watch the loop meanwhile, but for when this program looks at itself."""
    lost: list[str] = []
    lags: list[float] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: lost.append(str(context.get("message"))))
    watch = asyncio.create_task(watched(lags))
    idle = begun(oversleeps)
    with extism.Pool(WORKER, COPIES, functions=[]) as pool:
        for _ in run.steps(run.count(10_000, 200) // AT_ONCE):
            watch.cancel()
            watch = asyncio.create_task(watched(lags))
            await asyncio.gather(*(one(run, pool) for _ in range(AT_ONCE)))
        answers = await asyncio.gather(
            *(asyncio.to_thread(pool.call, "echo", bytes((n,))) for n in range(COPIES * 2))
        )
        run.expect(answers == [bytes((n,)) for n in range(COPIES * 2)], f"{answers}")
        run.expect(pool.statistics.busy == 0, f"{pool.statistics}")
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    gc.collect()
    await asyncio.sleep(0)
    lags.sort()
    usual, worst = lags[int(len(lags) * 0.99)], lags[-1]
    machine = float(ended(*idle))
    run.figures["loop lag"] = f"{usual * 1000:.1f} ms at p99, {worst * 1000:.0f} ms at most"
    run.figures["an idle process's"] = f"{machine * 1000:.1f} ms at p99"
    run.expect_in_time(
        usual < MOST_LAG + machine, f"the loop was {usual:.3f} s late in 1 % of its turns"
    )
    run.expect(not lost, f"{len(lost)} exceptions were never retrieved: {lost[:1]}")


async def watched(lags: list[float]) -> None:
    """Note how much later than asked for the loop comes back."""
    while True:
        started = time.monotonic()
        await asyncio.sleep(BEAT)
        lags.append(time.monotonic() - started - BEAT)


def oversleeps() -> float:
    """How late a process with nothing else to do wakes, for a while: what the machine itself adds."""
    found = []
    for _ in range(400):
        started = time.monotonic()
        time.sleep(BEAT)
        found.append(time.monotonic() - started - BEAT)
    return sorted(found)[int(len(found) * 0.99)]


async def one(run: Run, pool: extism.Pool) -> None:
    """Call in a task; in half of the cases cancel it at a random moment."""
    nonce = random.randbytes(16)
    handles: list[extism.CancelHandle] = []
    task = asyncio.create_task(called(pool, nonce, handles))
    is_cancelled = random.random() < 0.5
    if is_cancelled:
        await asyncio.sleep(random.random() * 0.02)
        task.cancel()
    try:
        answer: Any = await task
        run.expect(answer == nonce, f"{nonce!r} came back as {answer!r}")
        run.called()
    except asyncio.CancelledError:
        run.expect(is_cancelled, "a task was cancelled that nobody cancelled")
        run.called("cancelled")


async def called(pool: extism.Pool, nonce: bytes, handles: list[extism.CancelHandle]) -> bytes:
    """Call in a thread; whoever cancels the task ends the call, and the copy is given back first."""

    def work() -> bytes:
        with pool.plugin() as plugin:
            handles.append(plugin.cancel_handle())
            return plugin.call("work", nonce, timeout=30)

    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        for handle in handles:
            handle.cancel()
        with contextlib.suppress(Cancelled):
            await future
        raise
