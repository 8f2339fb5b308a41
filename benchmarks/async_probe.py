"""
One side's process for `bench_async.py`: calls of a plug-in that asks its host, which waits 5 ms, at once.

    python async_probe.py FILE.wasm

Answers a line `[calls at once, rounds]` with `[calls, seconds they took, median of one, 99th percentile]`, all in JSON.
Ours awaits its plug-ins; upstream's calls run in an executor with a thread for each, and a plug-in for each as well.
Our side also answers `["beside", n]`, `["waiting", n]` and `["heartbeat", n]`, see below.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from mmap import PAGESIZE
from pathlib import Path

from rows import quantile

import extism
from extism.extism import CompiledPlugin

IS_OURS = hasattr(extism.Plugin, "acall")
PAUSE = 0.005
LONG_PAUSE = 0.2

pause = PAUSE


if IS_OURS:

    @extism.host_fn(name="ask")
    async def ask(text: str) -> str:
        await asyncio.sleep(pause)
        return text

else:

    @extism.host_fn(name="ask")
    def ask(text: str) -> str:
        time.sleep(pause)
        return text


def living(count: int) -> list:
    compiled = CompiledPlugin(Path(sys.argv[1]).read_bytes(), functions=[ask])
    return [extism.Plugin(compiled, functions=[ask]) for _ in range(count)]


async def at_once(count: int, rounds: int) -> tuple[int, float, float, float]:
    """Let so many calls run at once, again and again, and time each."""
    plugins, times = living(count), []
    executor = None if IS_OURS else ThreadPoolExecutor(count)
    loop = asyncio.get_running_loop()

    async def one(plugin) -> None:
        for number in range(rounds):
            data = b"%d" % number
            before = time.perf_counter()
            if executor is None:
                found = await plugin.acall("ask", data)
            else:
                found = await loop.run_in_executor(executor, plugin.call, "ask", data)
            times.append(time.perf_counter() - before)
            assert bytes(found) == data

    started = time.perf_counter()
    await asyncio.gather(*[one(plugin) for plugin in plugins])
    lasted = time.perf_counter() - started
    if executor is not None:
        executor.shutdown()
    return len(times), lasted, quantile(times, 0.5), quantile(times, 0.99)


async def beside(count: int) -> tuple[float, float]:
    """Seconds of a plain call that does not wait, and of an awaited one; the best of many."""
    (plugin,) = living(1)
    best = [1.0, 1.0]
    for _ in range(20):
        before = time.perf_counter()
        for _ in range(count):
            plugin.call("echo", b"16 bytes of data")
        between = time.perf_counter()
        for _ in range(count):
            await plugin.acall("echo", b"16 bytes of data")
        after = time.perf_counter()
        best = [min(best[0], between - before), min(best[1], after - between)]
    return best[0] / count, best[1] / count


async def waiting(count: int) -> tuple[float, int, int]:
    """Seconds until so many plug-ins have waited 0.2 s at once; bytes of each that are resident; threads."""
    global pause
    before = resident()
    plugins = living(count)
    pause = LONG_PAUSE
    found = []

    async def look() -> None:
        while True:
            await asyncio.sleep(LONG_PAUSE / 4)
            found.append((resident(), threads()))

    looking = asyncio.create_task(look())
    started = time.perf_counter()
    answers = await asyncio.gather(*[p.acall("ask", b"%d" % n) for n, p in enumerate(plugins)])
    lasted = time.perf_counter() - started
    looking.cancel()
    pause = PAUSE
    assert answers == [b"%d" % n for n in range(count)]
    return lasted, (max(each for each, _ in found) - before) // count, max(n for _, n in found)


def resident() -> int:
    """Bytes; `smaps_rollup` is exact, and walks all pages: a tenth of a second in which nothing else runs."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGESIZE


def threads() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads"))


async def heartbeat(count: int) -> float:
    """Seconds by which a heartbeat of 1 ms is late at most while so many plug-ins compute."""
    plugins, late = living(count), []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - before - 0.001)

    beating = asyncio.create_task(beat())
    await asyncio.gather(*[plugin.acall("spin", b"") for plugin in plugins])
    beating.cancel()
    return max(late)


QUESTIONS = {"beside": beside, "waiting": waiting, "heartbeat": heartbeat}


def main() -> None:
    for line in sys.stdin:
        what, number = json.loads(line)
        ask_it = QUESTIONS.get(what)
        answer = asyncio.run(ask_it(number) if ask_it else at_once(what, number))
        print(json.dumps(answer), flush=True)


main()
