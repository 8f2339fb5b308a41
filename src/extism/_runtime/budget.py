"""
The budget: by how much all memories and tables of a plugin may grow together.

It lies in a global of the kernel, one for each instance of a plugin. All growth comes out of it, to the byte: pages of
every memory, elements of every table, blocks of the kernel. The code that does so stands in `kernel.wat`
for the kernel, and is made by `_wasm/meter.py` for modules; `fuse.py` and `metering` have it made. Here
is what is granted, and whether what the modules begin with fits.

What a plugin sees when it wants more depends on who set the limit. A manifest's `max_pages` is strict, as
upstream: the call ends with `oom`. Without it the limit is the house's own, and the plugin is told that there is
no more (-1, or a null block), as it is upstream when it has all that a memory can have.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache, cached_property
from extism._dataclass import dataclass
from extism._engine.cache import Rewrite
from extism._engine.trampoline import FLAG
from extism._runtime.kernel import BUDGET
from extism._runtime.kernel_layout import INITIAL_BYTES
from extism._wasm.marks import ELEMENT_BYTES, MARKS, STRICT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._engine.store import Store
    from extism._wasm.outline import Outline

__all__ = ["FREE_ELEMENTS", "Budget", "metering"]

FREE_ELEMENTS: Final = 100_000
"""How many elements all tables together may begin with before they count: what large programs need."""

_VERSION: Final = "2"
"""Changes whenever equal modules are metered differently."""

_UNLIMITED: Final = 1 << 62
"""More bytes than there are addresses."""


@cache
def metering(*, takes_start: bool = False, waits: tuple[tuple[str, str], ...] = ()) -> Rewrite:
    """
    Return what makes a module that stays apart from its kernel grow within the kernel's budget.

    With `takes_start`, for libraries that are commands, every instance pays for what it begins with too. Imports
    in `waits` may have to wait (`_wasm/pausing.py`).
    """
    label = f"metered {_VERSION}{' from the start' if takes_start else ''}"
    label += f" waits {waits}" if waits else ""

    def metered(wasm: bytes) -> bytes:
        from extism._wasm.meter import meter

        return meter(wasm, abi.ENV, BUDGET, takes_start=takes_start, waits=waits, flag=FLAG)

    return Rewrite(label, metered)


@dataclass(frozen=True)
class Budget:
    """
    What each instance of a plugin is granted.

    Attributes:
        max_bytes: How much all memories and tables together may grow; None for no limit.
        is_strict: Whether wanting more ends the call; else the plugin is told that there is no more.
        modules: Those of the plugin.
    """

    max_bytes: int | None
    is_strict: bool
    modules: tuple[Outline, ...]

    @cached_property
    def value(self) -> int:
        """What is put into the kernel's global; bytes that are less than the smallest growth are dropped."""
        granted = _UNLIMITED if self.max_bytes is None else min(self.max_bytes, _UNLIMITED)
        return granted & ~MARKS | STRICT * self.is_strict

    @cached_property
    def holds_the_start(self) -> bool:
        """Whether what the modules begin with is within the limit, which applies to it a second time."""
        if self.max_bytes is None:
            return True
        elements = max(0, sum(self._elements) - FREE_ELEMENTS)
        return sum(self._memories) + elements * ELEMENT_BYTES <= self.max_bytes

    def limit(self, store: Store) -> None:
        """
        Set the engine's own limits, which hold for each memory and table by itself.

        Nothing that the budget grants meets them: they are the second wall behind it, and the only one for
        the heap in which the engine keeps exceptions.
        """
        if self.max_bytes is None:
            store.limit_memory(None)
        else:
            store.limit_memory(*self._walls)

    @cached_property
    def _walls(self) -> tuple[int, int]:
        granted = self.value
        bytes_ = max((INITIAL_BYTES, *self._memories)) + granted
        return bytes_, max((0, *self._elements)) + granted // ELEMENT_BYTES

    @cached_property
    def _memories(self) -> tuple[int, ...]:
        return tuple(
            memory.limits.min * memory.page_size
            for module in self.modules
            for memory in module.memories[module.imported_count("memory") :]
        )

    @cached_property
    def _elements(self) -> tuple[int, ...]:
        return tuple(
            table.limits.min
            for module in self.modules
            for table in module.tables[module.imported_count("table") :]
        )
