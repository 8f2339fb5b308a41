"""Results as Markdown: first every target and whether it is met, then a table for each benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan import NATIVE, UPSTREAM
from sizes import label
from targets import TARGETS, Target, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from results import Section
    from rows import Row

__all__ = ["document", "line", "shown", "verdict"]

HEAD = ("case", "compared with", "ours", "best/best", "median", "p10 to p90", "target", "")


def shown(value: float, unit: str) -> str:
    """Return a figure with three digits and its unit."""
    if unit == "B":
        return label(value)
    if unit == "times":
        return f"{value:.2f} times"
    for name, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def figure(row: Row, side: str, target: Target) -> float:
    """Return what the target is about: the ratio of the best, what one is more, or our best by itself."""
    if target.is_excess:
        return row.best(side) - row.best(row.base)
    is_own = target.is_least or target.unit
    return row.best(side) if is_own else row.best_ratio(side)


def verdict(row: Row, side: str) -> tuple[str, str]:
    """Return the target of a row and whether it is met; empty where there is none."""
    target = target_of(row.case)
    bases = (UPSTREAM, NATIVE)
    is_of_its_own = target is not None and (target.is_excess or target.unit)
    if target is None or (row.base not in bases and not is_of_its_own):
        return "", ""
    found = figure(row, side, target)
    if target.is_met_by(found):
        return str(target), "met"
    excess = abs(found / target.limit - 1) * 100
    return str(target), f"**missed** by {excess:.{0 if excess >= 1 else 1}f} %"


def line(row: Row, side: str) -> tuple[str, ...]:
    """Return the cells of one side of a row."""
    if side == row.base:
        return (row.case, "", shown(row.best(side), row.unit), "", "", "", *verdict(row, side))
    low, high = row.spread(side)
    return (
        row.case if side == row.others[0] else f"{row.case} ({side})",
        shown(row.best(row.base), row.unit),
        shown(row.best(side), row.unit),
        f"{row.best_ratio(side):.3f}",
        f"{row.median_ratio(side):.3f}",
        f"{low:.3f} to {high:.3f}",
        *verdict(row, side),
    )


def _markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['--:'] * (len(head) - 1)])}|"
    for cells in lines:
        yield f"| {' | '.join(cells)} |"


def _lines(rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        for side in row.others or (row.base,):
            yield line(row, side)


def _targets(sections: Iterable[Section]) -> Iterator[tuple[str, ...]]:
    rows = {row.case: row for section in sections for row in section.rows}
    for target in TARGETS:
        if target.case in rows:
            yield from _lines([rows[target.case]])
        else:
            yield (target.case, *[""] * 5, str(target), "not measured")


def _section(name: str, section: Section) -> Iterator[str]:
    before, after = section.load
    measured = f"{section.when}, {section.machine}; {section.rounds} rounds"
    yield f"\n### {name}: {section.question}\n"
    if section.about:
        yield f"{section.about}\n"
    yield f"{measured}, load {before:.1f} to {after:.1f}.\n"
    if section.fault:
        yield f"**Ended early:** {section.fault}\n"
    yield from _markdown(HEAD[:6], (cells[:6] for cells in _lines(section.rows)))


def document(sections: dict[str, Section]) -> str:
    """Return all of it, headings of the third level."""
    parts = ["### Targets\n", *_markdown(HEAD, _targets(sections.values()))]
    for name, section in sections.items():
        parts += _section(name, section)
    return "\n".join(parts) + "\n"
