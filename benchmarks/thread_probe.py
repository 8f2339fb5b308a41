"""
One side's process for `bench_threads.py`: threads that call plug-ins of their own.

    python thread_probe.py FILE.wasm FUNCTION

Answers a line `[threads, seconds]` with `[calls, seconds they took, 99th percentile of one]`, all in JSON; the first
line it prints is the output of one call in hex.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from rows import quantile

import extism
from extism.extism import CompiledPlugin


def calling(plugin, function: str, start: threading.Barrier, until: list[float], taken: list):
    start.wait()
    ends = time.perf_counter() + until[0]
    before = time.perf_counter()
    while before < ends:
        plugin.call(function, b"")
        after = time.perf_counter()
        taken.append(after - before)
        before = after


def window(plugins: list, function: str, seconds: float) -> tuple[int, float, float]:
    """Let each plug-in be called by a thread of its own for that long."""
    start = threading.Barrier(len(plugins) + 1)
    taken: list[list[float]] = [[] for _ in plugins]
    threads = [
        threading.Thread(target=calling, args=(plugin, function, start, [seconds], mine))
        for plugin, mine in zip(plugins, taken, strict=True)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    lasted = time.perf_counter() - started
    times = [each for mine in taken for each in mine]
    return len(times), lasted, quantile(times, 0.99)


def main() -> None:
    wasm, function = Path(sys.argv[1]).read_bytes(), sys.argv[2]
    compiled = CompiledPlugin(wasm, functions=[])
    plugins = [extism.Plugin(compiled, functions=[]) for _ in range(2)]
    outputs = {bytes(plugin.call(function, b"")).hex() for plugin in plugins}
    print(json.dumps(sorted(outputs)), flush=True)
    for line in sys.stdin:
        count, seconds = json.loads(line)
        print(json.dumps(window(plugins[:count], function, seconds)), flush=True)


main()
