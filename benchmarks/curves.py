"""The lower half of the chart: how costs grow, a small picture for each series, both axes logarithmic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import svg
from plan import UPSTREAM
from sizes import label
from table import shown

if TYPE_CHECKING:
    from rows import Row

__all__ = ["by_series", "curves"]

HEIGHT = 200
COLOURS = ("#3465a4", "#3a8a5c", "#c7683f", "#75507b")
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 30, 150


def by_series(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows that are points of curves, by the curve, from left to right."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.at):
        if row.series:
            found.setdefault(row.series, []).append(row)
    return {name: points for name, points in found.items() if len(points) > 1}


def colours(sides: list[str]) -> dict[str, str]:
    others = [side for side in sides if side != UPSTREAM]
    return {UPSTREAM: "#888", **dict(zip(others, COLOURS, strict=False))}


def curve(name: str, points: list[Row], x: float, y: float, width: float) -> list[str]:
    """One picture, its upper left corner at (x, y)."""
    sides = list(points[0].samples)
    figures = [row.best(side) for row in points for side in row.samples]
    across = svg.LogScale(points[0].at, points[-1].at, x + LEFT, x + width - RIGHT)
    # Memory that is given back in between can measure as nothing, which has no logarithm.
    least = max(min(figures), max(figures) / 1e6)
    up = svg.LogScale(least / 2, max(figures) * 2, y + BOTTOM, y + TOP)
    shapes = [svg.text(x + 10, y + 18, name)]
    unit = points[0].unit
    for tick in up.powers(2 if unit == "B" else 10):
        shapes.append(svg.line(x + LEFT, up(tick), x + width - RIGHT, up(tick), "#ddd"))
        shapes.append(svg.text(x + LEFT - 6, up(tick) + 4, shown(tick, unit), anchor="end"))
    for row in points[:: 1 if len(points) < 6 else 2]:
        words = label(row.at) if "size" in name else f"{row.at:g}"
        shapes.append(svg.text(across(row.at), y + BOTTOM + 16, words, anchor="middle"))
    for number, (side, colour) in enumerate(colours(sides).items()):
        places = [(across(row.at), up(max(row.best(side), least))) for row in points]
        shapes.append(svg.path(places, colour))
        shapes.append(svg.text(x + LEFT + 8 + 80 * number, y + BOTTOM + 34, side, fill=colour))
    return shapes


def curves(rows: list[Row], y: float, width: float) -> tuple[list[str], float]:
    """Return the shapes, two pictures side by side, and how high they are together."""
    shapes: list[str] = []
    found = by_series(rows)
    for number, (name, points) in enumerate(found.items()):
        place = (number % 2 * width / 2, y + number // 2 * HEIGHT)
        shapes += curve(name, points, *place, width / 2)
    return shapes, (len(found) + 1) // 2 * HEIGHT
