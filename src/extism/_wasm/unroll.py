"""
Write the body of a small loop several times over, so that one look at the clock serves several turns.

A loop that copies eight bytes a turn spends most of its time on what stands between two turns: the check
whether the call is to end, and the values that have to be where the next turn looks for them. Which loops are taken is
told by what they call: those that a load of eight bytes is about to be put into (`inline.py`).

Before and after, for the two ways in which compilers close a loop::

    (loop $next                      (loop $next
      BODY                             BODY  BODY  ...  BODY
      (br $next))                      (br $next))

    (loop $next                      (block $done (loop $next
      BODY                             BODY  (br_if $done (i32.eqz COND))
                                       BODY  (br_if $done (i32.eqz COND))  ...
      (br_if $next COND))              BODY  (br_if $next COND)))

A branch to the loop's start from within its body goes there from each copy: a turn is a turn, whichever copy
makes it. The new block takes up one label, so in the second case branches that leave the loop
count one more.
"""

from __future__ import annotations

from extism._dataclass import dataclass, field
from extism._wasm.cursor import Cursor
from extism._wasm.instructions import OPCODES, read_opcode, skip_immediate
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import SectionId
from extism._wasm.valtypes import read_valtype
from extism._wasm.writer import new_section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from extism._wasm.model import Section
    from extism._wasm.writer import Chunk

__all__ = ["unroll_code"]

_COPIES: Final = 8
_LARGEST_LOOP: Final = 256
"""Bytes of a loop that is taken: what is longer has more to do than to copy."""
_LARGEST_BODY: Final = 8 << 10
"""Bytes of a function that is read: each instruction of it takes a microsecond or two."""
_MOST_READ: Final = 64 << 10
_MOST_ADDED: Final = 64 << 10
"""Bytes of a module: what is read of it, and what it may gain."""

_VOID_LOOP: Final = b"\x03\x40"
_VOID_BLOCK: Final = b"\x02\x40"
_CALL: Final = b"\x10"
_END: Final = b"\x0b"
_EQZ: Final = b"\x45"
_TO_START: Final = b"\x0c\0"
"""A branch to the loop that ends behind it; the conditional one is as long."""

_BRANCHES: Final = frozenset({"br", "br_if"})
_BLOCKS: Final = frozenset({"block", "if"})
_OPENS: Final = _BLOCKS | {"loop", "try", "try_table"}
_CLOSES: Final = frozenset({"end", "delegate"})
_LEAVES: Final = frozenset({"label", "labels", "catches", "handlers"})
_OTHERS: Final = frozenset(
    opcode.name
    for opcode in OPCODES.values()
    if opcode.name == "try" or not _LEAVES.isdisjoint(opcode.immediates)
).difference(_BRANCHES)
"""Other ways to another place; no copy loop has them."""


@dataclass
class _Loop:
    """
    A loop that is being read.

    Attributes:
        start: The offset of its first instruction.
        level: How many blocks are open around it.
        calls: Whether it calls what loops are taken for.
        leaving: (start, stop, label) of the immediates of branches that leave it.
        closing: The name of its last instruction, if that is a branch to its start.
        last: The offset of that instruction.
    """

    start: int
    level: int
    calls: bool = False
    leaving: list[tuple[int, int, int]] = field(default_factory=list)
    closing: str = ""
    last: int = 0

    def takes(
        self, name: str, index: int, start: int, stop: int, level: int, functions: frozenset[int]
    ) -> bool:
        """Read an instruction of it; False if no loop with that is written out."""
        if name == "call":
            self.calls = True
            return index in functions
        if name in _BRANCHES:
            inside = level - self.level - 1
            if index > inside:
                self.leaving.append((start + 1, stop, index))
            elif inside == index == 0:
                self.closing, self.last = name, start
            return True
        return name not in _OTHERS

    def is_small_copy(self, end: int) -> bool:
        """Tell whether it can be written out, its `end` being at that offset."""
        closes = bool(self.closing) and self.last + len(_TO_START) == end
        return self.calls and closes and end - self.start <= _LARGEST_LOOP


