"""
Weigh what a module begins with: initial values, and the segments of its tables and memories.

What linkers write costs a compiler nothing: it lays out numbers, and functions in the first million places of a table.
For everything else it makes code, one function for all of it, which stands in no section of code: elements that are
passive or expressions, offsets and values that are computed, functions further back.

A *step* is an instruction of such code, or a part of one; like an entry of `weigh.py`, it takes some 10 to 50 us.
"""

from __future__ import annotations

from extism._wasm.cursor import Cursor
from extism._wasm.instructions import END, read_opcode, skip_immediate
from extism._wasm.model import SectionId
from extism._wasm.valtypes import read_valtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from extism._wasm.reader import Module

__all__ = ["initial_steps"]

_LAID_OUT: Final = 1 << 20
"""So many places of a table are laid out while compiling."""

_OF_AN_ELEMENT: Final = 6
"""Steps for an element that code puts in its place: 2 s and 300 MB for 40,000."""

_PLAIN_ELEMENTS: Final = 4
"""Elements that are laid out and cost no more than a step together."""

_SIZES: Final = {SectionId.TYPE: 16, SectionId.GLOBAL: 16, SectionId.TABLE: 12}
"""Bytes of an entry, as linkers write it; what is more is a group of types, or a value that is computed."""

_OF_A_STEP: Final = 3
"""Bytes of an instruction in a computed value."""

_CONSTANTS: Final = {0x41: 32, 0x42: 64}
_PASSIVE, _EXPLICIT, _EXPRESSIONS = 1, 2, 4
_LOOK: Final = 10_000


def initial_steps(module: Module) -> Iterator[int]:
    """
    Yield how many steps there are, as they are found: whoever has had enough need not go on.

    Raises:
        WasmError: A section cannot be read.
    """
    total = 0
    for id_, size in _SIZES.items():
        section = module.section(id_)
        if section is not None:
            count = Cursor.over(section).u32()
            total += max(0, section.end - section.body - size * count) // _OF_A_STEP
            yield total
    for walk in (_of_data, _of_elements):
        for steps in walk(module):
            total += steps
            yield total


def _of_data(module: Module) -> Iterator[int]:
    section = module.section(SectionId.DATA)
    if section is None:
        return
    cursor = Cursor.over(section)
    for _ in range(cursor.count(2)):
        flags = cursor.u32()
        if flags & _EXPLICIT:
            cursor.u32()
        if not flags & _PASSIVE and _constant(cursor) is None:
            yield from _computed(cursor)
        cursor.skip(cursor.u32())


def _of_elements(module: Module) -> Iterator[int]:
    section = module.section(SectionId.ELEMENT)
    if section is None:
        return
    cursor, imported = Cursor.over(section), module.imported_count("table")
    for _ in range(cursor.count(2)):
        flags = cursor.u32()
        is_active, is_plain = not flags & _PASSIVE, not flags & _EXPRESSIONS
        table = cursor.u32() if is_active and flags & _EXPLICIT else 0
        offset: int | None = 0
        if is_active:
            offset = _constant(cursor)
            if offset is None:
                yield from _computed(cursor)
        if flags & (_PASSIVE | _EXPLICIT):
            cursor.byte() if is_plain else read_valtype(cursor)
        count = cursor.count()
        is_declared = not is_active and bool(flags & _EXPLICIT)
        has_place = is_active and table >= imported and offset is not None
        is_laid_out = has_place and (offset or 0) + count <= _LAID_OUT
        if is_plain and (is_declared or is_laid_out):
            yield count // _PLAIN_ELEMENTS
        else:
            yield (count + 1) * _OF_AN_ELEMENT
        for _ in range(count):
            if is_plain:
                cursor.u32()
            else:
                yield from _computed(cursor)


def _constant(cursor: Cursor) -> int | None:
    """Read an expression that is one number, and return that; None, and nothing is read, if it is another one."""
    start = cursor.offset
    bits = _CONSTANTS.get(cursor.peek())
    if bits is not None:
        cursor.offset += 1
        number = cursor.signed(bits) % (1 << bits)
        if cursor.byte() == END:
            return number
    cursor.offset = start
    return None


def _computed(cursor: Cursor) -> Iterator[int]:
    """Read an expression, and yield its instructions but the last one, some at a time."""
    steps = -1
    while True:
        _, opcode = read_opcode(cursor)
        for kind in opcode.immediates:
            skip_immediate(cursor, kind)
        steps += 1
        if opcode.name == "end":
            break
        if steps == _LOOK:
            yield steps
            steps = 0
    yield max(0, steps)
