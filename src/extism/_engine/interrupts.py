"""
Deadlines, cancellation and signals: how code that is running is made to stop.

Theory of operation: the engine counts *epochs*. Code looks at the count on every function entry and
loop; when the count has passed the store's own mark, the engine calls the store's callback, which ends
the code or lets it go on until the next epoch. One daemon thread per engine, the *clock*, counts epochs
while code runs. A store that is due or cancelled ends itself; all others go on: nobody else's call is
touched by the end of one.

The clock is parked when nothing has run for a second, so an idle process wakes nobody, and a call pays
one attribute read to see that it ticks.

Handlers of signals run on the main thread alone, when it runs Python. While a guest runs there, that is in the
callback: what a handler raises (Ctrl-C, as a rule) is kept on the store, the callback ends the code, and the
exception is raised when the engine has returned.
"""

from __future__ import annotations

import os
import time
from _thread import LockType, allocate_lock, get_ident, start_new_thread
from _weakref import ref

from extism._engine.bindings import EpochCallback, Handle, lib
from extism._engine.shelter import sheltered
from extism.errors import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import Array
    from typing import Any, Final, Protocol

__all__ = [
    "Clock",
    "Interruptible",
    "StopReason",
    "arm",
    "depth",
    "running_stores",
    "stop_reason",
]

TICK: Final = 0.005
"""Seconds between two epochs while code runs: how late a deadline may be noticed."""

BRISK_TICK: Final = 0.001
"""The same while code runs on fibers."""

FIRST_TICKS: Final = 2
"""After so many epochs, the first of them cut short, code on a fiber is stopped that has just begun, or waited."""

SLICE_TICKS: Final = 1
"""After so many epochs code that was stopped for others is stopped again; by then it is no short call."""

PARK_AFTER: Final = 1.0
"""Seconds without a running store after which the clock stops counting."""

_CONTINUE: Final = 0
_YIELD: Final = 1


class StopReason:
    """Why a store's callback ended its code."""

    DEADLINE: Final = "deadline"
    CANCELLED: Final = "cancelled"
    SIGNAL: Final = "signal"


if TYPE_CHECKING:

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
        has_missed: bool
        is_on_fiber: bool
        slice_ticks: int
        raised: BaseException | None
        stop_reason: str | None


class Clock:
    """
    Counts the epochs of one engine while code runs, and frees the engine when nothing needs it any more.

    Attributes:
        is_parked: Whether nothing counts; a call that finds it set must `wake` the clock first.
        tick_seconds: How long it sleeps between two epochs.
    """

    tick_seconds = TICK

    _lock: LockType
    _bell: LockType
    _has_thread: bool

    def __init__(self, engine_pointer: int) -> None:
        # Freed here and not by the engine: the thread may be counting when the last user lets go.
        self._engine = Handle(engine_pointer, lib.wasm_engine_delete)
        self._forget_thread()
        _clocks.append(ref(self, _clocks.remove))

    def wake(self) -> None:
        """
        Make the clock count, starting its thread if there is none in this process.

        Raises:
            CallError: The system gives no thread, without which nothing would end code that runs.
        """
        with self._lock:
            if not self._has_thread:
                try:
                    start_new_thread(_count, (ref(self), self._bell))
                except RuntimeError as exc:
                    raise CallError(
                        f"the time of calls cannot be watched, which takes a thread: {exc}; "
                        "the process has too many, or too little memory"
                    ) from exc
                self._has_thread = True
            self.is_parked = False
            if self._bell.locked():  # only wakers ring, under the lock
                self._bell.release()

    def tick(self) -> None:
        """Count one epoch now, so that a change to a store is noticed at once."""
        lib.wasmtime_engine_increment_epoch(self._engine.pointer)

    def _park(self) -> None:
        """Stop counting unless code has begun to run meanwhile."""
        with self._lock:
            self.is_parked = True
            # A span is enlisted before `is_parked` is read; looking after setting it closes the gap.
            if running_stores:
                self.is_parked = False
            else:
                self.tick_seconds = TICK
                self._bell.acquire(blocking=False)

    def _forget_thread(self) -> None:
        """Begin without a thread, as after a fork: the child has none, and the locks may have been held."""
        self.is_parked = True
        self._lock = allocate_lock()
        self._bell = allocate_lock()
        self._bell.acquire()
        self._has_thread = False


