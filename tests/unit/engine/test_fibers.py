"""`fibers.py`: code that stops in the middle, and the ways in which it goes on or does not."""

import gc
import os
import subprocess
import sys
import weakref

import pytest

from extism._engine import fiber_stacks
from extism._engine.engine import Engine, Settings, wat_to_wasm
from extism._engine.faults import FaultKind
from extism._engine.fibers import Awaited
from extism._engine.interrupts import running_stores
from extism._engine.linker import Linker
from extism._engine.slots import ENVIRONMENT
from extism._engine.stacks import levels
from extism._engine.store import Store
from extism._engine.trampoline import FLAG, Trampoline, late, running
from extism._engine.waiting import patient
from extism._wasm.meter import meter

TEXT = """(module
  (import "h" "ask" (func $ask (param i64) (result i64)))
  (func (export "run") (param i64) (result i64) (call $ask (local.get 0)))
  (func (export "add") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
    (local.get 0) (local.get 1) (local.get 2) (local.get 3))
  (func (export "spin") (loop $again (br $again)))
  (func (export "asks") (loop $again (drop (call $ask (i64.const 1))) (br $again)))
  (func (export "deep") (call $down (i32.const 0)))
  (func $down (param i32) (call $down (i32.add (local.get 0) (i32.const 1))) (drop (memory.size)))
  (memory 1))"""


@pytest.fixture(params=[False, True], ids=["mapped", "slots"])
def guest(request):
    """A function from the body of `ask` to an instance of the module above."""
    engine = Engine(Settings(has_slots=request.param))
    home = engine.compile(wat_to_wasm('(module (global (export "b") (mut i64) (i64.const 0)))'))
    code = engine.compile(meter(wat_to_wasm(TEXT), "home", "b", waits=[("h", "ask")], flag=FLAG))

    def make(body=lambda _, value: (value,)):
        linker, store = Linker(engine), Store(engine)
        callback = late(lambda: patient(("i64",), ("i64",), body, "ask"))
        linker.define_trampoline("h", "ask", Trampoline.of(("i64",), ("i64",), callback))
        linker.define_instance("home", linker.instantiate(store, home))
        return linker.instantiate(store, code)

    return make


def free_stacks():
    """How many of the stacks that are ours are free."""
    arena = fiber_stacks._kept[2] if fiber_stacks._kept else fiber_stacks._Arena()
    return len(arena._warm) + len(arena._free)


def run_to_its_end(fiber):
    """How often it stopped."""
    stops = 0
    while not fiber.step():
        stops += 1
    return stops


def run_to_a_wait(fiber):
    """Not one step: on a busy machine the clock may have code stop for others before it has come to that."""
    while fiber.waits_for is None:
        assert not fiber.step()


def test_code_that_does_not_wait_ends_at_once(guest):
    """Values of every type go in and come out."""
    kinds = ("i32", "i64", "f32", "f64")
    fiber = guest().fiber("add", kinds, kinds)
    for values in [(-1, -2, 0.5, -0.25), (2**31 - 1, 2**63 - 1, 1.5, 1e300)]:
        fiber.start(None, None, *values)
        assert (run_to_its_end(fiber), fiber.fault(), fiber.results) == (0, None, values)
        fiber.end()


def test_code_stops_where_it_waits_and_goes_on_with_the_result(guest):
    """The body is asked once; what it gave says what is waited for, and makes the result."""
    asked = []

    def body(data, value):
        asked.append((data, value))
        return Awaited(123.0, lambda result: (result + value,))

    fiber = guest(body).fiber("run", ("i64",), ("i64",))
    fiber.start("data", None, 5)
    run_to_a_wait(fiber)
    assert fiber.waits_for.wait == 123.0
    fiber.waits_for.result = 30
    run_to_its_end(fiber)

    assert (fiber.fault(), fiber.results, asked) == (None, (35,), [("data", 5)])
    fiber.end()


def test_what_a_wait_raised_is_raised_by_the_function(guest):
    """It ends the code as what the body itself raises does."""
    fiber = guest(lambda *_: Awaited(0.0, tuple)).fiber("run", ("i64",), ("i64",))
    fiber.start(None, None, 5)
    run_to_a_wait(fiber)
    fiber.waits_for.raised = error = ValueError("x")
    run_to_its_end(fiber)

    fault = fiber.fault()
    assert (fault.kind, fault.raised) == (FaultKind.HOST, error)
    fiber.end()


