"""What a process holds at one moment, and how fast that grows: bytes, descriptors, threads, mappings."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import NamedTuple

__all__ = ["Reading", "read", "slope"]


class Reading(NamedTuple):
    """
    What this process holds.

    Attributes:
        bytes: Resident memory.
        descriptors: Open files and sockets.
        threads: Of the system, those of the engine among them.
        mappings: Lines of `/proc/self/maps`.
    """

    bytes: int
    descriptors: int
    threads: int
    mappings: int


def read() -> Reading:
    """Return what this process holds now."""
    own = Path("/proc/self")
    pages = int((own / "statm").read_text(encoding="ascii").split()[1])
    maps = (own / "maps").read_bytes()
    return Reading(
        pages * resource.getpagesize(),
        len(list((own / "fd").iterdir())) - 1,  # one is that of the listing
        len(list((own / "task").iterdir())),
        maps.count(b"\n"),
    )


def slope(points: list[tuple[float, float]]) -> float:
    """Return by how much the second number of a point grows with the first: least squares, 0 for one point."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
