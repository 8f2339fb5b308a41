"""The directories of the host that a guest may see: `allowed_paths` made into mounts."""

from __future__ import annotations

import errno
import os
import stat

from extism._dataclass import dataclass
from extism.errors import ManifestError
from extism.escapes import shown_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

__all__ = ["READ_ONLY", "Mount", "mounts"]

READ_ONLY: Final = "ro:"
"""Before the host's path: the guest may not change anything below it."""

_TEXTS: Final = {
    errno.ENOENT: "No such file or directory (os error 2)",
    errno.ENOTDIR: "Not a directory (os error 20)",
    errno.EACCES: "Permission denied (os error 13)",
}


@dataclass(frozen=True)
class Mount:
    """A directory: `host` is its path here, `guest` its name inside, as the manifest spells both."""

    host: str
    guest: str
    read_only: bool = False


def mounts(allowed_paths: Mapping[str, str]) -> tuple[Mount, ...]:
    """
    Return the mounts that a manifest asks for, sorted by its keys: their order is visible to guests.

    Raises:
        ManifestError: A directory does not exist, is a file, or may not be looked at.
    """
    return tuple(_mount(key, guest) for key, guest in sorted(allowed_paths.items()))


def _mount(key: str, guest: str) -> Mount:
    host = key.removeprefix(READ_ONLY)
    problem = _problem(host)
    if problem:
        hint = f"allowed_paths wants to show '{shown_path(host)}' to the plug-in as '{shown_path(guest)}'"
        is_absolute = os.path.isabs(host)
        here = "" if is_absolute else f"; relative paths start at {os.getcwd()!r}"
        raise ManifestError(f"{problem}: {hint}{here}", where=f"allowed_paths[{key!r}]")
    return Mount(host, guest, read_only=key.startswith(READ_ONLY))


def _problem(host: str) -> str:
    """Return what keeps `host` from being a directory, `""` where nothing does."""
    if not host:
        return _TEXTS[errno.ENOENT]
    try:
        mode = os.stat(host).st_mode
    except OSError as error:
        return _TEXTS.get(error.errno or 0, str(error.strerror))
    except ValueError as error:
        return str(error)
    return "" if stat.S_ISDIR(mode) else _TEXTS[errno.ENOTDIR]
