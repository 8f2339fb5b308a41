"""
The nouns of a WebAssembly module: types, limits, imports, exports, sections.

Plain frozen values, each of which prints in the words of the text format. How they are read is in
`reader.py`, how they are written in `writer.py`; the module as a whole is `reader.Module`.

A value type is its text: `"i32"`, `"funcref"`, `"(ref null 3)"`.
"""

from __future__ import annotations

from extism._dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal, TypeAlias


__all__ = [
    "PAGE_SIZE_LOG2",
    "SECTION_NAMES",
    "ArrayType",
    "CompositeType",
    "ContType",
    "DataSegment",
    "ElementItems",
    "ElementMode",
    "ElementSegment",
    "Export",
    "ExternType",
    "FieldType",
    "FuncType",
    "Global",
    "GlobalType",
    "Import",
    "Kind",
    "Limits",
    "MemoryType",
    "Section",
    "SectionId",
    "StructType",
    "SubType",
    "TableType",
    "TagType",
    "ValType",
]

ValType: TypeAlias = str
"""A value type as the text format writes it; type indices stay numbers."""

Kind: TypeAlias = "Literal['func', 'table', 'memory', 'global', 'tag']"
"""What can be imported or exported, in the order of the bytes 0 to 4."""

PAGE_SIZE_LOG2: Final = 16


class SectionId:
    """The kinds of section: the byte that starts each. `SECTION_NAMES` has their names at these places."""

    CUSTOM: Final = 0
    TYPE: Final = 1
    IMPORT: Final = 2
    FUNCTION: Final = 3
    TABLE: Final = 4
    MEMORY: Final = 5
    GLOBAL: Final = 6
    EXPORT: Final = 7
    START: Final = 8
    ELEMENT: Final = 9
    CODE: Final = 10
    DATA: Final = 11
    DATA_COUNT: Final = 12
    TAG: Final = 13


SECTION_NAMES: Final = (
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data_count",
    "tag",
)


@dataclass(frozen=True)
class FuncType:
    """The parameters and results of a function."""

    params: tuple[ValType, ...] = ()
    results: tuple[ValType, ...] = ()

    def __str__(self) -> str:
        params = f" (param {' '.join(self.params)})" if self.params else ""
        results = f" (result {' '.join(self.results)})" if self.results else ""
        return f"(func{params}{results})"


@dataclass(frozen=True)
class FieldType:
    """A field of a struct or the element of an array; `storage` may also be `i8` or `i16`."""

    storage: ValType
    mutable: bool = False

    def __str__(self) -> str:
        return f"(mut {self.storage})" if self.mutable else self.storage


@dataclass(frozen=True)
class StructType:
    """A struct of the garbage-collected heap."""

    fields: tuple[FieldType, ...] = ()

    def __str__(self) -> str:
        return f"(struct{''.join(f' (field {field})' for field in self.fields)})"


@dataclass(frozen=True)
class ArrayType:
    """An array of the garbage-collected heap."""

    element: FieldType

    def __str__(self) -> str:
        return f"(array {self.element})"


@dataclass(frozen=True)
class ContType:
    """A continuation of the function type with that index (stack switching)."""

    type_index: int

    def __str__(self) -> str:
        return f"(cont {self.type_index})"


CompositeType: TypeAlias = "FuncType | StructType | ArrayType | ContType"


