"""
Bytes to a module: sections at once, what is in them when someone asks.

`read` only walks over the section headers, whatever the size; the properties of `Module` decode one
section each, once. Code is never decoded here (`relocate.py` walks it). How an entry reads is in
`entries.py` and `valtypes.py`; the way back is `writer.py`.

The one thing to know: this reads, it does not validate. Whatever it needs for an answer is checked and
fails as `WasmError`; that code is well typed, only the engine can say.

Source:
    https://webassembly.github.io/spec/core/binary/modules.html
"""

from __future__ import annotations

from itertools import count

from extism._cached import cached_property
from extism._dataclass import dataclass
from extism._wasm.cursor import Cursor
from extism._wasm.entries import (
    read_data,
    read_element,
    read_export,
    read_global,
    read_kind,
    read_table,
)
from extism._wasm.externs import (
    Export,
    ExternType,
    FuncType,
    GlobalType,
    Import,
    Kind,
    MemoryType,
    TableType,
    TagType,
)
from extism._wasm.model import (
    SECTION_NAMES,
    DataSegment,
    ElementSegment,
    Global,
    Section,
    SectionId,
    SubType,
)
from extism._wasm.valtypes import (
    plain_entries,
    plain_functype,
    read_globaltype,
    read_memorytype,
    read_rectypes,
    read_tabletype,
)
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Final, TypeVar

    Item = TypeVar("Item")

__all__ = [
    "HEADER",
    "SECTION_ORDER",
    "Module",
    "read",
]

HEADER: Final = b"\0asm\x01\0\0\0"
COMPONENT: Final = b"\0asm\x0d\0\x01\0"
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

MOST_FUNCTIONS: Final = 1_000_000
"""The limit of the JavaScript API, which engines share. It bounds memory."""

MOST_ENTRIES: Final = 300_000
"""In any other section: decoding one takes some 10 us, and no compiler makes a tenth of that many."""

_MOST_SECTIONS: Final = 10_000
"""Custom ones, nearly all; each is a few objects, and compilers write some dozen."""

_RANK: Final = {id_: rank for rank, id_ in enumerate(SECTION_ORDER)}


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
    for number in count():
        if not cursor.remaining:
            return
        if number >= _MOST_SECTIONS:
            raise cursor.fail(f"more than the {_MOST_SECTIONS} sections that are read")
        section = _section(cursor)
        if section.id != SectionId.CUSTOM:
            if _RANK[section.id] <= rank:
                text = f"section {section.name!r} is doubled or out of order"
                raise WasmError(text, offset=section.start, section=section.name)
            rank = _RANK[section.id]
        yield section


