"""
Let code stop where it calls a function of the host that has to wait.

The engine stops code only where it looks at its clock: where functions begin, and in loops. So each import that may
have to wait gets a function that stands before it, and that every mention of the import leads to. It calls the import;
if that asks for patience, by setting the flag, it calls an empty function, where the engine stops it; and when the
engine lets it go on, it calls the import a second time, for what was waited for. An import that needs no patience
is called once, at the price of a look at the flag.

Before and after::

    (module                                          (module
      (import "h" "ask" (func $ask (param i64)         (import "h" "ask" (func $ask (param i64)
                                   (result i64)))                            (result i64)))
                                                       (global $flag (export "flag") (mut i32) (i32.const 0))
      (func ... (call $ask (..)) ...))                 (func ... (call $asking (..)) ...)
                                                       (func $asking (param i64) (result i64)
                                                         (call $ask (local.get 0))
                                                         (br_if 0 (i32.eqz (global.get $flag)))
                                                         (drop)
                                                         (global.set $flag (i32.const 0))
                                                         (call $pause)
                                                         (call $ask (local.get 0)))
                                                       (func $pause))
"""

from __future__ import annotations

from extism._wasm import assembly as asm
from extism._wasm.externs import FuncType, GlobalType
from extism._wasm.marks import PAUSING
from extism._wasm.model import Global, SectionId
from extism._wasm.writer import write_export, write_global

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Add = Callable[[str, FuncType, bytes], int]

    from extism._wasm.reader import Module
    from extism._wasm.rebuild import Changes

__all__ = ["add_flag", "pausing"]


def pausing(
    module: Module, add: Add, flag: int, imports: Collection[tuple[str, str]]
) -> dict[int, int]:
    """
    Have functions appended that stand before imports, and return where mentions of those lead.

    Args:
        module: The module as it was.
        add: Has a function appended, given its name, type and instructions, and returns its index.
        flag: The index of the global that `add_flag` appends.
        imports: Namespace and name of those that may have to wait.
    """
    functions = [item for item in module.imports if item.kind == "func"]
    wanted = [at for at, item in enumerate(functions) if (item.module, item.name) in imports]
    if not wanted:
        return {}
    pause = add("pause", FuncType(), b"")
    return {
        at: add(PAUSING, module.func_type(at), _standing_before(module, at, flag, pause))
        for at in wanted
    }


def add_flag(changes: Changes, flag: int, name: str) -> None:
    """Append the flag, and export it under `name`; it is the last global so far."""
    cell = Global(GlobalType("i32", mutable=True), asm.const("i32", 0) + asm.END)
    changes.appended[SectionId.GLOBAL].append([write_global(cell)])
    changes.appended[SectionId.EXPORT].append([write_export(name, "global", flag)])


def _standing_before(module: Module, index: int, flag: int, pause: int) -> bytes:
    type_ = module.func_type(index)
    ask = b"".join(map(asm.local_get, range(len(type_.params)))) + asm.call(index)
    return b"".join(
        [
            ask + asm.global_get(flag) + asm.I32_EQZ + asm.br_if(0),
            asm.DROP * len(type_.results),
            asm.const("i32", 0) + asm.global_set(flag) + asm.call(pause),
            ask,
        ]
    )
