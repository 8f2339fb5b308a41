"""
What was measured, as one JSON file: sections by benchmark, each with its rows and the load while it ran.

A run replaces the sections that it measured and keeps the others; each says when it was measured.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rows import Row

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Section", "read", "write"]


@dataclass
class Section:
    """
    What one benchmark found.

    Attributes:
        question: The first line of its docstring.
        about: The rest of it.
        load: The load average before and after.
        fault: Why it ended early, if it did.
    """

    question: str
    about: str
    when: str
    machine: str
    rounds: int
    load: tuple[float, float] = (0.0, 0.0)
    rows: list[Row] = field(default_factory=list)
    fault: str = ""


def write(path: Path, sections: dict[str, Section]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {name: asdict(section) for name, section in sections.items()}
    for section in found.values():
        for row in section["rows"]:
            del row["others"]
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Section]:
    """Return the sections of a file; none if there is no file."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: _section(fields) for name, fields in found.items()}


def _section(fields) -> Section:
    rows = [Row(**row) for row in fields.pop("rows")]
    load = tuple(fields.pop("load"))
    return Section(**fields, rows=rows, load=load)
