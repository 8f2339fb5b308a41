"""
Version specifiers, such as `>=3.11,<4`: whether the guest's Python is meant by one.

Releases of numbers only, since that is what `requires-python` speaks of; packages are chosen by pip (`packages.py`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["admits"]

Release = tuple[int, ...]

_CLAUSE: Final = re.compile(
    r"(?P<op>~=|==|!=|<=|>=|<|>)\s*v?(?P<release>\d+(\.\d+)*)(?P<any>\.\*)?"
)


def admits(specifier: str, release: Release) -> bool:
    """
    Return whether a version is one that a specifier means; an empty specifier means all.

    Raises:
        ValueError: It is no specifier; the text is the clause at fault.
    """
    clauses = [clause.strip() for clause in specifier.split(",") if clause.strip()]
    return all(_admits(clause, release) for clause in clauses)


def _admits(clause: str, release: Release) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None or (match["any"] and match["op"] not in {"==", "!="}):
        raise ValueError(clause)
    wanted = tuple(map(int, match["release"].split(".")))
    if match["any"]:
        is_below = release[: len(wanted)] == wanted
        return is_below if match["op"] == "==" else not is_below
    if match["op"] == "~=":
        return release >= wanted and release[: len(wanted) - 1] == wanted[:-1]
    return _COMPARED[match["op"]](_padded(release, wanted), _padded(wanted, release))


_COMPARED: Final[Mapping[str, Callable[[Release, Release], bool]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
}


def _padded(release: Release, other: Release) -> Release:
    """Return a release with zeros up to the length of another: 3.13 is 3.13.0."""
    return release + (0,) * (len(other) - len(release))
