"""
Deadlines, cancellation and Ctrl-C: how code that is running is made to stop.

Theory of operation: the engine counts *epochs*. Code looks at the count on every function entry and
loop; when the count has passed the store's own mark, the engine calls the store's callback, which ends
the code or lets it go on until the next epoch. One daemon thread per engine, the *clock*, counts epochs
while code runs. A store that is due or cancelled ends itself; all others go on: nobody else's call is
touched by the end of one.

The clock is parked when nothing has run for a second, so an idle process wakes nobody, and a call pays
one attribute read to see that it ticks.

What can go wrong: Python's own SIGINT handler raises in the first line of Python that the main thread
runs, which is the entry of a callback from C, where ctypes prints the exception and drops it. So while a
span is open on the main thread, and Python's default handler is installed, we stand in for it: caught
at such an entry the signal is noted on the stores that run, and raised when the engine has returned.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the public functions make enums, at 3 us a piece
import os
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

from extism._engine.bindings import EpochCallback, Handle, lib

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = [
    "MAX_DEPTH",
    "Clock",
    "Interruptible",
    "StopReason",
    "arm",
    "depth",
    "edge",
    "enlist",
    "is_too_deep",
    "strike_off",
]

TICK: Final = 0.005
"""Seconds between two epochs while code runs: how late a deadline may be noticed."""

MAX_DEPTH: Final = 16
"""Spans that may be open on one thread: the stack of C holds no more for sure."""

PARK_AFTER: Final = 1.0
"""Seconds without a running store after which the clock stops counting."""

_CONTINUE: Final = 0


class StopReason:
    """Why a store's callback ended its code."""

    DEADLINE: Final = "deadline"
    CANCELLED: Final = "cancelled"
    CTRL_C: Final = "ctrl-c"


class Interruptible(Protocol):
    """A store, as far as interruption goes (`store.Store`)."""

    pointer: int
    context: int
    deadline: float | None
    thread: int
    span: int
    cancelled_span: int
    is_running: bool
    is_shielded: bool
    has_ctrl_c: bool
    stop_reason: str | None


class Clock:
    """
    Counts the epochs of one engine while code runs, and frees the engine when nothing needs it any more.

    Attributes:
        is_parked: Whether nothing counts; a call that finds it set must `wake` the clock first.
    """

    def __init__(self, engine_pointer: int) -> None:
        self.is_parked = True
        # Freed here and not by the engine: the thread may be counting when the last user lets go.
        self._engine = Handle(engine_pointer, lib.wasm_engine_delete)
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        _clocks.add(self)

    def wake(self) -> None:
        """Make the clock count, starting its thread if there is none in this process."""
        with self._lock:
            self.is_parked = False
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_count,
                    args=(weakref.ref(self), self._woken),
                    name="extism-clock",
                    daemon=True,
                )
                self._thread.start()
            self._woken.set()

    def tick(self) -> None:
        """Count one epoch now, so that a change to a store is noticed at once."""
        lib.wasmtime_engine_increment_epoch(self._engine.pointer)

    def _park(self) -> None:
        """Stop counting unless code has begun to run meanwhile."""
        with self._lock:
            self.is_parked = True
            # A span is enlisted before `is_parked` is read; looking after setting it closes the gap.
            if _running:
                self.is_parked = False
            else:
                self._woken.clear()

    def _forget_thread(self) -> None:
        """After a fork: the child has no clock thread, and the locks may have been held."""
        self.is_parked = True
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread = None


_clocks: weakref.WeakSet[Clock] = weakref.WeakSet()

_running: dict[int, Interruptible] = {}
"""The stores with an open span, by `id`."""

_main_thread = threading.main_thread().ident


