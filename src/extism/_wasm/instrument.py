"""
Export all hidden state of a module, so that it can be read after the module has run.

The state is its memories and its mutable globals. Tables are left alone: a snapshot keeps the element
segments as they are, so a program that changes its tables while it starts cannot be snapshotted.

Before and after::

    (module                                  (module
      (memory 1)                               (memory 1)
      (global (mut i32) (i32.const 1024))      (global (mut i32) (i32.const 1024))
      (func (export "init") ...))              (func (export "init") ...)
                                               (export "__hidden_memory_0" (memory 0))
                                               (export "__hidden_global_0" (global 0)))

NB: the snapshot is made of the module as it was, so the exports need not be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from extism._wasm.builder import Builder
from extism._wasm.reader import read
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from extism._wasm.externs import Kind
    from extism._wasm.reader import Module

__all__ = ["Instrumented", "instrument"]

KEPT = frozenset({"i32", "i64", "f32", "f64", "v128"})


@dataclass(frozen=True, slots=True)
class Instrumented:
    """
    A module with nothing hidden.

    Attributes:
        wasm: Its bytes.
        memories: The name that each memory of its own is exported by, by index.
        globals: The same for its mutable globals.
    """

    wasm: bytes
    memories: Mapping[int, str]
    globals: Mapping[int, str]


def instrument(wasm: bytes) -> Instrumented:
    """
    Return the module with every memory and mutable global of its own exported.

    What is exported already keeps its name. What is imported belongs to somebody else.

    Raises:
        WasmError: A mutable global is a reference, whose value cannot be written down.
    """
    module = read(wasm)
    builder = Builder(module)
    own = range(module.imported_count("memory"), len(module.memories))
    memories = _exported(builder, "memory", own)
    globals_ = _exported(builder, "global", _mutable(module))
    return Instrumented(builder.build(), memories, globals_)


def _mutable(module: Module) -> Iterable[int]:
    first = module.imported_count("global")
    for index, type_ in enumerate(module.globals[first:], start=first):
        if type_.mutable and type_.value not in KEPT:
            text = f"global {index} is a mutable {type_.value}: a snapshot cannot keep its value"
            raise WasmError(text, section="global")
        if type_.mutable:
            yield index


def _exported(builder: Builder, kind: Kind, indices: Iterable[int]) -> dict[int, str]:
    exports = builder.module.exports
    there = {export.index: export.name for export in exports if export.kind == kind}
    taken = {export.name for export in exports}
    names: dict[int, str] = {}
    for index in indices:
        names[index] = there.get(index) or _free(f"__hidden_{kind}_{index}", taken)
        if index not in there:
            builder.add_export(names[index], kind, index)
    return names


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
