"""
The host's handle on one kernel instance: give input, read output, blocks by handle.

The kernel itself is `kernel.wat` (`kernel_source.py` has it assembled), whose head explains its two memories. What the host
needs to know is read in place out of the root record and the headers (`kernel_layout.py`); only allocating, freeing and
`begin` run code. Every length comes from a header that no guest can write, and every range is checked against the
memory's real size all the same.
"""

from __future__ import annotations

import struct

from extism import abi
from extism._cached import cached_property
from extism._runtime.kernel_layout import (
    AHEAD,
    ERROR_OFFSET,
    FIRST,
    GRANULE,
    HEADERS,
    INITIAL_BYTES,
    LAST_GENERATION,
    MARKS_OFFSET,
    PLACES_OFFSET,
    SPAN_OFFSET,
    WANTED_OFFSET,
    read_header,
    read_marks,
    read_places,
    read_root,
    read_span,
    write_begun,
    write_error,
    write_header,
    write_last,
    write_reach,
    write_wanted,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, TypeAlias

    from extism._capabilities.log import PluginLog
    from extism._engine.function import Quick
    from extism._engine.linker import Instance
    from extism._engine.memory import Memory
    from extism._runtime.purse import Purse
    from extism._runtime.shelf import Shelves

__all__ = ["BUDGET", "CALLED", "Kernel", "NoRoom"]

Data: TypeAlias = "bytes | bytearray | memoryview"

BUDGET: Final = "budget"
"""The global that all growth of a plugin comes out of; its layout is in `_wasm/meter.py`."""

CALLED: Final = frozenset({"alloc", "begin", "fill", "free", "reserve"})
"""The functions of the kernel that the host calls by name; all others are for guests."""

_GRANTED: Final = abi.DEFAULT_MAX_MEMORY
"""What a new kernel has in its budget."""

_INITIAL_ROOM: Final = INITIAL_BYTES - FIRST
"""What a new kernel has for its input: its headers go as far. One number for all, who take 32 bytes less each."""

_SHORT: Final = 1024
_FILLS: Final = [struct.Struct(f"{size}s").pack_into for size in range(0, _SHORT + 1, GRANULE)]
"""Up to here, what fills so many granules with bytes and zeros behind them, by their number: faster than slices."""

_PADS: Final = tuple(bytes(-length % GRANULE) for length in range(GRANULE))

_UNKNOWN: Final = -1
_LEASE: Final = 16
"""For how many calls the level is looked up at their start, after a guest has asked."""

_TOO_LONG: Final = 1 << 32


class NoRoom(Exception):
    """The kernel's memory may not grow as far as a block needs."""


class Kernel:
    """
    The kernel of one store, as the host uses it; `prefix` is before the names of its exports.

    Attributes:
        bytes: `data` in place, as long as it was when the host last looked.
        room: How many bytes of input fit there.
        level_lease: For how many calls more guests are told at their start which level is wanted.

    What the host runs of it is short, and cannot be ended by a deadline: a list would be torn in the
    middle, and a host function would be told that there is no room where there is no time.
    """

    def __init__(self, instance: Instance, prefix: str = "") -> None:
        self.instance = instance
        self._store = instance.store
        self._prefix = prefix
        self.bytes = instance.memory(prefix + "data", INITIAL_BYTES).view()
        self.room = _INITIAL_ROOM
        self._wanted = _UNKNOWN + 1
        self.level_lease = 0

    @cached_property
    def data(self) -> Memory:
        """The memory of blocks, of the root record, and of the first headers."""
        return self.instance.memory(self._prefix + "data")

    @cached_property
    def _meta(self) -> Memory:
        """The memory of all further headers, which most plugins never need."""
        return self.instance.memory(self._prefix + "meta")

    @cached_property
    def _far(self) -> memoryview:
        """Its bytes in place, as long as it was when the host last looked."""
        return self._meta.view()

    @cached_property
    def _begin(self) -> Quick:
        return self._function("begin", ("i64",))

    @cached_property
    def _alloc(self) -> Quick:
        return self._function("alloc", ("i64",))

    @cached_property
    def _reserve(self) -> Quick:
        return self._function("reserve", ("i64",))

    @cached_property
    def _free(self) -> Quick:
        return self._function("free", ())

    def _function(self, name: str, results: Sequence[str]) -> Quick:
        return self.instance.function(self._prefix + name, ("i64",), results).quick()

    @cached_property
    def shelves(self) -> Shelves:
        """Where guests find variables and configuration by themselves, in a kernel with that part."""
        from extism._runtime.shelf import Shelves

        return Shelves.of(self)

    @cached_property
    def _fill(self) -> Quick:
        return self._function("fill", ("i32",))

    @cached_property
    def shelf_memory(self) -> Memory | None:
        """The memory that the shelves lie in; None in a kernel without that part."""
        try:
            return self.instance.memory(self._prefix + "shelf")
        except KeyError:
            return None

    def shelve(self, entries: bytes) -> bool:
        """
        Hand a block to the shelf; False if that has no room for all, or if there is no room for the block.

        Data never grows for that: how much a guest may have would depend on what the host does for speed.
        """
        self._look()
        span, _ = read_span(self.bytes, SPAN_OFFSET)
        if len(entries) + GRANULE > self.room - span:
            return False
        handle = self.store(entries)
        (is_done,) = self._run(self._fill, handle)
        self.free(handle)
        return bool(is_done)

    def tell_level(self, level: int) -> None:
        """Let guests know which level is wanted, so that they need not ask: in this call, and in the next ones."""
        self.level_lease = _LEASE
        self._set_level(level)

    def renew_level(self, log: PluginLog) -> None:
        """Let guests know what is wanted now; or, when none has asked for a while, let them ask."""
        self.level_lease -= 1
        self._set_level(log.wanted_level() if self.level_lease else _UNKNOWN)

    def _set_level(self, level: int) -> None:
        if self._wanted != level + 1:
            self._wanted = level + 1
            write_wanted(self.bytes, WANTED_OFFSET, self._wanted)

    @property
    def is_cancelled(self) -> bool:
        """Whether the call that runs was cancelled."""
        return self._store.is_cancelled

    @cached_property
    def purse(self) -> Purse:
        """What memories and tables may still grow by, and what became of wishes for more."""
        from extism._runtime.purse import Purse

        return Purse(self.instance.global_(self._prefix + BUDGET))

    def grant(self, budget: int) -> None:
        """Give a kernel that is new its budget (`Budget.value`)."""
        if budget != _GRANTED:
            self.purse.fill(budget)

    def begin(self, data: Data) -> None:
        """
        Forget all blocks of the last call, and make `data` the input of the next.

        Raises:
            NoRoom: The input does not fit in what the kernel's memory may hold.
        """
        length = len(data)
        root = self.bytes
        dirty, generation = read_marks(root, MARKS_OFFSET)
        if length > self.room or generation >= LAST_GENERATION:
            self.reach(data)
            return
        generation += 2
        if not length:
            write_begun(
                root, 0, 0, 0, 0, 0, 0, 0, 0, 0, dirty, generation, self._wanted, 0, 0, 0, 0
            )
            return
        span = length + 31 & -GRANULE
        dirty = max(dirty, span)
        words = length - 7 if length > 7 else 0
        write_begun(
            root, 0, 0, 0, 0, FIRST, length, words, span, span - 7, dirty, generation,
            self._wanted, generation, span // GRANULE, length, 0,
        )  # fmt: skip
        self._write(FIRST, data, length)

    def reach(self, data: Data) -> None:
        """
        Do the same where memory has to grow, or where the generations are used up.

        Raises:
            NoRoom: The input does not fit in what the kernel's memory may hold.
        """
        length = len(data)
        (offset,) = self._run(self._begin, length)
        if offset < 0:
            raise NoRoom
        if length:
            self.data.write(offset, data)
        self._look()

    def _look(self) -> None:
        """Take the memories as they are now; they never move, so that older views only are shorter."""
        self.data.view(self.data.size)
        self._meta.view(self._meta.size)
        self.bytes = self.data.view()
        self._far = self._meta.view()
        self.room = min(len(self.bytes) - FIRST, 2 * (len(self._far) - HEADERS))

    def output(self) -> bytes:
        """Return a copy of what the guest set as output."""
        offset, length, _ = read_root(self.bytes, 0)
        return self.data.read(offset, length) if length else b""

    def output_alone(self) -> bytes | None:
        """Return the same; None where the guest set an error text as well."""
        offset, length, handle = read_root(self.bytes, 0)
        if handle:
            return None
        return self.data.read(offset, length) if length else b""

    def error(self) -> bytes | None:
        """Return a copy of the error text that the guest set; None where it set none, or an empty one."""
        _, _, handle = read_root(self.bytes, 0)
        return self.read(handle) if handle and self.length(handle) else None

    def set_error(self, text: bytes) -> None:
        """
        Set the error text of the call, or take it back with no text, as the guest could.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        write_error(self.bytes, ERROR_OFFSET, self.store(text))

    def length(self, handle: int) -> int:
        """Return how many bytes the live block at `handle` holds; 0 where there is none."""
        near = self.bytes
        span, current = read_span(near, SPAN_OFFSET)
        if handle % GRANULE or not 0 <= handle - FIRST < span:
            return 0
        header = (handle >> 1) - AHEAD
        try:
            generation, used = read_header(near if header < FIRST else self._far, header)
        except struct.error:  # the memory has grown since it was looked at
            self._look()
            generation, used = read_header(self._far, header)
        return used if generation == current else 0

    def read(self, handle: int) -> bytes | None:
        """Return a copy of the live block at `handle`; `b""` for the handle 0, None where there is none."""
        if not handle:
            return b""
        length = self.length(handle)
        if not length:
            return None
        data = self.bytes[handle : handle + length].tobytes()
        return data if len(data) == length else self.data.read(handle, length)

    def lend(self, offset: int, length: int) -> memoryview:
        """
        Return bytes of blocks in place; a made-up range may hold any of them, but nothing that the kernel believes.

        Raises:
            IndexError: The range is not inside the memory, or begins before the first block.
        """
        if not length:
            return memoryview(b"")
        if offset < FIRST:
            raise IndexError(f"byte {offset} is before the first block, which is at {FIRST}")
        return self.data.lend(offset, length)

    def alloc(self, length: int) -> int:
        """
        Return the handle of a new block of `length` zero bytes, 0 for a length of 0.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        return self._block(self._alloc, length)

    def store(self, data: Data) -> int:
        """
        Return the handle of a new block that holds `data`, 0 for no data.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        length = len(data)
        near = self.bytes
        span, _, dirty, generation, filled = read_places(near, PLACES_OFFSET)
        need = length + 31 >> 5
        end = span + 32 * need
        if not need or end > self.room or (filled and filled >> need.bit_length() - 1 & 1):
            return self._store_in_kernel(data, length)
        # What `reserve` would do where nothing is free that fits, but without the crossing.
        header = HEADERS + (span >> 1)
        if need > 1:
            last = header + 16 * (need - 1)
            write_last(near if last < FIRST else self._far, last, 0, 0)
        write_header(near if header < FIRST else self._far, header, generation, need, length)
        if end > dirty:  # noqa: PLR1730 - in a third of the time of `max`
            dirty = end
        write_reach(near, SPAN_OFFSET, end, end - 7, dirty)
        handle: int = FIRST + span
        if length <= _SHORT and data.__class__ is bytes:  # as `_write`, in line
            _FILLS[need](near, handle, data)
        else:
            self._write(handle, data, length)
        return handle

    def _write(self, offset: int, data: Data, length: int) -> None:
        """Write the bytes of a block, and zeros to the end of its last granule."""
        if length <= _SHORT and data.__class__ is bytes:
            _FILLS[length + 31 >> 5](self.bytes, offset, data)
            return
        pad = _PADS[length & 31]
        end = offset + length
        self.bytes[offset:end] = data
        self.bytes[end : end + len(pad)] = pad

    def _store_in_kernel(self, data: Data, length: int) -> int:
        """The same where a free block may fit, or memory has to grow."""
        handle = self._block(self._reserve, length)
        if handle:
            end = handle + length
            if end > len(self.bytes):
                self._look()
            self.bytes[handle:end] = data
        return handle

    def free(self, handle: int) -> None:
        """Free the live block at `handle`; anything else is left as it is."""
        self._run(self._free, handle)

    def _block(self, function: Quick, length: int) -> int:
        if not length:
            return 0
        if length >= _TOO_LONG:
            raise NoRoom
        handle: int = self._run(function, length)[0]
        if not handle:
            raise NoRoom
        return handle

    def _run(self, function: Quick, value: int) -> tuple[int, ...]:
        store = self._store
        store.is_shielded = True
        left = store.lend_fuel() if store.has_fuel else None
        try:
            results = function(None, value)
        finally:
            store.is_shielded = False
            if store.has_missed:
                store.look_again()
            if left is not None:
                store.set_fuel(left)
        if isinstance(results, tuple):
            return results
        # A strict budget ends `alloc`, whoever runs it; nothing else ends what the host runs.
        want = self.purse.take_want()
        assert want.was_ended, results
        raise NoRoom
