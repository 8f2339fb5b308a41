"""`Listing`: what a worker has found in the modules of a plugin, checked before it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from extism._isolation.frames import Breach
from extism._runtime.uncallable import not_found
from extism.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Listing", "listing_from"]


@dataclass(frozen=True)
class Listing:
    """
    What is in the modules.

    Attributes:
        exports: Name, type, and whether it can be called.
        imports: Namespace, name, type.
        refusals: Name of a function that cannot be called, and why.
        functions: Numbers of the host's functions that are used.
    """

    exports: tuple[tuple[str, str, bool], ...]
    imports: tuple[tuple[str, str, str], ...]
    refusals: tuple[tuple[str, str], ...]
    functions: tuple[int, ...]

    @property
    def callable_names(self) -> tuple[str, ...]:
        """The exports that can be called, in the order of the module."""
        return tuple(self._places)

    def place(self, name: str) -> int:
        """
        Return which of the exports it is, counted from 0.

        Raises:
            FunctionNotFound: There is none of that name.
            CallError: It cannot be called.
        """
        place = self._places.get(name)
        if place is None:
            why = dict(self.refusals).get(name)
            raise (
                not_found(name, self.callable_names)
                if why is None
                else CallError(why, function=name)
            )
        return place

    @cached_property
    def _places(self) -> dict[str, int]:
        exports = enumerate(self.exports)
        return {name: place for place, (name, _, is_callable) in exports if is_callable}


def listing_from(report: object) -> Listing:
    """
    Return what a worker says that it has found.

    Raises:
        Breach: It is nothing of the kind.
    """
    return Listing(
        exports=_rows(report, "exports", (str, str, bool)),
        imports=_rows(report, "imports", (str, str, str)),
        refusals=_rows(report, "refusals", (str, str)),
        functions=tuple(number for (number,) in _rows(report, "functions", (int,))),
    )


def _rows(report: object, key: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    rows = report.get(key) if isinstance(report, dict) else None
    if not isinstance(rows, list):
        raise Breach(f"a list of {key} that is none")
    for row in rows:
        if not isinstance(row, list) or [type(item) for item in row] != list(kinds):
            raise Breach(f"a row of {key} that is none")
    return tuple(tuple(row) for row in rows)
