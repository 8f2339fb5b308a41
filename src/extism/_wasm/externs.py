"""
The nouns of what modules show to each other: types of functions, tables, memories, globals and tags, imports and exports.

Plain frozen values, each of which prints in the words of the text format. What else there is in a module is in
`model.py`; all that one module shows is an `outline.Outline`.

A value type is its text: `"i32"`, `"funcref"`, `"(ref null 3)"`.
"""

from __future__ import annotations

from extism._dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal, TypeAlias

__all__ = [
    "PAGE_SIZE_LOG2",
    "Export",
    "ExternType",
    "FuncType",
    "GlobalType",
    "Import",
    "Kind",
    "Limits",
    "MemoryType",
    "TableType",
    "TagType",
    "ValType",
]

ValType: TypeAlias = str
"""A value type as the text format writes it; type indices stay numbers."""

Kind: TypeAlias = "Literal['func', 'table', 'memory', 'global', 'tag']"
"""What can be imported or exported, in the order of the bytes 0 to 4."""

PAGE_SIZE_LOG2: Final = 16


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