def _after_fork_in_child() -> None:
    """Only the thread that forked goes on; what ran on the others will never end."""
    global _main_thread
    _main_thread = threading.get_ident()
    for store in list(_running.values()):
        if store.thread != _main_thread:
            store.is_running = False
            del _running[id(store)]
    for clock in list(_clocks):
        clock._forget_thread()  # noqa: SLF001 - the clock's own module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _count(reference: weakref.ref[Clock], woken: threading.Event) -> None:
    """The clock's thread: count while code runs; holds no strong reference while it waits."""
    last_running = time.monotonic()
    while (clock := reference()) is not None:
        if clock.is_parked:
            del clock
            woken.wait(60)
            last_running = time.monotonic()
            continue
        clock.tick()
        now = time.monotonic()
        if _running:
            last_running = now
        elif now - last_running > PARK_AFTER:
            clock._park()  # noqa: SLF001 - the clock's own module
        del clock
        time.sleep(TICK)


def enlist(store: Interruptible, clock: Clock | None) -> bool:
    """
    Have `clock` count for a store whose span begins; None where its code cannot be ended.

    Returns:
        Whether Ctrl-C is watched from now on, which `strike_off` must be told.
    """
    _running[id(store)] = store
    if clock is None:
        return False
    if clock.is_parked:
        clock.wake()
    if store.thread != _main_thread or _getsignal(_SIGINT) is not _DEFAULT_HANDLER:
        return False
    _set_signal(_SIGINT, _on_sigint)
    return True


def strike_off(store: Interruptible, is_watching: bool) -> None:  # noqa: FBT001 - on the hot path
    """Undo `enlist`."""
    try:
        if is_watching and _getsignal(_SIGINT) is _on_sigint:
            _set_signal(_SIGINT, _DEFAULT_HANDLER)
    finally:
        _running.pop(id(store), None)


def depth(thread: int) -> int:
    """Return how many spans are open on a thread, one inside the host functions of the other."""
    stores = list(_running.values())
    return sum(store.thread == thread for store in stores)


def is_too_deep(thread: int) -> bool:
    """Tell whether no further span may be opened on a thread."""
    return len(_running) >= MAX_DEPTH and depth(thread) >= MAX_DEPTH


def arm(store: Interruptible) -> None:
    """Give `store` its interruption callback; while a span is open it can be ended at any epoch."""
    lib.wasmtime_store_epoch_deadline_callback(store.pointer, _on_epoch, id(store), None)
    lib.wasmtime_context_set_epoch_deadline(store.context, 1)


def _decide(_context: int, key: int, delta: Any, kind: Any) -> int | None:
    store = _running.get(key)
    if store is not None and not store.is_shielded:
        reason = _stop_reason(store)
        if reason is not None:
            store.stop_reason = reason
            # The engine takes ownership of the error.
            error: int = lib.wasmtime_error_new(reason.encode())
            return error
    delta[0] = 1
    kind[0] = _CONTINUE
    return None


def _stop_reason(store: Interruptible) -> str | None:
    if store.cancelled_span == store.span:
        return StopReason.CANCELLED
    if store.has_ctrl_c:
        return StopReason.CTRL_C
    if store.deadline is not None and time.monotonic() >= store.deadline:
        return StopReason.DEADLINE
    return None


_on_epoch = EpochCallback(_decide)

_edges: set[CodeType] = {
    _decide.__code__,
    _stop_reason.__code__,
    enlist.__code__,
    strike_off.__code__,
}
"""Code that C calls, where what a signal raises is printed and lost; and code that must not be torn."""


def edge(code: CodeType) -> None:
    """Declare that no signal may raise in `code`: it is noted on the stores that run, who raise it later."""
    _edges.add(code)


_DEFAULT_HANDLER: Final = signal.default_int_handler
_SIGINT: Final = int(signal.SIGINT)
_getsignal: Final = _signal.getsignal
_set_signal: Final = _signal.signal


def _on_sigint(number: int, frame: FrameType | None) -> None:
    stores = [store for store in list(_running.values()) if store.thread == _main_thread]
    if frame is None or frame.f_code not in _edges or not stores:
        _DEFAULT_HANDLER(number, frame)
    for store in stores:
        store.has_ctrl_c = True
