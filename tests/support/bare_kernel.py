"""The kernel alone, without a plug-in or a host around it: for tests of `kernel.wat` itself."""

from __future__ import annotations

import struct
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import wasmtime

from extism.abi import FUNCTIONS, PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "FIRST",
    "GRANULE",
    "HOST_ONLY",
    "KERNEL_FUNCTIONS",
    "NEAR",
    "PLENTY",
    "BareKernel",
    "Block",
    "Root",
    "engine",
    "kernel_text",
]

FIRST = 2048
"""The first handle that a fresh kernel gives."""

GRANULE = 32
"""Bytes that blocks are made of."""

NEAR = 112
"""Granules whose headers lie in `data`; those of all further ones lie in `meta`."""

PLENTY = 1 << 62
"""A budget that no memory exceeds."""

HEADERS = 256
BINS = range(128, 128 + 27 * 4, 4)
U32 = (1 << 32) - 1
U64 = (1 << 64) - 1

KERNEL_FUNCTIONS = {name: row for name, row in FUNCTIONS.items() if row.by == "kernel"}
HOST_ONLY = {"accept", "begin", "budget", "conclude", "data", "meta", "reserve"}


class Root(NamedTuple):
    """The root record, in the order of its bytes."""

    output_offset: int
    output_length: int
    error: int
    input_offset: int
    input_length: int
    input_words: int
    span: int
    words: int
    dirty: int
    generation: int


class Block(NamedTuple):
    """One run of granules inside the span."""

    handle: int
    capacity: int
    used: int
    free: bool

    @property
    def end(self) -> int:
        return self.handle + self.capacity * GRANULE


def kernel_text() -> str:
    path = resources.files("extism._runtime") / "kernel.wat"
    return path.read_text(encoding="utf-8")


@cache
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


@cache
def fuelled_engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    return wasmtime.Engine(config)


@cache
def compiled(text: str, on: wasmtime.Engine) -> wasmtime.Module:
    return wasmtime.Module(on, text)


