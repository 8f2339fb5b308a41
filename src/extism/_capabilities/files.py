"""`Disk`: the room that the files of one plug-in may take beyond what they took before."""

from __future__ import annotations

import sys

__all__ = ["Disk"]


class Disk:
    """
    Budgets: bytes by which files may grow, and how many files, directories and links there may be more.

    What is removed is given back, as far as it was taken. None for a limit is any number.

    Attributes:
        left: Bytes that may still be taken.
        files_left: Names that may still be given.
    """

    __slots__ = ("_most_bytes", "_most_files", "files_left", "left")

    def __init__(self, most_bytes: int | None, most_files: int | None = None) -> None:
        self.left = self._most_bytes = sys.maxsize if most_bytes is None else most_bytes
        self.files_left = self._most_files = sys.maxsize if most_files is None else most_files

    def __repr__(self) -> str:
        return (
            f"<Disk {self.left} of {self._most_bytes} bytes left, "
            f"{self.files_left} of {self._most_files} files>"
        )

    def count(self, grown: int) -> None:
        """Take what files have grown by; less than 0 gives back."""
        self.left = min(self._most_bytes, self.left - grown)

    def count_file(self, more: int) -> None:
        """Take names that were given; less than 0 gives back."""
        self.files_left = min(self._most_files, self.files_left - more)
