"""
How far are we from what cannot be undercut: the engine's own call from C, and a copy of memory?

The ratios are ours over a loop in C (`floor.c`), compiled here and run in the same process. An echo copies its bytes
four times: into the kernel, into the guest and back, and out of the kernel.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from guest_texts import written
from rows import Row
from sizes import COPY_SIZES, label
from workers import Worker, agreed, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

PAIRS = {
    "noop": "engine's call from C",
    **{f"echo {label(size)}": f"memcpy {label(size)}" for size in COPY_SIZES},
}


def measure(plan: Plan) -> Iterator[Row]:
    written(plan.folder, "small")
    source = Path(__file__).with_name("floor.c")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-O2", "-shared", "-fPIC"]
    subprocess.run([*compiler, source, "-o", plan.folder / "floor.so"], check=True)
    side = plan.sides[-1]
    home = plan.folder / "homes" / side.name
    with Worker(side, "worker", "floor_cases", plan.folder, home=home) as worker:
        worker.answer()
        for ours, floor in PAIRS.items():
            case = f"{ours} over {floor}"
            if not plan.wants(case):
                continue
            agreed(case, {name: worker.ask(name, None) for name in (ours, floor)})
            runs = {floor: partial(worker.sample, floor), side.name: partial(worker.sample, ours)}
            yield Row(case, interleaved(runs, plan.rounds), base=floor)
