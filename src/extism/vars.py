"""`Vars`: the variables of a living plugin, as the host sees them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._capabilities.variables import Variables

__all__ = ["Vars"]


class Vars(MutableMapping[str, bytes]):
    """
    The variables of one plugin: like a dict from str to bytes, within the plugin's own budget.

    Setting one that does not fit raises `CapabilityDenied`, as it does for the guest. A guest that runs in another
    thread meanwhile sees each change whole.
    """

    __slots__ = ("_variables",)

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def __getitem__(self, key: str) -> bytes:
        value = self._variables.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: bytes | str) -> None:
        data = value.encode() if isinstance(value, str) else bytes(value)
        self._variables.set(key, data)

    def __delitem__(self, key: str) -> None:
        if self._variables.get(key) is None:
            raise KeyError(key)
        self._variables.remove(key)

    def clear(self) -> None:
        """Forget them all; one by one, as the base class does it, would copy what is left each time."""
        for key in self._variables.snapshot():
            self._variables.remove(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables.snapshot())

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<Vars {dict(self)!r}>"
