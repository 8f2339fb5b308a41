"""
Where the wheel `wasmtime` is installed, which has the engine's shared library in it, and which version it is.

The package is never imported, nor what Python has to look for packages: either would cost more than everything else
at start-up.
"""

from __future__ import annotations

import os
import sys

from extism._cached import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["engine_version", "library_path"]

_LIBRARIES: Final = {
    "linux": "_libwasmtime.so",
    "android": "_libwasmtime.so",
    "darwin": "_libwasmtime.dylib",
    "win32": "_wasmtime.dll",
}


@cache
def _package_folders() -> list[str]:
    # As `importlib.util.find_spec` does it, which takes 4 ms to import.
    for finder in sys.meta_path:
        spec = finder.find_spec("wasmtime", None)
        if spec is not None:
            return list(spec.submodule_search_locations or ())
    return []


def library_path() -> str:
    """
    Return where the wheel `wasmtime` keeps the engine's shared library on this platform.

    The package itself is not imported: that alone would cost more than everything else at start-up.
    A wheel holds the library of one machine, in a folder such as `linux-x86_64`.

    Raises:
        ImportError: The platform has no wheel, or the wheel is not installed.
    """
    name = _LIBRARIES.get(sys.platform)
    if name is None:
        raise ImportError(
            f"no wasmtime wheel serves the platform {sys.platform}; served are {', '.join(_LIBRARIES)}"
        )
    for package in _package_folders():
        for folder in _entries(package, f"{sys.platform}-"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                return path
    raise ImportError(
        f"the engine's library {name} for {sys.platform} is not installed; "
        "install it with: pip install 'wasmtime>=50,<51'"
    )


def engine_version() -> str:
    """
    Return the version of the installed wheel; it is part of every key in the compile cache.

    Read off the name of the folder beside the package: `importlib.metadata` takes 30 ms to import.
    """
    for package in _package_folders():
        for folder in _entries(os.path.dirname(package), "wasmtime-"):
            if folder.endswith(".dist-info"):
                return os.path.basename(folder).removeprefix("wasmtime-").removesuffix(".dist-info")
    return "unknown"


def _entries(folder: str, prefix: str) -> list[str]:
    """Return the paths of what begins with `prefix` in a folder, sorted."""
    names = sorted(name for name in os.listdir(folder) if name.startswith(prefix))
    return [os.path.join(folder, name) for name in names]
