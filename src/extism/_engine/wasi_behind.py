"""
`Behind`: the engine's own functions of WASI, for the house to call.

Those of `wasi_shadows.py` stand before some of them. What stands before cannot just call what it hides: the
engine looks for the paths and numbers of a call in the memory of the instance that calls, and the host is
none. So each store that needs one gets an instance of a small module, whose only page holds what such a call
is about; the guest's own memory is not involved.

::

    0       what a function gives: numbers, and the 64 bytes of a file's status
    4096    a path, 4096 bytes at most
    8192    a second one
    16384   data, to the end of the page
"""

from __future__ import annotations

import struct

from extism._cached import cache
from extism._dataclass import dataclass
from extism._engine.bindings import Extern, Func, Instance, lib
from extism._engine.bindings import Handle as CHandle
from extism._engine.engine import wat_to_wasm
from extism._engine.faults import CallerTrap, FaultKind, Interrupted, error_text
from extism._engine.foreign import addressof, byref, c_char, c_void_p, memmove, string_at
from extism._engine.trampoline import SLOT, layout
from extism._engine.wasi_bare import NAMESPACE, TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._engine.engine import Engine, Module
    from extism._engine.store import Store

__all__ = [
    "DATA",
    "DATA_BYTES",
    "PATH",
    "PATH_BYTES",
    "SECOND_PATH",
    "Behind",
]

PATH: Final = 4096
SECOND_PATH: Final = 8192
PATH_BYTES: Final = 4096
DATA: Final = 16384
DATA_BYTES: Final = 65536 - DATA

_RESULTS: Final = ("i32",)
_BITS: Final = {"i32": 32, "i64": 64}


class Behind:
    """The instance in one store; the store is handed to each call, so that nothing here holds it."""

    def __init__(self, store: Store) -> None:
        parts = _parts(store.engine)
        instance = Instance()
        fault = store.enter(
            None,
            lib.wasmtime_linker_instantiate,
            parts.linker.pointer,
            store.context,
            parts.module.pointer,
            addressof(instance),
        )
        if fault is not None:
            raise CallerTrap(f"no instance for the house's own calls: {fault.text}")
        self._functions = {
            name: Func.from_buffer_copy(_extern(store, instance, name).of.func) for name in TYPES
        }
        memory = _extern(store, instance, "memory").of.memory
        self._address: int = lib.wasmtime_memory_data(store.context, byref(memory))

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the page."""
        return string_at(c_void_p(self._address + offset), length)

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes into the page."""
        memmove(self._address + offset, data, len(data))

    def number(self) -> int:
        """Return the 32 bits at the beginning of the page: what many functions give."""
        return int.from_bytes(self.read(0, 4), "little")

    def call(self, store: Store, name: str, *values: int) -> int:
        """
        Call a function of the engine's, and return its error number.

        Raises:
            CallerTrap: The engine ended it.
        """
        params = TYPES[name]
        buffer = (c_char * (SLOT * len(params)))()
        pairs = zip(values, params, strict=True)
        layout(params).pack_into(buffer, 0, *(_signed(value, _BITS[kind]) for value, kind in pairs))
        was_shielded, store.is_shielded = store.is_shielded, True
        try:
            fault = store.enter(
                None,
                lib.wasmtime_func_call_unchecked,
                store.context,
                byref(self._functions[name]),
                byref(buffer),
                len(params),
            )
        finally:
            store.is_shielded = was_shielded
            if store.has_missed and not was_shielded:
                store.look_again()
        if fault is None:
            errno: int = struct.unpack_from("<I", buffer)[0]
            return errno
        if fault.kind is FaultKind.INTERRUPT:
            store.stop_reason = fault.trap
            raise Interrupted(fault.trap)
        raise CallerTrap(fault.text)


@dataclass(frozen=True)
class _Parts:
    linker: CHandle
    module: Module


@cache
def _parts(engine: Engine) -> _Parts:
    """Return what all instances on an engine are made of."""
    linker = CHandle(lib.wasmtime_linker_new(engine.pointer), lib.wasmtime_linker_delete)
    error = lib.wasmtime_linker_define_wasi(linker.pointer)
    if error:
        raise RuntimeError(error_text(error))
    return _Parts(linker, engine.compile(wat_to_wasm(_text()), "wasi"))


def _text() -> str:
    """Return the module: each function under its own name, called for whoever calls it here."""
    lines = ["(module"]
    for name, params in TYPES.items():
        kind = f"(param {' '.join(params)}) (result i32)"
        lines.append(f'(import "{NAMESPACE}" "{name}" (func ${name} {kind}))')
    lines.append('(memory (export "memory") 1 1)')
    for name, params in TYPES.items():
        values = " ".join(f"(local.get {index})" for index in range(len(params)))
        kind = f"(param {' '.join(params)}) (result i32)"
        lines.append(f'(func (export "{name}") {kind} (call ${name} {values}))')
    return "\n".join([*lines, ")"])


def _extern(store: Store, instance: Instance, name: str) -> Extern:
    label = name.encode()
    extern = Extern()
    found = lib.wasmtime_instance_export_get(
        store.context, byref(instance), label, len(label), byref(extern)
    )
    assert found, name
    return extern


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