def unroll_code(section: Section, functions: frozenset[int]) -> Section:
    """
    Return the code section with small loops written out that call one of `functions` and no other.

    Raises:
        WasmError: An opcode is unknown, or the code is cut off.
    """
    if not functions:
        return section
    view, cursor = memoryview(section.data), Cursor.over(section)
    chunks: list[Chunk] = []
    copied, read, added = cursor.offset, 0, 0
    calls = [_CALL + index for each in sorted(functions) for index in _encodings(each)]
    for _ in range(cursor.count(2)):
        start = cursor.offset
        body = cursor.inner()
        size = body.remaining
        is_readable = size <= _LARGEST_BODY and read + size <= _MOST_READ
        # Found wherever one of them is called, and perhaps elsewhere.
        if not is_readable or all(section.data.find(each, start, body.end) < 0 for each in calls):
            continue
        read += size
        new = _unrolled(body, functions)
        if new and added + len(new) - size <= _MOST_ADDED:
            added += len(new) - size
            chunks += [view[copied:start], write_unsigned(len(new)), new]
            copied = cursor.offset
    cursor.finish()
    if not chunks:
        return section
    return new_section(SectionId.CODE, [*chunks, view[copied : section.end]])


def _encodings(index: int) -> tuple[bytes, bytes]:
    """Return an index as compilers write it, and as linkers do, which leave room for the largest."""
    padded = [index >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21)]
    return write_unsigned(index), bytes([*padded, index >> 28])


def _unrolled(body: Cursor, functions: frozenset[int]) -> bytes:
    """Return the new body, nothing if it stays as it is."""
    pieces: list[bytes] = []
    copied = body.offset
    for _ in range(body.count(2)):
        body.u32()
        read_valtype(body)
    for loop, end in _loops(body, functions):
        pieces += [body.data[copied : loop.start], _written_out(body.data, loop)]
        copied = end
    return b"".join([*pieces, body.data[copied : body.end]]) if pieces else b""


def _written_out(data: bytes, loop: _Loop) -> bytes:
    first = loop.start + len(_VOID_LOOP)
    if loop.closing == "br":
        turns = data[first : loop.last] * _COPIES
        return b"".join([_VOID_LOOP, turns, _TO_START, _END])
    pieces = []
    for start, stop, label in loop.leaving:
        pieces += [data[first:start], write_unsigned(label + 1)]
        first = stop
    turn = b"".join([*pieces, data[first : loop.last]])
    turns = (turn + _EQZ + b"\x0d\1") * (_COPIES - 1)
    return b"".join([_VOID_BLOCK, _VOID_LOOP, turns, turn, b"\x0d\0", _END, _END])


def _loops(body: Cursor, functions: frozenset[int]) -> Iterator[tuple[_Loop, int]]:
    """Yield the loops that can be written out, each with the offset behind its end."""
    loop: _Loop | None = None
    level = 0
    while body.remaining:
        start = body.offset
        name, index = _instruction(body)
        if name in _CLOSES:
            level -= 1
            if loop and loop.level == level:
                if loop.is_small_copy(start):
                    yield loop, body.offset
                loop = None
        elif name == "loop":
            # The innermost one is what turns most: one around it is forgotten here.
            is_void = body.data[start : body.offset] == _VOID_LOOP
            loop = _Loop(start, level) if is_void else None
        elif loop and not loop.takes(name, index, start, body.offset, level, functions):
            loop = None
        level += name in _OPENS


def _instruction(body: Cursor) -> tuple[str, int]:
    """Read one instruction and return its name and the index behind it, if that is all there is."""
    opcode = read_opcode(body)[1]
    if opcode.immediates in {("label",), ("func",)}:
        return opcode.name, body.u32()
    for kind in opcode.immediates:
        skip_immediate(body, kind)
    return opcode.name, -1
