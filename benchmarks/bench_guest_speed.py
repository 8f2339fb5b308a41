"""
How fast does Python code run inside a plug-in, beside a native Python of the same source?

Native is CPython 3.13 compiled at -O2 from the source that the interpreter is made of, by the same compiler
(`conformance/native.py`). Both sides run `speed_programs.py` and take the time themselves, in turns. The last row is
the geometric mean: how many times as fast as native.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plan import NATIVE, ROOT
from rows import Row
from speed_programs import PROGRAMS

import extism
from extism import compiler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plan import Plan

    Side = Callable[[str], tuple[float, str]]

HERE = ROOT / "benchmarks"


@contextmanager
def native_side() -> Iterator[Side]:
    """Start the native Python, built now if it is not there; yield what runs a program in it."""
    sys.path.append(str(ROOT / "conformance"))
    from native import native

    python, _ = native()
    command = [python, HERE / "speed_native.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def run(name: str) -> tuple[float, str]:
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            return tuple(json.loads(process.stdout.readline()))

        yield run
        process.stdin.close()


@contextmanager
def guest_side(plan: Plan) -> Iterator[Side]:
    """Build the plug-in; yield what runs a program in it."""
    wasm = plan.folder / "speed.wasm"
    wasm.write_bytes(compiler.build(HERE / "speed_plugin.py"))
    with extism.Plugin(wasm.read_bytes(), wasi=True, functions=[]) as plugin:
        yield lambda name: tuple(json.loads(plugin.call("run", name)))


def measure(plan: Plan) -> Iterator[Row]:
    with native_side() as native, guest_side(plan) as ours:
        sides = {NATIVE: native, "ours": ours}
        rows = []
        for name in PROGRAMS:
            if not plan.wants(f"guest speed, {name}"):
                continue
            samples = {side: [] for side in sides}
            for _ in range(plan.rounds):
                answers = set()
                for side in random.sample(list(sides), 2):
                    seconds, answer = sides[side](name)
                    samples[side].append(seconds)
                    answers.add(answer)
                assert len(answers) == 1, (name, answers)
            rows.append(Row(f"guest speed, {name}", samples, base=NATIVE))
            yield rows[-1]
    if rows:
        yield mean(rows)


def mean(rows: list[Row]) -> Row:
    """Return the row of the geometric mean over the best of each program."""
    logarithms = [math.log(row.best(NATIVE) / row.best("ours")) for row in rows]
    share = math.exp(sum(logarithms) / len(logarithms))
    samples = {NATIVE: [1.0], "ours": [share]}
    return Row("guest speed, geometric mean", samples, unit="times", base=NATIVE)
