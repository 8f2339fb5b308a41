"""The upper half of the chart: for each target how we do beside upstream, and where the target lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import svg
from plan import UPSTREAM
from targets import TARGETS

if TYPE_CHECKING:
    from rows import Row

__all__ = ["bars"]

ROW_HEIGHT = 20
LABEL_WIDTH = 250
MET, MISSED = "#3a8a5c", "#c7683f"


def bars(rows: dict[str, Row], width: float) -> tuple[list[str], float]:
    """Return the shapes and how high they are together."""
    wanted = [
        (target, rows[target.case].best_ratio(rows[target.case].others[0]))
        for target in TARGETS
        if target.case in rows and not (target.is_least or target.is_excess or target.unit)
    ]
    if not wanted:
        return [], 0
    numbers = [number for target, ratio in wanted for number in (target.limit, ratio)]
    low, high = min([0.05, *numbers]) / 1.5, max([1.0, *numbers]) * 1.5
    scale = svg.LogScale(low, high, LABEL_WIDTH, width - 60)
    bottom = 34 + ROW_HEIGHT * len(wanted)
    shapes = [
        svg.text(10, 18, f"ours over {UPSTREAM}, best of each; | is the target; less is better")
    ]
    for decade in scale.powers(10):
        shapes.append(svg.line(scale(decade), 28, scale(decade), bottom, "#ddd"))
        shapes.append(svg.text(scale(decade), bottom + 14, f"{decade:g}", anchor="middle"))
    for number, (target, ratio) in enumerate(wanted):
        top = 32 + ROW_HEIGHT * number
        colour = MET if target.is_met_by(ratio) else MISSED
        shapes.append(svg.text(LABEL_WIDTH - 8, top + 12, target.case, anchor="end"))
        shapes.append(svg.rectangle(LABEL_WIDTH, top + 2, scale(ratio) - LABEL_WIDTH, 13, colour))
        limit = scale(target.limit)
        shapes.append(svg.line(limit, top, limit, top + 17, "#222", 2))
        shapes.append(svg.text(max(scale(ratio), limit) + 6, top + 12, f"{ratio:.2f}"))
    return shapes, bottom + 24
