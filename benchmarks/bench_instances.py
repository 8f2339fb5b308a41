"""
What does one more instance cost, in time and in memory, and how does that grow up to a thousand?

Memory is resident memory for each instance beyond the first, called once, of 200 in a fresh process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guest_texts import written
from rows import Row
from workers import compared, interleaved, probed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

MARKS = {"small": (1, 10, 100, 200, 1000), "large": (1, 200)}
OF = {"small": "", "large": ", 1.9 MB"}
SERIES = {"create": "new instance", "call": "call in turn", "bytes": "memory each"}
MEMORY_OF = 200


def measure(plan: Plan) -> Iterator[Row]:
    written(plan.folder, "small", "large")
    yield from compared(plan, "instance_cases", plan.folder)
    for guest in MARKS:
        if plan.wants(f"memory of an instance{OF[guest]}"):
            yield from grown(plan, guest)


def grown(plan: Plan, guest: str) -> Iterator[Row]:
    """The rows of one guest, out of a few fresh processes of each side."""
    wasm, marks = plan.folder / f"{guest}.wasm", MARKS[guest]

    def probe(side):
        home = plan.folder / "homes" / side.name
        return lambda: probed(side, "instance_probe", wasm, *marks, home=home)

    found = interleaved({side.name: probe(side) for side in plan.sides}, plan.processes)
    for place, count in enumerate(marks):
        samples = {
            key: {name: [each[place][key] for each in runs] for name, runs in found.items()}
            for key in SERIES
        }
        if count == MEMORY_OF:
            yield Row(f"memory of an instance{OF[guest]}", samples["bytes"], "B")
        elif guest == "small":
            for key, name in SERIES.items():
                if count > 1 or key != "bytes":
                    unit = "B" if key == "bytes" else "s"
                    yield Row(f"{name}, {count}", samples[key], unit, series=name, at=count)
