"""
Where built and compiled things are kept between runs.

====================================  =============================================================
`EXTISM_CACHE_DIR`                    both caches below one folder; else the user's own cache folder
`EXTISM_NATIVE_CACHE_DIR`             moves native code alone; empty: no native code is kept
====================================  =============================================================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["CACHE_DIR", "NATIVE_CACHE_DIR", "interpreter_directory", "native_directory"]

CACHE_DIR: Final = "EXTISM_CACHE_DIR"
NATIVE_CACHE_DIR: Final = "EXTISM_NATIVE_CACHE_DIR"


def interpreter_directory() -> Path:
    """Return the folder of built guest interpreters."""
    return _root() / "interpreter"


def native_directory() -> Path | None:
    """Return the folder of native code; None where none is to be kept."""
    moved = os.environ.get(NATIVE_CACHE_DIR)
    if moved is not None:
        return Path(moved) if moved else None
    return _root() / "native"


def _root() -> Path:
    given = os.environ.get(CACHE_DIR)
    if given:
        return Path(given)
    import platformdirs

    return platformdirs.user_cache_path("extism", appauthor=False)