_clocks: list[ref[Clock]] = []

running_stores: Final[dict[int, Interruptible]] = {}
"""The stores with an open span, by `id`."""


def _after_fork_in_child() -> None:
    """Only the thread that forked goes on; what ran on the others will never end."""
    me = get_ident()
    for store in list(running_stores.values()):
        if store.thread != me:
            store.is_running = False
            del running_stores[id(store)]
    for each in _clocks:
        clock = each()
        if clock is not None:
            clock._forget_thread()  # noqa: SLF001 - the clock's own module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _count(reference: ref[Clock], bell: LockType) -> None:
    """The clock's thread: count while code runs; holds no strong reference while it waits."""
    last_running = time.monotonic()
    while (clock := reference()) is not None:
        if clock.is_parked:
            del clock
            bell.acquire(timeout=60)
            last_running = time.monotonic()
            continue
        clock.tick()
        now = time.monotonic()
        if running_stores:
            last_running = now
        elif now - last_running > PARK_AFTER:
            clock._park()  # noqa: SLF001 - the clock's own module
        seconds = clock.tick_seconds
        del clock
        time.sleep(seconds)


def depth(thread: int) -> int:
    """Return how many spans are open on a thread, one inside the host functions of the other."""
    stores = list(running_stores.values())
    return sum(store.thread == thread for store in stores)


def arm(store: Interruptible) -> None:
    """Give `store` its interruption callback; while a span is open it can be ended at any epoch."""
    lib.wasmtime_store_epoch_deadline_callback(store.pointer, _on_epoch, id(store), None)
    lib.wasmtime_context_set_epoch_deadline(store.context, 1)


def _decide(_context: int, key: int, delta: Array[Any], kind: Array[Any]) -> int | None:
    delta[0] = 1
    kind[0] = _CONTINUE
    try:
        try:
            return _decided(key, delta, kind)
        except BaseException as exc:  # noqa: BLE001 - it goes on from the store, see the module's text
            return _ended(key, exc)
    except BaseException as exc:  # noqa: BLE001 - of a second signal, in the lines above
        return _ended(key, exc)


def _decided(key: int, delta: Array[Any], kind: Array[Any]) -> int | None:
    """
    Return the error that ends the code of a store, None to let it go on; raises what a signal's handler does.

    Code on a fiber goes on when it is told (`fibers.py`).
    """
    store = running_stores.get(key)
    if store is None:
        return None
    reason = stop_reason(store)
    if store.is_shielded:
        store.has_missed = reason is not None or store.is_on_fiber
        return None
    if reason is not None:
        return _end(store, reason)
    if store.is_on_fiber:
        delta[0], store.slice_ticks = store.slice_ticks, SLICE_TICKS
        kind[0] = _YIELD
    return None


def _ended(key: int, exc: BaseException) -> int | None:
    """Keep what a signal's handler raised, and end the code, unless it is the host's own."""
    store = running_stores.get(key)
    if store is None:
        return None
    store.raised = exc
    return None if store.is_shielded else _end(store, StopReason.SIGNAL)


def _end(store: Interruptible, reason: str) -> int:
    """Return the error that ends the code of a store; the engine takes ownership of it."""
    store.stop_reason = reason
    error: int = lib.wasmtime_error_new(reason.encode())
    return error


def stop_reason(store: Interruptible) -> str | None:
    """Return why code of a store has to end now, None if it may go on."""
    if store.cancelled_span == store.span:
        return StopReason.CANCELLED
    if store.deadline is not None and time.monotonic() >= store.deadline:
        return StopReason.DEADLINE
    return None


_on_epoch = EpochCallback(sheltered(_decide))
