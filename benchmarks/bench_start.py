"""
How long does it take until a plug-in answers: in a fresh process, and when it is loaded once more?

Every sample of a *process* is one from start to end, with warm caches: its CPU time as the kernel tells it of the dead
process, all threads included, or its wall time. The bare interpreter, which nobody can do anything about, is in all of
them and has a row of its own. A *load* is `Plugin(...)` alone, timed inside: `first` in a fresh process after the
import, `again` the best of several later ones, each after the plug-in before it has gone.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rows import Row
from workers import interleaved

from extism._engine.engine import wat_to_wasm
from extism.compiler import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from plan import Plan, Side

ECHO = """
(module
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "echo") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0)))
"""

PYTHON_PLUGIN = """
import extism


@extism.plugin_fn
def echo():
    extism.output_str(extism.input_str())
"""

BYTES = 'open("small.wasm", "rb").read()'
PYTHON_BYTES = 'open("python.wasm", "rb").read(), wasi=True'
PYTHON_PATH = '{"wasm": [{"path": "python.wasm"}]}, wasi=True'

PROCESSES = {
    "bare interpreter": "",
    "import extism": "import extism",
    "Plugin(bytes) in a fresh process": f"""
import extism
with extism.Plugin({BYTES}) as plugin:
    assert bytes(plugin.call("echo", b"x")) == b"x"
""",
    "Python plug-in by path in a fresh process": f"""
import extism
with extism.Plugin({PYTHON_PATH}) as plugin:
    assert bytes(plugin.call("echo", b"x")) == b"x"
""",
}

LOADS = {
    "load, small": BYTES,
    "load, Python plug-in by path": PYTHON_PATH,
    "load, Python plug-in as bytes": PYTHON_BYTES,
}

LOAD = """
import json, time, extism
seconds = []
for _ in range(8):
    began = time.process_time()
    plugin = extism.Plugin(SOURCE)
    seconds.append(time.process_time() - began)
    assert bytes(plugin.call("echo", b"x")) == b"x"
    del plugin
print(json.dumps(seconds))
"""


class Ended(NamedTuple):
    """A process that has ended: what it took, in seconds, and what it printed."""

    cpu: float
    wall: float
    printed: str


def run(side: Side, program: str, folder: Path) -> Ended:
    home = folder / "homes" / side.name
    home.mkdir(parents=True, exist_ok=True)
    # Without byte code on disk, compiling our sources would be most of what is measured.
    environment = {**side.variables(home), "PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    process = subprocess.Popen(
        [side.python, "-c", program], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the process of {side.name} failed; it said why above")
    return Ended(usage.ru_utime + usage.ru_stime, wall, printed)


def runs(plan: Plan, program: str) -> dict[str, list[Ended]]:
    """Return the processes of each side, after two that warm its caches."""
    each = {side.name: partial(run, side, program, plan.folder) for side in plan.sides}
    interleaved(each, 2)
    return interleaved(each, plan.rounds)


def measure(plan: Plan) -> Iterator[Row]:
    (plan.folder / "small.wasm").write_bytes(wat_to_wasm(ECHO.encode()))
    (plan.folder / "python.py").write_text(PYTHON_PLUGIN)
    build(plan.folder / "python.py", plan.folder / "python.wasm")
    for case, program in PROCESSES.items():
        if plan.wants(case):
            found = runs(plan, program)
            yield Row(f"{case}, CPU", {name: [each.cpu for each in found[name]] for name in found})
            yield Row(
                f"{case}, wall", {name: [each.wall for each in found[name]] for name in found}
            )
    for case, source in LOADS.items():
        if plan.wants(case):
            found = runs(plan, LOAD.replace("SOURCE", source))
            loads = {name: [json.loads(each.printed) for each in found[name]] for name in found}
            yield Row(f"{case}, first", {name: [each[0] for each in loads[name]] for name in loads})
            yield Row(
                f"{case}, again", {name: [min(each[1:]) for each in loads[name]] for name in loads}
            )
