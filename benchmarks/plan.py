"""
What a benchmark is told: which sides there are, how thorough to be, where to put its files.

A side is one Python with one package called `extism`; upstream's is the first and is what others are
compared with.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NATIVE", "ROOT", "UPSTREAM", "Plan", "Side"]

ROOT = Path(__file__).resolve().parents[1]

UPSTREAM = "upstream"

NATIVE = "native"
"""The side of a Python that is compared with itself inside a plug-in."""


@dataclass(frozen=True)
class Side:
    """A Python to run workers in; `environment` is added to the one of this process."""

    name: str
    python: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_upstream(self) -> bool:
        return self.name == UPSTREAM

    def variables(self, home: Path) -> dict[str, str]:
        """
        The environment of a process whose caches, ours and upstream's, lie below `home`.

        What is set for Python or for either package around here is left out: a switch such as
        PYTHONDONTWRITEBYTECODE would be what is measured. So would RUST_BACKTRACE, by which upstream's package
        takes a backtrace in each call: 15 us instead of 5.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "EXTISM", "RUST_"))
        }
        places = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "EXTISM_NATIVE_CACHE_DIR": str(home / "native"),
        }
        return {**kept, **places, **self.environment}


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Attributes:
        sides: Upstream first.
        folder: Scratch of this benchmark alone, removed after the run.
        rounds: How often each side runs, in turns.
        is_quick: Be rough: leave out what takes long.
        only: A case is wanted if its name contains one of these.
    """

    sides: tuple[Side, ...]
    folder: Path
    rounds: int = 21
    is_quick: bool = False
    only: tuple[str, ...] = ("",)

    @property
    def processes(self) -> int:
        """How often what takes a whole process and seconds of it runs: a few times are telling."""
        return max(1, self.rounds // 4)

    def wants(self, case: str) -> bool:
        return any(part in case for part in self.only)
