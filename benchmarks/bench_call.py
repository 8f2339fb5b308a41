"""
What does a call cost, what does the guest do in it, and how does that grow with the input?

Cases with `x1000` do their thing a thousand times in one call. The guests are those of `guest_texts.py`, the
calls those of `call_cases.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from guest_texts import written
from sizes import INPUT_SIZES, label
from workers import compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan
    from rows import Row

AT = {f"echo {label(size)}": size for size in INPUT_SIZES}


def measure(plan: Plan) -> Iterator[Row]:
    written(plan.folder, "small", "host", "state")
    for row in compared(plan, "call_cases", plan.folder):
        at = AT.get(row.case, 0)
        yield replace(row, series="call by input size", at=at) if at else row
