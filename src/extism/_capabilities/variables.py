"""
The variables of one plug-in: key to bytes, kept on the host's side for as long as the plug-in lives.

The one thing to know is the budget: 48 + key + value bytes for each variable, and only the state that would
be there afterwards counts. (Upstream adds the old value to the new one when a key is overwritten.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from extism.abi import DEFAULT_MAX_VAR_BYTES, VAR_OVERHEAD_BYTES
from extism.errors import CapabilityDenied

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Variables"]


class Variables:
    """Bytes by key, within a budget; a refused change changes nothing."""

    __slots__ = ("_max_bytes", "_used", "_values")

    def __init__(self, max_bytes: int = DEFAULT_MAX_VAR_BYTES) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._values: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Variables {len(self)}, {self._used} of {self._max_bytes} bytes>"

    @property
    def used(self) -> int:
        """The part of the budget that is in use, in bytes."""
        return self._used

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`, `None` where there are none."""
        return self._values.get(key)

    def snapshot(self) -> Mapping[str, bytes]:
        """Return a copy of everything."""
        return dict(self._values)

    def set(self, key: str, value: bytes) -> None:
        """
        Keep `value` under `key`.

        Raises:
            CapabilityDenied: The budget is 0, or too small for it.
        """
        self._check_enabled(key)
        needed = self._used - self._cost_of(key) + _cost(key, value)
        if needed > self._max_bytes:
            raise CapabilityDenied(
                f"Variable store is full: {needed} bytes needed, memory.max_var_bytes is "
                f"{self._max_bytes} (a variable counts {VAR_OVERHEAD_BYTES} + key + value)",
                capability="vars",
                wanted=key,
            )
        self._values[key] = value
        self._used = needed

    def remove(self, key: str) -> None:
        """
        Forget `key`, if it is there.

        Raises:
            CapabilityDenied: The budget is 0.
        """
        self._check_enabled(key)
        self._used -= self._cost_of(key)
        self._values.pop(key, None)

    def _check_enabled(self, key: str) -> None:
        if self._max_bytes == 0:
            text = "Vars are disabled by this host: memory.max_var_bytes is 0"
            raise CapabilityDenied(text, capability="vars", wanted=key)

    def _cost_of(self, key: str) -> int:
        value = self._values.get(key)
        return 0 if value is None else _cost(key, value)


def _cost(key: str, value: bytes) -> int:
    return VAR_OVERHEAD_BYTES + len(key.encode("utf-8", "surrogatepass")) + len(value)
