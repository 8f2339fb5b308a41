"""
Code that runs on a stack of its own, so that it can stop in the middle and go on later, on the same thread.

Theory of operation: the engine gives each call that is begun here a *fiber*. `step` runs it until it ends or stops.
It stops where it waits for a function of the host (`waiting.py`), and at every epoch, so that code that only computes
does not keep the thread from others. Functions of the host run on the fiber's stack, but return before it stops:
no frame of Python's lies on a stack that is not running. One store serves calls on fibers and plain ones, one at a
time; while a fiber is stopped, short code of the host's own may run in its store.

What can go wrong: the stack of a fiber is smaller than a thread's, and Python does not watch it either; so fewer
spans may be opened inside each other on it (`LEVELS`).
"""

from __future__ import annotations

import sys
from _thread import get_ident
from struct import Struct

from extism._cached import cache
from extism._dataclass import dataclass
from extism._engine.bindings import VALUE_KINDS, Func, Handle, lib
from extism._engine.faults import Interrupted
from extism._engine.foreign import byref, c_char, c_size_t, c_uint64, c_void_p
from extism._engine.interrupts import BRISK_TICK, FIRST_TICKS, StopReason, depth, running_stores
from extism._engine.stacks import UNMEASURED, call_on, calls, levels
from extism._engine.trampoline import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any, Final

    from extism._engine.faults import Fault
    from extism._engine.store import Store

__all__ = ["LEVELS", "Awaited", "Fiber", "are_usable"]

LEVELS: Final = 2
"""Spans that the 2 MiB of a fiber's stack hold: its own, and one inside a function of the host."""

_START: Final = lib.undeclared("wasmtime_func_call_async")
_START.restype = c_void_p
_SET_DEADLINE: Final = lib.undeclared("wasmtime_context_set_epoch_deadline")
_SET_DEADLINE.restype = None
_FIRST: Final = c_uint64(FIRST_TICKS)
_POLL: Final = lib.wasmtime_call_future_poll
_DELETE: Final = lib.wasmtime_call_future_delete

_VALUE_BYTES: Final = 32
_FORMATS: Final = {"i32": "7xi20x", "i64": "7xq16x", "f32": "7xf20x", "f64": "7xd16x"}
"""One value in its slot; before it stands one byte for its kind."""

_ERROR: Final = Struct("<Q")


@dataclass(frozen=True)
class _Shape:
    """
    How the values of functions of one type lie in a buffer, behind them the address of an error.

    ::

        | parameters, 32 bytes each | results, 32 bytes each | error, 8 bytes |
    """

    buffer: Any
    param_count: Any
    result_count: Any
    results_at: int
    error_at: int
    kinds: tuple[int, ...]
    pack: Callable[..., None]
    unpack: Callable[..., tuple[Any, ...]]


@cache
def _shape(params: tuple[str, ...], results: tuple[str, ...]) -> _Shape:
    results_at = _VALUE_BYTES * len(params)
    error_at = results_at + _VALUE_BYTES * len(results)
    return _Shape(
        c_char * (error_at + _ERROR.size),
        c_size_t.from_param(len(params)),
        c_size_t.from_param(len(results)),
        results_at,
        error_at,
        tuple([VALUE_KINDS[kind] for kind in params]),
        Struct("<" + "".join(f"B{_FORMATS[kind]}" for kind in params)).pack_into,
        Struct("<" + "".join(f"x{_FORMATS[kind]}" for kind in results)).unpack_from,
    )


def are_usable() -> bool:
    """
    Tell whether Python's own code may run on fibers, which functions of the host do.

    From 3.14 on, CPython compares the stack pointer with the bounds of the thread's stack; and on Windows, the
    system does.
    """
    return sys.version_info < (3, 14) and sys.platform != "win32"


class Awaited:
    """
    What is to be waited for, given by the body of a function instead of its results.

    Args:
        wait: What is awaited, on the loop of whoever runs the fiber; or a time, in monotonic seconds.
        finish: Called on the fiber with what came of it; gives the results.

    Attributes:
        is_cut: Whether it was ended because the span ended.
        result: What came of it.
        raised: What it raised; None if nothing.
    """

    __slots__ = ("finish", "is_cut", "raised", "result", "wait")

    def __init__(self, wait: Awaitable[Any] | float, finish: Callable[..., Any]) -> None:
        self.wait = wait
        self.finish = finish
        self.is_cut = False
        self.result: Any = None
        self.raised: Exception | None = None

    def outcome(self) -> Any:
        """Return what came of it, or raise what it raised."""
        if self.raised is not None:
            raise self.raised
        return self.result

    def forget(self) -> None:
        """Close what was never awaited."""
        close = getattr(self.wait, "close", None)
        if close is not None:
            close()


