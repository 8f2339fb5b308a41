"""
What does a plug-in written in Python cost, to build, to load and to call?

Both sides run the same module, made by our `extism-py`: upstream's package is compared as a host. `build` is the whole
command, without and with native code of the interpreter in the cache. `load` is `Plugin(...)` of the file's path, in a fresh
process with warm caches, the import not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loads import loaded
from plan import ROOT
from rows import Row
from workers import compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

SOURCE = """
import extism


@extism.plugin_fn
def nothing():
    pass


@extism.plugin_fn
def upper():
    extism.output_str(extism.input_str().upper())


@extism.plugin_fn
def total():
    extism.output_str(str(sum(each * each for each in range(int(extism.input_str())))))
"""

LOADS = {"warm": "", "cold": ", cold caches", "again": " again"}


def built(plan: Plan, source: Path, wasm: Path) -> list[float]:
    """Build a few times and return what each took: the first begins without native code in the cache."""
    command = [Path(sys.executable).with_name("extism-py"), source, wasm]
    places = {
        "EXTISM_NATIVE_CACHE_DIR": str(plan.folder / "builds"),
        "PYTHONPATH": str(ROOT / "src"),
    }
    environment = {**os.environ, **places}
    seconds = []
    for _ in range(1 + plan.processes):
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return seconds


def measure(plan: Plan) -> Iterator[Row]:
    source, wasm = plan.folder / "python.py", plan.folder / "python.wasm"
    source.write_text(SOURCE)
    first, *further = built(plan, source, wasm)
    yield Row("Python plug-in, build, cold cache", {"ours": [first]}, base="ours")
    yield Row("Python plug-in, build", {"ours": further}, base="ours")
    if plan.wants("Python plug-in, load"):
        found = loaded(plan, wasm, "nothing", "path")
        for state, words in LOADS.items():
            yield Row(f"Python plug-in, load{words}", found[state])
    yield from compared(plan, "python_cases", plan.folder)
