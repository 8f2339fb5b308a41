"""
Make all growth of a module's memories and tables come out of one budget, to the byte.

Each `memory.grow` and `table.grow` becomes a call of a function that takes what is wanted from the budget, grows,
and gives it back if the engine refused. These functions are appended: no function gets another number. The
budget is a mutable global, which modules share by importing it; its layout is in `marks.py`.

Before and after, for a module that stays by itself (`meter`)::

    (module                             (module
                                          (import "home" "budget" (global $budget (mut i64)))
      (memory 1)                          (memory 1)
      (func ... (memory.grow (..)) ..))   (func ... (call $grow (..)) ..)
                                          (func $grow (param i32) (result i32)
                                            ;; more than the budget: -1, or the end
                                            ;; budget -= 65536 * pages; memory.grow; -1: budget += as much
                                            ...))

What can go wrong: code is cut off (by a deadline, by fuel) at the entry of functions and in loops. There is no
loop here, so whatever is taken is also grown or given back.
"""

from __future__ import annotations

from extism._dataclass import dataclass
from extism._wasm import assembly as asm
from extism._wasm.assembly import const, global_get, global_set, local_get, local_set
from extism._wasm.externs import FuncType, GlobalType, Import
from extism._wasm.leb128 import write_unsigned
from extism._wasm.marks import ELEMENT_BYTES, ENDED, REFUSED, STRICT
from extism._wasm.model import SectionId
from extism._wasm.pausing import add_flag, pausing
from extism._wasm.reader import read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.relocate import Detour, Renumbering, Shift, renumber_code
from extism._wasm.valtypes import write_functype
from extism._wasm.writer import new_section, write_body, write_import, write_sections
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Final, TypeVar

    from extism._wasm.externs import Limits
    from extism._wasm.instructions import Space
    from extism._wasm.reader import Module
    from extism._wasm.relocate import Move

    Entry = TypeVar("Entry")

__all__ = [
    "Meter",
    "meter",
    "starting_bytes",
]

_ELEMENT_LOG2: Final = ELEMENT_BYTES.bit_length() - 1
_TOO_MUCH: Final = -ELEMENT_BYTES
"""Unsigned, more than any budget has."""


def starting_bytes(module: Module) -> tuple[int, int]:
    """Return what the memories and the tables of a module's own begin with, each as it counts."""
    memories = module.memories[module.imported_count("memory") :]
    tables = module.tables[module.imported_count("table") :]
    return (
        sum(each.limits.min * each.page_size for each in memories),
        sum(each.limits.min for each in tables) * ELEMENT_BYTES,
    )


def meter(
    wasm: bytes,
    home: str,
    name: str,
    *,
    takes_start: bool = False,
    waits: Collection[tuple[str, str]] = (),
    flag: str = "",
) -> bytes:
    """
    Return the module with its growth out of a budget that it imports; as it is if it never grows.

    Args:
        wasm: A binary module.
        home: The namespace that the budget is imported from.
        name: The budget's name there.
        takes_start: Whether what memories and tables begin with is taken too, when it is instantiated.
        waits: The imports that may have to wait (`pausing.py`).
        flag: What their flag is exported as.

    Raises:
        WasmError: Its code cannot be read.
    """
    module = read(wasm)
    cell = module.imported_count("global")
    growth = Meter(module, cell, len(module.function_type_indices))
    at_flag = len(module.globals) + 1
    paused = pausing(module, growth.function, at_flag, waits)
    moves: dict[Space, Move] = {"global": Shift(cell, 1)}
    if paused:
        moves["func"] = Detour(paused)
    changes = Changes(Renumbering(moves, growth.replaced))
    if paused:
        add_flag(changes, at_flag, flag)
    code = module.section(SectionId.CODE)
    if code is not None:
        changes.replaced[SectionId.CODE] = renumber_code(code, changes.renumbering)
    start = sum(starting_bytes(module)) if takes_start else 0
    first = None if module.start is None else paused.get(module.start, module.start)
    if start:
        at = growth.add(_starting(cell, start, first))
        changes.replaced[SectionId.START] = new_section(SectionId.START, [write_unsigned(at)])
    if not growth.functions:
        return wasm
    budget = Import(home, name, "global", GlobalType("i64", mutable=True))
    changes.appended[SectionId.IMPORT].append([write_import(budget)])
    growth.append_to(changes, len(module.types))
    return write_sections(rebuild(module, changes))


@dataclass(frozen=True)
class _Function:
    """A function to be appended; `locals` are those beside the parameters."""

    name: str
    type: FuncType
    instructions: bytes
    locals: tuple[str, ...] = ()


