"""
Bytes to a module: sections at once, what is in them when someone asks.

`read` only walks over the section headers, whatever the size; the properties of `Module` decode one
section each, once. Code is never decoded here (`relocate.py` walks it). The values are those of
`model.py`; the way back is `writer.py`.

The one thing to know: this reads, it does not validate. Whatever it needs for an answer is checked and
fails as `WasmError`; that code is well typed, only the engine can say.

Source:
    https://webassembly.github.io/spec/core/binary/modules.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from extism._wasm.cursor import Cursor
from extism._wasm.instructions import read_expression
from extism._wasm.model import (
    DataSegment,
    ElementSegment,
    Export,
    ExternType,
    FuncType,
    Global,
    GlobalType,
    Import,
    Kind,
    MemoryType,
    Section,
    SectionId,
    SubType,
    TableType,
    TagType,
)
from extism._wasm.valtypes import (
    read_globaltype,
    read_memorytype,
    read_rectypes,
    read_tabletype,
    read_valtype,
)
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from extism._wasm.model import ElementItems, ElementMode

    Item = TypeVar("Item")

__all__ = [
    "HEADER",
    "KINDS",
    "SECTION_ORDER",
    "TABLE_WITH_INIT",
    "Module",
    "read",
    "read_data",
    "read_element",
    "read_export",
    "read_global",
    "read_table",
]

HEADER: Final = b"\0asm\x01\0\0\0"
COMPONENT: Final = b"\0asm\x0d\0\x01\0"
KINDS: Final[tuple[Kind, ...]] = ("func", "table", "memory", "global", "tag")
"""The kinds of import and export by their byte."""

SECTION_ORDER: Final = (
    SectionId.TYPE,
    SectionId.IMPORT,
    SectionId.FUNCTION,
    SectionId.TABLE,
    SectionId.MEMORY,
    SectionId.TAG,
    SectionId.GLOBAL,
    SectionId.EXPORT,
    SectionId.START,
    SectionId.ELEMENT,
    SectionId.DATA_COUNT,
    SectionId.CODE,
    SectionId.DATA,
)
"""The order in which sections must stand; custom ones may stand anywhere."""

MOST_ENTRIES: Final = 1_000_000
"""In one section; the limit of the JavaScript API, which engines share. It bounds memory."""

_RANK: Final = {id_: rank for rank, id_ in enumerate(SECTION_ORDER)}
_LAST_SECTION: Final = max(SectionId)
TABLE_WITH_INIT: Final = b"\x40\x00"
"""What a table begins with whose initial value is not null."""


def read(data: bytes | bytearray | memoryview) -> Module:
    """
    Return the module that `data` is, its sections still raw.

    Raises:
        WasmError: It is no core module, or its sections are cut off, doubled or out of order.
    """
    data = bytes(data)
    if not data.startswith(HEADER):
        raise WasmError(_not_a_module(data), offset=0)
    return Module(data, tuple(_sections(Cursor(data, len(HEADER)))))


def _not_a_module(data: bytes) -> str:
    if data.startswith(COMPONENT):
        return "this is a component; a core module is wanted (build for wasm32-wasip1)"
    if data.startswith(HEADER[:4]):
        return f"WebAssembly of an unknown version: {data[4:8].hex(' ') or 'none given'}"
    if data.lstrip()[:1] in {b"(", b";"}:
        return "this is WebAssembly text; assemble it first (wat2wasm)"
    return f"not a WebAssembly module: it starts with {data[:4].hex(' ') or 'nothing'}"


def _sections(cursor: Cursor) -> Iterator[Section]:
    rank = -1
    while cursor.remaining:
        section = _section(cursor)
        if section.id != SectionId.CUSTOM:
            if _RANK[section.id] <= rank:
                text = f"section {section.name!r} is doubled or out of order"
                raise WasmError(text, offset=section.start, section=section.name)
            rank = _RANK[section.id]
        yield section


def _section(cursor: Cursor) -> Section:
    start = cursor.offset
    number = cursor.byte()
    if number > _LAST_SECTION:
        raise cursor.fail(f"unknown section {number}", start)
    id_ = SectionId(number)
    cursor.section = id_.name.lower()
    inside = cursor.inner()
    cursor.section = ""
    name = inside.name() if id_ == SectionId.CUSTOM else inside.section
    return Section(id_, cursor.data, start, inside.offset, inside.end, name)


@dataclass(frozen=True, eq=False)
class Module:
    """
    A module: raw sections, and what they say, decoded at the first question.

    Every property raises `WasmError` if the section that it needs is malformed.

    Attributes:
        data: The bytes that were read.
        sections: In the order of the file.
    """

    data: bytes
    sections: tuple[Section, ...]

    def section(self, id_: SectionId) -> Section | None:
        """Return the section of that kind, None if the module has none."""
        return next((section for section in self.sections if section.id == id_), None)

    @cached_property
    def custom(self) -> Mapping[str, Section]:
        """Custom sections by name; of several with one name the last."""
        return {item.name: item for item in self.sections if item.id == SectionId.CUSTOM}

    @cached_property
    def types(self) -> tuple[SubType, ...]:
        """The type index space."""
        groups = self._items(SectionId.TYPE, lambda cursor: tuple(read_rectypes(cursor)))
        return tuple(entry for group in groups for entry in group)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All imports with their full types."""
        return self._items(SectionId.IMPORT, self._import, smallest=4)

    @cached_property
    def function_type_indices(self) -> tuple[int, ...]:
        """Type index of every function: first the imported ones, then the module's own."""
        imported = (item.type_index for item in self.imports if item.kind == "func")
        own = self._items(SectionId.FUNCTION, Cursor.u32)
        return (*(index for index in imported if index is not None), *own)

    @cached_property
    def tables(self) -> tuple[TableType, ...]:
        """The table index space: imported, then own."""
        own = self._items(SectionId.TABLE, lambda cursor: read_table(cursor)[0], smallest=3)
        return (*self._imported(TableType), *own)

    @cached_property
    def memories(self) -> tuple[MemoryType, ...]:
        """The memory index space: imported, then own."""
        own = self._items(SectionId.MEMORY, read_memorytype, smallest=2)
        return (*self._imported(MemoryType), *own)

    @cached_property
    def tags(self) -> tuple[TagType, ...]:
        """The tag index space: imported, then own."""
        own = self._items(SectionId.TAG, lambda cursor: self._tag(cursor)[1], smallest=2)
        return (*self._imported(TagType), *own)

    @cached_property
    def own_globals(self) -> tuple[Global, ...]:
        """The globals that the module defines, with their initial values."""
        return self._items(SectionId.GLOBAL, read_global, smallest=3)

    @cached_property
    def globals(self) -> tuple[GlobalType, ...]:
        """The types of the global index space: imported, then own."""
        return (*self._imported(GlobalType), *(own.type for own in self.own_globals))

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """All exports, in the order of the file."""
        return self._items(SectionId.EXPORT, read_export, smallest=3)

    @cached_property
    def start(self) -> int | None:
        """Index of the function that runs at instantiation."""
        section = self.section(SectionId.START)
        if section is None:
            return None
        cursor = Cursor.over(section)
        index = cursor.u32()
        cursor.finish()
        return index

    @cached_property
    def elements(self) -> tuple[ElementSegment, ...]:
        """All element segments."""
        return self._items(SectionId.ELEMENT, read_element, smallest=2)

    @cached_property
    def data_count(self) -> int | None:
        """The number of data segments that is announced before the code."""
        section = self.section(SectionId.DATA_COUNT)
        return None if section is None else Cursor.over(section).u32()

    @cached_property
    def data_segments(self) -> tuple[DataSegment, ...]:
        """All data segments; their bytes are not copied."""
        return self._items(SectionId.DATA, read_data, smallest=2)

    def imported_count(self, kind: Kind) -> int:
        """Return how many entries of that index space are imported."""
        return sum(1 for item in self.imports if item.kind == kind)

    def func_type(self, index: int) -> FuncType:
        """
        Return the type of a function.

        Raises:
            WasmError: There is no such function, or its type is none of a function.
        """
        indices = self.function_type_indices
        if not 0 <= index < len(indices):
            raise WasmError(f"function {index} of {len(indices)}", section="function")
        return self._composite(indices[index], "function")

    def type_of(self, item: Import | Export) -> ExternType:
        """Return the type of what is imported or exported."""
        if isinstance(item, Import):
            return item.type
        if item.kind == "func":
            return self.func_type(item.index)
        spaces: dict[Kind, tuple[ExternType, ...]] = {
            "table": self.tables,
            "memory": self.memories,
            "global": self.globals,
            "tag": self.tags,
        }
        space = spaces[item.kind]
        if item.index >= len(space):
            text = f"export {item.name!r} names {item.kind} {item.index} of {len(space)}"
            raise WasmError(text, section="export")
        return space[item.index]

    def export(self, name: str) -> Export | None:
        """Return the export of that name, None if there is none."""
        return self._export_by_name.get(name)

    @cached_property
    def _export_by_name(self) -> Mapping[str, Export]:
        return {export.name: export for export in self.exports}

    def exported_functions(self) -> dict[str, FuncType]:
        """Return the types of the exported functions by name, in the order of the file."""
        return {
            export.name: self.func_type(export.index)
            for export in self.exports
            if export.kind == "func"
        }

    def _items(
        self, id_: SectionId, item: Callable[[Cursor], Item], smallest: int = 1
    ) -> tuple[Item, ...]:
        """Decode a section that is one list; nothing may follow the list."""
        section = self.section(id_)
        if section is None:
            return ()
        cursor = Cursor.over(section)
        count = cursor.count(smallest)
        if count > MOST_ENTRIES:
            text = f"{count} entries are more than the {MOST_ENTRIES} that engines allow"
            raise cursor.fail(text, section.body)
        items = tuple([item(cursor) for _ in range(count)])
        cursor.finish()
        return items

    def _imported(self, type_: type[Item]) -> tuple[Item, ...]:
        return tuple(item.type for item in self.imports if isinstance(item.type, type_))

    def _composite(self, index: int, section: str) -> FuncType:
        if index >= len(self.types):
            raise WasmError(f"type {index} of {len(self.types)}", section=section)
        composite = self.types[index].composite
        if not isinstance(composite, FuncType):
            raise WasmError(f"type {index} is {composite}, no function type", section=section)
        return composite

    def _import(self, cursor: Cursor) -> Import:
        module, name = cursor.name(), cursor.name()
        kind = _kind(cursor)
        if kind == "func":
            index = cursor.u32()
            return Import(module, name, kind, self._composite(index, "import"), index)
        if kind == "tag":
            index, tag = self._tag(cursor)
            return Import(module, name, kind, tag, index)
        return Import(module, name, kind, _IMPORTED[kind](cursor))

    def _tag(self, cursor: Cursor) -> tuple[int, TagType]:
        if cursor.byte():
            raise cursor.fail("a tag with an unknown attribute", cursor.offset - 1)
        index = cursor.u32()
        return index, TagType(self._composite(index, cursor.section))


