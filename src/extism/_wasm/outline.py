"""
What a module shows to others: what it imports and exports, of which types, and what it begins with.

Linking, limits and lists ask for nothing more, of which there are a few hundred bytes in megabytes. An outline is made
of a module that was read, or of the note that was made of one; then nothing of the reader is loaded.

The attributes and methods are those of `reader.Module` that have the same names.

Layout of a note: `marshal`, in the version that all Pythons read, of nested tuples::

    types      (class name, fields...), each type once; nested ones in their place
    imports    (module, name, kind, index of its type above, index in the module's types)
    exports    (name, kind, index in its space, index of its type above)
    memories, tables, start, custom, odd types: as the attributes
"""

from __future__ import annotations

import marshal

from extism._cached import cached_property
from extism._dataclass import dataclass
from extism._wasm.externs import (
    Export,
    FuncType,
    GlobalType,
    Import,
    Limits,
    MemoryType,
    TableType,
    TagType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any, Final

    from extism._wasm.externs import ExternType, Kind
    from extism._wasm.reader import Module

__all__ = ["LAYOUT", "SUFFIX", "Outline"]

LAYOUT: Final = 1
"""Changes whenever equal modules get other notes, or equal notes mean something else."""

SUFFIX: Final = ".outline"
"""What files are called by that hold notes."""

_MARSHAL: Final = 2
"""The version that was there before references, which are not the same in all Pythons."""

_CLASSES: Final = {
    each.__name__: each for each in (FuncType, GlobalType, Limits, MemoryType, TableType, TagType)
}
"""What types of imports and exports are made of."""


@dataclass(frozen=True)
class Outline:
    """
    One module, seen from outside.

    Attributes:
        imports: All, with their types.
        exports: All, in the order of the file.
        export_types: Theirs, in the same order.
        memories: The memory index space: imported, then own.
        tables: The table index space, likewise.
        start: Index of the function that runs at instantiation.
        custom: Custom sections by name; the content of those that were asked for, else nothing.
        odd_types: Indices of those types of imported functions that are not as in the first version of WebAssembly.
    """

    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    export_types: tuple[ExternType, ...]
    memories: tuple[MemoryType, ...]
    tables: tuple[TableType, ...]
    start: int | None
    custom: Mapping[str, bytes]
    odd_types: frozenset[int]

    @classmethod
    def of(cls, module: Module, customs: Collection[str] = ()) -> Outline:
        """
        Return the outline of a module, with the content of these custom sections.

        Raises:
            WasmError: One of the sections that it is made of is malformed.
        """
        called = {item.type_index for item in module.imports if item.kind == "func"}
        custom = module.custom.items()
        return cls(
            module.imports,
            module.exports,
            tuple([module.type_of(item) for item in module.exports]),
            module.memories,
            module.tables,
            module.start,
            {name: bytes(each.payload) if name in customs else b"" for name, each in custom},
            frozenset({i for i in called if i is not None and not module.types[i].is_plain}),
        )

    @classmethod
    def from_note(cls, note: bytes) -> Outline:
        """Return what `to_note` was asked of; a note must be believed before it is read."""
        types, imports, exports, memories, tables, start, custom, odd = marshal.loads(note)  # noqa: S302
        kinds = [_built(each) for each in types]
        return cls(
            tuple([Import(space, name, kind, kinds[t], i) for space, name, kind, t, i in imports]),
            tuple([Export(name, kind, index) for name, kind, index, _ in exports]),
            tuple([kinds[each[3]] for each in exports]),
            tuple([_built(each) for each in memories]),
            tuple([_built(each) for each in tables]),
            start,
            custom,
            frozenset(odd),
        )

    def to_note(self) -> bytes:
        """Return bytes that `from_note` takes."""
        kinds = dict.fromkeys([*(item.type for item in self.imports), *self.export_types])
        places = {kind: place for place, kind in enumerate(kinds)}
        imports = [(i.module, i.name, i.kind, places[i.type], i.type_index) for i in self.imports]
        exports = zip(self.exports, self.export_types, strict=True)
        note = (
            tuple([_plain(kind) for kind in kinds]),
            tuple(imports),
            tuple([(each.name, each.kind, each.index, places[kind]) for each, kind in exports]),
            tuple([_plain(each) for each in self.memories]),
            tuple([_plain(each) for each in self.tables]),
            self.start,
            dict(self.custom),
            tuple(sorted(self.odd_types)),
        )
        return marshal.dumps(note, _MARSHAL)

    def imported_count(self, kind: Kind) -> int:
        """Return how many entries of that index space are imported."""
        return sum(1 for item in self.imports if item.kind == kind)

    def is_plain(self, item: Import) -> bool:
        """Tell whether the type of what is imported is written as in the first version of WebAssembly."""
        return item.type_index not in self.odd_types

    def type_of(self, item: Import | Export) -> ExternType:
        """Return the type of what is imported or exported."""
        return item.type if isinstance(item, Import) else self._export_types[item.name]

    def export(self, name: str) -> Export | None:
        """Return the export of that name, None if there is none."""
        return self._export_by_name.get(name)

    def exported_functions(self) -> dict[str, FuncType]:
        """Return the types of the exported functions by name, in the order of the file."""
        return {name: each for name, each in self._export_types.items() if type(each) is FuncType}

    @cached_property
    def _export_by_name(self) -> Mapping[str, Export]:
        return {export.name: export for export in self.exports}

    @cached_property
    def _export_types(self) -> Mapping[str, ExternType]:
        names = [export.name for export in self.exports]
        return dict(zip(names, self.export_types, strict=True))


def _plain(value: Any) -> Any:
    """Return a type as tuples of what `marshal` knows."""
    if type(value).__name__ not in _CLASSES:
        return value
    fields = [_plain(getattr(value, name)) for name in value.__match_args__]
    return (type(value).__name__, *fields)


def _built(plain: Any) -> Any:
    """Return the type that `_plain` was given."""
    name, *fields = plain
    nested = [
        _built(each) if type(each) is tuple and each[:1] and each[0] in _CLASSES else each
        for each in fields
    ]
    return _CLASSES[name](*nested)
