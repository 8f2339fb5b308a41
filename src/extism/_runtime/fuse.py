"""
Kernel and plugin made one module at load time, so that the guest reaches its blocks without a crossing.

The kernel's functions and memories are appended to the plugin's own; every mention of an imported kernel function
(calls, tables, references, exports) leads to the appended one, and calls of the accessors give way to their
bodies, range check included. Nothing of the plugin's own moves: functions keep their numbers, since the imports
stay, and are met by functions that nobody calls; or, for a part of the kernel that leaves work to the host
(`kernel_source.PARTS`), by those of the host, which only the kernel calls. The start function is left out and
exported, to be run when the host knows the kernel's memories. Each callable export gets an *entry*, which begins
a call, makes it, and gives everything that the host wants to know of its end: one crossing where there would be
three. Where code grows a memory or a table, it does so out of the kernel's budget (`_wasm/meter.py`).

Before and after::

    (module                                        (module
      (import ENV "load_u8" (func $load_u8 ...))     (import ENV "load_u8" (func ...))
      (memory 1)                                     (memory 1) (memory $data 16) (memory $meta 8)
                                                     (global $budget (mut i64) ...)
      (func ... (call $load_u8 (..)) ...)            (func ... (..) <body of load_u8> ...)
      (func ... (memory.grow (..)) ...)              (func ... (call $grow (..)) ...)
                                                     (func $load_u8 ...) ... (func $grow ...)
      (export "run" ...))                            (export "run" ...) (export "extism:kernel data" ...) ...
                                                     (func (export "extism:kernel enter run") (param i64)
                                                       (result i32 i64 i64 i64) ...))

What can go wrong: some modules are refused (`fusing.can_fuse`), and the engine may refuse what is made of others, where
that exceeds a limit. Both stay two instances, at the price of speed and of nothing else.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache
from extism._dataclass import dataclass
from extism._engine.trampoline import FLAG
from extism._runtime.fusing import ENTRY, ENTRY_NAME, ENTRY_TYPE, PREFIX, START
from extism._runtime.kernel import BUDGET, CALLED
from extism._runtime.kernel_source import kernel_wasm
from extism._wasm.assembly import END, call, const, local_get
from extism._wasm.cursor import Cursor
from extism._wasm.externs import FuncType
from extism._wasm.inline import Inlining, straight
from extism._wasm.leb128 import write_unsigned
from extism._wasm.meter import Meter
from extism._wasm.model import SectionId
from extism._wasm.names import names_of
from extism._wasm.pausing import add_flag, pausing
from extism._wasm.reader import read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.relocate import Detour, Renumbering, Shift, renumber_code
from extism._wasm.unroll import unroll_code
from extism._wasm.valtypes import write_functype, write_memorytype
from extism._wasm.writer import write_export, write_global, write_sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Final

    from extism._wasm.externs import Kind
    from extism._wasm.model import Section
    from extism._wasm.reader import Module

__all__ = ["fuse"]

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

_LOOPED: Final = frozenset(_INLINED[:6])
"""What loops that copy call: they are written out."""


@dataclass(frozen=True)
class _Kernel:
    """
    The kernel, taken apart once. Its functions are counted without those that it imports.

    Attributes:
        code: Its code section.
        imports: What it imports of the host, in order.
        functions: The types of its functions, as indices.
        exports: Its functions by exported name.
        budget: The index of the global that is the budget.
        names: What it calls its functions.
    """

    module: Module
    code: Section
    imports: tuple[str, ...]
    functions: Sequence[int]
    exports: Mapping[str, int]
    budget: int
    names: Mapping[int, str]


@cache
def _kernel(parts: tuple[str, ...]) -> _Kernel:
    module = read(kernel_wasm(parts))
    code = module.section(SectionId.CODE)
    assert code is not None
    budget = module.export(BUDGET)
    assert budget is not None
    imports = tuple(item.name for item in module.imports)
    own = len(imports)
    functions = module.function_type_indices[own:]
    exports = {each.name: each.index - own for each in module.exports if each.kind == "func"}
    names = {at: name for name, at in exports.items()}
    names |= {index - own: name for index, name in names_of(module).items() if index >= own}
    return _Kernel(module, code, imports, functions, exports, budget.index, names)


def _bodies(code: Section) -> list[bytes]:
    """Return the entries of a code section, without their sizes."""
    cursor = Cursor.over(code)
    inside = [cursor.inner() for _ in range(cursor.count(2))]
    return [body.data[body.offset : body.end] for body in inside]


def fuse(
    wasm: bytes, parts: tuple[str, ...] = (), waits: Collection[tuple[str, str]] = ()
) -> bytes:
    """
    Return the module with the kernel inside, which has `parts`; imports in `waits` may have to wait (`pausing.py`).

    Raises:
        WasmError: Its code cannot be read.
    """
    module, kernel = read(wasm), _kernel(parts)
    shifts = _Shifts.of(module)
    imported = {at: name for at, name in _imported(module).items() if name in kernel.exports}
    bodies = _bodies(renumber_code(kernel.code, shifts.renumbering(kernel, imported)))
    targets = {at: shifts.functions + kernel.exports[name] for at, name in imported.items()}
    growth = Meter(module, shifts.globals + kernel.budget, shifts.functions + len(kernel.functions))
    flag = shifts.globals + len(kernel.module.own_globals)
    paused = pausing(module, growth.function, flag, waits)
    targets |= paused
    changes = Changes(Renumbering({"func": Detour(targets)}, growth.replaced))
    code = module.section(SectionId.CODE)
    if code is not None:
        inlined = {
            at: straight(bodies[kernel.exports[name]], module.func_type(at))
            for at, name in imported.items()
            if name in _INLINED
        }
        inlining = Inlining(inlined, _param_counts(module))
        loops = frozenset(at for at in inlined if imported[at] in _LOOPED)
        code = unroll_code(code, loops)
        changes.replaced[SectionId.CODE] = renumber_code(code, changes.renumbering, inlining)
    _append_kernel(changes, kernel, bodies, shifts)
    if paused:
        add_flag(changes, flag, FLAG)
    growth.append_to(changes, shifts.types + len(kernel.module.types))
    _append_entries(changes, module, kernel, shifts)
    if module.start is not None:
        changes.replaced[SectionId.START] = None
        start = changes.renumbering.index("func", module.start)
        changes.appended[SectionId.EXPORT].append([write_export(START, "func", start)])
    return write_sections(rebuild(module, changes))


@dataclass(frozen=True)
class _Shifts:
    """Where the kernel's index spaces begin in the fused module."""

    types: int
    functions: int
    memories: int
    globals: int

    @classmethod
    def of(cls, module: Module) -> _Shifts:
        functions = len(module.function_type_indices)
        return cls(len(module.types), functions, len(module.memories), len(module.globals))

    def __getitem__(self, kind: Kind) -> int:
        """Return the shift of what is exported."""
        return {"func": self.functions, "memory": self.memories, "global": self.globals}[kind]

    def renumbering(self, kernel: _Kernel, imported: Mapping[int, str]) -> Renumbering:
        """Return where the kernel's own indices lead; what it imports is what the module imports."""
        own = len(kernel.imports)
        to_host = {name: at for at, name in imported.items()}
        # What the module does not import, no guest reaches: it may lead anywhere, so to itself.
        targets = {
            at: to_host.get(name, self.functions + kernel.exports[name])
            for at, name in enumerate(kernel.imports)
        }
        return Renumbering(
            {
                "type": Shift(0, self.types),
                "func": lambda index: targets.get(index, self.functions + index - own),
                "memory": Shift(0, self.memories),
                "global": Shift(0, self.globals),
            }
        )


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
    for index in kernel.functions:
        appended[SectionId.FUNCTION].append([write_unsigned(shifts.types + index)])
    for memory in module.memories:
        appended[SectionId.MEMORY].append([write_memorytype(memory)])
    for item in module.own_globals:
        appended[SectionId.GLOBAL].append([write_global(item)])
    for body in bodies:
        appended[SectionId.CODE].append([write_unsigned(len(body)), body])
    for export in module.exports:
        if export.kind == "func" and export.name not in CALLED:
            continue  # each costs every instance 32 bytes, and the compiler a way in
        index = shifts[export.kind] + kernel.exports.get(export.name, export.index)
        entry_bytes = write_export(PREFIX + export.name, export.kind, index)
        appended[SectionId.EXPORT].append([entry_bytes])


