"""
The host's handle on the shelf of one kernel: what is on it is read in place, and put there by the kernel.

The shelf itself is `shelf.wat`, whose head shows its layout. The host changes two words of it, which say what
guests may use; every entry is written by the kernel, on the thread that runs the guest. So any thread may read
at any time: entries never change, and a reader whose table moved meanwhile sees that by the version.
"""

from __future__ import annotations

import struct
import time
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from extism._engine.memory import Memory

__all__ = ["PATIENCE", "Keeper", "Shelf", "Shelves"]

T = TypeVar("T")

PATIENCE: Final = 8
"""How often a guest asks before it is worth the trouble to put things where it need not ask."""

_VARIABLES: Final = 0
_CONFIG: Final = 1
"""The kinds of entries, which are also the places of the words that open them."""

_OPEN: Final = struct.Struct("<I")
_SLOT: Final = struct.Struct("<I")
_MAX: Final = struct.Struct("<Q")
_MAX_OFFSET: Final = 56
_ENTRY: Final = struct.Struct("<4I")
_HEADING: Final = struct.Struct("<Q")
_RECORD: Final = struct.Struct("<2I")
_REMOVED: Final = (1 << 32) - 1
"""The length of a value that stands for its removal."""

_EMPTIED: Final = 1
_PRIME: Final = 663608929
"""The prime below 2^30 that is nearest to 2^30 over the golden ratio; so is the factor, to 2^64."""

_FACTOR: Final = 0x9E3779B97F4A7C15
_U64: Final = (1 << 64) - 1
_CHUNK: Final = 1 << 16
"""About how many bytes are handed to the kernel at once: as few pages as possible, and few crossings."""


class _Head(NamedTuple):
    """The first 56 bytes, as `shelf.wat` shows them."""

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


_HEAD: Final = struct.Struct("<10I2Q")
_NOTHING: Final = _Head._make([0] * 12)
"""What the head of a shelf is taken for before it has a page."""


class Shelves(NamedTuple):
    """
    What is on the shelf of one kernel, by kind.

    Attributes:
        variables: What guests may set.
        config: What they only read.
    """

    variables: Shelf
    config: Shelf

    @classmethod
    def of(cls, kernel: Keeper) -> Shelves:
        """Return the shelves of a kernel, which have nothing on them yet."""
        return cls(Shelf(_VARIABLES, kernel), Shelf(_CONFIG, kernel))


class Keeper(Protocol):
    """A kernel, as its shelves see it."""

    @property
    def shelf_memory(self) -> Memory | None:
        """The memory that shelves lie in, without pages before something is put there; None without that part."""

    def shelve(self, entries: bytes) -> bool:
        """Put entries on a shelf, as `fill` takes them; False if there is no room for them all."""


class Shelf:
    """The entries of one kind, as `_capabilities.variables.Shelf` describes."""

    def __init__(self, kind: int, keeper: Keeper) -> None:
        self._kind = kind
        self._keeper = weakref.ref(keeper)  # which has its shelves
        self._asked = 0
        self._patience = PATIENCE

    @cached_property
    def _memory(self) -> Memory:
        keeper = self._keeper()
        memory = keeper.shelf_memory if keeper else None
        assert memory is not None, "only what was wanted is used"
        return memory

    @property
    def used(self) -> int:
        """The part of the budget for variables that is in use, in bytes."""
        return self._head().used

    def is_wanted(self) -> bool:
        """Note that the guest has asked; tell whether it does so often enough to be worth the trouble."""
        self._asked += 1
        if self._asked < self._patience:
            return False
        keeper = self._keeper()
        return keeper is not None and keeper.shelf_memory is not None

    def put(self, entries: Iterable[tuple[bytes, bytes | None]]) -> bool:
        """
        Put values there, or take those away that are None; False when room ran out on the way.

        Only for the thread that runs the guest. What had no room is tried again when the guest has asked twice as
        often as before.
        """
        keeper = self._keeper()
        is_done = keeper is not None and all(
            keeper.shelve(chunk) for chunk in _chunks(self._kind, entries)
        )
        self._asked = 0
        self._patience = PATIENCE if is_done else 2 * self._patience
        return is_done

    def open(self, max_bytes: int = 0) -> None:
        """Let the guest use what was put there, and set more within `max_bytes`."""
        view = self._memory.view(_HEAD.size)
        if self._kind == _VARIABLES:
            _MAX.pack_into(view, _MAX_OFFSET, max_bytes)
        _OPEN.pack_into(view, _OPEN.size * self._kind, 1)

    def close(self) -> None:
        """Send the guest to the host, from its next call on."""
        view = self._memory.view(_HEAD.size)
        if len(view):
            _OPEN.pack_into(view, _OPEN.size * self._kind, 0)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None where there is none."""
        return self._steady(lambda head: self._find(head, key))

    def items(self) -> dict[bytes, bytes]:
        """Return a copy of everything, oldest key first."""
        return self._steady(self._listed)

    def _steady(self, read: Callable[[_Head], T]) -> T:
        """Return what `read` gives for a head that was the same before and after."""
        while True:
            head = self._head()
            try:
                found = read(head)
            except (struct.error, IndexError):
                if self._head().version == head.version:
                    raise
            else:
                if not head.version % 2 and self._head().version == head.version:
                    return found
            time.sleep(0)

    def _head(self) -> _Head:
        view = self._memory.view(_HEAD.size)
        return _Head._make(_HEAD.unpack_from(view)) if len(view) else _NOTHING

    def _find(self, head: _Head, key: bytes) -> bytes | None:
        if not head.slots:
            return None
        tag = int.from_bytes(key, "little") % _PRIME | self._kind << 31
        place = ((tag ^ tag >> 15) * _FACTOR & _U64) >> (65 - head.slots.bit_length())
        while True:
            (at,) = _SLOT.unpack(self._memory.read(head.base + _SLOT.size * place, _SLOT.size))
            if not at:
                return None
            if at != _EMPTIED:
                found, _, own, value = self._entry(at)
                if found == tag and own == key:
                    return value
            place = (place + 1) % head.slots

    def _listed(self, head: _Head) -> dict[bytes, bytes]:
        slots = self._memory.read(head.base, _SLOT.size * head.slots)
        entries = [self._entry(at) for (at,) in _SLOT.iter_unpack(slots) if at > _EMPTIED]
        own = [(order, key, value) for tag, order, key, value in entries if tag >> 31 == self._kind]
        return {key: value for _, key, value in sorted(own)}

    def _entry(self, at: int) -> tuple[int, int, bytes, bytes]:
        """Return tag, order, key and value."""
        read = self._memory.read
        tag, order, key_length, length = _ENTRY.unpack(read(at, _ENTRY.size))
        key = at + _ENTRY.size
        return tag, order, read(key, key_length), read(key + _padded(key_length), length)


def _chunks(kind: int, entries: Iterable[tuple[bytes, bytes | None]]) -> Iterator[bytes]:
    """Return entries as the kernel takes them, some at a time; one chunk at least."""
    head = _HEADING.pack(kind)
    chunk = bytearray(head)
    for key, value in entries:
        chunk += _RECORD.pack(len(key), _REMOVED if value is None else len(value))
        for part in (key, value or b""):
            chunk += part + bytes(-len(part) % 8)
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk = bytearray(head)
    yield bytes(chunk)


def _padded(length: int) -> int:
    return length + 7 & -8
