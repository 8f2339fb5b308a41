"""
Places that are kept ready for instances: a pool of address space, laid out once for each engine.

To map memories for an instance and to unmap them again takes longer than everything else in its life. An engine
with slots has mapped them beforehand and only wipes what was written. A slot holds instances of modules that
`fit` together, two at most, and the small one of `wasi_behind.py`; whoever takes more slots than there are gets
none, and makes do with an engine that maps.

The pool is address space, not memory: six terabytes of it, which shows in a process's virtual size and nowhere else.
Where that is not to be had (limits on address space or data, small machines), or where `EXTISM_SLOTS=0` says so,
there are no slots.
"""

from __future__ import annotations

import os
import sys

from extism._engine.bindings import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from extism._wasm.outline import Outline

__all__ = ["ENVIRONMENT", "Slots", "available", "configure", "fit"]

ENVIRONMENT: Final = "EXTISM_SLOTS"
"""The environment variable that says how many slots an engine has, 0 for none."""

COUNT: Final = 256

_MODULES: Final = 2
_MEMORIES: Final = 4
_TABLES: Final = 2
_TABLE_ELEMENTS: Final = 1 << 25
"""As far as tables in slots can grow; address space too, and little beside that of memories: 256 MB."""
_KEPT_BYTES: Final = 16 << 10
"""Of each memory: wiped and kept, instead of given back and faulted in again."""

_BYTES_OF_A_MEMORY: Final = (4 << 30) + (64 << 20)
"""Address space: what 32 bits reach, and the guard pages on both sides."""

_BYTES_OF_A_STACK: Final = (2 << 20) + 4096
"""Address space: what the engine gives a fiber, and its guard page."""

_BYTES_OF_TABLES: Final = _TABLES * _TABLE_ELEMENTS * 8
"""Of one slot. These the engine maps to be written to, so they count wherever memory is counted that is not used yet."""

_BYTES_OF_A_SLOT: Final = (
    (_MEMORIES + 2) * _BYTES_OF_A_MEMORY + _BYTES_OF_TABLES + _BYTES_OF_A_STACK
)
"""Address space: the further memories are the heap of exceptions and the page of `wasi_behind.py`."""

_NO_RESERVE: Final = 0x4000
"""`MAP_NORESERVE` of Linux, which the engine maps with; Python has a name for it since 3.13."""

_SETTINGS: Final = {
    "total_core_instances": _MODULES + 1,
    "total_memories": _MEMORIES + 1,
    "total_tables": _TABLES,
    "total_gc_heaps": 1,  # where exceptions live
}
"""What the pool has of each, for one slot."""


class Slots:
    """
    How many of an engine's slots are free; safe to use from any thread.

    Attributes:
        deleter: Deletes a store of C's that has a slot, and gives the slot back.
    """

    def __init__(self, count: int) -> None:
        self._free = free = [None] * count

        def delete(store: int) -> None:
            lib.wasmtime_store_delete(store)
            free.append(None)

        self.deleter = delete  # and no method, of which each store would make an object

    def take(self) -> bool:
        """Take a slot, if there is one."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True


def available() -> int:
    """Return how many slots an engine of this process can have."""
    said = os.environ.get(ENVIRONMENT, "")
    count = int(said) if said.isdigit() else COUNT
    return count if count and _is_to_be_had(count) else 0


def _is_to_be_had(count: int) -> bool:
    """Tell whether the process can have so many slots: the engine would abort the process."""
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 40:
        return False
    import mmap

    try:
        import resource
    except ImportError:
        return False
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    if any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits):
        return False
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    changeable = mmap.PROT_READ | mmap.PROT_WRITE
    try:
        mmap.mmap(-1, count * _BYTES_OF_A_SLOT, flags=flags, prot=0).close()
        # Refused where the system promises no more memory than there is (`vm.overcommit_memory` 2).
        mmap.mmap(-1, count * _BYTES_OF_TABLES, flags=flags, prot=changeable).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True


def fit(outlines: Sequence[Outline], further_memories: int) -> bool:
    """Tell whether instances of these modules, with so many memories more, can live in one slot together."""
    memories = sum(len(each.memories) - each.imported_count("memory") for each in outlines)
    tables = sum(len(each.tables) - each.imported_count("table") for each in outlines)
    return (
        memories + further_memories <= _MEMORIES
        and tables <= _TABLES
        and len(outlines) <= _MODULES
        and all(t.limits.min <= _TABLE_ELEMENTS for each in outlines for t in each.tables)
    )


def configure(config: int, count: int) -> None:
    """Have an engine that is made with `config` keep `count` slots."""
    pool: int = lib.wasmtime_pooling_allocation_config_new()
    values = {name: count * each for name, each in _SETTINGS.items()}
    values |= {
        "max_memories_per_module": _MEMORIES,
        "max_tables_per_module": _TABLES,
        "table_elements": _TABLE_ELEMENTS,
        "linear_memory_keep_resident": _KEPT_BYTES,
        "table_keep_resident": _KEPT_BYTES,
        "total_component_instances": 0,
        "total_stacks": count,
    }
    for name, value in values.items():
        getattr(lib, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    lib.wasmtime_pooling_allocation_strategy_set(config, pool)
    lib.wasmtime_pooling_allocation_config_delete(pool)
