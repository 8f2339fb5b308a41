"""
Calls that are awaited: the twin of the entries in `instance.py`, on a fiber.

An entry runs the calls of one export; its maker keeps it as long as the instance is not worn. What runs between two
stops is the guest; what runs while it is stopped is the event loop. Ten thousand may wait at once, so what each
keeps is little: Python's collector looks at every object again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from extism._runtime.kernel import NoRoom
from extism._runtime.kernel_layout import FIRST
from extism._runtime.loops import rounds_of, running_loop, settle_wait
from extism._runtime.outcome import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from extism._engine.faults import Fault
    from extism._engine.fibers import Fiber
    from extism._runtime.call import Call
    from extism._runtime.kernel import Kernel

    Settle: TypeAlias = Callable[[Call, int, Fault | None], Exit]

__all__ = ["ApartEntry", "AwaitedEntry", "FusedEntry"]


class AwaitedEntry:
    """
    What runs calls of one export, one at a time.

    Args:
        fiber: On which it runs.
        kernel: Of its instance.
        settle: Looks at everything that can have happened to a call.
        wear: Called when the guest was ended in the middle: the instance is not to be used again.
        fuel: How much a call may execute; None where the engine does not count.
    """

    __slots__ = ("_fiber", "_fuel", "_kernel", "_settle", "_wear")

    def __init__(
        self,
        fiber: Fiber,
        kernel: Kernel,
        settle: Settle,
        wear: Callable[[], None],
        fuel: int | None = None,
    ) -> None:
        self._fiber = fiber
        self._kernel = kernel
        self._settle = settle
        self._wear = wear
        self._fuel = fuel

    async def __call__(self, call: Call) -> bytes | Exit:
        """Run one call, and return its output, or how it ended."""
        fiber, kernel = self._fiber, self._kernel
        call.kernel = kernel
        rounds = rounds_of(running_loop())
        if rounds.is_spent:
            await rounds.turn()
        has_ended = True
        try:
            if kernel.level_lease:
                kernel.renew_level(call.state.log)
            self._begin(call)
            has_ended = False
            while not fiber.step():
                awaited = fiber.waits_for
                if awaited is not None:
                    await settle_wait(fiber.store, awaited)
                else:
                    rounds.spend()
                    await rounds.turn()
            has_ended = True
            return self._end(call)
        except NoRoom:
            return Exit(code=-1, is_out_of_memory=True)
        except BaseException:
            # Cancelled, or of a signal's handler: nobody hears how the guest ended.
            kernel.purse.take_want()
            raise
        finally:
            if not has_ended:
                self._wear()
            fiber.end()

    def _begin(self, call: Call) -> None:
        """Hand over the input, and begin the call on the fiber."""
        raise NotImplementedError

    def _end(self, call: Call) -> bytes | Exit:
        """Return the output of a call that has ended, or how it ended."""
        raise NotImplementedError


class FusedEntry(AwaitedEntry):
    """Where the kernel is in the module: one function begins the call, runs it, and says where the output is."""

    __slots__ = ()

    def _begin(self, call: Call) -> None:
        kernel, data = self._kernel, call.input
        length = len(data)
        if length > kernel.room:
            kernel.reach(data)
        else:
            kernel.bytes[FIRST : FIRST + length] = data
        self._fiber.start(call, call.deadline, length)

    def _end(self, call: Call) -> bytes | Exit:
        fiber = self._fiber
        fault = fiber.fault()
        if fault is not None:
            return self._settle(call, 0, fault)
        offset, end, code = fiber.results
        if end >= 0 and not (call.is_late or call.function == _START):
            output = self._kernel.bytes[offset:end].tobytes()
            if len(output) == end - offset:
                return output
        return self._settle(call, code, None)


class ApartEntry(AwaitedEntry):
    """Where the kernel is an instance of its own."""

    __slots__ = ()

    def _begin(self, call: Call) -> None:
        self._kernel.begin(call.input)
        if self._fuel is not None:
            self._fiber.store.set_fuel(self._fuel)
        self._fiber.start(call, call.deadline)

    def _end(self, call: Call) -> bytes | Exit:
        fault = self._fiber.fault()
        results = () if fault is not None else self._fiber.results
        code = results[0] if results else 0
        is_plain = self._fuel is None and call.function != _START
        if is_plain and fault is None and not code and not call.is_late:
            output = self._kernel.output_alone()
            if output is not None:
                return output
        return self._settle(call, code, fault)


_START = "_start"
