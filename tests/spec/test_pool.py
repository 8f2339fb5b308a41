"""A pool: living copies of one plug-in for many threads, in turn."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import struct
import subprocess
import sys
import threading
import time
import weakref

import pytest
from patience import AGES, ROOM, repeating, until
from wat_guests import ECHO, LOOP, SHOUT, STATEFUL, wat

import extism
from extism.errors import (
    CallTimeout,
    Cancelled,
    FunctionNotFound,
    GuestError,
    GuestExit,
    HostFunctionError,
    OutOfFuel,
    OutOfMemory,
    PluginBusy,
    PluginClosed,
    PoolTimeout,
    Trap,
)

ENDS = wat(
    """
    (data (i32.const 0) "said so")
    (func (export "fine"))
    (func (export "says") (result i32)
      (call $error_set (call $put (i32.const 0) (i32.const 7))) (i32.const 1))
    (func (export "panics")
      (call $error_set (call $put (i32.const 0) (i32.const 7))) unreachable)
    (func (export "traps") unreachable)
    (func (export "loops") (loop $again (br $again)))
    (func (export "exits") (call $proc_exit (i32.const 3)))
    (func (export "grows")
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      unreachable)
    (func (export "raises") (call $raises))""",
    before="""(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
              (import "extism:host/user" "raises" (func $raises))""",
)


class Stop(BaseException):
    """Something that is no Exception."""


def raises():
    raise Stop


@pytest.fixture
def pool():
    """A function from a guest and options to a pool, which is closed after the test."""
    with contextlib.ExitStack() as made:

        def make(text, maximum=2, *, functions=(), manifest=(), **options):
            source = {"wasm": [{"data": text.encode()}], **dict(manifest)}
            return made.enter_context(
                extism.Pool(source, maximum, functions=list(functions), **options)
            )

        yield make


def count(plugin):
    return struct.unpack("<q", plugin.call("count", b""))[0]


def eventually(holds):
    """Wait until it holds; a minute at most."""
    assert until(holds)


@contextlib.contextmanager
def threads(number, work):
    """Run `work(index)` in that many threads, which have all ended after the block."""
    started = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        for thread in started:
            thread.join(AGES)
        assert not any(thread.is_alive() for thread in started)


def test_a_call_on_a_pool_is_a_call_on_a_plugin(pool):
    """Input, `parse`, host context and time-out go through as with `Plugin.call`."""
    seen = []

    @extism.host_fn()
    def shout(current: extism.CurrentPlugin, text: str) -> str:
        seen.append((current.host_context(), current.time_remaining()))
        return text.upper()

    made = pool(SHOUT, functions=[shout])

    assert made.call("run", "abc") == b"ABC"
    assert made.call("run", b"[1]", json.loads) == [1]
    assert made.call("run", b"abc", None)[:] == b"ABC"
    assert made.call("run", "abc", host_context=7, timeout=60) == b"ABC"
    assert [context for context, _ in seen] == [None, None, None, 7]
    assert seen[0][1] is None
    assert 50 < seen[3][1] <= 60


def test_copies_are_made_when_they_are_needed_and_used_again(pool):
    """One user needs one copy, whose state stays; two at once need two."""
    made = pool(STATEFUL, 3)
    assert repr(made) == "<Pool 0 busy, 0 idle, 3 most | 0 waiting>"
    assert [count(made), count(made)] == [1, 2]
    with made.plugin() as one, made.plugin() as other:
        assert repr(made) == "<Pool 2 busy, 0 idle, 3 most | 0 waiting>"
        assert (count(one), count(other)) == (3, 1)

    assert repr(made) == "<Pool 0 busy, 2 idle, 3 most | 0 waiting>"
    assert made.statistics.created == 2


def test_a_lent_copy_is_a_plugin(pool):
    """Everything that a plug-in can do it can, with its own id and options."""
    made = pool(STATEFUL, config={"key": "value"}, fuel_limit=100_000)
    with made.plugin() as one, made.plugin() as other:
        assert isinstance(one, extism.Plugin)
        assert one.id != other.id
        assert one.function_exists("count")
        count(one)
        assert one.fuel_used > 0
        assert one.cancel_handle().cancel() is True


@pytest.mark.same_process("copies are slower to make than to use")
def test_never_more_than_the_maximum_at_once(pool):
    """Eight threads and three copies: three are inside at most, and all get their turn."""
    inside, most = [], []

    @extism.host_fn()
    def shout(text: str) -> str:
        inside.append(text)
        most.append(len(inside))
        eventually(lambda: max(most) >= 3)
        time.sleep(0.002)
        inside.remove(text)
        return text

    made = pool(SHOUT, 3, functions=[shout])
    found = {}

    def work(index):
        found[index] = [made.call("run", f"{index}-{i}") for i in range(5)]

    with threads(8, work):
        pass

    assert found == {i: [f"{i}-{k}".encode() for k in range(5)] for i in range(8)}
    assert (max(most), made.statistics.created, made.statistics.lent) == (3, 3, 40)


def test_first_come_first_served(pool):
    """Who waits longest is next."""
    made = pool(ECHO, 1)
    order = []

    def work(index):
        eventually(lambda: made.statistics.waiting == index)
        with made.plugin() as plugin:
            order.append(plugin.call("echo", str(index)))

    held = contextlib.ExitStack()
    held.enter_context(made.plugin())
    with threads(8, work):
        eventually(lambda: made.statistics.waiting == 8)
        assert repr(made) == "<Pool 1 busy, 0 idle, 1 most | 8 waiting>"
        held.close()

    assert order == [str(index).encode() for index in range(8)]


def test_nobody_overtakes_who_waits(pool):
    """A copy that comes back belongs to the one who waits, before the one who gave it back can ask again."""
    made = pool(ECHO, 1)
    order = []

    def work(_):
        with made.plugin():
            order.append("waited")

    with made.plugin():
        thread = threading.Thread(target=work, args=(0,))
        thread.start()
        eventually(lambda: made.statistics.waiting == 1)
    with made.plugin():
        order.append("came later")
    thread.join()

    assert order == ["waited", "came later"]


def test_waiting_has_an_end(pool):
    """`PoolTimeout` after the time that was given, and the queue is as before."""
    made = pool(ECHO, 1, timeout=0.2)
    with made.plugin():
        for wait, seconds in (
            (lambda: made.plugin(timeout=0.1).__enter__(), 0.1),
            (lambda: made.call("echo", ""), 0.2),
            (lambda: made.plugin(timeout=0).__enter__(), 0.0),
            (lambda: made.plugin(timeout=-1).__enter__(), 0.0),
        ):
            start = time.monotonic()
            with pytest.raises(PoolTimeout, match="no plugin became free within") as caught:
                wait()
            assert seconds <= time.monotonic() - start < seconds + ROOM
            assert "1 busy, 0 idle, 1 most" in str(caught.value)
            assert isinstance(caught.value, TimeoutError)
        assert repr(made) == "<Pool 1 busy, 0 idle, 1 most | 0 waiting>"

    assert made.call("echo", "x") == b"x"
    assert made.statistics.timed_out == 4


def test_a_free_copy_is_had_without_waiting(pool):
    """A time-out of 0 asks for one that is there, or for the place to make one."""
    made = pool(ECHO, 1)
    for _ in range(2):
        with made.plugin(timeout=0) as plugin:
            assert plugin.call("echo", "x") == b"x"


def test_the_time_for_waiting_is_not_the_time_of_the_call(pool):
    """A call may take longer than anybody would wait for a copy."""
    made = pool(LOOP, 1, timeout=0.01)
    with pytest.raises(CallTimeout):
        made.call("loop", "", timeout=0.1)


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300], ids=str)
def test_a_thread_that_waits_for_itself_is_told(pool, timeout):
    """It holds all copies and would wait for ever."""
    made = pool(ECHO, 2)
    with made.plugin(), made.plugin() as last:
        with pytest.raises(PluginBusy, match="this thread holds all 2 plugins of the pool"):
            made.plugin(timeout=timeout).__enter__()
        assert last.call("echo", "x") == b"x"
        with pytest.raises(PoolTimeout):
            made.plugin(timeout=0.01).__enter__()

    assert repr(made) == "<Pool 0 busy, 2 idle, 2 most | 0 waiting>"


def test_who_waits_for_another_thread_is_not_told_so(pool):
    """One of the copies is somebody else's: it will come back."""
    made = pool(ECHO, 2)
    go = threading.Event()

    def work(_):
        with made.plugin():
            go.wait(AGES)

    with threads(1, work), made.plugin():
        eventually(lambda: made.statistics.busy == 2)
        threading.Timer(0.05, go.set).start()
        assert made.call("echo", "x") == b"x"


def test_a_host_function_may_use_the_pool(pool):
    """A plug-in that calls a host function that calls the pool gets another copy."""
    made = None

    @extism.host_fn()
    def shout(text: str) -> str:
        return made.call("run", text[1:]).decode() + "!" if text.startswith("+") else text

    made = pool(SHOUT, 3, functions=[shout])

    assert made.call("run", "++x") == b"x!!"
    with pytest.raises(HostFunctionError) as caught:
        made.call("run", "+++x")
    assert isinstance(caught.value.__cause__.__cause__.__cause__, PluginBusy)
    assert repr(made) == "<Pool 0 busy, 0 idle, 3 most | 0 waiting>"


def test_a_copy_is_closed_after_its_last_call(pool):
    """With `max_calls` a copy runs that many calls; then a fresh one is made."""
    made = pool(STATEFUL, 1, max_calls=2)

    assert [count(made) for _ in range(5)] == [1, 2, 1, 2, 1]
    assert (made.statistics.created, made.statistics.recycled) == (3, 2)


def test_a_loan_may_run_past_the_last_call(pool):
    """What was lent stays lent: the limit is looked at when the copy comes back."""
    made = pool(STATEFUL, 1, max_calls=2)
    with made.plugin() as plugin:
        assert [count(plugin) for _ in range(4)] == [1, 2, 3, 4]

    assert count(made) == 1


def test_with_one_call_each_nothing_is_left_behind(pool):
    """Variables do not reach the next one either."""
    made = pool(ECHO, 1, max_calls=1)
    with made.plugin() as plugin:
        plugin.vars["mine"] = b"secret"
        plugin.call("echo", "")
    with made.plugin() as plugin:
        assert "mine" not in plugin.vars


ENDINGS = [
    pytest.param("traps", {}, Trap, id="trap"),
    pytest.param("panics", {}, GuestError, id="error text, then a trap"),
    pytest.param("loops", {"timeout": 0.05}, CallTimeout, id="time-out"),
    pytest.param("exits", {}, GuestExit, id="exit"),
    pytest.param("grows", {}, OutOfMemory, id="out of memory"),
    pytest.param("raises", {}, Stop, id="an exception in a host function"),
]


@pytest.mark.parametrize(("export", "options", "error"), ENDINGS)
def test_a_copy_is_closed_after_a_call_that_broke_off(pool, export, options, error):
    """Nobody knows what the guest was in the middle of; caught by the borrower or not."""
    explicit = extism.Function(None, "raises", [], [], lambda *_: raises())
    made = pool(ENDS, 1, wasi=True, functions=[explicit], manifest={"memory": {"max_pages": 20}})
    with made.plugin() as plugin:
        first = plugin.id
        with pytest.raises(error):
            plugin.call(export, "", **options)
    with made.plugin() as plugin:
        second = plugin.id
        assert plugin.call("fine", "") == b""
    with pytest.raises(error):
        made.call(export, "", **options)

    assert first != second
    assert repr(made) == "<Pool 0 busy, 0 idle, 1 most | 0 waiting>"
    assert (made.statistics.created, made.statistics.recycled) == (2, 2)


def test_a_copy_is_closed_after_it_was_cancelled_or_ran_out_of_fuel(pool):
    """Both stop the guest where it is."""
    made = pool(LOOP, 1, fuel_limit=10_000)
    with pytest.raises(OutOfFuel):
        made.call("loop", "")
    assert repr(made) == "<Pool 0 busy, 0 idle, 1 most | 0 waiting>"

    made = pool(LOOP, 1)
    with (
        made.plugin() as plugin,
        repeating(plugin.cancel_handle().cancel),
        pytest.raises(Cancelled),
    ):
        plugin.call("loop", "")
    assert repr(made) == "<Pool 0 busy, 0 idle, 1 most | 0 waiting>"


def test_a_handle_that_outlives_its_loan_cancels_nobody_else(pool):
    """The copy has been lent on: its call belongs to somebody else now."""
    made = pool(LOOP, 1)
    with made.plugin() as plugin:
        late = plugin.cancel_handle()
    timer = threading.Timer(0.05, late.cancel)
    timer.start()
    with pytest.raises(CallTimeout) as caught:
        made.call("loop", "", timeout=0.3)
    timer.join()

    assert not isinstance(caught.value, Cancelled)


def test_a_copy_is_kept_after_an_error_that_left_it_whole(pool):
    """What the guest returned itself, what never reached it, and what `parse` made of the output."""
    explicit = extism.Function(None, "raises", [], [], lambda *_: raises())
    made = pool(ENDS, 1, wasi=True, functions=[explicit])
    with pytest.raises(GuestError, match="said so"):
        made.call("says", "")
    with pytest.raises(FunctionNotFound):
        made.call("nothing", "")
    with pytest.raises(TypeError):
        made.call("fine", None)
    with pytest.raises(ZeroDivisionError):
        made.call("fine", "", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError), made.plugin():
        1 / 0  # noqa: B018 - the exception is wanted

    assert (made.statistics.created, made.statistics.recycled) == (1, 0)


def test_a_copy_that_was_closed_by_its_borrower_is_replaced(pool):
    """Its place is free."""
    made = pool(ECHO, 1)
    with made.plugin() as plugin:
        plugin.close()

    assert made.call("echo", "x") == b"x"
    assert made.statistics.created == 2


def test_a_copy_works_only_while_it_is_lent(pool):
    """Who keeps it beyond its block is told."""
    made = pool(ECHO, 1)
    with made.plugin() as kept:
        pass

    with pytest.raises(
        PluginClosed, match="given back to its pool; use it inside its `with` block"
    ):
        kept.call("echo", "x")
    assert made.call("echo", "x") == b"x"


def test_a_copy_that_cannot_be_made_leaves_its_place(pool):
    """The error reaches who asked; the place is free for the next, who may have better luck."""
    luck = [False]

    def start(*_):
        if not luck[0]:
            raise LookupError("no luck")

    text = wat(
        '(func $init (call $start)) (start $init) (func (export "fine"))',
        before='(import "extism:host/user" "start" (func $start))',
    )
    made = pool(text, 1, functions=[extism.Function(None, "start", [], [], start)])
    for _ in range(3):
        with pytest.raises(HostFunctionError, match="no luck"):
            made.call("fine", "")
    assert repr(made) == "<Pool 0 busy, 0 idle, 1 most | 0 waiting>"
    luck[0] = True

    assert made.call("fine", "") == b""
    assert (made.statistics.created, made.statistics.lent) == (1, 1)


def test_the_place_of_a_copy_that_cannot_be_made_goes_to_who_waits(pool):
    """A thread in the queue is woken by the failure of another."""
    entered, go = threading.Event(), threading.Event()

    def start(*_):
        if not entered.is_set():
            entered.set()
            go.wait(AGES)
            raise LookupError("no luck")

    text = wat(
        '(func $init (call $start)) (start $init) (func (export "fine"))',
        before='(import "extism:host/user" "start" (func $start))',
    )
    made = pool(text, 1, functions=[extism.Function(None, "start", [], [], start)])
    found = []

    def work(index):
        if index:
            entered.wait(AGES)
        try:
            found.append(made.call("fine", ""))
        except HostFunctionError as exc:
            found.append(str(exc.__cause__))

    with threads(2, work):
        eventually(lambda: made.statistics.waiting == 1)
        go.set()

    assert sorted(map(str, found)) == ["b''", "no luck"]


def test_a_plugin_that_cannot_be_compiled_has_no_pool():
    """The error comes when the pool is made."""
    with pytest.raises(extism.Error, match="Unable to compile"):
        extism.Pool(b"\0asm\1\0\0\0\x63", 2)


def test_a_compiled_plugin_may_have_several_pools(pool):
    """It stays its owner's: closing the pool leaves it alone."""
    compiled = extism.CompiledPlugin(ECHO, functions=[])
    with extism.Pool(compiled, 1) as one, extism.Pool(compiled, 1) as other:
        assert one.call("echo", "x") == other.call("echo", "x") == b"x"

    with extism.Plugin(compiled) as plugin:
        assert plugin.call("echo", "x") == b"x"


def test_function_exists_needs_no_copy(pool):
    """It is known from the module."""
    made = pool(ECHO, 1)
    with made.plugin():
        assert made.function_exists("echo") is True
        assert made.function_exists("nothing") is False

    assert made.statistics.created == 1


def test_the_default_maximum_is_the_number_of_processors():
    """As many as can run at once."""
    with extism.Pool(ECHO, functions=[]) as made:
        assert made.maximum >= 1
        assert repr(made) == f"<Pool 0 busy, 0 idle, {made.maximum} most | 0 waiting>"


def test_statistics_tell_what_has_happened(pool):
    """All numbers of one story."""
    made = pool(STATEFUL, 2, max_calls=3)
    with made.plugin() as plugin:
        count(plugin)
        count(plugin)
        assert made.statistics._asdict() == {
            "maximum": 2,
            "busy": 1,
            "idle": 0,
            "waiting": 0,
            "created": 1,
            "recycled": 0,
            "lent": 1,
            "calls": 0,
            "timed_out": 0,
        }
    count(made)
    count(made)

    assert made.statistics._asdict() == {
        "maximum": 2,
        "busy": 0,
        "idle": 1,
        "waiting": 0,
        "created": 2,
        "recycled": 1,
        "lent": 3,
        "calls": 4,
        "timed_out": 0,
    }


def test_a_closed_pool_lends_nothing(pool):
    """Idle copies are closed at once, lent ones when they come back; closing again is nothing."""
    made = pool(ECHO, 2)
    with made.plugin() as idle:
        pass
    with made.plugin() as busy:
        made.close()
        made.close()
        assert busy.call("echo", "x") == b"x"
        assert repr(made) == "<Pool, closed: 1 busy, 0 idle, 2 most | 0 waiting>"

    for use in (
        lambda: made.call("echo", "x"),
        lambda: made.plugin().__enter__(),
        lambda: made.plugin(timeout=0).__enter__(),
        lambda: made.function_exists("echo"),
    ):
        with pytest.raises(PluginClosed, match="the pool is closed"):
            use()
    assert busy is idle
    assert busy.plugin == -1
    assert repr(made) == "<Pool, closed: 0 busy, 0 idle, 2 most | 0 waiting>"


def test_closing_wakes_who_waits(pool):
    """Each of them gets `PluginClosed`, at once."""
    made = pool(ECHO, 1)
    found = []

    def work(_):
        try:
            made.call("echo", "x")
        except PluginClosed as exc:
            found.append(str(exc))

    with made.plugin(), threads(4, work):
        eventually(lambda: made.statistics.waiting == 4)
        start = time.monotonic()
        made.close()

    assert time.monotonic() - start < ROOM
    assert found == ["the pool is closed"] * 4


def test_nothing_of_a_pool_outlives_it():
    """Copies and code go with the last reference."""
    made = extism.Pool(ECHO, 2, functions=[])
    with made.plugin() as one:
        one.call("echo", "x")
    references = [weakref.ref(made), weakref.ref(one), weakref.ref(made._compiled)]
    del made, one
    gc.collect()

    assert [reference() for reference in references] == [None] * 3


def test_a_generator_that_is_collected_gives_its_copy_back(pool):
    """A response that nobody reads to its end does not keep a copy for ever."""
    made = pool(ECHO, 1)

    def pieces():
        with made.plugin() as plugin:
            yield plugin.call("echo", "a")
            yield plugin.call("echo", "b")

    reading = pieces()
    assert next(reading) == b"a"
    assert made.statistics.busy == 1
    del reading
    gc.collect()

    assert repr(made) == "<Pool 0 busy, 1 idle, 1 most | 0 waiting>"


def run(script):
    """What a process of its own says."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way there")
def test_ctrl_c_ends_waiting():
    """The main thread leaves the queue, and the pool goes on."""
    script = """
import os, signal, threading, extism
pool = extism.Pool(b'(module (func (export "f")))', 1, functions=[])
got, go = threading.Event(), threading.Event()
def work():
    with pool.plugin():
        got.set()
        go.wait(30)
thread = threading.Thread(target=work)
thread.start()
got.wait(30)
try:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    pool.call("f", "")
except KeyboardInterrupt:
    print("interrupted", pool)
go.set()
thread.join()
print(pool.call("f", ""), pool)
"""

    assert run(script) == (
        "interrupted <Pool 1 busy, 0 idle, 1 most | 0 waiting>\n"
        "b'' <Pool 0 busy, 1 idle, 1 most | 0 waiting>\n"
    )


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore")
def test_a_fork_has_a_pool_of_its_own():
    """The child starts without idle copies, without others' loans and without a queue; the parent sees nothing of it."""
    script = """
import os, threading, warnings, extism
warnings.simplefilter("ignore")
wat = b'(module (func (export "f")) (func (export "loop") (loop $l (br $l))))'
pool = extism.Pool(wat, 3, functions=[])
got, go = threading.Event(), threading.Event()
def work():
    with pool.plugin():
        got.set()
        go.wait(30)
thread = threading.Thread(target=work)
thread.start()
got.wait(30)
with pool.plugin() as mine:
    with pool.plugin():
        pass
    assert repr(pool) == "<Pool 2 busy, 1 idle, 3 most | 0 waiting>", pool
    child = os.fork()
    if child == 0:
        try:
            print("child", pool)
            print("child", mine.call("f", ""), pool.call("f", ""))
            try:
                pool.call("loop", "", timeout=0.1)
            except extism.errors.CallTimeout:
                print("child", pool, flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
go.set()
thread.join()
print("parent", pool)
"""

    assert run(script) == (
        "child <Pool 1 busy, 0 idle, 3 most | 0 waiting>\n"
        "child b'' b''\n"
        "child <Pool 1 busy, 0 idle, 3 most | 0 waiting>\n"
        "parent <Pool 0 busy, 3 idle, 3 most | 0 waiting>\n"
    )
