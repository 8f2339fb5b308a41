"""
Renumber the indices inside code: a module gains imports, every function behind them moves.

Function bodies and constant expressions, in any of the index spaces. What else names functions
(exports, element segments, the name section) is renumbered by `builder.py`, which owns the sections.

Theory of operation:
    Numbers change their length, so a body cannot be patched in place: it is copied in pieces around
    the immediates that change, and its size is written anew. A body in which nothing changes is copied
    verbatim. Runs of instructions that mention no moving space are skipped by one regular expression
    (`instructions.plain_run`); only what it stops at is looked at in Python.

Before and after, with one import more and so every function from 1 on moved by 1::

    (call 0)  10 00                (call 0)  10 00
    (call 3)  10 83 80 80 80 00    (call 4)  10 04
"""

from __future__ import annotations

from extism._cached import cached_property
from extism._dataclass import dataclass, field
from extism._wasm.cursor import Cursor
from extism._wasm.instructions import (
    END,
    HAS_MEMORY,
    OPCODES,
    SPACE_BY_IMMEDIATE,
    Space,
    plain_run,
    read_clause,
    read_opcode,
    skip_immediate,
)
from extism._wasm.leb128 import write_signed, write_unsigned
from extism._wasm.model import SectionId
from extism._wasm.valtypes import read_heaptype, read_valtype, write_heaptype, write_valtype
from extism._wasm.writer import new_section

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from typing import Final

    from extism._wasm.inline import Inlining
    from extism._wasm.model import Section
    from extism._wasm.writer import Chunk

    Move = Callable[[int], int]
    Skip = Callable[[bytes, int, int], re.Match[bytes] | None]

_CALL: Final = 0x10
_SHORT: Final = 8192
_NOTHING: Final[Mapping[int, bytes]] = {}

__all__ = ["Detour", "Renumbering", "Shift", "renumber_code", "renumber_expression"]


@dataclass(frozen=True)
class Shift:
    """The move of an index space into which `by` entries are put before entry `first`."""

    first: int
    by: int

    def __call__(self, index: int) -> int:
        """Return the new index."""
        return index if index < self.first else index + self.by


@dataclass(frozen=True)
class Detour:
    """The move of the entries that others stand for; everything else stays."""

    targets: Mapping[int, int]

    def __call__(self, index: int) -> int:
        """Return the new index."""
        return self.targets.get(index, index)


def _skip_nothing(_data: bytes, _start: int, _end: int) -> None:
    """Return that the instruction needs a look."""


class _Encoded(dict[int, bytes]):
    """The bytes of the new index for each old one, made when first wanted."""

    def __init__(self, move: Move) -> None:
        super().__init__()
        self.move = move

    def __missing__(self, index: int) -> bytes:
        self[index] = encoded = write_unsigned(self.move(index))
        return encoded


@dataclass(frozen=True)
class Renumbering:
    """
    What happens to each index space, and to some instructions.

    Attributes:
        moves: Where the entries of a space go; a space that is not in it stays as it is.
        replaced: Instructions with one index, by their name in `instructions.py`: what comes in their
            place, by the old index. It is taken as it is, and asked for once for each such instruction.
    """

    moves: Mapping[Space, Move]
    replaced: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)

    def index(self, space: Space, index: int) -> int:
        """Return the new index."""
        return self.moves[space](index) if space in self.moves else index

    @cached_property
    def encoded(self) -> Mapping[Space, _Encoded]:
        """The same, as bytes."""
        return {space: _Encoded(move) for space, move in self.moves.items()}

    def skipping(self, size: int) -> Skip:
        """
        Return what finds the end of a run of instructions that need no look.

        Making it takes as long as looking at each in so many bytes as `_SHORT`; in less, none is skipped.
        """
        return self._run.match if size > _SHORT else _skip_nothing

    @cached_property
    def _run(self) -> re.Pattern[bytes]:
        return plain_run(frozenset(self.moves), frozenset(self.replaced))

    @cached_property
    def single(self) -> Mapping[int, _Encoded]:
        """By opcode byte: instructions whose only immediate is one moving index, such as `call`."""
        return {
            code: self.encoded[space]
            for (prefix, code), opcode in OPCODES.items()
            for space in self.encoded
            if not prefix and opcode.immediates == (space,) and opcode.name not in self.replaced
        }


