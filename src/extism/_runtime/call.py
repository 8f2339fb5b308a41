"""
One call: everything that dies with it.

A `Call` is also what the functions that a guest calls are handed: it leads to the kernel of the instance
that runs and to the state of its plugin. It knows when it is over, so that nobody who kept it can reach
into a later call.
"""

from __future__ import annotations

import time

from extism.errors import CallError, CallTimeout, Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine
    from typing import Any, Final

    from extism._runtime.kernel import Data, Kernel
    from extism._runtime.state import PluginState

__all__ = ["AwaitedCall", "BlockedCall", "Call", "deadline_after"]

_SLICE: Final = 0.05
"""Seconds of one wait on a thread: so late is a cancellation noticed at most."""


class Call:
    """
    One call of one export, or the creation of a plugin (then `function` is empty).

    A plugin uses the same object for its plain calls, until a function of the host has seen it: to make one takes a
    twentieth of a short call.

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

    is_awaited = False
    """Whether functions of the host may be awaited (`AwaitedCall`)."""

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


class AwaitedCall(Call):
    """A call that is awaited: what has to be waited for is handed to whoever runs it."""

    __slots__ = ()
    is_awaited = True

    def wait_for(self, wait: Coroutine[Any, Any, Any], finish: Callable[[Any], Any]) -> Any:
        """Return what the body of a function gives to have `wait` awaited, and its result made of that."""
        from extism._engine.fibers import Awaited

        return Awaited(wait, finish)


class BlockedCall(AwaitedCall):
    """A call that is awaited, on a thread of its own: it waits itself for what runs on `loop`."""

    __slots__ = ("loop",)
    loop: AbstractEventLoop

    def wait_for(self, wait: Coroutine[Any, Any, Any], finish: Callable[[Any], Any]) -> Any:
        """
        Return what `finish` makes of what came of `wait`, which ends with the call.

        Raises:
            CallTimeout: The deadline passed before.
            Cancelled: The call was cancelled before.
        """
        from asyncio import run_coroutine_threadsafe

        future = run_coroutine_threadsafe(wait, self.loop)
        while True:
            left = self.time_remaining()
            try:
                return finish(future.result(_SLICE if left is None else min(left, _SLICE)))
            except TimeoutError:
                if future.done():
                    raise
            if self.is_late or self.is_cancelled:
                future.cancel()
                error = CallTimeout if self.is_late else Cancelled
                raise error("timeout", function=self.function)


def deadline_after(timeout_ms: int | None, timeout: float | None = None) -> float | None:
    """
    Return the monotonic time of the sooner end: `timeout_ms` ahead, or `timeout` seconds; None for no limit.

    Raises:
        ValueError: `timeout` is no number of seconds: no clock ever passes NaN.
    """
    if timeout_ms is None and timeout is None:
        return None
    if timeout != timeout:  # noqa: PLR0124 - only NaN; `math` would have to be imported
        raise ValueError("timeout is nan; it should be seconds, or None for no limit")
    limits = [timeout] if timeout is not None else []
    limits += [timeout_ms / 1000] if timeout_ms is not None else []
    return time.monotonic() + min(limits)
