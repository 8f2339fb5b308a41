"""
A new module out of an old one: add imports, functions, exports, elements; change limits and data.

A `Builder` only takes note of what shall change (`rebuild.Changes`); how the sections become new is in
`rebuild.py`. It checks that what it is told to change exists, not that the result is valid: that is
the engine's to say.

The one thing to know: imports come first. They stand before a module's own entries in their index
space and move all of them, so every index that a builder takes or gives is one of the new module, and
an import added after the first such index went in or out is refused. Indices of the old module pass
through `index` or `exported`. Types are only appended and never move.

Before and after `add_import("host", "log", ...)`::

    (module                               (module
                                            (import "host" "log" (func $log))    ;; function 0
      (func $f)            ;; function 0    (func $f)                            ;; function 1
      (export "f" (func 0)))                (export "f" (func 1)))
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from extism._wasm.assembly import END, const
from extism._wasm.cursor import Cursor
from extism._wasm.entries import read_table
from extism._wasm.externs import FuncType, Import, MemoryType, TableType, TagType
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import ElementSegment, Global, SectionId
from extism._wasm.names import producers, write_producers
from extism._wasm.reader import HEADER, Module
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.relocate import Renumbering, Shift
from extism._wasm.valtypes import write_functype, write_memorytype, write_tabletype
from extism._wasm.writer import (
    new_custom,
    new_section,
    write_body,
    write_data,
    write_element,
    write_export,
    write_global,
    write_import,
    write_sections,
    write_table,
)
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from extism._wasm.assembly import Value
    from extism._wasm.externs import ExternType, GlobalType, Kind, Limits, ValType
    from extism._wasm.instructions import Space
    from extism._wasm.model import DataSegment

__all__ = ["Builder"]


class Builder:
    """Take note of changes to `module`, which stays as it is; without one, start with nothing."""

    def __init__(self, module: Module | None = None) -> None:
        self.module = module or Module(HEADER, ())
        self._changes = Changes()
        self._added_imports: Counter[Kind] = Counter()
        self._added: Counter[Kind] = Counter()
        self._added_types: list[FuncType] = []
        self._tables = list(self.module.tables)
        self._memories = list(self.module.memories)
        self._needs_data_count = self.module.data_count is not None
        self._imports_are_known = False

    def build(self) -> bytes:
        """Return the new module."""
        moves: dict[Space, Shift] = {
            kind: Shift(self.module.imported_count(kind), by)
            for kind, by in self._added_imports.items()
        }
        self._changes.renumbering = Renumbering(moves)
        return write_sections(rebuild(self.module, self._changes))

    def index(self, kind: Kind, old: int) -> int:
        """Return the new index of what has the index `old` in the old module."""
        self._imports_are_known = True
        return Shift(self.module.imported_count(kind), self._added_imports[kind])(old)

    def exported(self, name: str, kind: Kind = "func") -> int:
        """
        Return the new index of what the old module exports as `name`.

        Raises:
            WasmError: There is no such export, or it is of another kind.
        """
        export = self.module.export(name)
        if export is None or export.kind != kind:
            there = ", ".join(item.name for item in self.module.exports if item.kind == kind)
            raise WasmError(
                f"no {kind} is exported as {name!r}; there is: {there or 'none'}", section="export"
            )
        return self.index(kind, export.index)

    def add_type(self, func: FuncType) -> int:
        """Return the index of that function type, which is added unless the module has it."""
        for index, entry in enumerate(self.module.types):
            if entry.is_plain and entry.composite == func:
                return index
        if func not in self._added_types:
            self._added_types.append(func)
            self._append(SectionId.TYPE, write_functype(func))
        return len(self.module.types) + self._added_types.index(func)

    def add_import(self, module: str, name: str, type_: ExternType) -> int:
        """
        Add an import and return its index.

        Everything of the module's own in that index space moves by one (see `index`).
        """
        assert not self._imports_are_known, "imports come first: indices are in use already"
        kind = _kind(type_)
        func = type_.func if isinstance(type_, TagType) else type_
        type_index = self.add_type(func) if isinstance(func, FuncType) else None
        item = Import(module, name, kind, type_, type_index)
        self._append(SectionId.IMPORT, write_import(item))
        index = self.module.imported_count(kind) + self._added_imports[kind]
        self._added_imports[kind] += 1
        if isinstance(type_, TableType):
            self._tables.insert(index, type_)
        elif isinstance(type_, MemoryType):
            self._memories.insert(index, type_)
        return index

    def add_function(
        self,
        type_: FuncType,
        instructions: bytes,
        locals_: Sequence[ValType] = (),
        name: str | None = None,
    ) -> int:
        """
        Add a function and return its index.

        Args:
            type_: Its type.
            instructions: Its body without the closing `end` (see `assembly.py`).
            locals_: Types of its locals beside the parameters.
            name: What backtraces call it.
        """
        self._append(SectionId.FUNCTION, write_unsigned(self.add_type(type_)))
        self._append(SectionId.CODE, write_body(instructions, locals_))
        index = self._new_index("func")
        if name is not None:
            self.set_name("func", index, name)
        return index

    def add_memory(self, type_: MemoryType) -> int:
        """Add a memory and return its index."""
        self._append(SectionId.MEMORY, write_memorytype(type_))
        self._memories.append(type_)
        return self._new_index("memory")

    def add_table(self, type_: TableType) -> int:
        """Add a table of nulls and return its index."""
        self._append(SectionId.TABLE, write_tabletype(type_))
        self._tables.append(type_)
        return self._new_index("table")

    def add_global(self, type_: GlobalType, init: bytes) -> int:
        """Add a global and return its index; `init` is a constant expression without its `end`."""
        self._append(SectionId.GLOBAL, write_global(Global(type_, init + END)))
        return self._new_index("global")

    def add_export(self, name: str, kind: Kind, index: int) -> None:
        """Export what has that new index; a name may be used once."""
        self._imports_are_known = True
        self._append(SectionId.EXPORT, write_export(name, kind, index))

    def remove_export(self, name: str) -> None:
        """
        Remove an export of the old module.

        Raises:
            WasmError: There is none of that name.
        """
        for place, export in enumerate(self.module.exports):
            if export.name == name:
                self._changes.edited[SectionId.EXPORT][place] = None
                return
        there = ", ".join(export.name for export in self.module.exports)
        raise WasmError(f"no export {name!r} to remove; there is: {there}", section="export")

    def add_elements(self, functions: Iterable[int], offset: int, table: int = 0) -> None:
        """Put functions into a table, from slot `offset` on, when the module is instantiated."""
        self._imports_are_known = True
        address = "i64" if self._table(table).limits.is_64 else "i32"
        start = const(address, offset) + END
        segment = ElementSegment("active", "funcref", table, start, tuple(functions))
        self._append(SectionId.ELEMENT, write_element(segment))

    def grow_table(self, by: int, table: int = 0) -> int:
        """Make a table of the module's own larger from the start; return the first new slot."""
        limits = self._table(table).limits
        size = limits.min + by
        highest = None if limits.max is None else max(limits.max, size)
        self.set_table_limits(replace(limits, min=size, max=highest), table)
        return limits.min

    def set_table_limits(self, limits: Limits, table: int = 0) -> None:
        """Give a table of the old module's own other limits."""
        place = self._own_place("table", table)
        type_ = self._tables[table] = replace(self._tables[table], limits=limits)

        def edit(entry: bytes) -> bytes:
            return write_table(type_, read_table(Cursor(entry))[1])

        self._changes.edited[SectionId.TABLE][place] = edit

    def set_memory_limits(self, limits: Limits, memory: int = 0) -> None:
        """Give a memory of the old module's own other limits."""
        place = self._own_place("memory", memory)
        type_ = self._memories[memory] = replace(self._memories[memory], limits=limits)
        self._changes.edited[SectionId.MEMORY][place] = lambda _entry: write_memorytype(type_)

    def set_global(self, index: int, value: Value) -> None:
        """Give a global of the old module's own another initial value."""
        place = self._own_place("global", index)
        type_ = self.module.own_globals[place].type
        new = write_global(Global(type_, const(type_.value, value) + END))
        self._changes.edited[SectionId.GLOBAL][place] = lambda _entry: new

    def set_start(self, function: int | None) -> None:
        """Have that function run at instantiation, or none."""
        self._imports_are_known = True
        new = None if function is None else new_section(SectionId.START, [write_unsigned(function)])
        self._changes.replaced[SectionId.START] = new

    def add_data(self, segments: Iterable[DataSegment]) -> int:
        """Add data segments and return the index of the first."""
        replaced = SectionId.DATA in self._changes.replaced
        old = 0 if replaced else len(self.module.data_segments)
        first = old + len(self._changes.appended[SectionId.DATA])
        for segment in segments:
            self._imports_are_known = True
            self._changes.appended[SectionId.DATA].append(write_data(segment))
            self._needs_data_count |= segment.memory is None
        count = old + len(self._changes.appended[SectionId.DATA])
        if self._needs_data_count:
            section = new_section(SectionId.DATA_COUNT, [write_unsigned(count)])
            self._changes.replaced[SectionId.DATA_COUNT] = section
        return first

    def remove_data(self) -> None:
        """Remove all data segments, those added before included."""
        self._changes.appended[SectionId.DATA].clear()
        self._changes.replaced[SectionId.DATA] = None
        self.add_data(())

    def set_name(self, space: Space, index: int, name: str) -> None:
        """Call an entry of an index space so in the name section; it must have no name yet."""
        self._changes.names[space][index] = name

    def set_custom(self, name: str, payload: bytes | None) -> None:
        """Add or replace a custom section, or remove it."""
        self._changes.customs[name] = None if payload is None else new_custom(name, payload)

    def stamp(self, tool: str, version: str, field: str = "processed-by") -> None:
        """Say in the producers section that a tool had a part in the module."""
        fields = producers(self.module)
        fields.setdefault(field, {})[tool] = version
        section = write_producers(fields)
        self._changes.customs[section.name] = section

    def _append(self, id_: int, entry: bytes) -> None:
        self._changes.appended[id_].append([entry])

    def _table(self, index: int) -> TableType:
        if not 0 <= index < len(self._tables):
            raise WasmError(f"table {index} of {len(self._tables)}", section="table")
        return self._tables[index]

    def _new_index(self, kind: Kind) -> int:
        self._imports_are_known = True
        index = self._old_count(kind) + self._added_imports[kind] + self._added[kind]
        self._added[kind] += 1
        return index

    def _own_place(self, kind: Kind, index: int) -> int:
        """Return the place in its section of what has that new index."""
        self._imports_are_known = True
        place = index - self.module.imported_count(kind) - self._added_imports[kind]
        own = self._old_count(kind) - self.module.imported_count(kind)
        if not 0 <= place < own:
            raise WasmError(f"{kind} {index} is not the old module's own", section=kind)
        return place

    def _old_count(self, kind: Kind) -> int:
        return {
            "func": len(self.module.function_type_indices),
            "table": len(self.module.tables),
            "memory": len(self.module.memories),
            "global": len(self.module.globals),
            "tag": len(self.module.tags),
        }[kind]


def _kind(type_: ExternType) -> Kind:
    match type_:
        case FuncType():
            return "func"
        case TableType():
            return "table"
        case MemoryType():
            return "memory"
        case TagType():
            return "tag"
        case _:
            return "global"