def test_code_that_computes_is_stopped_for_others(guest):
    """Again and again, until somebody cancels it."""
    instance = guest()
    fiber = instance.fiber("spin", (), ())
    fiber.start(None, None)
    assert [fiber.step(), fiber.step(), fiber.waits_for] == [False, False, None]
    assert instance.store.cancel()
    run_to_its_end(fiber)

    fault = fiber.fault()
    assert (fault.kind, fault.trap) == (FaultKind.INTERRUPT, "cancelled")
    fiber.end()


def test_slices_are_shorter_once_code_has_computed_for_long(guest):
    """Two ticks of the clock where it begins or has waited, so that short calls are not stopped; one after that."""
    asked, waits = [], []

    def body(_, value):
        asked.append(value)
        instance.store.engine.clock.tick()
        return Awaited(0.0, lambda _: (value,)) if len(asked) in waits else (value,)

    instance = guest(body)
    instance.store.engine.clock.is_parked = False  # nobody else counts
    fiber = instance.fiber("asks", (), ())
    fiber.start(None, None)
    stops = []
    for _ in range(3):
        assert not fiber.step()
        stops.append(len(asked))
    waits.append(5)
    for _ in range(3):
        assert not fiber.step()
        stops.append(len(asked))

    assert stops == [2, 3, 4, 5, 7, 8]
    fiber.end()


def test_a_fiber_that_is_ended_in_the_middle_leaves_nothing(guest):
    """Its span is over, what it waited for is closed, and the store can be called again."""

    async def endless():
        raise AssertionError("nobody awaits it")

    instance = guest(lambda *_: Awaited(endless(), tuple))
    for _ in range(50):
        fiber = instance.fiber("run", ("i64",), ("i64",))
        fiber.start(None, None, 5)
        run_to_a_wait(fiber)
        assert instance.store.is_running
        fiber.end()
    gc.collect()

    kinds = ("i32", "i64", "f32", "f64")
    add = instance.function("add", kinds, kinds)
    assert (add(None, 1, 2, 0.5, 1.5), add.results) == (None, (1, 2, 0.5, 1.5))
    assert not instance.store.is_running
    assert not running_stores
    assert running.fiber is None


def test_a_fiber_that_is_forgotten_gives_its_stack_back(guest):
    """Before its store ends, which nothing keeps."""
    instance = guest(lambda *_: Awaited(1.0, tuple))
    fiber = instance.fiber("run", ("i64",), ("i64",))
    fiber.start(None, None, 5)
    run_to_a_wait(fiber)
    store = weakref.ref(instance.store)
    free, is_ours = free_stacks(), instance.store.engine.slots is None and fiber_stacks._kept
    del instance, fiber
    gc.collect()

    assert store() is None
    assert free_stacks() == free + bool(is_ours)


def test_code_that_is_too_deep_ends_in_a_trap(guest):
    """On the stack of a fiber as on that of a thread, and as often as it likes."""
    instance = guest()
    for _ in range(3):
        fiber = instance.fiber("deep", (), ())
        fiber.start(None, None)
        run_to_its_end(fiber)
        assert fiber.fault().trap == "stack overflow"
        fiber.end()


def test_a_fiber_leaves_the_measure_of_its_thread_alone(guest):
    """Fewer spans may be open on a fiber; on the thread, as many as before."""
    from _thread import get_ident

    seen = []
    instance = guest(lambda _, value: (seen.append(levels[get_ident()]), (value,))[1])
    before = dict(levels)
    fiber = instance.fiber("run", ("i64",), ("i64",))
    fiber.start(None, None, 5)
    run_to_its_end(fiber)
    fiber.end()

    assert seen == [2]
    assert levels == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="marks of Linux")
def test_stacks_are_laid_side_by_side_and_used_again():
    """Many share a mapping; one that comes back is taken first."""
    if not fiber_stacks._is_to_be_had():
        pytest.skip("this system cannot guard pages without a mapping of their own")
    arena = fiber_stacks._Arena()
    tops = [arena.take() for _ in range(100)]
    assert len(set(tops)) == 100
    assert len(arena._chunks) == 2
    assert {top % 4096 for top in tops} == {0}
    for top in tops:
        arena.give_back(top)

    assert len(arena._warm) == fiber_stacks._WARM
    assert sorted(arena.take() for _ in range(100)) == sorted(tops)


ENDS = """
import asyncio, extism

@extism.host_fn()
def host() -> bytes: ...

plugin = extism.Plugin(b'(module (func (export "run")))', functions=[host])
print(asyncio.run(plugin.acall("run", "")))
"""


def test_the_interpreter_may_end_before_what_it_made():
    """Stacks that no slot has are given back by functions of Python's, which go with the interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, ENVIRONMENT: "0"},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "b''\n", "")
