"""
Installed distributions: which are in a folder, what they are called, and which files of theirs a plug-in takes along.

A distribution is a folder `NAME-VERSION.dist-info`, as pip leaves it beside the packages. How packages come into a
folder is in `packages.py`; what the plug-in itself sees of them (`importlib.metadata`) in `interpreter/carried.py`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING, Final

from extism._compiler.searchpath import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Distribution", "distributions", "normal"]

_CARRIED: Final = ("METADATA", "entry_points.txt", "top_level.txt")
"""What a plug-in is told of a distribution; RECORD and its like tell of the machine that installed it."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    A distribution in a folder.

    Attributes:
        name: As it calls itself.
        version: As it calls it.
        folder: Its `.dist-info`.
        modules: The modules at its top level.
        native: Modules in native code, dotted.
    """

    name: str
    version: str
    folder: Path
    modules: frozenset[str]
    native: frozenset[str]

    def files(self) -> Iterator[Path]:
        """Give the files that a plug-in takes along."""
        for name in _CARRIED:
            if (self.folder / name).is_file():
                yield self.folder / name


def normal(name: str) -> str:
    """Return a distribution's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(folders: Iterable[Path]) -> list[Distribution]:
    """Return the distributions in these folders, by name; of two with one name the first."""
    found: dict[str, Distribution] = {}
    for folder in folders:
        for info in sorted(folder.glob("*.dist-info")):
            if (info / "METADATA").is_file():
                row = _read(info)
                found.setdefault(normal(row.name), row)
    return [found[name] for name in sorted(found)]


def _read(info: Path) -> Distribution:
    told = PathDistribution(info)
    files = _listed(info / "RECORD")
    tops = {file.split("/")[0].removesuffix(".py") for file in files if file.endswith(".py")}
    native = {_module(file) for file in files if file.endswith(NATIVE)}
    return Distribution(
        name=told.metadata["Name"] or info.name.split("-")[0],
        version=told.version,
        folder=info,
        modules=frozenset(tops | {name.split(".")[0] for name in native}),
        native=frozenset(native),
    )


def _listed(record: Path) -> list[str]:
    """
    Return the files that a distribution came with.

    `importlib.metadata` leaves out what is not there since Python 3.12, and native code was dropped.
    """
    if not record.is_file():
        return []
    with record.open(encoding="utf-8", newline="") as rows:
        return [row[0].replace("\\", "/") for row in csv.reader(rows) if row]


def _module(file: str) -> str:
    """Return the dotted name of a file with native code: `yaml/_yaml.cpython-313-darwin.so`."""
    *packages, last = file.split("/")
    return ".".join([*packages, last.split(".")[0]])