def renumber_code(
    section: Section, renumbering: Renumbering, inlining: Inlining | None = None
) -> Section:
    """
    Return the code section with all indices renumbered.

    With `inlining`, calls give way to what they call; functions must be among the moving spaces then.

    Raises:
        WasmError: An opcode is unknown, or the code is cut off.
    """
    view, cursor = memoryview(section.data), Cursor.over(section)
    skip = renumbering.skipping(cursor.remaining)
    chunks: list[Chunk] = []
    copied = cursor.offset
    for place in range(cursor.count(2)):
        start = cursor.offset
        body = cursor.inner()
        if inlining is None:
            pieces = _body(body, renumbering, skip)
        else:
            pieces = _inlined(body, renumbering, skip, inlining, inlining.params[place])
        if pieces:
            size = write_unsigned(sum(map(len, pieces)))
            # Joined: hundreds of bytes a call, for each call of the module, would be gigabytes.
            chunks += [view[copied:start], size, b"".join(pieces)]
            copied = cursor.offset
    cursor.finish()
    return new_section(SectionId.CODE, [*chunks, view[copied : section.end]])


def renumber_expression(expression: bytes, renumbering: Renumbering) -> bytes:
    """Return a constant expression with all indices renumbered."""
    cursor = Cursor(expression)
    skip = renumbering.skipping(cursor.remaining)
    return b"".join(_instructions(cursor, cursor.offset, renumbering, skip)) or expression


def _body(cursor: Cursor, renumbering: Renumbering, skip: Skip) -> list[Chunk]:
    """Return the pieces of the new body, none if it stays as it is."""
    _check_end(cursor)
    start = cursor.offset
    runs = cursor.count(2)
    if "type" not in renumbering.moves:
        for _ in range(runs):
            cursor.u32()
            read_valtype(cursor)
        return _instructions(cursor, start, renumbering, skip)
    head: list[Chunk] = [write_unsigned(runs)]
    for _ in range(runs):
        head += [write_unsigned(cursor.u32()), _valtype(cursor, renumbering)]
    old = cursor.data[start : cursor.offset]
    code = cursor.offset
    pieces = _instructions(cursor, code, renumbering, skip)
    if not pieces and b"".join(head) == old:
        return []
    return head + (pieces or [memoryview(cursor.data)[code : cursor.end]])


def _inlined(
    cursor: Cursor, renumbering: Renumbering, skip: Skip, inlining: Inlining, params: int
) -> list[Chunk]:
    """The same as `_body`, with calls replaced; types do not move."""
    _check_end(cursor)
    runs = cursor.count(2)
    start, count = cursor.offset, params
    for _ in range(runs):
        count += cursor.u32()
        read_valtype(cursor)
    code = cursor.offset
    pieces = _instructions(cursor, code, renumbering, skip, inlining.at(count))
    if not pieces:
        return []
    scratch = inlining.locals
    head = [write_unsigned(runs + len(scratch)), cursor.data[start:code], *scratch]
    return [*head, *pieces]


def _check_end(cursor: Cursor) -> None:
    if cursor.data[cursor.end - 1] != END or not cursor.remaining:
        raise cursor.fail("a function body without its end", max(cursor.offset, cursor.end - 1))


def _instructions(
    cursor: Cursor,
    copied: int,
    renumbering: Renumbering,
    skip: Skip,
    inlined: Mapping[int, bytes] = _NOTHING,
) -> list[Chunk]:
    """
    Return the pieces that replace the bytes from `copied` to the cursor's end, none if none changes.

    This is the loop that everything waits for: 54,000 calls in 3.3 MB of code pass through it.
    """
    data, end, offset = cursor.data, cursor.end, cursor.offset
    view, single = memoryview(data), renumbering.single
    pieces: list[Chunk] = []
    while offset < end:
        run = skip(data, offset, end)
        if run:
            offset = run.end()
            if offset == end:
                break
        encoded = single.get(data[offset])
        cursor.offset = offset
        if encoded is None:
            for start, stop, new in _immediates(cursor, renumbering):
                pieces += [view[copied:start], new]
                copied = stop
            offset = cursor.offset
            continue
        start = cursor.offset = offset + 1
        index = cursor.u32()
        if index in inlined and data[offset] == _CALL:
            pieces += [view[copied:offset], inlined[index]]
            offset = copied = cursor.offset
            continue
        new = encoded[index]
        offset = cursor.offset
        if data[start:offset] != new:
            pieces += [view[copied:start], new]
            copied = offset
    cursor.offset = end
    return [*pieces, view[copied:end]] if pieces else pieces


