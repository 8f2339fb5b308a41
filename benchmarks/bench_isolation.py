"""
What does a worker process cost: each call, what a guest asks of its host, and its start?

Ours beside ours: the same plug-in in this process and with `isolation="process"`. To be held to: a call at most 60 us
more, and 1.5 ms for 1 MB in and out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from guest_texts import written
from isolation_cases import VARIABLE
from workers import compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan
    from rows import Row

HERE = "same process"


def measure(plan: Plan) -> Iterator[Row]:
    ours = next(side for side in plan.sides if not side.is_upstream)
    apart = replace(
        ours, name="worker process", environment={**ours.environment, VARIABLE: "process"}
    )
    written(plan.folder, "small", "host", "state")
    sides = (replace(ours, name=HERE), apart)
    yield from compared(replace(plan, sides=sides), "isolation_cases", plan.folder, base=HERE)
