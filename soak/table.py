"""Results as a table in Markdown: what people read at the end of a run, and in the README."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["table"]

_COLUMNS = ("id", "calls", "faults", "bytes", "descriptors", "threads", "mappings", "s", "verdict")


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each program; slopes are growth by step, so that 0 is what is wanted."""
    rows = [_COLUMNS, *(_row(result) for result in results)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, *_figures(results)])


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    slopes = [
        f"{result['slopes'].get(name, 0.0):.3g}"
        for name in ("bytes", "descriptors", "threads", "mappings")
    ]
    return (
        result["id"],
        f"{result['calls']:,}",
        f"{sum(result['faults'].values()):,}",
        *slopes,
        f"{result['seconds']:.0f}",
        "failed" if result["complaints"] else "ok",
    )


def _figures(results: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [""]
    for result in results:
        kinds = [f"{count:,} {kind}" for kind, count in result["faults"].items()]
        facts = [f"{name} {value}" for name, value in result["figures"].items()]
        if kinds or facts:
            lines.append(f"{result['id']}: {'; '.join([*kinds, *facts])}")
    return lines
