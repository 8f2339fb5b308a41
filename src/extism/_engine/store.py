"""
A store: the place where instances live, and what everything that runs there has in common.

A store belongs to one thread at a time; its owner keeps the lock. The owner opens a *span* (one call, or
one creation: everything that shares a deadline and can be cancelled together) and enters code in it any
number of times. `enter` says whose call it is and turns every bad end into a `Fault`; what an instance exports
is entered through `function.py`, by the same rules.

What can go wrong: stores whose host functions run each other's code use up the stack of C, which Python
does not watch; so a span is opened only where the stack has room for it (`stacks.py`).
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from _weakref import ref
from time import monotonic

from extism._dataclass import replace
from extism._engine.bindings import ExceptionRef, Handle, lib
from extism._engine.faults import (
    Fault,
    FaultKind,
    Interrupted,
    error_text,
    from_error,
    from_trap,
)
from extism._engine.foreign import addressof, byref, c_uint64, c_void_p
from extism._engine.interrupts import SLICE_TICKS, arm, running_stores, stop_reason
from extism._engine.shelter import sheltered
from extism._engine.stacks import UNMEASURED, admit, call_on, calls, levels
from extism._engine.trampoline import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Protocol

    from extism._engine.engine import Engine
    from extism._engine.interrupts import Clock
    from extism._engine.wasi_bare import BareWasi, World

    class Alarm(Protocol):
        """Who waits while a span is open: a lock, or something like it."""

        def release(self) -> object:
            """Wake who waits; RuntimeError if nobody waits any more."""


__all__ = ["NoSlot", "Store", "store_at"]

_DELETE: Final = lib.wasmtime_store_delete
_UNLIMITED: Final = -1
_PLENTY: Final = 2**63
_TABLE_ELEMENTS: Final = 100_000
_NAP: Final = 0.1
"""Seconds of one wait: so late is a signal noticed at most, whichever thread the system gave it to."""

_stores: Final[dict[int, ref[Store]]] = {}
"""Those with a world, by the address of their context."""


def store_at(context: int) -> Store:
    """Return the store with a world whose context lies at that address."""
    store = _stores[context]()
    assert store is not None, "its code is running"
    return store


class NoSlot(Exception):
    """All slots of an engine are taken."""


class Store:
    """
    Instances, their memories and their world; freed when nothing refers to it any more.

    Raises:
        NoSlot: The engine has slots, and none is free; else the store takes one, for one instance.

    Attributes:
        alarm: Released when the span is cancelled, by any thread; None while nobody waits for that.
        deadline: Monotonic seconds at which code of this span is ended; None for never.
        span: Number of the span that is, or was last, open.
        cancelled_span: The last span that was cancelled.
        is_running: Whether a span is open.
        has_fuel: Whether the engine counts what code executes.
        is_on_fiber: Whether the code that runs can stop, and go on later (`fibers.py`).
        slice_ticks: After how many epochs code on a fiber is stopped, once it goes on.
        is_shielded: Whether code must not be ended at the moment: it is the host's own, and short.
        has_missed: Whether code was to be stopped meanwhile; whoever lifts the shield calls `look_again` then.
        raised: What the handler of a signal raised while code of this store ran on the main thread.
        stop_reason: Why the interruption callback ended the code, one of `StopReason`.
        thread: The thread that opened the span.
        trap: Where the engine puts the address of a trap.
        world: What became of its `Wasi`; None without one.
    """

    is_on_fiber = False
    slice_ticks = SLICE_TICKS

    def __init__(self, engine: Engine, *, wasi: BareWasi | None = None) -> None:
        self.engine = engine
        self.deadline: float | None = None
        self.raised: BaseException | None = None
        self.world: World | None = None
        self.alarm: Alarm | None = None
        self.is_running = False
        self.is_shielded = False
        self.has_missed = False
        self.stop_reason: str | None = None
        self.thread = 0
        self.span = 0
        self.cancelled_span = -1
        self._key = id(self)
        self.clock: Clock | None = engine.clock if engine.settings.is_interruptible else None
        self.has_fuel = engine.settings.has_fuel
        self._keep: tuple[object, ...] = ()
        slots = engine.slots
        if slots is not None and not slots.take():
            raise NoSlot
        self.pointer: int = lib.wasmtime_store_new(engine.pointer, None, None)
        self._handle = Handle(self.pointer, _DELETE if slots is None else slots.deleter)
        self.context: int = lib.wasmtime_store_context(self.pointer)
        self.trap: Any = c_void_p()
        if wasi is not None:
            self._set_wasi(wasi)
        if engine.settings.is_interruptible:
            arm(self)
        if engine.settings.has_fuel:
            self.set_fuel(_PLENTY)

    def keep(self, thing: object) -> None:
        """Hold `thing` as long as this store lives: its code may call into it."""
        self._keep += (thing,)

    def limit_memory(self, max_bytes: int | None, max_elements: int = _TABLE_ELEMENTS) -> None:
        """
        Refuse to let any one memory grow past `max_bytes`, or a table past `max_elements`, from now on.

        None for `max_bytes` lifts both limits.
        """
        size = _UNLIMITED if max_bytes is None else max_bytes
        elements = _UNLIMITED if max_bytes is None else max_elements
        lib.wasmtime_store_limiter(self.pointer, size, elements, _UNLIMITED, _UNLIMITED, _UNLIMITED)

    def open(self, deadline: float | None) -> None:
        """
        Begin a span: code entered from now on ends at `deadline`, by `cancel` and by signals.

        Raises:
            CallError: 16 spans are open inside each other already, or nobody can watch the time.
            StackTooSmall: This thread has no stack for it.
        """
        self.thread = thread = get_ident()
        if thread not in levels or len(running_stores) >= levels[thread]:
            admit(thread)
        self.span += 1
        self.deadline = deadline
        self.is_running = True
        running_stores[self._key] = self
        clock = self.clock
        if clock is not None and clock.is_parked:
            clock.wake()

    @sheltered
    def close(self) -> None:
        """
        End the span, if one is open; a `cancel` that comes later does nothing.

        Raises:
            BaseException: The handler of a signal raised it where it could not be raised.
        """
        # First of all, and sheltered: no signal comes between.
        running_stores.pop(self._key, None)
        self.is_running = False
        self.deadline = None
        if self.raised is not None:
            self.raise_kept()

    def raise_kept(self) -> None:
        raised, self.raised = self.raised, None
        assert raised is not None
        raise raised

    @property
    def is_cancelled(self) -> bool:
        """Whether the span that is open was cancelled."""
        return self.cancelled_span == self.span

    def cancel(self, may: Callable[[], bool] | None = None) -> bool:
        """
        End the span that is open, if any; may be called from any thread.

        It names the span that it found, so that a cancel that comes too late never hits the next one.

        Args:
            may: Says whether the span that was found just before is still the caller's to end.
        """
        span = self.span
        if not self.is_running or (may is not None and not may()):
            return False
        self.cancelled_span = span
        self.engine.clock.tick()
        # Asked for after the span is marked: who falls asleep now looks at that first.
        alarm = self.alarm
        if alarm is not None:
            try:
                alarm.release()
            except RuntimeError:
                return True  # somebody else has woken it
        return True

    def go_on(self) -> None:
        """
        Look whether code of this span may go on.

        Raises:
            Interrupted: It may not: the deadline has passed, or somebody cancelled.
        """
        reason = stop_reason(self)
        if reason is not None:
            self.stop_reason = reason
            raise Interrupted(reason)

    def look_again(self) -> None:
        """
        Have the guest's code look at its deadline at once.

        The epoch at which it would have looked was spent on the host's own code; the next one may be as well, and so on,
        where a guest calls the host all the time.
        """
        self.has_missed = False
        lib.wasmtime_context_set_epoch_deadline(self.context, 0)

    def rest(self, until: float) -> None:
        """
        Sleep until `until`, in monotonic seconds.

        Raises:
            Interrupted: The span ended before; the deadline, a `cancel` and a signal wake it.
        """
        self.alarm = alarm = allocate_lock()
        alarm.acquire()
        try:
            end = until if self.deadline is None else min(until, self.deadline)
            while True:
                self.go_on()
                left = end - monotonic()
                if left <= 0:
                    break
                alarm.acquire(timeout=min(left, _NAP))
        finally:
            self.alarm = None

    def set_fuel(self, fuel: int) -> None:
        """Set how much the code may execute from now on; the engine must count fuel."""
        error = lib.wasmtime_context_set_fuel(self.context, fuel)
        if error:
            raise RuntimeError(error_text(error))

    def lend_fuel(self) -> int | None:
        """
        Let what runs next run on the house's fuel, and return how much there was, to be set again.

        None where the engine does not count.
        """
        if not self.has_fuel:
            return None
        left = self.fuel()
        self.set_fuel(_PLENTY)
        return left

    def fuel(self) -> int:
        """Return how much fuel is left."""
        left = c_uint64()
        error = lib.wasmtime_context_get_fuel(self.context, byref(left))
        if error:
            raise RuntimeError(error_text(error))
        return left.value

    def enter(
        self, data: object, function: Callable[..., int | None], *args: object
    ) -> Fault | None:
        """
        Run code of this store through an engine function that may report an error or a trap.

        Args:
            data: Handed to the host functions that the code calls (`stacks.calls`); None counts as the store.
            function: A C function that returns an error or NULL, and takes the address of a trap last.
            args: Its arguments but the last.

        Returns:
            How the code ended badly, or None.

        Raises:
            BaseException: The handler of a signal raised it while the code ran: Ctrl-C, as a rule.
        """
        thread = get_ident()
        outer = call_on(thread, UNMEASURED)
        calls[thread] = self if data is None else data
        try:
            error = function(*args, addressof(self.trap))
            return self.fault(error) if error or self.trap or self.raised else None
        except BaseException:  # of a signal's handler, in the lines above
            self.abandon()
            raise
        finally:
            if outer is UNMEASURED:
                calls.pop(thread, None)
            else:
                calls[thread] = outer

    def abandon(self) -> None:
        """Forget how code ended that a signal left before that was read."""
        running.raised = None
        if self.trap:
            lib.wasm_trap_delete(self.trap)
            self.trap.value = None
        self.stop_reason = None

    def fault(self, error: int | None) -> Fault | None:
        """
        Take out what code that has just returned left behind: an error, a trap, an exception.

        Raises:
            BaseException: The handler of a signal raised it while the code ran: Ctrl-C, as a rule.
        """
        raised: BaseException | None = running.raised
        running.raised = None
        trap = self.trap.value
        self.trap.value = None
        fault = None
        if error:
            fault = from_error(error, raised)
            if fault.kind is FaultKind.ERROR and self._drop_exception():  # as fibers report it
                fault = replace(fault, kind=FaultKind.TRAP, trap="uncaught exception")
        elif trap:
            fault = from_trap(trap, raised)
            if fault.kind is FaultKind.TRAP and not fault.trap and self._drop_exception():
                fault = replace(fault, trap="uncaught exception")
        reason, self.stop_reason = self.stop_reason, None
        if self.raised is not None:
            self.raise_kept()
        if fault is not None and reason is not None and raised is None:
            return Fault(FaultKind.INTERRUPT, fault.text, trap=reason)
        return fault

    def _drop_exception(self) -> bool:
        """Forget the exception that code threw and nobody caught; tell whether there was one."""
        thrown = ExceptionRef()
        if not lib.wasmtime_context_take_exception(self.context, byref(thrown)):
            return False
        lib.wasmtime_exnref_unroot(byref(thrown))
        return True

    def _set_wasi(self, wasi: BareWasi) -> None:
        context = self.context
        pointer, self.world = wasi.configure(lambda: store_at(context).thread)
        _stores[context] = ref(self, lambda _: _stores.pop(context, None))
        error = lib.wasmtime_context_set_wasi(self.context, pointer)
        if error:
            raise OSError(error_text(error))