@dataclass(frozen=True)
class SubType:
    """
    One entry of the type index space.

    Attributes:
        composite: What it is.
        is_final: Whether nothing may be declared below it.
        supertypes: Type indices of what it stands below.
        group: Number of entries in its recursion group; 1 for a type that stands alone.
    """

    composite: CompositeType
    is_final: bool = True
    supertypes: tuple[int, ...] = ()
    group: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether it is written as in the first version of WebAssembly: alone and final."""
        return self.is_final and not self.supertypes and self.group == 1

    def __str__(self) -> str:
        if self.is_final and not self.supertypes:
            return str(self.composite)
        words = ["sub", *(["final"] if self.is_final else []), *map(str, self.supertypes)]
        return f"({' '.join(words)} {self.composite})"


@dataclass(frozen=True)
class Limits:
    """
    How large a table or memory is at first, and at most.

    Attributes:
        min: In elements of a table, in pages of a memory.
        max: The same; None where the module sets no bound.
        is_shared: Whether threads may share it.
        is_64: Whether addresses are i64.
    """

    min: int
    max: int | None = None
    is_shared: bool = False
    is_64: bool = False

    def __str__(self) -> str:
        words = ["i64"] if self.is_64 else []
        words += [str(self.min)] + ([] if self.max is None else [str(self.max)])
        return " ".join(words + (["shared"] if self.is_shared else []))


@dataclass(frozen=True)
class MemoryType:
    """A linear memory; a page has `1 << page_size_log2` bytes, 64 KiB unless the module says else."""

    limits: Limits
    page_size_log2: int = PAGE_SIZE_LOG2

    @property
    def page_size(self) -> int:
        """Bytes in one page."""
        return 1 << self.page_size_log2

    def __str__(self) -> str:
        pages = "" if self.page_size_log2 == PAGE_SIZE_LOG2 else f" (pagesize {self.page_size})"
        return f"(memory {self.limits}{pages})"


@dataclass(frozen=True)
class TableType:
    """A table of references."""

    element: ValType
    limits: Limits

    def __str__(self) -> str:
        return f"(table {self.limits} {self.element})"


@dataclass(frozen=True)
class GlobalType:
    """The type of a global."""

    value: ValType
    mutable: bool = False

    def __str__(self) -> str:
        return f"(global (mut {self.value}))" if self.mutable else f"(global {self.value})"


@dataclass(frozen=True)
class TagType:
    """The type of an exception: what it carries are the parameters of `func`."""

    func: FuncType

    def __str__(self) -> str:
        params = f" (param {' '.join(self.func.params)})" if self.func.params else ""
        return f"(tag{params})"


ExternType: TypeAlias = "FuncType | TableType | MemoryType | GlobalType | TagType"


@dataclass(frozen=True)
class Import:
    """One import; `type_index` is that of a function's or tag's type, else None."""

    module: str
    name: str
    kind: Kind
    type: ExternType
    type_index: int | None = None


@dataclass(frozen=True)
class Export:
    """One export: `index` is a place in the index space of its kind."""

    name: str
    kind: Kind
    index: int


@dataclass(frozen=True)
class Global:
    """A global of the module's own; `init` is its constant expression with the closing `end`."""

    type: GlobalType
    init: bytes


ElementMode: TypeAlias = "Literal['active', 'passive', 'declarative']"
ElementItems: TypeAlias = "tuple[int, ...] | tuple[bytes, ...]"


@dataclass(frozen=True)
class ElementSegment:
    """
    References that a table starts with.

    Attributes:
        mode: `active`, `passive` or `declarative`.
        element: The type of the references.
        table: Index of the table; 0 unless active.
        offset: Constant expression with its `end`; `b""` unless active.
        items: Function indices, or constant expressions with their `end`.
    """

    mode: ElementMode
    element: ValType
    table: int
    offset: bytes
    items: ElementItems


@dataclass(frozen=True)
class DataSegment:
    """
    Bytes that a memory starts with, or that `memory.init` copies later.

    Attributes:
        data: The bytes, without a copy.
        memory: Index of the memory; None for a passive segment.
        offset: Constant expression with its `end`; `b""` for a passive segment.
    """

    data: memoryview
    memory: int | None = None
    offset: bytes = b""


@dataclass(frozen=True)
class Section:
    """
    One section, still raw.

    Attributes:
        id: What it holds, one of `SectionId`.
        data: The bytes that it lies in, for a section that was read: the whole module.
        start: Offset of the id byte.
        body: Offset of the first byte behind id and size; in a custom section, behind its name too.
        end: Offset of the first byte behind it.
        name: Of a custom section; else the name that the spec uses for it.
    """

    id: int
    data: bytes
    start: int
    body: int
    end: int
    name: str

    @property
    def raw(self) -> memoryview:
        """Everything, from the id byte on, without a copy."""
        return memoryview(self.data)[self.start : self.end]

    @property
    def payload(self) -> memoryview:
        """What follows id, size and a custom section's name, without a copy."""
        return memoryview(self.data)[self.body : self.end]
