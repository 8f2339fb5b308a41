"""
One call that is awaited: the twin of the entries in `instance.py`, on a fiber.

Each function returns what runs a call of one export, given its parts; the caller keeps it as long as the instance is
not worn. What runs between two stops is the guest; what runs while it is stopped is the event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from extism._dataclass import dataclass
from extism._runtime.fusing import ENTRY, ENTRY_TYPE
from extism._runtime.kernel import FIRST, NoRoom
from extism._runtime.loops import rounds_of, settle_wait
from extism._runtime.outcome import Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from extism._engine.faults import Fault
    from extism._engine.fibers import Fiber
    from extism._engine.linker import Instance as EngineInstance
    from extism._runtime.call import Call
    from extism._runtime.kernel import Kernel
    from extism._wasm.model import FuncType

__all__ = ["AwaitedEntry", "Parts", "entry_apart", "entry_fused"]

AwaitedEntry: TypeAlias = "Callable[[Call], Awaitable[bytes | Exit]]"


@dataclass(frozen=True)
class Parts:
    """
    What a call needs of an instance.

    Attributes:
        main: The module whose export is called.
        kernel: Its kernel.
        fuel: How much a call may execute; None where the engine does not count.
        settle: Looks at everything that can have happened to a call.
        wear: Called when the guest was ended in the middle: the instance is not to be used again.
    """

    main: EngineInstance
    kernel: Kernel
    fuel: int | None
    settle: Callable[[Call, int, Fault | None], Exit]
    wear: Callable[[], None]


def entry_fused(parts: Parts, name: str) -> AwaitedEntry:
    """Return what runs calls where the kernel is in the module."""
    fiber = parts.main.fiber(ENTRY + name, ENTRY_TYPE.params, ENTRY_TYPE.results)
    kernel = parts.kernel

    def prepare(call: Call) -> int:
        data = call.input
        length = len(data)
        if length > kernel.room:
            kernel.reach(data)
        else:
            kernel.bytes[FIRST : FIRST + length] = data
        return length

    def finish(call: Call) -> bytes | Exit:
        fault = fiber.fault()
        if fault is not None:
            return parts.settle(call, 0, fault)
        code, offset, length, error = fiber.results
        if not (code or error or call.is_late or call.function == _START):
            output = kernel.bytes[offset : offset + length].tobytes()
            if len(output) == length:
                return output
        return parts.settle(call, code, None)

    return _running(parts, fiber, prepare, finish)


def entry_apart(parts: Parts, name: str, kind: FuncType) -> AwaitedEntry:
    """Return what runs calls where the kernel is an instance of its own."""
    fiber = parts.main.fiber(name, kind.params, kind.results)
    store, fuel = fiber.store, parts.fuel

    def prepare(call: Call) -> None:
        parts.kernel.begin(call.input)
        if fuel is not None:
            store.set_fuel(fuel)

    def finish(call: Call) -> Exit:
        fault = fiber.fault()
        code = fiber.results[0] if fault is None and kind.results else 0
        return parts.settle(call, code, fault)

    return _running(parts, fiber, prepare, finish)


_START = "_start"


def _running(
    parts: Parts,
    fiber: Fiber,
    prepare: Callable[[Call], int | None],
    finish: Callable[[Call], bytes | Exit],
) -> AwaitedEntry:
    kernel, store = parts.kernel, fiber.store

    async def run(call: Call) -> bytes | Exit:
        call.kernel = kernel
        rounds = rounds_of(asyncio.get_running_loop())
        if rounds.is_spent:
            await rounds.turn()
        has_ended = True
        try:
            if kernel.level_lease:
                kernel.renew_level(call.state.log)
            length = prepare(call)
            fiber.start(call, call.deadline, *(() if length is None else (length,)))
            has_ended = False
            while not fiber.step():
                awaited = fiber.waits_for
                if awaited is not None:
                    await settle_wait(store, awaited)
                else:
                    rounds.spend()
                    await rounds.turn()
            has_ended = True
            return finish(call)
        except NoRoom:
            return Exit(code=-1, is_out_of_memory=True)
        except (
            BaseException
        ):  # cancelled, or of a signal's handler: nobody hears how the guest ended
            kernel.purse.take_want()
            raise
        finally:
            if not has_ended:
                parts.wear()
            fiber.end()

    return run
