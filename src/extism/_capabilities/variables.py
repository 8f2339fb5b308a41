"""
The variables of one plug-in: key to bytes, for as long as the plug-in lives.

The one thing to know is the budget: 48 + key + value bytes for each variable, and only the state that would
be there afterwards counts. (Upstream adds the old value to the new one when a key is overwritten.)

Theory of operation:
    A guest that asks often gets them on a `Shelf`, where it reads and writes without asking. From then on they
    are there, and what is here is what the host has changed since: as long as there is any of that, the shelf is
    closed, so that the guest asks again; and when it has asked often enough, the changes are put there too. Only
    the guest's own thread ever puts something on the shelf, so any other may read and change variables at any
    time: it writes here and closes the shelf. Before an instance goes, all come home.

What can go wrong:
    Another thread changes a variable while the guest sets one. Each change is whole, the host's counts as the
    later one, and the two together may pass the budget by what the guest set.
"""

from __future__ import annotations

from _thread import RLock

from extism.abi import DEFAULT_MAX_VAR_BYTES, VAR_OVERHEAD_BYTES
from extism.errors import CapabilityDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

__all__ = ["Shelf", "Variables"]


if TYPE_CHECKING:

    class Shelf(Protocol):
        """Where a guest finds entries of a kind by itself (`_runtime.shelf`)."""

        @property
        def used(self) -> int:
            """The part of the budget that is in use there, in bytes."""

        def get(self, key: bytes) -> bytes | None:
            """Return the value of a key, None where there is none."""

        def items(self) -> Mapping[bytes, bytes]:
            """Return a copy of everything, oldest key first."""

        def is_wanted(self) -> bool:
            """Note that the guest has asked; tell whether it does so often enough to be worth the trouble."""

        def put(self, entries: Iterable[tuple[bytes, bytes | None]]) -> bool:
            """Put values there, or take those away that are None; False when room ran out on the way."""

        def open(self, max_bytes: int = 0) -> None:
            """Let the guest use what is there, and set more within `max_bytes`."""

        def close(self) -> None:
            """Let the guest ask."""


class Variables:
    """Bytes by key, within a budget; a refused change changes nothing."""

    __slots__ = ("_lock", "_max_bytes", "_shelf", "_used", "_values")

    def __init__(self, max_bytes: int = DEFAULT_MAX_VAR_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = RLock()
        self._shelf: Shelf | None = None
        # With a shelf: what differs from it, None for what is gone; and the bytes by which `used` differs.
        self._values: dict[str, bytes | None] = {}
        self._used = 0

    def __len__(self) -> int:
        return len(self.snapshot())

    def __repr__(self) -> str:
        return f"<Variables {len(self)}, {self.used} of {self._max_bytes} bytes>"

    @property
    def used(self) -> int:
        """The part of the budget that is in use, in bytes."""
        with self._lock:
            return self._used + (self._shelf.used if self._shelf else 0)

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`, `None` where there are none."""
        with self._lock:
            if self._shelf is None or key in self._values:
                return self._values.get(key)
            return self._shelf.get(_encoded(key))

    def snapshot(self) -> Mapping[str, bytes]:
        """Return a copy of everything, oldest key first."""
        with self._lock:
            found: dict[str, bytes | None] = {}
            if self._shelf is not None:
                items = self._shelf.items().items()
                found = {key.decode("utf-8", "surrogatepass"): value for key, value in items}
            found |= self._values
            return {key: value for key, value in found.items() if value is not None}

    def set(self, key: str, value: bytes) -> None:
        """
        Keep `value` under `key`.

        Raises:
            CapabilityDenied: The budget is 0, or too small for it.
        """
        with self._lock:
            self._take_over(key)
            added = _cost(key, value) - _cost(key, self.get(key))
            needed = self.used + added
            if needed > self._max_bytes:
                raise CapabilityDenied(
                    f"Variable store is full: {needed} bytes needed, memory.max_var_bytes is "
                    f"{self._max_bytes} (a variable counts {VAR_OVERHEAD_BYTES} + key + value)",
                    capability="vars",
                    wanted=key,
                )
            self._values[key] = value
            self._used += added

    def remove(self, key: str) -> None:
        """
        Forget `key`, if it is there.

        Raises:
            CapabilityDenied: The budget is 0.
        """
        with self._lock:
            self._take_over(key)
            self._used -= _cost(key, self.get(key))
            if self._shelf is None:
                self._values.pop(key, None)
            else:
                self._values[key] = None

    def offer(self, shelf: Shelf) -> None:
        """
        Put everything on the shelf of the guest that has just asked, if it does so often.

        Only for the thread that runs the guest.
        """
        if not self._max_bytes or not shelf.is_wanted():
            return
        with self._lock:
            used, self._shelf = self.used, shelf
            if shelf.put((_encoded(key), value) for key, value in self._values.items()):
                self._values.clear()
                shelf.open(self._max_bytes)
            self._used = used - shelf.used

    def come_home(self) -> None:
        """Take everything back from the shelf, whose instance is about to go; no guest may run meanwhile."""
        with self._lock:
            if self._shelf is not None:
                self._shelf.close()
                self._used = self.used
                self._values = dict(self.snapshot())
                self._shelf = None

    def _take_over(self, key: str) -> None:
        """Have the guest ask from now on, because the host is about to change something."""
        if self._max_bytes == 0:
            text = "Vars are disabled by this host: memory.max_var_bytes is 0"
            raise CapabilityDenied(text, capability="vars", wanted=key)
        if self._shelf is not None:
            self._shelf.close()


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _cost(key: str, value: bytes | None) -> int:
    return 0 if value is None else VAR_OVERHEAD_BYTES + len(_encoded(key)) + len(value)
