"""Spans: what shares a deadline and can be cancelled together, and what is not touched by its end."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from patience import ROOM, repeating, until

from extism._engine import interrupts
from extism._engine.bindings import lib
from extism._engine.engine import Engine, Settings, shared_engine, wat_to_wasm
from extism._engine.faults import FaultKind
from extism._engine.interrupts import StopReason, depth
from extism._engine.large_stack import on_a_large_stack
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism.errors import CallError

LOOP = """(module
    (func (export "loop") (loop $l (br $l)))
    (func (export "noop"))
    (func (export "count") (param i32) (result i32) (local $i i32)
      (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
      (local.get $i)))"""


@pytest.fixture
def loop(instantiate):
    return instantiate(LOOP)


def test_code_ends_at_the_deadline(store, loop):
    """The fault says why; another span begins as if nothing had been."""
    started = time.monotonic()
    store.open(started + 0.1)
    fault = loop.function("loop", (), ())(None)
    took = time.monotonic() - started
    store.close()
    store.open(None)
    after = loop.function("noop", (), ())(None)
    store.close()

    assert (fault.kind, fault.trap) == (FaultKind.INTERRUPT, StopReason.DEADLINE)
    assert 0.1 <= took < 0.1 + ROOM
    assert after is None


def test_a_deadline_in_the_past_ends_a_loop_at_once(store, loop):
    """Nothing runs on because its time was over before it began."""
    store.open(time.monotonic() - 1)
    started = time.monotonic()
    fault = loop.function("loop", (), ())(None)
    store.close()

    assert fault.trap == StopReason.DEADLINE
    assert time.monotonic() - started < ROOM


def test_cancel_ends_the_open_span(store, loop):
    """From any thread, at the next epoch."""
    store.open(None)
    with repeating(store.cancel):
        fault = loop.function("loop", (), ())(None)
    store.close()

    assert (fault.kind, fault.trap) == (FaultKind.INTERRUPT, StopReason.CANCELLED)


def test_cancel_before_the_code_is_entered_counts(store, loop):
    """A span that is open is cancelled, whether it runs code at the moment or not."""
    store.open(None)
    answer = store.cancel()
    fault = loop.function("loop", (), ())(None)
    store.close()

    assert (answer, fault.trap) == (True, StopReason.CANCELLED)


def test_a_store_that_never_ran_is_not_cancelled(store):
    """Neither before its first span nor in it."""
    before = store.is_cancelled
    store.open(None)
    inside = store.is_cancelled
    store.close()

    assert (before, inside) == (False, False)


def test_cancel_without_a_span_does_nothing(store, loop):
    """It says so, and the next span is not touched."""
    before = store.cancel()
    store.open(time.monotonic() + 0.1)
    fault = loop.function("loop", (), ())(None)
    store.close()
    after = store.cancel()

    assert (before, fault.trap, after) == (False, StopReason.DEADLINE, False)


def test_a_cancel_that_comes_too_late_never_hits_the_next_span(store, loop):
    """It names the span that it found: one that began meanwhile has another number."""
    store.open(None)
    found = store.span
    store.close()
    store.open(time.monotonic() + 0.1)
    store.cancelled_span = found  # what a cancel does that was held up before its last step
    fault = loop.function("loop", (), ())(None)
    store.close()

    assert fault.trap == StopReason.DEADLINE


def test_siblings_are_not_touched(engine, instantiate):
    """Of two stores of one engine one ends at its time, and the other goes on until it is cancelled."""
    stores, faults = {"short": Store(engine), "long": Store(engine)}, {}

    def run(name, seconds):
        store = stores[name]
        function = instantiate(LOOP, into=store).function("loop", (), ())
        store.open(seconds and time.monotonic() + seconds)
        faults[name] = function(None).trap
        store.close()

    short, long = (
        threading.Thread(target=run, args=pair) for pair in (("short", 0.1), ("long", None))
    )
    long.start()
    short.start()
    short.join()
    goes_on = long.is_alive()
    with repeating(stores["long"].cancel):
        long.join()

    assert goes_on is True
    assert faults == {"short": StopReason.DEADLINE, "long": StopReason.CANCELLED}


def test_shielded_code_is_not_ended(store, loop):
    """The host's own short code runs to its end, whatever the time."""
    count = loop.function("count", ("i32",), ("i32",))
    store.open(time.monotonic() - 1)
    store.cancel()
    store.is_shielded = True
    fault = count(None, 50_000_000)
    store.is_shielded = False
    store.close()

    assert (fault, count.results) == (None, (50_000_000,))


def test_an_epoch_that_the_host_s_own_code_saw_is_not_lost(store, instantiate):
    """A guest that calls the host all the time ends, though each epoch falls into the host's time."""
    short = instantiate('(module (func (export "run") (loop)))').function("run", (), ())

    def host(_data):
        time.sleep(0.0005)
        store.engine.clock.tick()
        store.is_shielded = True
        short(None)
        store.is_shielded = False
        if store.has_missed:
            store.look_again()
        return ()

    guest = """(module (import "host" "run" (func $host))
      (func (export "run") (loop $l (call $host) (br $l))))"""
    run = instantiate(guest, run=((), (), host)).function("run", (), ())
    store.open(time.monotonic() + 0.05)
    fault = run(None)
    late = time.monotonic() - store.deadline
    store.close()

    assert (fault.kind, fault.trap) == (FaultKind.INTERRUPT, StopReason.DEADLINE)
    assert late < ROOM


def test_spans_nest_sixteen_deep_and_no_deeper(engine):
    """The seventeenth inside the others is refused; those that come later are not."""
    stores = [Store(engine) for _ in range(17)]

    def nest():
        for store in stores[:16]:
            store.open(None)
        try:
            with pytest.raises(CallError, match="16 calls are running inside each other"):
                stores[16].open(None)
            return depth(threading.get_ident())
        finally:
            for store in stores[:16]:
                store.close()

    assert on_a_large_stack(nest, lambda: None) == 16
    stores[16].open(None)
    stores[16].close()


def test_closing_twice_does_nothing(store):
    """The depth stays right."""
    store.open(None)
    store.close()
    store.close()

    assert (depth(threading.get_ident()), store.is_running) == (0, False)


def test_the_clock_parks_when_nothing_runs_and_wakes_when_something_does(instantiate):
    """An idle engine counts nothing; a span makes it count again."""
    engine = Engine(Settings())
    store = Store(engine)
    linker = Linker(engine)
    instance = linker.instantiate(store, engine.compile(wat_to_wasm(LOOP)))
    at_first = engine.clock.is_parked
    store.open(None)
    while_open = engine.clock.is_parked
    store.close()
    parked = until(lambda: engine.clock.is_parked)
    store.open(time.monotonic() + 0.1)
    fault = instance.function("loop", (), ())(None)
    store.close()

    assert (at_first, while_open, parked) == (True, False, True)
    assert fault.trap == StopReason.DEADLINE


def test_a_parked_clock_does_not_spin(instantiate):
    """Its thread waits for a ring that has not come."""
    clock = shared_engine().clock
    for _ in range(200):
        clock.wake()
        clock._park()

    assert clock.is_parked is True
    assert until(clock._bell.locked)


def test_a_clock_does_not_park_while_a_span_is_open(store):
    """A span that began while it was about to park keeps it counting."""
    store.open(None)
    store.engine.clock._park()
    parked = store.engine.clock.is_parked
    store.close()

    assert parked is False


def test_an_engine_goes_when_nothing_needs_it():
    """Engine, clock and thread are freed with the last store."""
    engine = Engine(Settings(is_optimized=False))
    store = Store(engine)
    store.open(None)
    store.close()
    reference = weakref.ref(engine.clock)
    engine.clock._park()
    del engine, store
    gc.collect()

    assert until(lambda: reference() is None)


def test_a_store_goes_with_its_last_reference(engine):
    """No cycle, no registry keeps it."""
    gc.collect()
    gc.disable()
    try:
        store = Store(engine)
        store.open(None)
        store.close()
        reference = weakref.ref(store)
        del store

        assert reference() is None
        assert interrupts.running_stores == {}
    finally:
        gc.enable()


def test_an_exception_between_two_calls_leaves_no_trap_behind(store, instantiate):
    """What a signal left unread is not taken for the end of the next call."""
    noop = instantiate('(module (func (export "noop")))').function("noop", (), ())
    store.trap.value = lib.wasmtime_trap_new(b"unread", 6)
    store.abandon()

    assert noop(None) is None


def test_fuel_is_used_up():
    """An engine that counts fuel ends code that has none left."""
    engine = Engine(Settings(has_fuel=True))
    store = Store(engine)
    instance = Linker(engine).instantiate(store, engine.compile(wat_to_wasm(LOOP)))
    store.set_fuel(10_000)
    fault = instance.function("loop", (), ())(None)

    assert fault.kind is FaultKind.FUEL
    assert store.fuel() == 0


def test_fuel_needs_an_engine_that_counts_it(store):
    """Others say so."""
    with pytest.raises(RuntimeError, match="fuel"):
        store.set_fuel(1)
    with pytest.raises(RuntimeError, match="fuel"):
        store.fuel()


def test_an_engine_that_is_not_interruptible_needs_no_clock():
    """Opening a span starts nothing."""
    engine = Engine(Settings(is_interruptible=False))
    store = Store(engine)
    store.open(time.monotonic() - 1)
    parked = engine.clock.is_parked
    instance = Linker(engine).instantiate(store, engine.compile(wat_to_wasm(LOOP)))
    fault = instance.function("count", ("i32",), ("i32",))(None, 1000)
    store.close()

    assert (parked, fault) == (True, None)


def test_an_exception_of_wasm_is_named_and_forgotten(store, instantiate):
    """Nobody caught it: the fault says so, each time anew."""
    instance = instantiate("""(module (tag $t) (func (export "throw") (throw $t))
                                (func (export "trap") unreachable))""")
    throw, trap = (instance.function(name, (), ()) for name in ("throw", "trap"))

    assert [throw(None).trap, trap(None).trap, throw(None).trap] == [
        "uncaught exception",
        "unreachable",
        "uncaught exception",
    ]
