"""`Disk`: the room that the files of one plug-in may take beyond what they took before."""

from __future__ import annotations

__all__ = ["Disk"]


class Disk:
    """
    A budget of bytes by which files may grow; what is removed is given back, as far as it was taken.

    Attributes:
        left: What may still be taken.
    """

    __slots__ = ("_limit", "left")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.left = limit

    def __repr__(self) -> str:
        return f"<Disk {self.left} of {self._limit} bytes left>"

    def count(self, grown: int) -> None:
        """Take what files have grown by; less than 0 gives back."""
        self.left = min(self._limit, self.left - grown)
