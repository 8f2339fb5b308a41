"""The few shapes of SVG that the chart needs, as text, and scales that put numbers on paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LogScale", "document", "line", "path", "rectangle", "text"]


class LogScale:
    """From the numbers between `low` and `high`, both above zero, to places between `start` and `end`."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = math.log10(low), math.log10(max(high, low * 1.0001))
        self.start, self.end = start, end

    def __call__(self, number: float) -> float:
        share = (math.log10(number) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def powers(self, base: int) -> list[float]:
        """The powers of a number within."""
        per_step = math.log10(base)
        first = math.ceil(self.low / per_step - 1e-9)
        last = math.floor(self.high / per_step + 1e-9)
        return [float(base) ** power for power in range(first, last + 1)]


def rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{round(width, 1)}" height="{height}" fill="{fill}"/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}" stroke-width="{width}"/>'
    )


def path(points: Iterable[tuple[float, float]], stroke: str) -> str:
    places = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="2"/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = "#333") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'


def document(width: float, height: float, shapes: Iterable[str]) -> str:
    """Return a drawing on white ground, one shape a line."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, rectangle(0, 0, width, height, "#fff"), *shapes, "</svg>"]) + "\n"
