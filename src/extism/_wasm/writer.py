"""
A module to bytes: untouched sections verbatim, new ones from the values of `model.py`.

Here is one function for each thing that stands in a section. Which of them make a new module out of an
old one is decided in `builder.py`. Order and uniqueness are the caller's to keep, on purpose: tests
build wrong modules too.

The one thing to know: `write(read(data)) == data`, byte for byte.
"""

from __future__ import annotations

from itertools import groupby

from extism._wasm.entries import KINDS, TABLE_WITH_INIT
from extism._wasm.externs import GlobalType, MemoryType, TableType
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import SECTION_NAMES, Section, SectionId
from extism._wasm.reader import HEADER
from extism._wasm.valtypes import (
    write_globaltype,
    write_memorytype,
    write_tabletype,
    write_valtype,
)
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from extism._wasm.externs import ExternType, Import, Kind, ValType
    from extism._wasm.model import DataSegment, ElementSegment, Global
    from extism._wasm.reader import Module

__all__ = [
    "new_custom",
    "new_section",
    "write",
    "write_body",
    "write_data",
    "write_element",
    "write_export",
    "write_externtype",
    "write_global",
    "write_import",
    "write_list",
    "write_name",
    "write_sections",
    "write_table",
]

Chunk = bytes | memoryview


def write(module: Module) -> bytes:
    """Return the bytes of a module."""
    return write_sections(module.sections)


def write_sections(sections: Iterable[Section]) -> bytes:
    """Return the bytes of the module that has these sections."""
    return b"".join([HEADER, *(section.raw for section in sections)])


def new_section(id_: int, chunks: Iterable[Chunk], name: str | None = None) -> Section:
    """
    Return a section with these bytes behind its header.

    Layout:
        id (one byte), size in bytes (LEB128), then `chunks` one after the other.
    """
    chunks = list(chunks)
    size = write_unsigned(sum(map(len, chunks)))
    data = b"".join([bytes((id_,)), size, *chunks])
    return Section(id_, data, 0, 1 + len(size), len(data), name or SECTION_NAMES[id_])


def new_custom(name: str, payload: Chunk) -> Section:
    """Return a custom section."""
    label = write_name(name)
    section = new_section(SectionId.CUSTOM, [label, payload], name)
    return Section(SectionId.CUSTOM, section.data, 0, section.body + len(label), section.end, name)


def write_list(items: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks of a list: the count, then the items."""
    return [write_unsigned(len(items)), *items]


def write_name(text: str) -> bytes:
    """Return a name: the length in bytes, then UTF-8."""
    raw = text.encode("utf-8")
    return write_unsigned(len(raw)) + raw


def write_import(item: Import) -> bytes:
    """Return an entry of the import section."""
    kind = bytes((KINDS.index(item.kind),))
    return write_name(item.module) + write_name(item.name) + kind + _import_type(item)


def _import_type(item: Import) -> bytes:
    match item.kind:
        case "func":
            return write_unsigned(item.type_index or 0)
        case "tag":
            return b"\0" + write_unsigned(item.type_index or 0)
        case _:
            return write_externtype(item.type)


def write_externtype(type_: ExternType) -> bytes:
    """Return the type of a table, memory or global; functions and tags go by a type index."""
    match type_:
        case TableType():
            return write_tabletype(type_)
        case MemoryType():
            return write_memorytype(type_)
        case GlobalType():
            return write_globaltype(type_)
        case _:
            raise WasmError(f"{type_} is written by its type index")


def write_export(name: str, kind: Kind, index: int) -> bytes:
    """Return an entry of the export section."""
    return write_name(name) + bytes((KINDS.index(kind),)) + write_unsigned(index)


def write_table(type_: TableType, init: bytes = b"") -> bytes:
    """Return an entry of the table section; `init` is the expression that fills it, if not null."""
    return (TABLE_WITH_INIT if init else b"") + write_tabletype(type_) + init


def write_global(item: Global) -> bytes:
    """Return an entry of the global section."""
    return write_globaltype(item.type) + item.init


def write_body(instructions: bytes, locals_: Sequence[ValType] = ()) -> bytes:
    """
    Return an entry of the code section.

    Args:
        instructions: All of them but the closing `end`.
        locals_: Types of the locals beside the parameters.

    Layout:
        size, number of runs of equal locals, each run as count and type, instructions, `0b`.
    """
    runs = [
        write_unsigned(len(list(run))) + write_valtype(type_) for type_, run in groupby(locals_)
    ]
    body = b"".join([*write_list(runs), instructions, b"\x0b"])
    return write_unsigned(len(body)) + body


def write_element(segment: ElementSegment) -> bytes:
    """
    Return an entry of the element section, in the shortest form that says the same.

    Layout:
        As in `reader.py`: flags, [table], [offset], [kind or type], items.
    """
    has_expressions = bool(segment.items) and isinstance(segment.items[0], bytes)
    has_expressions = has_expressions or segment.element != "funcref"
    is_active = segment.mode == "active"
    is_long = segment.mode == "declarative" or (
        is_active and (segment.table != 0 or segment.element != "funcref")
    )
    flags = (not is_active) | is_long << 1 | has_expressions << 2
    table = write_unsigned(segment.table) if is_active and is_long else b""
    element = write_valtype(segment.element) if has_expressions else b"\0"
    items = [item if isinstance(item, bytes) else write_unsigned(item) for item in segment.items]
    head = [bytes((flags,)), table, segment.offset, element if flags & 3 else b""]
    return b"".join([*head, *write_list(items)])


def write_data(segment: DataSegment) -> list[Chunk]:
    """Return the chunks of an entry of the data section; the bytes are not copied."""
    if segment.memory is None:
        flags = b"\1"
    else:
        flags = b"\2" + write_unsigned(segment.memory) if segment.memory else b"\0"
    return [flags, segment.offset, write_unsigned(len(segment.data)), segment.data]