def _append_entries(changes: Changes, module: Module, kernel: _Kernel, shifts: _Shifts) -> None:
    """Append the entries behind all other functions."""
    appended = changes.appended
    kind = shifts.types + len(appended[SectionId.TYPE])
    at = shifts.functions + len(appended[SectionId.FUNCTION])
    appended[SectionId.TYPE].append([write_functype(ENTRY_TYPE)])
    for name, type_ in module.exported_functions().items():
        if type_.params or type_.results not in abi.CALLABLE_RESULTS:
            continue
        export = module.export(name)
        assert export is not None
        target = changes.renumbering.index("func", export.index)
        body = _entry(target, type_, kernel, shifts)
        changes.names["func"][at] = ENTRY_NAME
        appended[SectionId.FUNCTION].append([write_unsigned(kind)])
        appended[SectionId.CODE].append([write_unsigned(len(body)), body])
        appended[SectionId.EXPORT].append([write_export(ENTRY + name, "func", at)])
        at += 1


def _entry(target: int, type_: FuncType, kernel: _Kernel, shifts: _Shifts) -> bytes:
    """Return the body of an entry: no locals, then its code."""
    begin, end = (call(shifts.functions + kernel.exports[name]) for name in ("accept", "conclude"))
    code = const("i32", 0) if not type_.results else b""
    return b"".join([b"\0", local_get(0), begin, call(target), code, end, END])
