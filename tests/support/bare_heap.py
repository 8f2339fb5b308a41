"""The guest interpreter's malloc alone, in a small module of its own: for tests of `malloc.c` itself."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import ziglang

from extism._compiler.interpreter.steps import RECIPE
from extism._compiler.interpreter.toolchain import GUEST_FLAGS
from extism._engine.engine import Settings, shared_engine
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._engine.wasi import Wasi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._engine.engine import Module
    from extism._engine.faults import Fault

__all__ = ["EINVAL", "ENOMEM", "PAGE", "UNIT", "BareHeap", "Block"]

HEADERS: Final = Path(ziglang.__file__).parent / "lib" / "libc" / "include"

PAGE: Final = 65536
UNIT: Final = 16
"""Blocks are aligned to it, and their sizes are multiples of it."""

EINVAL: Final = 28
ENOMEM: Final = 48
"""As WASI preview 1 numbers them."""

IN_USE: Final = 1
PREVIOUS_FREE: Final = 2
U32: Final = (1 << 32) - 1

# Name, number of parameters (all i32), number of results (i32).
FUNCTIONS: Final = {
    "malloc": (1, 1),
    "free": (1, 0),
    "calloc": (2, 1),
    "realloc": (2, 1),
    "reallocarray": (3, 1),
    "memalign": (2, 1),
    "aligned_alloc": (2, 1),
    "valloc": (1, 1),
    "posix_memalign": (3, 1),
    "malloc_usable_size": (1, 1),
    "give_up_holes": (0, 0),
    "steal": (1, 0),
    "set_error": (1, 0),
    "get_error": (0, 1),
}

# What the tests want beside the allocator: errno, and somebody else who makes the memory grow.
COMPANION: Final = """
#include <errno.h>
#undef errno
_Thread_local int errno;
void set_error(int error) { errno = error; }
int get_error(void) { return errno; }
void steal(int pages) { __builtin_wasm_memory_grow(0, pages); }
int result;
"""


class Block(NamedTuple):
    """One block as its header tells; `offset` is what the caller has, four bytes behind the header."""

    offset: int
    size: int
    is_free: bool
    is_top: bool

    @property
    def capacity(self) -> int:
        return self.size - 4


class BareHeap:
    """
    One fresh heap, in a store of its own.

    Attributes:
        thefts: Where somebody else made the memory grow: (end before, end after), in bytes.
    """

    def __init__(self, max_pages: int = 65536, *, has_fuel: bool = False) -> None:
        module = _module(Settings(has_fuel=has_fuel))
        self.store = Store(module.engine, wasi=Wasi())
        self.store.limit_memory(max_pages * PAGE)
        linker = Linker(module.engine)
        linker.define_wasi()
        instance = linker.instantiate(self.store, module)
        self.memory = instance.memory("memory")
        self.max_pages = max_pages
        self.thefts: list[tuple[int, int]] = []
        self.start = int(instance.global_("__heap_base").value)
        self.result = int(instance.global_("result").value)
        self._functions = {
            name: instance.function(name, ("i32",) * params, ("i32",) * results)
            for name, (params, results) in FUNCTIONS.items()
        }

    def call(self, name: str, *values: int) -> int:
        """Call a function; what it returns, as an unsigned number."""
        fault = self.attempt(name, *values)
        if fault is not None:
            raise RuntimeError(f"{name}{values}: {fault.text}")
        function = self._functions[name]
        return function.results[0] & U32 if function.has_results else 0

    def attempt(self, name: str, *values: int) -> Fault | None:
        """Call a function that may trap."""
        signed = [(value & U32) - ((value & 1 << 31) << 1) for value in values]
        return self._functions[name](None, *signed)

    def allocate(self, name: str, *values: int) -> int:
        """Call a function that gives an address; 0 comes with ENOMEM, anything else leaves errno alone."""
        self.call("set_error", 0)
        address = self.call(name, *values)
        assert self.call("get_error") == (0 if address else ENOMEM)
        return address

    def steal(self, pages: int) -> None:
        """Let somebody else make the memory grow."""
        before = self.memory.size
        self.call("steal", pages)
        after = self.memory.size
        if self.thefts and self.thefts[-1][1] == before:
            before = self.thefts.pop()[0]
        self.thefts.append((before, after))

    def word(self, address: int) -> int:
        return struct.unpack("<I", self.memory.range(address, 4))[0]

    def blocks(self) -> list[Block]:
        """Return all blocks, after checking that headers, footers and flags agree with each other."""
        blocks = list(self._walk())
        for before, block in zip([None, *blocks], blocks, strict=False):
            is_next = before is not None and before.offset + before.size == block.offset
            after_free = is_next and before.is_free
            flag = self.word(block.offset - 4) & PREVIOUS_FREE

            assert bool(flag) == after_free
            assert not (after_free and (block.is_free or block.is_top)), "two neighbours are free"
            if block.is_free:
                assert self.word(block.offset + block.capacity - 4) == block.size
        assert [block.is_top for block in blocks] == [False] * (len(blocks) - 1) + [True]
        return blocks

    def _walk(self) -> Iterator[Block]:
        """Go from header to header, as the pictures in blocks.h show them."""
        header = _first(self.start)
        while True:
            head = self.word(header)
            size = head & ~(IN_USE | PREVIOUS_FREE)
            assert size % UNIT == 0
            if size == 0 and head & IN_USE:  # a wall: somebody else's bytes follow
                header = _first(dict(self.thefts)[header + 4])
                continue
            end = header + size + 4
            is_top = not head & IN_USE and end % PAGE == 0 and self._is_last(end)
            yield Block(header + 4, size, not is_top and not head & IN_USE, is_top)
            if is_top:
                return
            header += size

    def _is_last(self, end: int) -> bool:
        """Tell whether the heap ends here: with the memory, or with no wall before what was stolen."""
        return end == self.memory.size or self.word(end - 4) == 0


def _first(address: int) -> int:
    return (address + 4 + UNIT - 1) // UNIT * UNIT - 4


@cache
def _module(settings: Settings) -> Module:
    return shared_engine(settings).compile(_compiled(), "malloc.c")


@cache
def _compiled() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        companion, target = Path(folder, "companion.c"), Path(folder, "heap.wasm")
        companion.write_text(COMPANION, encoding="utf-8")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-s"]
        # Of the C library only the headers: to compile it takes half a minute where nobody has before.
        headers = [f"-isystem{HEADERS / name}" for name in ("wasm-wasi-musl", "generic-musl")]
        kind = ["-nostdlib", "-Wl,--no-entry", "-Wl,-z,stack-size=16384", *headers]
        exports = [f"-Wl,--export={name}" for name in (*FUNCTIONS, "__heap_base", "result")]
        files = [str(RECIPE / "malloc.c"), str(companion), "-o", str(target)]
        subprocess.run([*command, *kind, *GUEST_FLAGS.split(), *exports, *files], check=True)
        return target.read_bytes()