def _immediates(cursor: Cursor, renumbering: Renumbering) -> list[tuple[int, int, bytes]]:
    """Read one instruction and return (start, stop, new bytes) of each immediate that changes, or of all."""
    changes: list[tuple[int, int, bytes]] = []
    first = cursor.offset
    opcode = read_opcode(cursor)[1]
    if opcode.name in renumbering.replaced:
        new = renumbering.replaced[opcode.name][cursor.u32()]
        return [(first, cursor.offset, new)]
    for kind in opcode.immediates:
        start = cursor.offset
        space = SPACE_BY_IMMEDIATE.get(kind)
        if space is None or space not in renumbering.moves:
            skip_immediate(cursor, kind)
            continue
        if kind in _REWRITE:
            new = _REWRITE[kind](cursor, renumbering)
        else:
            new = renumbering.encoded[space][cursor.u32()]
        if new != cursor.data[start : cursor.offset]:
            changes.append((start, cursor.offset, new))
    return changes


def _heaptype(cursor: Cursor, renumbering: Renumbering) -> bytes:
    return write_heaptype(_moved_heap(read_heaptype(cursor), renumbering))


def _valtype(cursor: Cursor, renumbering: Renumbering) -> bytes:
    start = cursor.offset
    text = read_valtype(cursor)
    head, _, heap = text.removesuffix(")").rpartition(" ")
    if not heap.isdecimal():
        return cursor.data[start : cursor.offset]
    return write_valtype(f"{head} {_moved_heap(heap, renumbering)})")


def _moved_heap(heap: str, renumbering: Renumbering) -> str:
    return str(renumbering.index("type", int(heap))) if heap.isdecimal() else heap


def _block_type(cursor: Cursor, renumbering: Renumbering) -> bytes:
    start = cursor.offset
    skip_immediate(cursor, "block")
    inside = Cursor(cursor.data, start, cursor.offset, cursor.section)
    first = inside.peek()
    if first & 0x40 and first < 0x80:
        is_reference = first in {0x63, 0x64}
        return _valtype(inside, renumbering) if is_reference else cursor.data[start : inside.end]
    return write_signed(renumbering.index("type", inside.signed(33)))


def _valtypes(cursor: Cursor, renumbering: Renumbering) -> bytes:
    count = cursor.count()
    types = [_valtype(cursor, renumbering) for _ in range(count)]
    return write_unsigned(count) + b"".join(types)


def _memarg(cursor: Cursor, renumbering: Renumbering) -> bytes:
    start = cursor.offset
    alignment = cursor.u32()
    old = cursor.u32() if alignment & HAS_MEMORY else 0
    offset = cursor.offset
    cursor.u64()
    new = renumbering.index("memory", old)
    if new == old:
        return cursor.data[start : cursor.offset]
    head = alignment & ~HAS_MEMORY
    memory = (
        write_unsigned(head | HAS_MEMORY) + write_unsigned(new) if new else write_unsigned(head)
    )
    return memory + cursor.data[offset : cursor.offset]


def _clauses(cursor: Cursor, renumbering: Renumbering, kind: str) -> bytes:
    count = cursor.count(2)
    out = [write_unsigned(count)]
    for _ in range(count):
        byte, numbers = read_clause(cursor, kind)
        out.append(bytes((byte,)))
        for number in numbers:
            value = cursor.u32()
            moved = renumbering.index("tag", value) if number == "tag" else value
            out.append(write_unsigned(moved))
    return b"".join(out)


_REWRITE: Mapping[str, Callable[[Cursor, Renumbering], bytes]] = {
    "block": _block_type,
    "heap": _heaptype,
    "valtypes": _valtypes,
    "memarg": _memarg,
    "catches": lambda cursor, renumbering: _clauses(cursor, renumbering, "catches"),
    "handlers": lambda cursor, renumbering: _clauses(cursor, renumbering, "handlers"),
}
"""The kinds of immediate that are more than one index."""