class BareKernel:
    """
    One instance of the kernel; its functions are methods that take and give unsigned numbers.

    Args:
        max_pages: The largest size of each of the memories.
        budget: What its global begins with: how many bytes it may add to `data`, and marks.
        text: The kernel's source, when it is not the real one.
        fuel: Whether `fuel(n)` bounds what a function may do.
        host: What each function of the host does that the kernel imports, by name.
    """

    def __init__(
        self,
        max_pages: int | None = None,
        *,
        budget: int = PLENTY,
        text: str | None = None,
        fuel: bool = False,
        host: Mapping[str, Callable[..., int | None]] | None = None,
    ) -> None:
        on = fuelled_engine() if fuel else engine()
        self.store = wasmtime.Store(on)
        if max_pages is not None:
            self.store.set_limits(memory_size=max_pages * PAGE)
        if fuel:
            self.fuel(1 << 60)
        module = compiled(text or kernel_text(), on)
        imports = [
            wasmtime.Func(self.store, item.type, (host or {})[item.name or ""])
            for item in module.imports
            if isinstance(item.type, wasmtime.FuncType)
        ]
        self.exports = wasmtime.Instance(self.store, module, imports).exports(self.store)
        self.budget = budget

    def conclude(self, code: int) -> list[int]:
        """Call the only function with several results, which are signed."""
        function = self.exports["conclude"]
        assert isinstance(function, wasmtime.Func)
        return list(function(self.store, code))

    def __getattr__(self, name: str) -> Callable[..., int]:
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        mask = (
            U32 if [str(type_) for type_ in function.type(self.store).results] == ["i32"] else U64
        )

        def call(*arguments: int) -> int:
            result = function(self.store, *map(signed, arguments))
            return (result or 0) & mask

        return call

    def fuel(self, units: int) -> None:
        self.store.set_fuel(units)

    @property
    def budget(self) -> int:
        """What is left, and the marks."""
        value = self._budget.value(self.store)
        assert isinstance(value, int)
        return value

    @budget.setter
    def budget(self, value: int) -> None:
        self._budget.set_value(self.store, value)

    @property
    def _budget(self) -> wasmtime.Global:
        cell = self.exports["budget"]
        assert isinstance(cell, wasmtime.Global)
        return cell

    @property
    def data(self) -> wasmtime.Memory:
        memory = self.exports["data"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    @property
    def meta(self) -> wasmtime.Memory:
        memory = self.exports["meta"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    @property
    def root(self) -> Root:
        return Root(*struct.unpack("<9QI", self.peek(0, 76)))

    @property
    def end(self) -> int:
        """The offset behind the last byte that a guest reaches."""
        return FIRST + self.root.span

    def peek(self, address: int, length: int) -> bytes:
        """Read what the kernel believes; `data` and `meta` share the addresses."""
        memory = self.data if address < FIRST else self.meta
        return bytes(memory.read(self.store, address, address + length))

    def poke(self, address: int, data: bytes) -> None:
        memory = self.data if address < FIRST else self.meta
        memory.write(self.store, data, address)

    @property
    def beliefs(self) -> bytes:
        """All that the kernel believes, by address."""
        return self.peek(0, FIRST) + bytes(self.meta.read(self.store, FIRST))

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data.read(self.store, offset, offset + length))

    def write(self, offset: int, data: bytes) -> None:
        self.data.write(self.store, data, offset)

    def filled(self, length: int, byte: int) -> int:
        """Allocate a block and fill its granules, padding included, as a guest could."""
        handle = self.alloc(length)
        self.write(handle, bytes([byte]) * (-(-length // GRANULE) * GRANULE))
        return handle

    def blocks(self) -> Iterator[Block]:
        """Walk the headers, which tile the span without a gap."""
        generation = self.root.generation
        at, end = HEADERS, HEADERS + self.root.span // 2
        while at < end:
            stamp, capacity, used, _ = self.header(at)
            assert stamp in {generation, generation + 1}
            free = stamp != generation
            yield Block(handle_of(at), capacity, 0 if free else used, free)
            at += capacity * 16
        assert at == end

    def header(self, at: int) -> tuple[int, int, int, int]:
        stamp, capacity, used, link = struct.unpack("<4I", self.peek(at, 16))
        return stamp, capacity, used, link

    def binned(self) -> dict[int, set[int]]:
        """Follow every bin; give the handles in each, by class."""
        found: dict[int, set[int]] = {}
        for index, bin_ in enumerate(BINS):
            (at,) = struct.unpack("<I", self.peek(bin_, 4))
            previous = 0
            while at:
                _, _, back, following = self.header(at)
                assert back == previous
                found.setdefault(index, set()).add(handle_of(at))
                previous, at = at, following
        return found

    def check(self) -> None:
        """Assert all that must hold between two calls of the kernel."""
        root = self.root
        blocks = list(self.blocks())
        free = [block for block in blocks if block.free]
        by_class: dict[int, set[int]] = {}
        for block in free:
            by_class.setdefault(block.capacity.bit_length() - 1, set()).add(block.handle)
        (filled,) = struct.unpack("<I", self.peek(124, 4))

        assert root.words == max(root.span - 7, 0)
        assert root.input_words == max(root.input_length - 7, 0)
        assert root.span <= root.dirty
        assert FIRST + root.dirty <= self.data.data_len(self.store)
        assert HEADERS + root.dirty // 2 <= self.meta.data_len(self.store)
        assert bytes(self.meta.read(self.store, 0, FIRST)) == bytes(FIRST)
        assert by_class == self.binned()
        assert filled == sum(1 << index for index in by_class)
        assert all(block.capacity == -(-block.used // GRANULE) for block in blocks if block.used)
        assert not any(block.free and after.free for block, after in pairwise(blocks))
        assert not blocks or not blocks[-1].free


def handle_of(header: int) -> int:
    """Give the offset of the block whose header has that address."""
    return FIRST + 2 * (header - HEADERS)


def signed(number: int) -> int:
    """Give the i64 or i32 with the bits of an unsigned number."""
    number &= U64
    return number - (1 << 64) if number >> 63 else number
