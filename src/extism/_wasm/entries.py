"""
The entries of sections from their bytes: tables, globals, exports, element and data segments.

One function for each kind of entry; which section has which is in `reader.py`, the way back in
`writer.py`.

Source:
    https://webassembly.github.io/spec/core/binary/modules.html
"""

from __future__ import annotations

from extism._wasm.externs import Export, Kind, TableType
from extism._wasm.model import DataSegment, ElementSegment, Global
from extism._wasm.valtypes import read_globaltype, read_tabletype, read_valtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from extism._wasm.cursor import Cursor
    from extism._wasm.model import ElementMode

__all__ = [
    "KINDS",
    "TABLE_WITH_INIT",
    "read_data",
    "read_element",
    "read_export",
    "read_global",
    "read_kind",
    "read_table",
]

KINDS: Final[tuple[Kind, ...]] = ("func", "table", "memory", "global", "tag")
"""The kinds of import and export by their byte."""

TABLE_WITH_INIT: Final = b"\x40\x00"
"""What a table begins with whose initial value is not null."""


def _expression(cursor: Cursor) -> bytes:
    """Read a constant expression; the table of instructions is loaded for it, which few loads of plugins need."""
    from extism._wasm.instructions import read_expression

    return read_expression(cursor)


def read_kind(cursor: Cursor) -> Kind:
    """Read what kind of thing is imported or exported."""
    byte = cursor.byte()
    if byte >= len(KINDS):
        raise cursor.fail(f"{byte:#04x} is no kind of import or export", cursor.offset - 1)
    return KINDS[byte]


def read_table(cursor: Cursor) -> tuple[TableType, bytes]:
    """
    Read a table and return its type and initial value, `b""` if it has none.

    Layout:
        The type alone, or 40 00, the type, and a constant expression that fills the table.
    """
    if cursor.peek() != TABLE_WITH_INIT[0]:
        return read_tabletype(cursor), b""
    if cursor.take(2) != TABLE_WITH_INIT:
        raise cursor.fail("a table of an unknown form", cursor.offset - 1)
    return read_tabletype(cursor), _expression(cursor)


def read_global(cursor: Cursor) -> Global:
    """Read a global of the module's own."""
    return Global(read_globaltype(cursor), _expression(cursor))


def read_export(cursor: Cursor) -> Export:
    """Read an export."""
    return Export(cursor.name(), read_kind(cursor), cursor.u32())


_ELEMENT_KINDS: Final = {0: "funcref"}


def read_element(cursor: Cursor) -> ElementSegment:
    """
    Read an element segment.

    Layout:
        Flags: 1 not active, 2 explicit table (active) or declarative, 4 expressions for indices.
        Active: table index (flag 2), offset. Then the type, if any of flags 1 and 2. Then the items.
    """
    flags = cursor.u32()
    if flags > 7:
        raise cursor.fail(f"an element segment with unknown flags {flags:#x}")
    is_active, has_expressions = not flags & 1, bool(flags & 4)
    mode: ElementMode = "active" if is_active else "declarative" if flags & 2 else "passive"
    table = cursor.u32() if is_active and flags & 2 else 0
    offset = _expression(cursor) if is_active else b""
    element = "funcref"
    if flags & 3:
        element = read_valtype(cursor) if has_expressions else _element_kind(cursor)
    count = cursor.count()
    items: Any = tuple(
        [_expression(cursor) if has_expressions else cursor.u32() for _ in range(count)]
    )
    return ElementSegment(mode, element, table, offset, items)


def _element_kind(cursor: Cursor) -> str:
    byte = cursor.byte()
    if byte not in _ELEMENT_KINDS:
        raise cursor.fail(f"{byte:#04x} is no kind of element", cursor.offset - 1)
    return _ELEMENT_KINDS[byte]


def read_data(cursor: Cursor) -> DataSegment:
    """Read a data segment: flags 0 active in memory 0, 1 passive, 2 active with a memory index."""
    flags = cursor.u32()
    if flags > 2:
        raise cursor.fail(f"a data segment with unknown flags {flags:#x}")
    memory = None if flags == 1 else cursor.u32() if flags == 2 else 0
    offset = b"" if memory is None else _expression(cursor)
    inside = cursor.inner()
    return DataSegment(memoryview(cursor.data)[inside.offset : inside.end], memory, offset)