class Fiber:
    """
    A function of an instance, called on a fiber of its own, once at a time and any number of times.

    Args:
        store: Where it lives.
        func: Which it is; its type is trusted, as in `Instance.function`.
        params: WebAssembly types.
        results: WebAssembly types.

    Attributes:
        waits_for: What has to be waited for before the next `step`; None where it stopped only to let others run.
    """

    __slots__ = (
        "_arguments",
        "_buffer",
        "_clock",
        "_data",
        "_future",
        "_shape",
        "store",
        "waits_for",
    )

    def __init__(
        self, store: Store, func: Func, params: Sequence[str], results: Sequence[str]
    ) -> None:
        self._future: Handle | None = None
        self.store = store
        self._clock = store.engine.clock
        self._data: object = None
        self.waits_for: Awaited | None = None
        self._shape = shape = _shape(tuple(params), tuple(results))
        self._buffer = buffer = shape.buffer()
        # As in `Function`.
        self._arguments = (
            c_void_p.from_param(store.context),
            byref(func),
            byref(buffer),
            shape.param_count,
            byref(buffer, shape.results_at),
            shape.result_count,
            byref(store.trap),
            byref(buffer, shape.error_at),
        )

    def start(self, data: object, deadline: float | None, *values: float) -> None:
        """
        Begin a call, which is a span of its store; nothing of it runs yet.

        Args:
            data: Handed to the host functions that the code calls (`stacks.calls`).
            deadline: As in `Store.open`.
            values: One number for each parameter.
        """
        if values:
            pairs = zip(self._shape.kinds, values, strict=True)
            self._shape.pack(self._buffer, 0, *[each for pair in pairs for each in pair])
        store = self.store
        store.span += 1
        store.deadline = deadline
        store.is_running = True
        self._data = data
        # The store's own lies as far back as its last call: the code would stop before it has begun.
        _SET_DEADLINE(self._arguments[0], _FIRST)
        self._future = Handle(_START(*self._arguments), _DELETE)

    def step(self) -> bool:
        """
        Run the code until it stops or ends, and tell whether it ended.

        Raises:
            BaseException: The handler of a signal raised it here.
        """
        store, clock, thread = self.store, self._clock, get_ident()
        assert self._future is not None, "a call was begun"
        outer_levels, outer_fiber = levels.get(thread), running.fiber
        outer_call = call_on(thread, UNMEASURED)
        levels[thread] = LEVELS + (depth(thread) if running_stores else 0)
        calls[thread], running.fiber = self._data, self
        store.thread = thread
        store.is_on_fiber = True
        running_stores[id(store)] = store
        try:
            if clock.is_parked:
                clock.wake()
            clock.tick_seconds = BRISK_TICK
            has_ended: bool = _POLL(self._future.pointer)
            return has_ended
        finally:
            running_stores.pop(id(store), None)
            store.is_on_fiber = False
            running.fiber = outer_fiber
            if outer_call is UNMEASURED:
                calls.pop(thread, None)
            else:
                calls[thread] = outer_call
            if outer_levels is None:
                del levels[thread]
            else:
                levels[thread] = outer_levels

    def take(self) -> Awaited | None:
        """
        Return what was waited for, and forget it.

        Raises:
            Interrupted: The span ended meanwhile.
        """
        awaited, self.waits_for = self.waits_for, None
        if awaited is not None:
            self.store.go_on()
            if awaited.is_cut:  # a timer of the loop's may be early by less than its resolution
                self.store.stop_reason = StopReason.DEADLINE
                raise Interrupted(StopReason.DEADLINE)
        return awaited

    def fault(self) -> Fault | None:
        """
        Take out how a call that has ended ended badly; None if it did not.

        Raises:
            BaseException: The handler of a signal raised it while the code ran.
        """
        at = self._shape.error_at
        (error,) = _ERROR.unpack_from(self._buffer, at)
        if error:
            _ERROR.pack_into(self._buffer, at, 0)
        return self.store.fault(error)

    @property
    def results(self) -> tuple[Any, ...]:
        """What a call that has ended gave, integers signed."""
        return self._shape.unpack(self._buffer, self._shape.results_at)

    def end(self) -> None:
        """
        End the span, and the code if it has not ended; its fiber is given back.

        Raises:
            BaseException: The handler of a signal raised it where it could not be raised.
        """
        self._future = None
        self._data = None
        awaited, self.waits_for = self.waits_for, None
        if awaited is not None:
            awaited.forget()
        self.store.close()

    def __del__(self) -> None:
        # Before anything that it refers to.
        self._future = None
