"""
The nouns of the inside of a WebAssembly module: sections, its own types, globals, segments.

Plain frozen values, each of which prints in the words of the text format. Those that other modules see are in
`externs.py`. How they are read is in `reader.py`, how they are written in `writer.py`; the module as a whole is
`reader.Module`.
"""

from __future__ import annotations

from extism._dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal, TypeAlias

    from extism._wasm.externs import FuncType, GlobalType, ValType

__all__ = [
    "SECTION_NAMES",
    "ArrayType",
    "CompositeType",
    "ContType",
    "DataSegment",
    "ElementItems",
    "ElementMode",
    "ElementSegment",
    "FieldType",
    "Global",
    "Section",
    "SectionId",
    "StructType",
    "SubType",
]


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
