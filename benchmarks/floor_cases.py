"""The cases of `bench_floor.py`, for `worker.py`: ours, and loops in C (`floor.c`) that do the least there is to do."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING

from call_cases import call, pattern
from sizes import COPY_SIZES, label

from extism._engine.bindings import lib
from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store

if TYPE_CHECKING:
    from pathlib import Path

NOOP = '(module (func (export "noop") (result i32) (i32.const 0)))'


class EngineCall:
    """The engine's call of an empty function, in a loop in C."""

    def __init__(self, library: ctypes.CDLL) -> None:
        engine = shared_engine()
        self.store = Store(engine)
        module = engine.compile(wat_to_wasm(NOOP))
        self.instance = Linker(engine).instantiate(self.store, module)
        self.function = self.instance.extern("noop").of.func
        self.loop = library.call_seconds
        self.loop.restype = ctypes.c_double
        self.loop.argtypes = (ctypes.c_void_p,) * 3 + (ctypes.c_size_t,)

    def output(self) -> bytes:
        self.seconds(1)
        return b""

    def seconds(self, count: int) -> float:
        entry = ctypes.cast(lib.wasmtime_func_call_unchecked, ctypes.c_void_p)
        taken = self.loop(entry, self.store.context, ctypes.addressof(self.function), count)
        assert taken >= 0
        return taken


class Copy:
    """A copy of so many bytes to memory that was written to before, in a loop in C."""

    def __init__(self, library: ctypes.CDLL, size: int) -> None:
        self.source = ctypes.create_string_buffer(pattern(size), size)
        self.target = ctypes.create_string_buffer(size)
        self.loop = library.copy_seconds
        self.loop.restype = ctypes.c_double
        self.loop.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)

    def output(self) -> bytes:
        self.seconds(1)
        return self.target.raw

    def seconds(self, count: int) -> float:
        return self.loop(self.target, self.source, len(self.source), count)


def cases(folder: Path):
    library = ctypes.CDLL(str(folder / "floor.so"))
    small = folder / "small.wasm"
    found = {
        "engine's call from C": partial(EngineCall, library),
        "noop": partial(call, small, "noop", b""),
    }
    for size in COPY_SIZES:
        found[f"memcpy {label(size)}"] = partial(Copy, library, size)
        found[f"echo {label(size)}"] = partial(call, small, "echo", pattern(size))
    return found
