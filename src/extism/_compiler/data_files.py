"""
The files of a package that are no modules: what `importlib.resources` finds beside them.

All travel that a package may want to read. Not what is made anew from other files or for other programs, not what
is hidden, not tests, and no other environment or plug-in that happens to lie there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._compiler.searchpath import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TESTS", "data_files"]

TESTS: Final = frozenset({"test", "tests"})
"""Folders of packages that do not travel."""

_PASSED_OVER: Final = TESTS | {"__pycache__", "node_modules"}
_USELESS: Final = (
    *NATIVE,
    *(".py", ".pyc", ".pyo", ".pyi", ".pyx", ".pxd", ".c", ".cc", ".cpp", ".h", ".wasm", ".cwasm"),
)
_TYPED: Final = "py.typed"


def data_files(folder: Path) -> Iterator[Path]:
    """Give the data files below a folder, in the order of their paths."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_wanted(Path(where, name)))
        for name in sorted(files):
            if not name.startswith(".") and name != _TYPED and not name.endswith(_USELESS):
                yield Path(where, name)


def _is_wanted(folder: Path) -> bool:
    is_hidden = folder.name.startswith(".") or folder.name in _PASSED_OVER
    return not is_hidden and not (folder / "pyvenv.cfg").exists()
