"""
What does a plug-in written in Python cost, to load and to call?

Both sides run the same module, made by our `extism-py`: upstream's package is compared as a host. `load` is
`Plugin(...)` in a fresh process with warm caches, the import not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loads import loaded
from rows import Row
from workers import compared

from extism.compiler import build

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


def measure(plan: Plan) -> Iterator[Row]:
    source = plan.folder / "python.py"
    source.write_text(SOURCE)
    wasm = plan.folder / "python.wasm"
    build(source, wasm)
    if plan.wants("Python plug-in, load"):
        found = loaded(plan, wasm, "nothing")
        for state, words in LOADS.items():
            yield Row(f"Python plug-in, load{words}", found[state])
    yield from compared(plan, "python_cases", plan.folder)
