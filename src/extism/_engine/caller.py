"""
`Caller`: the instance that is calling a function of the host, as far as the function may know it.

The engine says who calls, so nothing of it rests on what a guest claims: which store it lives in, and which
memory it exports as `memory`. Several modules in one store each have their own. Every range is checked
against the memory's size at that moment.
"""

from __future__ import annotations

import struct
from ctypes import byref, c_char, c_void_p, memmove, string_at

from extism._engine.bindings import EXTERN_MEMORY, Extern, FuncCallback, lib
from extism._engine.faults import CallerTrap, Interrupted
from extism._engine.shelter import sheltered
from extism._engine.store import store_at
from extism._engine.trampoline import SLOT, keep_raised, layout
from extism._engine.wasi_behind import Behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from extism._engine.store import Store
    from extism._engine.wasi import World

__all__ = ["Caller", "callback"]

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


def callback(params: Sequence[str], body: Callable[..., int]) -> Any:
    """
    Return what C calls instead of a Python function that is told its caller and gives one i32.

    Args:
        params: WebAssembly types of the parameters; integers arrive without a sign.
        body: Called with a `Caller` and one number for each parameter.
    """
    unpack = layout(tuple(params)).unpack_from
    slots: Any = c_char * (SLOT * max(len(params), 1))
    masks = [{"i32": 0xFFFFFFFF, "i64": 0xFFFFFFFFFFFFFFFF}[name] for name in params]

    def enter(_env: int, pointer: int, address: int, _count: int) -> int | None:
        try:
            try:
                buffer = slots.from_address(address)
                values = [v & m for v, m in zip(unpack(buffer), masks, strict=True)]
                _RESULT.pack_into(buffer, 0, body(Caller(pointer), *values))
            except CallerTrap as exc:
                return _trap(str(exc))
            except Interrupted as exc:
                return _trap(str(exc))
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot (`trampoline.py`)
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the lines above
            return keep_raised(exc)
        return None

    return FuncCallback(sheltered(enter))


def _trap(text: str) -> int:
    data = text.encode()
    trap: int = lib.wasmtime_trap_new(data, len(data))
    return trap