def _section(cursor: Cursor) -> Section:
    start = cursor.offset
    id_ = cursor.byte()
    if id_ >= len(SECTION_NAMES):
        raise cursor.fail(f"unknown section {id_}", start)
    cursor.section = SECTION_NAMES[id_]
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

    def section(self, id_: int) -> Section | None:
        """Return the section of that kind, None if the module has none."""
        return next((section for section in self.sections if section.id == id_), None)

    @cached_property
    def custom(self) -> Mapping[str, Section]:
        """Custom sections by name; of several with one name the last."""
        return {item.name: item for item in self.sections if item.id == SectionId.CUSTOM}

    @cached_property
    def types(self) -> tuple[SubType, ...]:
        """The type index space."""
        if self._plain_types:
            return tuple([SubType(plain_functype(entry)) for entry in self._plain_types])
        found: list[SubType] = []

        def read_group(cursor: Cursor) -> None:
            # A group is one entry of the section, whatever it holds.
            for entry in read_rectypes(cursor):
                if len(found) == MOST_ENTRIES:
                    raise cursor.fail(f"more than the {MOST_ENTRIES} types that are read")
                found.append(entry)

        self._items(SectionId.TYPE, read_group)
        return tuple(found)

    @cached_property
    def _plain_types(self) -> tuple[bytes, ...]:
        """Its entries as they stand, where all are plain function types."""
        section = self.section(SectionId.TYPE)
        return () if section is None else plain_entries(Cursor.over(section), MOST_ENTRIES)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All imports with their full types."""
        return self._items(SectionId.IMPORT, self._import, smallest=4)

    @cached_property
    def function_type_indices(self) -> tuple[int, ...]:
        """Type index of every function: first the imported ones, then the module's own."""
        return (*self._imported_functions, *self._own_functions)

    @cached_property
    def _imported_functions(self) -> tuple[int, ...]:
        """Type index of every imported function."""
        found = [item.type_index for item in self.imports if item.kind == "func"]
        return tuple([index for index in found if index is not None])

    @cached_property
    def _own_functions(self) -> Sequence[int]:
        """Type index of every function of the module's own, as the bytes that say so where they can stay."""
        numbers = self._bytes_as_numbers(SectionId.FUNCTION)
        return numbers or self._items(SectionId.FUNCTION, Cursor.u32)

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
        return self._number(SectionId.START)

    @cached_property
    def elements(self) -> tuple[ElementSegment, ...]:
        """All element segments."""
        return self._items(SectionId.ELEMENT, read_element, smallest=2)

    @cached_property
    def data_count(self) -> int | None:
        """The number of data segments that is announced before the code."""
        return self._number(SectionId.DATA_COUNT)

    @cached_property
    def data_segments(self) -> tuple[DataSegment, ...]:
        """All data segments; their bytes are not copied."""
        return self._items(SectionId.DATA, read_data, smallest=2)

    def imported_count(self, kind: Kind) -> int:
        """Return how many entries of that index space are imported."""
        return sum(1 for item in self.imports if item.kind == kind)

    def is_plain(self, item: Import) -> bool:
        """Tell whether the type of what is imported is written as in the first version of WebAssembly."""
        return item.type_index is None or self.types[item.type_index].is_plain

    def func_type(self, index: int) -> FuncType:
        """
        Return the type of a function.

        Raises:
            WasmError: There is no such function, or its type is none of a function.
        """
        imported, own = self._imported_functions, self._own_functions
        count = len(imported) + len(own)
        if not 0 <= index < count:
            raise WasmError(f"function {index} of {count}", section="function")
        indices, at = (own, index - len(imported)) if index >= len(imported) else (imported, index)
        return self._composite(indices[at], "function")

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
        self, id_: int, item: Callable[[Cursor], Item], smallest: int = 1
    ) -> tuple[Item, ...]:
        """Decode a section that is one list; nothing may follow the list."""
        section = self.section(id_)
        if section is None:
            return ()
        cursor = Cursor.over(section)
        items = tuple([item(cursor) for _ in range(cursor.count(smallest, MOST_ENTRIES))])
        cursor.finish()
        return items

    def _bytes_as_numbers(self, id_: int) -> bytes:
        """Return a list of numbers below 128 as it stands: most modules have few types and many functions."""
        section = self.section(id_)
        if section is None:
            return b""
        cursor = Cursor.over(section)
        count = cursor.count(1, MOST_FUNCTIONS)
        numbers = cursor.take(count) if count == cursor.remaining else b""
        return numbers if numbers.isascii() else b""

    def _number(self, id_: int) -> int | None:
        """Decode a section that is one number."""
        section = self.section(id_)
        if section is None:
            return None
        cursor = Cursor.over(section)
        number = cursor.u32()
        cursor.finish()
        return number

    def _imported(self, type_: type[Item]) -> tuple[Item, ...]:
        return tuple(item.type for item in self.imports if isinstance(item.type, type_))

    def _composite(self, index: int, section: str) -> FuncType:
        if index < len(self._plain_types):
            return plain_functype(self._plain_types[index])
        if index >= len(self.types):
            raise WasmError(f"type {index} of {len(self.types)}", section=section)
        composite = self.types[index].composite
        if not isinstance(composite, FuncType):
            raise WasmError(f"type {index} is {composite}, no function type", section=section)
        return composite

    def _import(self, cursor: Cursor) -> Import:
        module, name = cursor.name(), cursor.name()
        kind = read_kind(cursor)
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
