"""
The loaded interpreter becomes a plug-in: each export gets its name, each host function its slot.

In: the snapshot of the interpreter after it has run the author's modules. Its one door is `py_invoke(index)`;
host functions it calls through slots at the end of its table. Out: the module that ships.

Before, and after, for one export and one host function of two parameters and no result::

    (import "extism:host/env" ...)           (import "extism:host/env" ...)
                                             (import "extism:host/user" "eat" (func $eat (param i64 i64)))
    (table 4802 4802 funcref)                (table 4802 4802 funcref)
    (func $py_invoke (param i32) ...)        (func $py_invoke (param i32) ...)
    (export "memory" ...)                    (export "memory" ...)
    (export "py_invoke" ...)                 (func (export "greet") (result i32)
    (export "py_load" ...)                     i32.const 0  call $py_invoke)
                                             (func $slot (param i64 i64 i64 i64 i64) (result i64)
                                               local.get 0  local.get 1  call $eat  i64.const 0)
                                             (elem (i32.const 4546) func $slot)

The small module of a plug-in on a shared runtime gets its exports and slots by the same functions (`overlay.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from extism import abi
from extism._compiler.doors import INVOKE, MEMORY, SPARE_SLOTS, first_slot
from extism._wasm.assembly import call, const, local_get
from extism._wasm.builder import Builder
from extism._wasm.model import FuncType
from extism._wasm.reader import read
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from extism._compiler.interface import HostFunction
    from extism._wasm.reader import Module

__all__ = ["add_exports", "add_imports", "add_slots", "shim"]

EXPORT: Final = FuncType((), ("i32",))
SLOT: Final = FuncType(("i64",) * 5, ("i64",))
"""What the interpreter calls through the table, whatever the host function's own type."""


def shim(core: bytes, exports: Sequence[str], imports: Sequence[HostFunction]) -> bytes:
    """
    Return the module that ships.

    Args:
        core: The interpreter after it has loaded the plug-in.
        exports: Names in the order of the interpreter's numbers.
        imports: In the order of their slots.

    Raises:
        BuildError: The module would import what no Extism host gives.
    """
    module = read(core)
    builder = Builder(module)
    indices = add_imports(builder, imports)
    invoke = builder.exported(INVOKE)
    for export in module.exports:
        if export.name != MEMORY:  # WASI reads and writes through it
            builder.remove_export(export.name)
    add_exports(builder, invoke, exports)
    if imports:
        if len(imports) > SPARE_SLOTS:
            builder.grow_table(len(imports) - SPARE_SLOTS)
        builder.add_elements(add_slots(builder, imports, indices), first_slot(module))
    builder.set_custom(abi.FRAIL_SECTION, b"")
    wasm = builder.build()
    _check(read(wasm), exports, imports)
    return wasm


def add_imports(builder: Builder, imports: Iterable[HostFunction]) -> list[int]:
    """Import the host functions; return their indices."""
    return [builder.add_import(row.module, row.name, _type(row)) for row in imports]


def add_exports(builder: Builder, invoke: int, exports: Iterable[str]) -> None:
    """Export a function for each name, which calls the interpreter's `invoke` with the name's number."""
    for number, name in enumerate(exports):
        function = builder.add_function(EXPORT, const("i32", number) + call(invoke), name=name)
        builder.add_export(name, "func", function)


def add_slots(
    builder: Builder, imports: Iterable[HostFunction], indices: Iterable[int]
) -> list[int]:
    """Add what stands in the interpreter's table for each import; return the indices."""
    return [_add_slot(builder, *pair) for pair in zip(imports, indices, strict=True)]


def _type(row: HostFunction) -> FuncType:
    return FuncType(("i64",) * row.param_count, ("i64",) if row.has_result else ())


def _add_slot(builder: Builder, row: HostFunction, index: int) -> int:
    """Add the function that stands in the table for an import: five parameters in, those it has on."""
    body = b"".join(local_get(place) for place in range(row.param_count)) + call(index)
    if not row.has_result:
        body += const("i64", 0)
    return builder.add_function(SLOT, body, name=f"{row.module}/{row.name}")


def _check(module: Module, exports: Sequence[str], imports: Iterable[HostFunction]) -> None:
    """Refuse a module that an Extism host could not link, or that offers more than its functions."""
    declared = {(row.module, row.name) for row in imports}
    for item in module.imports:
        is_of_host = item.module == abi.WASI or (
            item.module == abi.ENV and item.name in abi.FUNCTIONS
        )
        if not is_of_host and (item.module, item.name) not in declared:
            raise BuildError(
                f"the module would import {item.module}/{item.name}, which no Extism host gives",
                hint="the guest interpreter was built wrongly: build it anew",
            )
    found = [export.name for export in module.exports]
    if found != [MEMORY, *exports]:
        raise BuildError(f"the module would export {', '.join(found)}")
