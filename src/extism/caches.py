"""
Where built and compiled things are kept between runs.

====================================  =============================================================
`EXTISM_CACHE_DIR`                    all caches below one folder; else the user's own cache folder
`EXTISM_NATIVE_CACHE_DIR`             moves native code alone; empty: no native code is kept
`EXTISM_CACHE_CONFIG`                 upstream's variable, which says the same in the engine's format
====================================  =============================================================
"""

from __future__ import annotations

import os
import sys

from extism._cached import cache
from extism.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Final

__all__ = [
    "CACHE_CONFIG",
    "CACHE_DIR",
    "NATIVE_CACHE_DIR",
    "interpreter_directory",
    "interpreter_path",
    "native_directory",
]

CACHE_DIR: Final = "EXTISM_CACHE_DIR"
NATIVE_CACHE_DIR: Final = "EXTISM_NATIVE_CACHE_DIR"
CACHE_CONFIG: Final = "EXTISM_CACHE_CONFIG"


def interpreter_directory() -> Path:
    """Return the folder of built guest interpreters."""
    from pathlib import Path

    return Path(interpreter_path())


def interpreter_path() -> str:
    """Return the same as text: to load `pathlib` takes longer than to load a plugin."""
    return os.path.join(_root(), "interpreter")


def packages_directory() -> Path:
    """Return the folder of packages that were installed for plug-ins."""
    from pathlib import Path

    return Path(_root(), "packages")


def prepared_directory() -> Path:
    """Return the folder of what the guest interpreter made of source files."""
    from pathlib import Path

    return Path(_root(), "prepared")


def native_directory() -> str | None:
    """
    Return the folder of native code; None where none is to be kept.

    Raises:
        Error: `EXTISM_CACHE_CONFIG` names a file that does not say it.
    """
    moved = os.environ.get(NATIVE_CACHE_DIR)
    if moved is not None:
        return moved or None
    config = os.environ.get(CACHE_CONFIG)
    if config is None:
        return _joined(_root(), "native")
    return _configured(config) if config else None


@cache
def _configured(path: str) -> str | None:
    """Return what a file with the engine's settings of its cache says; it is read once in the life of the process."""
    import tomllib
    from pathlib import Path

    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("cache", {})
        is_kept, directory = settings.get("enabled", True), settings.get("directory")
    except (OSError, ValueError, AttributeError) as exc:
        raise Error(f"{CACHE_CONFIG}={path}: {exc}; name a file with a table [cache]") from exc
    if not isinstance(is_kept, bool) or not isinstance(directory, str | None):
        raise Error(f"{CACHE_CONFIG}={path}: `enabled` is true or false, `directory` a text")
    if not is_kept:
        return None
    # A folder of our own: in theirs the engine keeps files of another format, and deletes what is old.
    return _joined(directory, "extism") if directory else _joined(_root(), "native")


def _root() -> str:
    given = os.environ.get(CACHE_DIR) or _usual()
    if given:
        return given
    import platformdirs

    return platformdirs.user_cache_dir("extism", appauthor=False)


def _usual() -> str:
    """Return what `platformdirs` would where it is plain to see, which saves importing it; else an empty text."""
    if sys.platform != "linux":
        return ""
    folder, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if os.path.isabs(folder):
        return _joined(folder, "extism")
    return _joined(home, ".cache", "extism") if os.path.isabs(home) else ""


_joined: Final = cache(os.path.join)
"""Asked for at each load of a plugin, which is nearly always the same."""
