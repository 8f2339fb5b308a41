"""
The loaded interpreter becomes a plug-in: each export gets its name, each host function its slot.

In: the snapshot of the interpreter after it has run the author's modules. Its one door is `py_invoke(index)`;
host functions it calls through slots at the end of its table. Out: the module that ships.

Before, and after, for one export and one host function of two parameters and no result (code that passes values
is in `crossings.py`)::

    (import "extism:host/env" ...)           (import "extism:host/env" ...)
                                             (import "extism:host/user" "eat" (func $eat (param i64 i64)))
    (table 4802 4802 funcref)                (table 4802 4802 funcref)
    (func $py_invoke (param i32) ...)        (func $py_invoke (param i32) ...)
    (export "memory" ...)                    (export "memory" ...)
    (export "py_invoke" ...)                 (func (export "greet") (result i32)
    (export "py_load" ...)                     i32.const 0  call $py_invoke)
                                             (func $slot (param $frame i32)
                                               i64.load $frame  i64.load $frame+8  call $eat)
                                             (elem (i32.const 4546) func $slot)

The small module of a plug-in on a shared runtime gets its exports and slots by the same functions (`overlay.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from extism import abi
from extism._compiler.crossings import SLOT, plugin_function, shared_function, slot
from extism._compiler.doors import FRAME, INVOKE, MEMORY, SPARE_SLOTS, first_slot
from extism._wasm.builder import Builder
from extism._wasm.reader import read
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from extism._compiler.interface import Exported, HostFunction
    from extism._wasm.reader import Module

__all__ = ["add_exports", "add_imports", "add_slots", "shim"]


def shim(core: bytes, exports: Sequence[Exported], imports: Sequence[HostFunction]) -> bytes:
    """
    Return the module that ships.

    Args:
        core: The interpreter after it has loaded the plug-in.
        exports: In the order of the interpreter's numbers.
        imports: In the order of their slots.

    Raises:
        BuildError: The module would import what no Extism host gives.
    """
    module = read(core)
    builder = Builder(module)
    indices = add_imports(builder, imports)
    invoke, frame = builder.exported(INVOKE), builder.exported(FRAME)
    for export in module.exports:
        if export.name != MEMORY:  # WASI reads and writes through it
            builder.remove_export(export.name)
    add_exports(builder, invoke, frame, exports)
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
    return [builder.add_import(row.module, row.name, row.type) for row in imports]


def add_exports(builder: Builder, invoke: int, frame: int, exports: Iterable[Exported]) -> None:
    """Export functions that call the interpreter's `py_invoke` with their number; `frame` is its `py_frame`."""
    for number, row in enumerate(exports):
        body = (
            shared_function(number, row.type, invoke, frame)
            if row.is_shared
            else plugin_function(number, invoke)
        )
        builder.add_export(row.name, "func", builder.add_function(row.type, *body, name=row.name))


def add_slots(
    builder: Builder, imports: Iterable[HostFunction], indices: Iterable[int]
) -> list[int]:
    """Add what stands in the interpreter's table for each import; return the indices."""
    return [
        builder.add_function(SLOT, *slot(row.type, index), name=f"{row.module}/{row.name}")
        for row, index in zip(imports, indices, strict=True)
    ]


def _check(module: Module, exports: Sequence[Exported], imports: Iterable[HostFunction]) -> None:
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
    if found != [MEMORY, *(row.name for row in exports)]:
        raise BuildError(f"the module would export {', '.join(found)}")