_IMPORTED: Final[Mapping[Kind, Callable[[Cursor], ExternType]]] = {
    "table": read_tabletype,
    "memory": read_memorytype,
    "global": read_globaltype,
}


def _kind(cursor: Cursor) -> Kind:
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
    return read_tabletype(cursor), read_expression(cursor)


def read_global(cursor: Cursor) -> Global:
    """Read a global of the module's own."""
    return Global(read_globaltype(cursor), read_expression(cursor))


def read_export(cursor: Cursor) -> Export:
    """Read an export."""
    return Export(cursor.name(), _kind(cursor), cursor.u32())


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
    mode = "active" if is_active else "declarative" if flags & 2 else "passive"
    table = cursor.u32() if is_active and flags & 2 else 0
    offset = read_expression(cursor) if is_active else b""
    element = "funcref"
    if flags & 3:
        element = read_valtype(cursor) if has_expressions else _element_kind(cursor)
    read_item = read_expression if has_expressions else Cursor.u32
    items = tuple([read_item(cursor) for _ in range(cursor.count())])
    return ElementSegment(
        cast("ElementMode", mode), element, table, offset, cast("ElementItems", items)
    )


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
    offset = b"" if memory is None else read_expression(cursor)
    inside = cursor.inner()
    return DataSegment(memoryview(cursor.data)[inside.offset : inside.end], memory, offset)
