"""
What a Python plug-in costs a fresh process.

    python shared_probe.py process MANIFEST...      one call of the first, and how long the process lived until then
    python shared_probe.py instances MANIFEST       instances with their first calls, and an empty call
    python shared_probe.py memory MANIFEST...       bytes of resident memory for each plug-in beyond the first

A manifest is JSON. What it found is printed as JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

INSTANCES = 1000
CALLS = 20_000

WAT = b'(module (func (export "nothing") (result i32) (i32.const 0)))'


def process(manifest: str) -> dict[str, object]:
    import extism

    plugin = extism.Plugin(json.loads(manifest), wasi=True, functions=[])
    return {"output": bytes(plugin.call("upper", b"text")).decode()}


def instances(manifest: str) -> dict[str, object]:
    import extism
    from extism.extism import CompiledPlugin

    compiled = CompiledPlugin(json.loads(manifest), wasi=True, functions=[])
    seconds = []
    for _ in range(INSTANCES):
        started = time.perf_counter()
        plugin = extism.Plugin(compiled)
        plugin.call("upper", b"text")
        seconds.append(time.perf_counter() - started)
        del plugin
    bare = extism.Plugin(WAT, functions=[])
    return {
        "seconds": seconds,
        "empty call": _best_call(extism.Plugin(compiled)),
        "empty call of WAT": _best_call(bare),
    }


def _best_call(plugin) -> float:
    best = float("inf")
    for _ in range(CALLS // 1000):
        started = time.perf_counter()
        for _ in range(1000):
            plugin.call("nothing", b"")
        best = min(best, time.perf_counter() - started)
    return best / 1000


def memory(*manifests: str) -> dict[str, object]:
    import extism

    plugins, resident = [], []
    for manifest in manifests:
        plugins.append(extism.Plugin(json.loads(manifest), wasi=True, functions=[]))
        plugins[-1].call("upper", b"text")
        pages = Path("/proc/self/statm").read_text().split()[1]
        resident.append(int(pages) * os.sysconf("SC_PAGE_SIZE"))
    return {"bytes": (resident[-1] - resident[0]) / (len(plugins) - 1)}


print(
    json.dumps(
        {"process": process, "instances": instances, "memory": memory}[sys.argv[1]](*sys.argv[2:])
    )
)
