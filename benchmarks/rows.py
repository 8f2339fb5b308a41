"""
`Row`: what one benchmark found out about one case, and the figures that are read off it.

Samples of the sides that have the same position were taken in the same round: what else the machine did
hit them alike, so each round gives one ratio.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

__all__ = ["Row", "quantile"]


@dataclass(frozen=True)
class Row:
    """
    The samples of one case.

    Attributes:
        case: The name; `targets.py` knows some of them.
        samples: By side, one for each round. Less is better, but in `times`.
        unit: What a sample counts: `s`, `B` (bytes) or `times` (how many times as fast; more is better).
        base: The side that the others are compared with.
        series: The curve that this row is a point of, if any, and `at`, where on it: "input size", 1024.
    """

    case: str
    samples: dict[str, list[float]]
    unit: str = "s"
    base: str = "upstream"
    series: str = ""
    at: float = 0
    others: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        counts = {len(each) for each in self.samples.values()}
        if self.base not in self.samples or counts == {0} or len(counts) != 1:
            raise ValueError(f"{self.case}: each side, {self.base} too, needs as many samples")
        others = tuple(name for name in self.samples if name != self.base)
        object.__setattr__(self, "others", others)

    def best(self, side: str) -> float:
        pick = max if self.unit == "times" else min
        return pick(self.samples[side])

    def best_ratio(self, side: str) -> float:
        """The best of a side over the best of the base: the steadiest figure on a shared machine."""
        return self.best(side) / self.best(self.base)

    def ratios(self, side: str) -> list[float]:
        """Round by round."""
        pairs = zip(self.samples[side], self.samples[self.base], strict=True)
        return [mine / theirs for mine, theirs in pairs]

    def median_ratio(self, side: str) -> float:
        return statistics.median(self.ratios(side))

    def spread(self, side: str) -> tuple[float, float]:
        """The 10th and the 90th percentile of the ratios."""
        ratios = self.ratios(side)
        return quantile(ratios, 0.1), quantile(ratios, 0.9)


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
