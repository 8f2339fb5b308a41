"""
How creation, calls and memory grow with the number of instances, in one fresh process.

    python instance_probe.py FILE.wasm MARK...

Makes instances of one compiled plug-in, calls each, and at each mark prints (as JSON, a list for all marks) how many
there are, the seconds that each new one took (its first call apart), the seconds of a call as all of them are called
in turn, and the bytes of resident memory for each beyond the first.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

import extism
from extism.extism import CompiledPlugin

DATA = b"0123456789abcdef"
LEAST_CALLS = 2000


def resident_bytes() -> int:
    gc.collect()
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def called_in_turn(plugins: list) -> float:
    """The seconds of a call, best pass over all plug-ins."""
    best = float("inf")
    for _ in range(max(2, LEAST_CALLS // len(plugins))):
        started = time.perf_counter()
        for plugin in plugins:
            plugin.call("echo", DATA)
        best = min(best, time.perf_counter() - started)
    return best / len(plugins)


def main() -> None:
    compiled = CompiledPlugin(Path(sys.argv[1]).read_bytes(), functions=[])
    plugins = []
    found = []
    least = 0
    for mark in map(int, sys.argv[2:]):
        creating, added = 0.0, mark - len(plugins)
        for _ in range(added):
            started = time.perf_counter()
            plugins.append(extism.Plugin(compiled, functions=[]))
            creating += time.perf_counter() - started
            assert plugins[-1].call("echo", DATA) == DATA
        resident = resident_bytes()
        least = least or resident
        found.append(
            {
                "count": mark,
                "create": creating / added,
                "call": called_in_turn(plugins),
                "bytes": (resident - least) / max(1, mark - 1),
            }
        )
    print(json.dumps(found))


main()
