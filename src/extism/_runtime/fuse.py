"""
Kernel and plugin made one module at load time, so that the guest reaches its blocks without a crossing.

The kernel's functions and memories are appended to the plugin's own; every mention of an imported kernel function
(calls, tables, references, exports) leads to the appended one, and calls of the accessors give way to their
bodies, range check included. Nothing of the plugin's own moves: functions keep their numbers, since the imports
stay and are met by functions that nobody calls. The start function is left out and exported, to be run
when the host knows the kernel's memories.

Before and after::

    (module                                        (module
      (import ENV "load_u8" (func $load_u8 ...))     (import ENV "load_u8" (func ...))
      (memory 1)                                     (memory 1) (memory $data 16) (memory $meta 8)
      (func ... (call $load_u8 (..)) ...)            (func ... (..) <body of load_u8> ...)
                                                     (func $load_u8 ...) ...
      (export "run" ...))                            (export "run" ...) (export "extism:kernel data" ...) ...)

What can go wrong: some modules are refused (`can_fuse`), and the engine may refuse what is made of others, where
that exceeds a limit. Both stay two instances, at the price of speed and of nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from extism import abi
from extism._engine.cache import Rewrite
from extism._runtime.kernel import kernel_wasm
from extism._wasm.cursor import Cursor
from extism._wasm.inline import Inlining, straight
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import FuncType, SectionId
from extism._wasm.names import names_of
from extism._wasm.reader import read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.relocate import Renumbering, Shift, renumber_code
from extism._wasm.valtypes import write_functype, write_memorytype
from extism._wasm.writer import write_export, write_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from extism._wasm.model import Section
    from extism._wasm.reader import Module

__all__ = ["PREFIX", "START", "can_fuse", "fuse", "fusing", "kernel_imports"]

PREFIX: Final = "extism:kernel "
"""What the host finds the kernel's exports under, in a fused module."""

START: Final = PREFIX + "start"
"""The export that was the module's start function."""

_VERSION: Final = "1"
"""Changes whenever equal modules are fused differently with the same kernel."""

_INLINED: Final = (
    "load_u8",
    "load_u64",
    "store_u8",
    "store_u64",
    "input_load_u8",
    "input_load_u64",
    "input_length",
    "input_offset",
    "output_offset",
    "output_length",
    "error_get",
)


@cache
def kernel_imports() -> tuple[abi.HostImport, ...]:
    """Return functions that meet a fused module's imports of the kernel; nothing calls them."""
    return tuple(
        abi.HostImport(abi.ENV, row.name, row.params, row.results, _uncalled)
        for row in abi.FUNCTIONS.values()
        if row.by == "kernel"
    )


def _uncalled(*_: object) -> tuple[()]:
    raise AssertionError("a fused module calls the kernel's functions, not its imports")


@cache
def fusing() -> Rewrite:
    """Return `fuse` as the cache wants it: under a name that changes with what it does."""
    digest = hashlib.sha256(kernel_wasm()).hexdigest()
    return Rewrite(f"fused {_VERSION} {digest}", fuse)


def can_fuse(module: Module) -> bool:
    """Tell whether a module can take the kernel in, as far as its bytes show."""
    types = module.types
    return (
        not module.imported_count("memory")
        and not any(export.name.startswith(PREFIX) for export in module.exports)
        and all(
            types[item.type_index].is_plain
            for item in module.imports
            if item.module == abi.ENV and item.type_index is not None
        )
    )


@dataclass(frozen=True)
class _Kernel:
    """
    The kernel, taken apart once.

    Attributes:
        code: Its code section.
        exports: Indices of its functions by exported name.
        names: What it calls its functions, by index.
    """

    module: Module
    code: Section
    exports: Mapping[str, int]
    names: Mapping[int, str]


@cache
def _kernel() -> _Kernel:
    module = read(kernel_wasm())
    exports = {each.name: each.index for each in module.exports if each.kind == "func"}
    code = module.section(SectionId.CODE)
    assert code is not None
    names = {index: name for name, index in exports.items()} | names_of(module)
    return _Kernel(module, code, exports, names)


