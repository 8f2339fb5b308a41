"""
One call: everything that dies with it.

A `Call` is also what the functions that a guest calls are handed: it leads to the kernel of the instance
that runs and to the state of its plugin. It knows when it is over, so that nobody who kept it can reach
into a later call.
"""

from __future__ import annotations

import time

from extism.errors import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from extism._runtime.kernel import Data, Kernel
    from extism._runtime.state import PluginState

__all__ = ["Call", "deadline_after"]


class Call:
    """
    One call of one export, or the creation of a plugin (then `function` is empty).

    Args:
        function: The export.
        state: What outlives the call.
        input: What the guest reads.
        deadline: Monotonic seconds at which the call must be over; None for never.
        host_context: What the caller handed through to its host functions.

    Attributes:
        kernel: The kernel of the instance that runs the call; None before there is one, and when the call is over.
        current: What host functions are handed of the call, made when the first one asks.
    """

    __slots__ = ("current", "deadline", "function", "host_context", "input", "kernel", "state")

    def __init__(
        self,
        function: str,
        state: PluginState,
        input: Data = b"",  # noqa: A002 - the ABI's word
        deadline: float | None = None,
        host_context: Any = None,
    ) -> None:
        self.function = function
        self.state = state
        self.input = input
        self.deadline = deadline
        self.host_context = host_context
        self.kernel: Kernel | None = None
        self.current: Any = None

    def live_kernel(self) -> Kernel:
        """
        Return the kernel of the running instance.

        Raises:
            CallError: The call is over, or its instance does not exist yet.
        """
        kernel = self.kernel
        if kernel is None:
            raise CallError("the call that this belongs to is over", function=self.function)
        return kernel

    def end(self) -> None:
        """Keep whoever kept the call from reaching into a later one."""
        self.kernel = self.current = None

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, not below 0; None if there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wants the call to end."""
        return self.kernel is not None and self.kernel.is_cancelled

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def deadline_after(timeout_ms: int | None, timeout: float | None = None) -> float | None:
    """Return the monotonic time of the sooner end: `timeout_ms` ahead, or `timeout` seconds; None for no limit."""
    if timeout_ms is None and timeout is None:
        return None
    limits = [timeout] if timeout is not None else []
    limits += [timeout_ms / 1000] if timeout_ms is not None else []
    return time.monotonic() + min(limits)
