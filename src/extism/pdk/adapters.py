"""
Modules of the standard library that work on top of the host: which they are, and what makes them do so.

Each is adapted when it is imported, so that a plug-in which does not use it pays nothing. Inside a plug-in the finder
of its modules sees to that; in a test, `testing.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ADAPTERS", "adapt"]

ADAPTERS: Final = {
    "logging": "logs",
    "urllib.request": "urls",
}
"""The module of this package that adapts a module; it has a function `install`, which returns what undoes it."""


def adapt(name: str) -> Callable[[], None]:
    """Adapt a module that was just imported; return what undoes it."""
    adapter = importlib.import_module(f"{__package__}.{ADAPTERS[name]}")
    undo: Callable[[], None] = adapter.install()
    return undo
