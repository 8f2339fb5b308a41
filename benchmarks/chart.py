"""Results as one drawing: targets above, growth below. Text, so that a change of it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import svg
from bars import bars
from curves import curves
from plan import UPSTREAM

if TYPE_CHECKING:
    from results import Section

__all__ = ["drawn"]

WIDTH = 860


def drawn(sections: dict[str, Section]) -> str:
    """Return the drawing of all rows that are compared with upstream."""
    rows = [row for each in sections.values() for row in each.rows if row.base == UPSTREAM]
    above, height = bars({row.case: row for row in rows}, WIDTH)
    below, more = curves(rows, height, WIDTH)
    return svg.document(WIDTH, height + more, [*above, *below])