def _bodies(code: Section) -> list[bytes]:
    """Return the entries of a code section, without their sizes."""
    cursor = Cursor.over(code)
    inside = [cursor.inner() for _ in range(cursor.count(2))]
    return [body.data[body.offset : body.end] for body in inside]


def fuse(wasm: bytes) -> bytes:
    """
    Return the module with the kernel inside.

    Raises:
        WasmError: Its code cannot be read.
    """
    module, kernel = read(wasm), _kernel()
    shifts = _Shifts.of(module)
    bodies = _bodies(renumber_code(kernel.code, shifts.renumbering))
    imported = {at: name for at, name in _imported(module).items() if name in kernel.exports}
    targets = {at: shifts.functions + kernel.exports[name] for at, name in imported.items()}
    changes = Changes(renumbering=Renumbering({"func": _Move(targets)}))
    code = module.section(SectionId.CODE)
    if code is not None and targets:
        inlined = {
            at: straight(bodies[kernel.exports[name]], module.func_type(at))
            for at, name in imported.items()
            if name in _INLINED
        }
        inlining = Inlining(inlined, _param_counts(module))
        changes.replaced[SectionId.CODE] = renumber_code(code, changes.renumbering, inlining)
    _append_kernel(changes, kernel, bodies, shifts)
    if module.start is not None:
        changes.replaced[SectionId.START] = None
        start = changes.renumbering.index("func", module.start)
        changes.appended[SectionId.EXPORT].append([write_export(START, "func", start)])
    return write_sections(rebuild(module, changes))


@dataclass(frozen=True, slots=True)
class _Shifts:
    """Where the kernel's index spaces begin in the fused module."""

    types: int
    functions: int
    memories: int

    @classmethod
    def of(cls, module: Module) -> _Shifts:
        return cls(len(module.types), len(module.function_type_indices), len(module.memories))

    @property
    def renumbering(self) -> Renumbering:
        return Renumbering(
            {
                "type": Shift(0, self.types),
                "func": Shift(0, self.functions),
                "memory": Shift(0, self.memories),
            }
        )


class _Move:
    """Lead imported kernel functions to the appended ones; everything else stays."""

    def __init__(self, targets: Mapping[int, int]) -> None:
        self._targets = targets

    def __call__(self, index: int) -> int:
        return self._targets.get(index, index)


def _imported(module: Module) -> dict[int, str]:
    """Return the names of imported functions of the ABI by function index."""
    functions = [item for item in module.imports if item.kind == "func"]
    return {at: item.name for at, item in enumerate(functions) if item.module == abi.ENV}


def _param_counts(module: Module) -> list[int]:
    """Return the number of parameters of each function of the module's own."""
    own = range(module.imported_count("func"), len(module.function_type_indices))
    return [len(module.func_type(index).params) for index in own]


def _append_kernel(changes: Changes, kernel: _Kernel, bodies: list[bytes], shifts: _Shifts) -> None:
    module, appended = kernel.module, changes.appended
    changes.names["func"] = {
        shifts.functions + index: f"kernel.{name}" for index, name in kernel.names.items()
    }
    for entry in module.types:
        assert isinstance(entry.composite, FuncType)
        appended[SectionId.TYPE].append([write_functype(entry.composite)])
    for index in module.function_type_indices:
        appended[SectionId.FUNCTION].append([write_unsigned(shifts.types + index)])
    for memory in module.memories:
        appended[SectionId.MEMORY].append([write_memorytype(memory)])
    for body in bodies:
        appended[SectionId.CODE].append([write_unsigned(len(body)), body])
    for export in module.exports:
        start = shifts.functions if export.kind == "func" else shifts.memories
        entry_bytes = write_export(PREFIX + export.name, export.kind, start + export.index)
        appended[SectionId.EXPORT].append([entry_bytes])
