"""
How fast does Python code run inside a plug-in, beside a native Python of the same source?

Native is CPython 3.13 compiled at -O2 from the source that the interpreter is made of, by the same compiler
(`conformance/native.py`). The sides run `speed_programs.py` and take the time themselves, in turns; one is a plug-in that
nothing can interrupt (`interruptible=False`), since the engine asks at each of the interpreter's steps whether it shall stop.
The last row is the geometric mean: how many times as fast as native.
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
def guest_side(wasm: bytes, *, interruptible: bool) -> Iterator[Side]:
    """Load the plug-in; yield what runs a program in it."""
    with extism.Plugin(wasm, wasi=True, functions=[], interruptible=interruptible) as plugin:
        yield lambda name: tuple(json.loads(plugin.call("run", name)))


def measure(plan: Plan) -> Iterator[Row]:
    wasm = compiler.build(HERE / "speed_plugin.py")
    with (
        native_side() as native,
        guest_side(wasm, interruptible=True) as ours,
        guest_side(wasm, interruptible=False) as unasked,
    ):
        sides = {NATIVE: native, "ours": ours, "not interruptible": unasked}
        rows = []
        for name in PROGRAMS:
            if plan.wants(f"guest speed, {name}"):
                samples = in_turns(sides, name, plan.rounds)
                rows.append(Row(f"guest speed, {name}", samples, base=NATIVE))
                yield rows[-1]
    if rows:
        yield mean(rows)


def in_turns(sides: dict[str, Side], name: str, rounds: int) -> dict[str, list[float]]:
    """Run a program on each side, as often as there are rounds; all must answer the same."""
    samples = {side: [] for side in sides}
    for _ in range(rounds):
        answers = set()
        for side in random.sample(list(sides), len(sides)):
            seconds, answer = sides[side](name)
            samples[side].append(seconds)
            answers.add(answer)
        assert len(answers) == 1, (name, answers)
    return samples


def mean(rows: list[Row]) -> Row:
    """Return the row of the geometric mean over the best of each program."""
    samples = {NATIVE: [1.0]}
    for side in rows[0].others:
        shares = [math.log(row.best(NATIVE) / row.best(side)) for row in rows]
        samples[side] = [math.exp(sum(shares) / len(shares))]
    return Row("guest speed, geometric mean", samples, unit="times", base=NATIVE)
