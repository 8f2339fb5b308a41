"""The way into an export that has its span in one piece with the call."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from _thread import get_ident

import pytest

from extism._engine.faults import FaultKind
from extism._engine.interrupts import depth, running_stores
from extism._engine.large_stack import on_a_large_stack
from extism._engine.stacks import StackTooSmall, calls
from extism._engine.store import Store
from extism.errors import CallError

GUEST = """
(module
  (import "host" "seen" (func $seen (param i64) (result i64)))
  (func (export "turn") (param i64) (result i64 i64 i64)
    (call $seen (local.get 0)) (i64.const -7) (i64.const 1) (i64.shl (i64.const 62)))
  (func (export "trap") (param i64) (result i64 i64 i64) unreachable)
  (func (export "loop") (param i64) (result i64 i64 i64) (loop $l (br $l)) unreachable))
"""
CELLS = (("i64",), ("i64", "i64", "i64"))


@pytest.fixture
def guest(instantiate):
    """A function from a host function, and a store if need be, to an instance."""

    def make(seen=lambda _data, value: (value,), **options):
        return instantiate(GUEST, seen=(("i64",), ("i64",), seen), **options)

    return make


def span_is_over(store):
    return (store.is_running, store.deadline, depth(get_ident()), calls.get(get_ident())) == (
        *(False, None, 0, None),
    )


def test_results_lie_in_the_cells(guest):
    """Each has two; the parameter lies where the first result will."""
    seen = []
    instance = guest(lambda data, value: (seen.append((data, value)), (value + 1,))[1])
    run, cells = instance.function("turn", *CELLS).spanned()

    assert run("the call", 41, None) is None
    assert (cells[0], cells[2], cells[4]) == (42, -7, 1 << 62)
    assert seen == [("the call", 41)]
    assert span_is_over(instance.store)


def test_a_span_is_open_while_the_code_runs(guest):
    """It has a number of its own, the deadline that was handed over, and the thread that runs it."""
    state = []

    def seen(_data, value):
        store = instance.store
        state.append(
            (store.is_running, store.deadline, store.thread, store.span, len(running_stores))
        )
        return (value,)

    instance = guest(seen)
    run, _ = instance.function("turn", *CELLS).spanned()
    deadline = time.monotonic() + 60
    spans = instance.store.span
    run("a", 1, deadline)
    run("b", 1, None)

    me = get_ident()
    assert state == [(True, deadline, me, spans + 1, 1), (True, None, me, spans + 2, 1)]
    assert span_is_over(instance.store)


def test_a_trap_is_a_fault_and_ends_the_span(guest):
    """The next call is not touched by it."""
    instance = guest()
    trap, _ = instance.function("trap", *CELLS).spanned()
    turn, cells = instance.function("turn", *CELLS).spanned()
    fault = trap("a", 0, None)

    assert fault is not None
    assert fault.kind is FaultKind.TRAP
    assert span_is_over(instance.store)
    assert turn("a", 5, None) is None
    assert cells[0] == 5


def test_it_ends_at_its_deadline_and_by_cancel(guest):
    """As code in any span does."""
    instance = guest()
    run, _ = instance.function("loop", *CELLS).spanned()
    late = run("a", 0, time.monotonic() + 0.01)
    stop = threading.Event()

    def cancel():
        while not stop.wait(0.002):
            instance.store.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        cancelled = run("a", 0, time.monotonic() + 60)
    finally:
        stop.set()
        thread.join()

    assert late is not None
    assert cancelled is not None
    assert (late.kind, late.trap) == (FaultKind.INTERRUPT, "deadline")
    assert (cancelled.kind, cancelled.trap) == (FaultKind.INTERRUPT, "cancelled")
    assert span_is_over(instance.store)


def test_calls_inside_calls_are_counted(engine, guest):
    """Each runs inside a host function of the one before, and afterwards none is left."""
    reached = []

    def seen(data, value):
        reached.append((data, calls[get_ident()], depth(get_ident())))
        if value:
            nested, _ = guest(seen, into=Store(engine)).function("turn", *CELLS).spanned()
            fault = nested(data + 1, value - 1, None)
            assert fault is None
        return (value,)

    run, _ = guest(seen).function("turn", *CELLS).spanned()
    run(0, 3, None)

    assert reached == [(0, 0, 1), (1, 1, 2), (2, 2, 3), (3, 3, 4)]
    assert calls.get(get_ident()) is None


def test_sixteen_run_inside_each_other_and_no_more(engine, guest):
    """The one too many is refused before it runs, and everything goes back to where it was."""
    reached = []

    def seen(data, value):
        reached.append(data)
        nested, _ = guest(seen, into=Store(engine)).function("turn", *CELLS).spanned()
        fault = nested(data + 1, value, None)
        if fault is not None:
            raise fault.raised
        return (value,)

    run, _ = guest(seen).function("turn", *CELLS).spanned()
    ends = []

    def nest():
        ends.append(run(1, 0, None).raised)
        return calls[get_ident()]

    assert on_a_large_stack(nest, lambda: None) is None
    assert reached == list(range(1, 17))
    assert isinstance(ends[0], CallError)
    assert str(ends[0]).startswith("16 calls are running inside each other")


def test_a_thread_without_the_stack_is_told_so_before_anything_runs(guest):
    """Each time it asks, and it leaves nothing behind."""
    instance = guest()
    run, cells = instance.function("turn", *CELLS).spanned()
    run("here", 3, None)
    found = []

    def attempt():
        for _ in range(2):
            try:
                run("there", 9, None)
            except StackTooSmall as exc:
                found.append((type(exc), cells[0], get_ident() in calls))

    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=attempt)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()

    assert found == [(StackTooSmall, 3, False)] * 2
    assert span_is_over(instance.store)


def test_a_thread_that_ended_leaves_nothing(guest):
    """Its identifier may be another's soon, with another stack."""
    run, cells = guest().function("turn", *CELLS).spanned()
    idents = []
    thread = threading.Thread(target=lambda: (idents.append(get_ident()), run("there", 9, None)))
    thread.start()
    thread.join()

    assert cells[0] == 9
    assert idents[0] not in calls


def test_what_a_handler_raised_meanwhile_comes_out_and_the_span_is_over(guest):
    """As `Store.close` says: it is kept on the store where it could not be raised."""

    def seen(_data, value):
        instance.store.raised = KeyboardInterrupt("Ctrl-C")
        return (value,)

    instance = guest(seen)
    run, _ = instance.function("turn", *CELLS).spanned()
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        run("a", 1, None)

    assert instance.store.raised is None
    assert span_is_over(instance.store)


def test_what_a_handler_raised_comes_out_even_where_another_error_ends_the_span(guest):
    """Nothing has run then, and nobody else would raise it."""
    instance = guest()
    run, _ = instance.function("turn", *CELLS).spanned()
    instance.store.raised = KeyboardInterrupt("Ctrl-C")
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        run("a", "no number", None)

    assert instance.store.raised is None
    assert span_is_over(instance.store)


def test_it_keeps_its_store_and_nobody_keeps_it(engine, guest):
    """The function holds the store; when it goes, the store does."""
    store = Store(engine)
    gone = weakref.ref(store)
    run, _ = guest(into=store).function("turn", *CELLS).spanned()
    del store
    gc.collect()

    assert gone() is not None
    del run, _
    gc.collect()
    assert gone() is None
