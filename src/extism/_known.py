"""
Module files that were read before: what they are, without reading them again.

A note in the vault tells, for the identity of a file (device, inode, size and times), the digest of its bytes. Whoever
changes or replaces the file changes its identity, and nobody but this user can write notes. A plugin of 13 MB is thus loaded
without looking at one of its bytes: its outline (`modules.py`) and its native code are found by the digest.

What can go wrong: a file that is changed twice within a tick of the file system's clock keeps its times. So files that
were changed in the last two seconds are never noted.
"""

from __future__ import annotations

import os
import time

from extism._dataclass import dataclass
from extism._digest import sha256
from extism._vault import detail, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._vault import Vault

__all__ = ["SUFFIX", "FileNote", "KnownFiles"]

SUFFIX: Final = ".file"
"""What the names of the notes end with."""

_SETTLED_AFTER: Final = 2.0
"""Seconds after the last change of a file: more than any file system rounds its times to."""

_LEAST_BYTES: Final = 1 << 16
"""Smaller files are read as quickly as their notes would be."""

_DIGEST_BYTES: Final = 32


@dataclass(frozen=True)
class FileNote:
    """What is known of a file: SHA-256 of its bytes, and how many they are."""

    digest: bytes
    size: int


class KnownFiles:
    """The files of one load of a plugin."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._read: dict[str, os.stat_result] = {}

    def find(self, path: str) -> FileNote | None:
        """Return what is known of the file at `path` as it is now."""
        try:
            status = os.stat(path)
            if status.st_size < _LEAST_BYTES:
                return None
            content = self._vault.read(_name(status))
        except (OSError, ValueError):
            return None  # whoever reads the file tells what is wrong with it
        if content is None or len(content) != _DIGEST_BYTES:
            return None
        return FileNote(content, status.st_size)

    def was_read(self, path: str, before: os.stat_result, after: os.stat_result) -> None:
        """Hear of a file that was read, and of its status before and after that."""
        if identity(before) == identity(after):
            self._read[path] = after

    def can_note(self, path: str) -> bool:
        """Tell whether the file at `path` was read, and is worth noting and settled."""
        status = self._read.get(path)
        if status is None or status.st_size < _LEAST_BYTES or not self._vault.is_writable:
            return False
        return time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED_AFTER

    def note(self, path: str, digest: bytes) -> None:
        """Note what a file that was read was found to be, for the next time."""
        try:
            self._vault.write(_name(self._read[path]), digest)
        except OSError as exc:
            detail("%s will be read again next time: %s", path, exc)


def _name(status: os.stat_result) -> str:
    return sha256(identity(status)).hex() + SUFFIX
