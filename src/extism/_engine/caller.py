"""
`Caller`: the instance that is calling a function of the host, as far as the function may know it.

The engine says who calls, so nothing of it rests on what a guest claims: which store it lives in, and which
memory it exports as `memory`. Several modules in one store each have their own. Every range is checked
against the memory's size at that moment.
"""

from __future__ import annotations

import struct

from extism._engine.bindings import EXTERN_MEMORY, Extern, lib
from extism._engine.faults import CallerTrap, Interrupted
from extism._engine.fibers import Awaited
from extism._engine.foreign import byref, c_char, c_void_p, memmove, string_at
from extism._engine.shelter import sheltered
from extism._engine.store import store_at
from extism._engine.trampoline import SLOT, keep_raised, layout, running, trap
from extism._engine.waiting import ask_for_patience, fiber_of
from extism._engine.wasi_behind import Behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from extism._engine.store import Store
    from extism._engine.trampoline import Entry
    from extism._engine.wasi_bare import World

__all__ = ["Caller", "entry"]

_NAME: Final = b"memory"
_RESULT: Final = struct.Struct("<I12x")


class Caller:
    """
    The instance that calls.

    Args:
        pointer: What the engine hands a function of the host; valid while that runs.
    """

    __slots__ = ("_address", "_size", "store", "world")

    def __init__(self, pointer: int) -> None:
        context: int = lib.wasmtime_caller_context(pointer)
        self.store: Store = store_at(context)
        world = self.store.world
        assert world is not None
        self.world: World = world
        extern = Extern()
        found = lib.wasmtime_caller_export_get(pointer, _NAME, len(_NAME), byref(extern))
        if not found or extern.kind != EXTERN_MEMORY:
            raise CallerTrap("missing required memory export")
        memory = byref(extern.of.memory)
        self._size: int = lib.wasmtime_memory_data_size(context, memory)
        self._address: int = lib.wasmtime_memory_data(context, memory) or 0

    def behind(self) -> Behind:
        """Return the way to the engine's own functions."""
        found: Behind | None = self.world.behind
        if found is None:
            self.world.behind = found = Behind(self.store)
        return found

    def check(self, offset: int, length: int) -> None:
        """
        Look whether a range is inside the memory.

        Raises:
            CallerTrap: It is not.
        """
        if not 0 <= offset <= self._size - length:
            region = f"Region {{ start: {offset}, len: {length} }}"
            raise CallerTrap(f"Pointer out of bounds: {region}")

    def read(self, offset: int, length: int) -> bytes:
        """Return a copy of bytes of the memory; raises as `check` does."""
        self.check(offset, length)
        return string_at(c_void_p(self._address + offset), length)

    def write(self, offset: int, data: bytes) -> None:
        """Copy bytes into the memory; raises as `check` does."""
        self.check(offset, len(data))
        memmove(self._address + offset, data, len(data))


def entry(params: Sequence[str], body: Callable[..., int | Awaited]) -> Entry:
    """
    Return what C calls instead of a Python function that is told its caller and gives one i32.

    Args:
        params: WebAssembly types of the parameters; integers arrive without a sign.
        body: Called with a `Caller` and one number for each parameter; may give an `Awaited` where code runs on a
            fiber, whose `finish` is called with a `Caller`.
    """
    unpack = layout(tuple(params)).unpack_from
    slots: Any = c_char * (SLOT * max(len(params), 1))
    masks = [{"i32": 0xFFFFFFFF, "i64": 0xFFFFFFFFFFFFFFFF}[name] for name in params]

    def ask(pointer: int, values: Sequence[int]) -> int | None:
        """Return the result, or None where it has to be waited for (`waiting.py`)."""
        fiber = fiber_of(pointer) if running.fiber is not None else None
        awaited = fiber.take() if fiber is not None else None
        if awaited is not None:
            error: int = awaited.finish(Caller(pointer))
            return error
        found = body(Caller(pointer), *values)
        if fiber is not None and isinstance(found, Awaited):
            ask_for_patience(fiber, pointer, found)
            return None
        assert isinstance(found, int)
        return found

    def enter(_env: int, pointer: int, address: int, _count: int) -> int | None:
        try:
            try:
                buffer = slots.from_address(address)
                values = [v & m for v, m in zip(unpack(buffer), masks, strict=True)]
                result = ask(pointer, values)
                if result is not None:
                    _RESULT.pack_into(buffer, 0, result)
            except CallerTrap as exc:
                return trap(str(exc))
            except Interrupted as exc:
                return trap(str(exc))
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot (`trampoline.py`)
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the lines above
            return keep_raised(exc)
        return None

    return sheltered(enter)