class Meter:
    """
    The functions that stand for the growth of one module, made when its code is seen to grow.

    Args:
        module: The module as it was.
        cell: The index of the budget in the new module.
        first: The index of the first function that is appended.

    Attributes:
        replaced: For the `Renumbering` of its code.
        functions: What has been found to be needed so far.
    """

    def __init__(self, module: Module, cell: int, first: int) -> None:
        self.functions: list[_Function] = []
        self._first = first
        self.replaced: Mapping[str, Mapping[int, bytes]] = {
            "memory.grow": _Calls(lambda index: self.add(_memory(module, index, cell))),
            "table.grow": _Calls(lambda index: self.add(_table(module, index, cell))),
        }

    def add(self, function: _Function) -> int:
        """Have one more function appended, and return its index."""
        self.functions.append(function)
        return self._first + len(self.functions) - 1

    def function(self, name: str, type_: FuncType, instructions: bytes) -> int:
        """Have any other function appended, and return its index."""
        return self.add(_Function(name, type_, instructions))

    def append_to(self, changes: Changes, first_type: int) -> None:
        """Append the functions; the index of the first of their types is given."""
        appended = changes.appended
        for place, function in enumerate(self.functions):
            appended[SectionId.TYPE].append([write_functype(function.type)])
            appended[SectionId.FUNCTION].append([write_unsigned(first_type + place)])
            appended[SectionId.CODE].append([write_body(function.instructions, function.locals)])
            changes.names["func"][self._first + place] = function.name


class _Calls(dict[int, bytes]):
    """Calls of functions that are made when first wanted, by the index of what grows."""

    def __init__(self, make: Callable[[int], int]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, index: int) -> bytes:
        self[index] = instruction = asm.call(self._make(index))
        return instruction


def _memory(module: Module, index: int, cell: int) -> _Function:
    memory = _entry(module.memories, index, "memory")
    number = _number(memory.limits)
    grow = local_get(0) + asm.memory_grow(index)
    unit = max(memory.page_size_log2, _ELEMENT_LOG2)
    type_ = FuncType((number,), (number,))
    return _Function("memory.grow", type_, _growing(grow, 0, number, unit, cell), ("i64",))


def _table(module: Module, index: int, cell: int) -> _Function:
    table = _entry(module.tables, index, "table")
    number = _number(table.limits)
    grow = local_get(0) + local_get(1) + asm.table_grow(index)
    type_ = FuncType((table.element, number), (number,))
    return _Function("table.grow", type_, _growing(grow, 1, number, _ELEMENT_LOG2, cell), ("i64",))


def _entry(space: Sequence[Entry], index: int, kind: str) -> Entry:
    if index >= len(space):
        raise WasmError(f"growth of {kind} {index} of {len(space)}", section="code")
    return space[index]


def _number(limits: Limits) -> str:
    return "i64" if limits.is_64 else "i32"


def _growing(grow: bytes, count: int, number: str, unit: int, cell: int) -> bytes:
    """
    Return a body that grows within the budget.

    Args:
        grow: The growth itself; leaves the old size or -1.
        count: The local that says by how many entries, and that is the last parameter.
        number: The type of that count.
        unit: What an entry counts, as the power of two.
        cell: The budget.
    """
    need, budget = count + 1, global_get(cell)
    refusal = asm.IF + _marked(cell, ENDED) + asm.UNREACHABLE + asm.END
    refusal = budget + const("i64", STRICT) + asm.I64_AND + asm.I32_WRAP_I64 + refusal
    refusal += _marked(cell, REFUSED) + const(number, -1) + asm.RETURN
    has_failed = local_get(count) + const(number, -1) + _EQUAL[number]
    return b"".join(
        [
            _bytes(count, number, unit) + local_set(need),
            local_get(need) + budget + asm.I64_GT_U + asm.IF + refusal + asm.END,
            budget + local_get(need) + asm.I64_SUB + global_set(cell),
            grow + local_set(count),
            has_failed + asm.IF,
            budget + local_get(need) + asm.I64_ADD + global_set(cell) + asm.END,
            local_get(count),
        ]
    )


def _bytes(count: int, number: str, unit: int) -> bytes:
    """Return instructions that give what so many entries count; more than there can be if that has no number."""
    if number == "i32":
        return local_get(count) + asm.I64_EXTEND_I32_U + const("i64", unit) + asm.I64_SHL
    product = local_get(count) + const("i64", unit) + asm.I64_SHL
    is_small = local_get(count) + const("i64", 1 << 63 - unit) + asm.I64_LT_U
    return product + const("i64", _TOO_MUCH) + is_small + asm.SELECT


def _starting(cell: int, length: int, start: int | None) -> _Function:
    """Return a start function that takes `length` bytes, or ends, before the module's own."""
    need, budget = const("i64", length), global_get(cell)
    refusal = asm.IF + _marked(cell, ENDED) + asm.UNREACHABLE + asm.END
    instructions = need + budget + asm.I64_GT_U + refusal
    instructions += budget + need + asm.I64_SUB + global_set(cell)
    if start is not None:
        instructions += asm.return_call(start)
    return _Function("start", FuncType(), instructions)


def _marked(cell: int, mark: int) -> bytes:
    return global_get(cell) + const("i64", mark) + asm.I64_OR + global_set(cell)


_EQUAL: Final = {"i32": asm.I32_EQ, "i64": asm.I64_EQ}
