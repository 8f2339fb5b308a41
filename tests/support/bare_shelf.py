"""The kernel with its shelf and nothing around it: for tests of `shelf.wat` itself."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

from bare_kernel import BareKernel

from extism._runtime.kernel_source import kernel_text

__all__ = ["CONFIG", "VARIABLES", "BareShelf", "Head", "record"]

VARIABLES, CONFIG = 0, 1
HEAD = 64
HOST = ("config_get", "var_get", "var_set")


class Head(NamedTuple):
    """The head of the shelf, in the order of its bytes."""

    vars_open: int
    config_open: int
    version: int
    base: int
    top: int
    end: int
    slots: int
    filled: int
    entries: int
    order: int
    live: int
    used: int
    max: int


class Entry(NamedTuple):
    """One entry that a slot leads to."""

    at: int
    tag: int
    order: int
    key: bytes
    value: bytes

    @property
    def size(self) -> int:
        return 16 + padded(len(self.key)) + padded(len(self.value))

    @property
    def kind(self) -> int:
        return self.tag >> 31

    @property
    def cost(self) -> int:
        return 0 if self.kind == CONFIG else 48 + len(self.key) + len(self.value)


class BareShelf(BareKernel):
    """
    A kernel whose host answers 77, and keeps in `asked` what it was asked.

    Args:
        max_bytes: The budget for variables; None leaves everything as it is before the host puts something there.
        max_pages: The largest size of each of the memories.
        text: The kernel's source, when it is not the real one.
        fuel: Whether `fuel(n)` bounds what a function may do.
    """

    def __init__(
        self,
        max_bytes: int | None = 1 << 20,
        max_pages: int | None = None,
        *,
        text: str | None = None,
        fuel: bool = False,
    ) -> None:
        self.asked: list[tuple[str, int, ...]] = []
        host = {name: self.answer(name) for name in HOST}
        text = text or kernel_text(("shelf",))
        super().__init__(max_pages, text=text, fuel=fuel, host=host)
        if max_bytes is not None:
            assert self.put(VARIABLES) == 1
            self.shelf.write(self.store, struct.pack("<I", 1), 0)
            self.shelf.write(self.store, struct.pack("<Q", max_bytes), 56)

    def answer(self, name):
        def answer(*handles):
            self.asked.append((name, *handles))
            return None if name == "var_set" else 77

        return answer

    @property
    def shelf(self):
        return self.exports["shelf"]

    @property
    def head(self) -> Head:
        return Head(*struct.unpack("<10I3Q", self.shelf.read(self.store, 0, HEAD)))

    def open_config(self) -> None:
        self.shelf.write(self.store, struct.pack("<I", 1), 4)

    def block(self, data: bytes) -> int:
        """Give the handle of a block with these bytes; what lies behind them could go on a character."""
        if not data:
            return 0
        handle = self.filled(len(data), 0x80)
        self.write(handle, data)
        return handle

    def put(self, kind: int, *entries: tuple[bytes, bytes | None]) -> int:
        """Hand entries to the kernel as the host does."""
        heading = struct.pack("<Q", kind)
        handle = self.block(heading + b"".join(record(*entry) for entry in entries))
        done = self.fill(handle)
        self.free(handle)
        return done

    def set(self, key: bytes, value: bytes | None) -> bool:
        """Set a variable as a guest does, None removes it; tell whether the kernel did it by itself."""
        before = len(self.asked)
        self.var_set(self.block(key), 0 if value is None else self.block(value))
        return len(self.asked) == before

    def get(self, key: bytes, name: str = "var_get") -> bytes | None:
        """Read a variable or a configuration value as a guest does; None where the host was asked."""
        before = len(self.asked)
        handle = getattr(self, name)(self.block(key))
        if len(self.asked) > before:
            return None
        data = self.read(handle, self.length(handle)) if handle else b""
        self.free(handle)
        return data

    def entries(self) -> list[Entry]:
        """Return what the slots lead to, in their order."""
        head = self.head
        memory = bytes(self.shelf.read(self.store))
        found = []
        for at in struct.unpack_from(f"<{head.slots}I", memory, head.base):
            if at > 1:
                tag, order, key_length, length = struct.unpack_from("<4I", memory, at)
                start = at + 16 + padded(key_length)
                key, value = memory[at + 16 : at + 16 + key_length], memory[start : start + length]
                found.append(Entry(at, tag, order, key, value))
        return found

    def variables(self) -> dict[bytes, bytes]:
        """Return all variables, oldest key first."""
        own = [entry for entry in self.entries() if entry.kind == VARIABLES]
        return {entry.key: entry.value for entry in sorted(own, key=lambda entry: entry.order)}

    def check_shelf(self) -> None:
        """Assert all that must hold between two calls of the kernel."""
        head, entries = self.head, self.entries()
        slots = struct.unpack(
            f"<{head.slots}I",
            self.shelf.read(self.store, head.base, head.base + 4 * head.slots),
        )
        log = head.base + 4 * head.slots

        assert head.version % 2 == 0
        assert head.slots >= 8
        assert head.slots & head.slots - 1 == 0
        assert head.filled == sum(slot != 0 for slot in slots)
        assert 4 * head.filled <= 3 * head.slots
        assert head.entries == len(entries)
        assert head.live == sum(entry.size for entry in entries)
        assert head.used == sum(entry.cost for entry in entries)
        assert head.base >= HEAD
        assert log <= head.top <= head.end <= self.shelf.data_len(self.store)
        assert all(
            log <= entry.at and entry.at + entry.size <= head.top and entry.at % 8 == 0
            for entry in entries
        )
        ends = sorted((entry.at, entry.at + entry.size) for entry in entries)
        assert all(one[1] <= two[0] for one, two in pairwise(ends))
        assert len({(entry.kind, entry.key) for entry in entries}) == len(entries)
        assert len({entry.order for entry in entries}) == len(entries)


def record(key: bytes, value: bytes | None) -> bytes:
    """Return an entry as `fill` takes it."""
    length = 0xFFFFFFFF if value is None else len(value)
    parts = [part + bytes(-len(part) % 8) for part in (key, value or b"")]
    return struct.pack("<2I", len(key), length) + b"".join(parts)


def padded(length: int) -> int:
    return length + 7 & -8
