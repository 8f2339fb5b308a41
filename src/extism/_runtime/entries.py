"""
Calls that are not awaited: what runs those of one export, made once and kept as long as the instance is not worn.

Their twin for calls that are awaited is `awaited.py`. Where the kernel is in the module, one crossing is the whole call:
it begins it, runs the export, and says where the output is.
"""

from __future__ import annotations

from extism._engine.stacks import StackTooSmall
from extism._runtime.kernel import NoRoom
from extism._runtime.kernel_layout import FIRST
from extism._runtime.outcome import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol, TypeAlias

    from extism._engine.faults import Fault
    from extism._engine.function import Function, Spanned
    from extism._runtime.call import Call
    from extism._runtime.kernel import Kernel

    class Owner(Protocol):
        """The instance that an entry belongs to."""

        def settle(self, call: Call, code: int, fault: Fault | None = None) -> Exit:
            """Look at everything that can have happened to a call."""

        def abandon(self) -> None:
            """Forget a call that ended in the middle, and that nobody hears the end of."""


__all__ = ["Entry", "apart_entry", "fused_entry"]

Entry: TypeAlias = "Callable[[Call], bytes | Exit]"
"""Runs a call, and gives its output, or how it ended; what it raises comes from the handler of a signal."""


def fused_entry(function: Function, kernel: Kernel, owner: Owner, *, is_start: bool) -> Entry:
    """
    Return the quick way: one crossing for all.

    Args:
        function: Of the type `fusing.ENTRY_TYPE`.
        kernel: Of its instance.
        owner: Its instance, which must not refer to the entry.
        is_start: Whether it is meant to run in a fresh instance each time, which it wears out.
    """
    spanned, values = function.spanned()

    # Defaults, as in `Function.quick`, and for the same reasons.
    def run(
        call: Call,
        enter: Spanned = spanned,
        cells: Sequence[int] = values,
        kernel: Kernel = kernel,
        owner: Owner = owner,
        is_start: bool = is_start,  # noqa: FBT001 - never handed over
    ) -> bytes | Exit:
        call.kernel = kernel
        data, deadline = call.input, call.deadline
        length = len(data)
        try:
            if kernel.level_lease:
                kernel.renew_level(call.state.log)
            if length > kernel.room:
                _reach(kernel, call)
            elif length:
                kernel.bytes[FIRST : FIRST + length] = data
            fault = enter(call, length, deadline)
            offset, end = cells[0], cells[2]
            if (
                fault is None
                and end >= 0
                and not is_start
                and (deadline is None or not call.is_late)
            ):
                output = kernel.bytes[offset:end].tobytes() if offset != end else b""
                if len(output) == end - offset:
                    return output
            return owner.settle(call, cells[4] if fault is None else 0, fault)
        except NoRoom:
            return Exit(code=-1, is_out_of_memory=True)
        except StackTooSmall:
            raise  # nothing has run, and nothing is worn
        except BaseException:  # of a signal's handler
            owner.abandon()
            raise

    return run


def _reach(kernel: Kernel, call: Call) -> None:
    """Hand over an input for which memory has to grow: the kernel's code runs, in a span before the call's."""
    store = kernel.instance.store
    try:
        store.open(call.deadline)
        kernel.reach(call.input)
    finally:
        store.close()


def apart_entry(
    function: Function, kernel: Kernel, owner: Owner, *, is_start: bool, fuel: int | None = None
) -> Entry:
    """
    Return the way through a kernel that is an instance of its own.

    Args:
        function: The export itself.
        kernel: The kernel's instance.
        owner: The instance of the plugin, which must not refer to the entry.
        is_start: Whether it is meant to run in a fresh instance each time, which it wears out.
        fuel: How much a call may execute; None where the engine does not count.
    """
    store = function.store
    is_plain = fuel is None and not is_start  # what was counted is told of settled calls only

    def run(call: Call) -> bytes | Exit:
        call.kernel = kernel
        try:
            store.open(call.deadline)
            if kernel.level_lease:
                kernel.renew_level(call.state.log)
            kernel.begin(call.input)
            if fuel is not None:
                store.set_fuel(fuel)
            fault = function(call)
            code = function.code if fault is None and function.has_results else 0
            if is_plain and fault is None and not code and not call.is_late:
                output = kernel.output_alone()
                if output is not None:
                    return output
            return owner.settle(call, code, fault)
        except NoRoom:
            return Exit(code=-1, is_out_of_memory=True)
        except StackTooSmall:
            raise  # nothing has run, and nothing is worn
        except BaseException:  # of a signal's handler
            owner.abandon()
            raise
        finally:
            store.close()

    return run
