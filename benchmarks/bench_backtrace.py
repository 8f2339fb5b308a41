"""
What do small calls cost beside upstream's package where RUST_BACKTRACE is set?

It takes a backtrace in each call then, which nobody sees. The targets for these cases were set on such a machine, so they
are measured both ways: the cases are those of other benchmarks, with what is set behind their names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench_python import SOURCE, built
from guest_texts import written
from workers import compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan
    from rows import Row

SET = {"RUST_BACKTRACE": "1"}
WORDS = ", RUST_BACKTRACE=1"

CASES = {
    "call_cases": ("noop", "echo 16 B", "echo 1 KB", "host int x1000", "host str x1000"),
    "instance_cases": ("instance and call",),
    "python_cases": ("Python plug-in, empty call",),
}


def measure(plan: Plan) -> Iterator[Row]:
    sides = tuple(replace(side, environment={**side.environment, **SET}) for side in plan.sides)
    written(plan.folder, "small", "large", "host", "state")
    for module, cases in CASES.items():
        wanted = tuple(case for case in cases if plan.wants(case + WORDS))
        if not wanted:
            continue
        if module == "python_cases":
            (plan.folder / "python.py").write_text(SOURCE)
            built(plan, plan.folder / "python.py", plan.folder / "python.wasm")
        for row in compared(replace(plan, sides=sides, only=wanted), module, plan.folder):
            if row.case in wanted:
                yield replace(row, case=row.case + WORDS)
