"""Stacks: each thread is measured once, and what does not fit runs on a thread of ours."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import threading

import pytest

from extism._engine.engine import shared_engine
from extism._engine.large_stack import on_a_large_stack
from extism._engine.stacks import MAX_DEPTH, StackTooSmall, first_caller, levels, stack_bytes
from extism._engine.store import Store
from extism.errors import CallError


def on_a_thread(stack: int, function):
    """What `function` returns on a new thread with so many bytes of stack."""
    results = []
    before = threading.stack_size(stack)
    try:
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return results[0]


def opened(count: int) -> int:
    """How many of so many spans could be opened inside each other here."""
    stores = [Store(shared_engine()) for _ in range(count)]
    done = 0
    try:
        for store in stores:
            store.open(None)
            done += 1
    except StackTooSmall:
        pass
    finally:
        for store in stores[:done]:
            store.close()
    return done


@pytest.mark.parametrize("stack", [256 << 10, 1 << 20, 4 << 20])
def test_a_thread_opens_as_many_spans_as_its_stack_holds(stack):
    """Each needs the 512 KiB that the engine grants, and something for the host."""
    size, count = on_a_thread(stack, lambda: (stack_bytes(), opened(MAX_DEPTH)))

    assert size >= stack  # that of a thread before may be used again
    assert count == min((size - (128 << 10)) // (640 << 10), MAX_DEPTH)


def test_a_thread_is_forgotten_when_it_ends():
    """The next one may have its identifier and another stack."""
    identifier = on_a_thread(1 << 20, lambda: (opened(1), threading.get_ident())[1])

    assert identifier not in levels


FORK = """
import os, threading
from _thread import get_ident
from extism._engine.engine import shared_engine
from extism._engine.stacks import calls, levels
from extism._engine.store import Store

def opened():
    store = Store(shared_engine())
    store.open(None)
    store.close()

def other():
    opened()
    is_known.set()
    may_end.wait(60)

opened()
is_known, may_end = threading.Event(), threading.Event()
thread = threading.Thread(target=other)
thread.start()
is_known.wait(60)
before = len(levels), len(calls)
child = os.fork()
if not child:
    os._exit(0 if list(levels) == list(calls) == [get_ident()] else 1)
may_end.set()
print(before, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
def test_a_child_knows_only_the_thread_that_forked():
    """The others are not there; their identifiers may be given to new ones with other stacks."""
    program = [sys.executable, "-W", "ignore", "-c", FORK]
    found = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)

    assert (found.stdout, found.stderr) == ("(2, 2) 0\n", "")


def test_our_thread_sees_the_callers_context_and_gives_its_result():
    """Context variables are copied; what is set there stays there."""
    name = contextvars.ContextVar("name", default="none")
    name.set("caller")

    def run():
        seen = name.get()
        name.set("ours")
        return seen, threading.get_ident() != caller, first_caller(threading.get_ident()) == caller

    caller = threading.get_ident()

    assert on_a_large_stack(run, lambda: None) == ("caller", True, True)
    assert name.get() == "caller"


@pytest.mark.parametrize("raised", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_what_is_raised_there_is_raised_here(raised):
    """The same object, whatever it is."""

    def run():
        raise raised

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        on_a_large_stack(run, lambda: None)

    assert caught.value is raised


def test_spans_of_both_threads_count_together():
    """Another stack is no way round the limit of sixteen."""

    def nest():
        with pytest.raises(CallError, match="16 calls"):
            opened(MAX_DEPTH)
        return opened(MAX_DEPTH - 3)

    def three_then_more():
        stores = [Store(shared_engine()) for _ in range(3)]
        for store in stores:
            store.open(None)
        try:
            return on_a_large_stack(nest, lambda: None)
        finally:
            for store in stores:
                store.close()

    assert on_a_thread(4 << 20, three_then_more) == 13


def test_a_new_stack_leaves_the_size_of_others_alone():
    """What other threads get is not changed."""
    before = threading.stack_size(2 << 20)
    try:
        on_a_large_stack(lambda: None, lambda: None)

        assert threading.stack_size() == 2 << 20
    finally:
        threading.stack_size(before)
