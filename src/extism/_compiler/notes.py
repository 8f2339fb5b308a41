"""
What builds find out about files, noted for the next build: by content, so that nothing can be out of date.

What stands in the notes is said where they are made: the code and the text of a file in `prepare.py`, its imports in
`remembered.py`. Any of them may be gone tomorrow: those used least recently are deleted when there are too many.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from extism import caches
from extism._vault import Vault, files, least_used, log, remove

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_BYTES", "Notes", "notes_of_builds"]

MAX_BYTES: Final = 64 << 20
"""What all notes together may take, but for those that the newest build adds."""

_USED_FOR: Final = 86400.0
"""Seconds after which the use of a note is noted again."""


class Notes:
    """
    Notes by name.

    Args:
        directory: Where they are, made if need be; None for notes of nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._vault = Vault(directory, "what builds have prepared")
        self._is_pruned = False

    def find(self, name: str) -> bytes | None:
        """Return a note, None where there is none."""
        try:
            note = self._vault.read(name)
        except OSError as error:
            log().debug("the note %s cannot be read: %s", name, error)
            return None
        if note is not None:
            self._use(name)
        return note

    def keep(self, name: str, note: bytes) -> None:
        """Keep a note; where that cannot be, the next build does without."""
        if not self._vault.is_writable:
            return
        try:
            self._prune()
            self._vault.write(name, note)
        except OSError as error:
            self._vault.give_up(error)

    def _use(self, name: str) -> None:
        path = self._vault.path(name)
        with contextlib.suppress(OSError):  # a cache of others, that may only be read
            if time.time() - os.stat(path).st_mtime > _USED_FOR:  # noqa: PTH116  a vault's path is a text
                os.utime(path)

    def _prune(self) -> None:
        """Delete what is too much, once for all notes that are added now."""
        if not self._is_pruned:
            self._is_pruned = True
            for entry in least_used(files(self._vault.path("")), MAX_BYTES):
                remove(entry.path)


def notes_of_builds() -> Notes:
    """Return the notes in the user's cache."""
    return Notes(caches.prepared_directory())
