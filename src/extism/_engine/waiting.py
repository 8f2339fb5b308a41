"""
Functions of the host that may have to wait: on a fiber the code that called them stops meanwhile.

Such a function is called twice (`_wasm/pausing.py`): it says what is to be waited for, the fiber stops, whoever runs
it waits, and when the fiber goes on, the function is called again, for its results. Where code does not run on a
fiber, the function is called once and waits itself.
"""

from __future__ import annotations

import struct
from _thread import get_ident

from extism._engine.bindings import EXTERN_GLOBAL, Extern, Value, lib
from extism._engine.faults import Interrupted
from extism._engine.fibers import Awaited, Fiber
from extism._engine.foreign import byref, c_char
from extism._engine.interrupts import FIRST_TICKS
from extism._engine.shelter import sheltered
from extism._engine.stacks import call_on
from extism._engine.trampoline import (
    FLAG,
    SLOT,
    converter,
    keep_raised,
    layout,
    running,
    trap,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from extism._engine.trampoline import Entry

__all__ = ["ask_for_patience", "fiber_of", "patient"]

_FLAG: Final = FLAG.encode()
_SET: Final = Value()
_SET.kind = 0
_SET.of.i32 = 1


def patient(
    params: tuple[str, ...], results: tuple[str, ...], body: Callable[..., Any], label: str
) -> Entry:
    """
    Return what C calls as in `Trampoline`, for a body that may give an `Awaited` where code runs on a fiber.

    `Awaited.finish` is called with what came of the wait, and gives a sequence like the body.
    """
    ask, give = _asking(params, body), _giving(results, label)
    slots: Any = c_char * (SLOT * max(len(params), len(results), 1))

    def enter(_env: int, caller: int, address: int, _count: int) -> int | None:
        try:
            try:
                buffer = slots.from_address(address) if address else slots()
                values = ask(caller, buffer)
                if values is not None:
                    give(buffer, values)
            except Interrupted as exc:
                return trap(str(exc))
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot (`trampoline.py`)
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the line above
            return keep_raised(exc)
        return None

    return sheltered(enter)


def _asking(params: tuple[str, ...], body: Callable[..., Any]) -> Callable[[int, Any], Any]:
    unpack = layout(params).unpack_from

    def ask(caller: int, buffer: Any) -> Any:
        """Return the results, or None where they have to be waited for."""
        fiber = fiber_of(caller)
        awaited = None if fiber is None else fiber.take()
        if awaited is not None:
            return awaited.finish(awaited.outcome())
        found = body(call_on(get_ident()), *unpack(buffer))
        if fiber is None or not isinstance(found, Awaited):
            return found
        ask_for_patience(fiber, caller, found)
        return None

    return ask


def _giving(results: tuple[str, ...], label: str) -> Callable[[Any, Sequence[Any]], None]:
    pack = layout(results).pack_into
    convert = converter(results, label)

    def give(buffer: Any, values: Sequence[Any]) -> None:
        try:
            pack(buffer, 0, *values)
        except struct.error:  # unsigned, or of a wrong type
            pack(buffer, 0, *convert(values))

    return give


def fiber_of(caller: int) -> Fiber | None:
    """Return the fiber on which the code runs that calls a function of the host; None where it is on none."""
    fiber: Fiber | None = running.fiber
    if fiber is None or fiber.store.context != lib.wasmtime_caller_context(caller):
        return None
    return fiber


def ask_for_patience(fiber: Fiber, caller: int, awaited: Awaited) -> None:
    """Have the code that calls stop as soon as it goes on, until somebody has waited."""
    extern = Extern()
    found = lib.wasmtime_caller_export_get(caller, _FLAG, len(_FLAG), byref(extern))
    if not found or extern.kind != EXTERN_GLOBAL:
        awaited.forget()
        raise RuntimeError("the module that calls was not prepared for functions that wait")
    fiber.waits_for = awaited
    fiber.store.slice_ticks = FIRST_TICKS
    context = fiber.store.context
    lib.wasmtime_global_set(context, byref(extern.of.global_), byref(_SET))
    # The engine stops code where its deadline is not in the future.
    lib.wasmtime_context_set_epoch_deadline(context, 0)
