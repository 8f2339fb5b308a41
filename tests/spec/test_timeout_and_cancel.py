"""Time: deadlines, cancellation, and that neither touches anything else."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from patience import ROOM, repeating, within
from wat_guests import ECHO, LOOP, STATEFUL, wat

import extism
from extism.errors import CallTimeout, Cancelled, Error


def test_a_loop_ends_at_its_deadline(plugin):
    """The call raises `timeout` when `timeout_ms` is over."""
    made = plugin(LOOP, timeout_ms=200)
    with within(0.2), pytest.raises(CallTimeout) as caught:
        made.call("loop", "")

    assert (str(caught.value), caught.value.function) == ("timeout", "loop")
    assert isinstance(caught.value, TimeoutError)


ENDLESS = {
    "empty loop": "(loop $l (br $l))",
    "calls": "(loop $l (call $nothing) (br $l))",
    "recursion that returns": "(loop $l (call $deep (i32.const 1000)) (br $l))",
    "large fills": "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
    "kernel calls": "(loop $l (call $free (call $alloc (i64.const 100))) (br $l))",
    "host calls": "(loop $l (drop (call $config_get (i64.const 0))) (br $l))",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_every_kind_of_loop_ends(plugin, kind):
    """Whatever a guest does for ever, it does not do it for longer than it may."""
    made = plugin(
        wat(f"""(func $nothing)
        (func $deep (param i32) (if (local.get 0)
          (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "run") {ENDLESS[kind]})"""),
        timeout_ms=150,
    )
    with within(0.15), pytest.raises(CallTimeout):
        made.call("run", "")


def test_a_plugin_lives_on_after_a_timeout(plugin):
    """The same plug-in answers the next call, with its state."""
    made = plugin(STATEFUL)
    with pytest.raises(CallTimeout):
        made.call("count_and_loop", "", timeout=0.3)

    assert made.call("count", "")[0] == 2


def test_each_call_has_its_own_time(plugin):
    """Time that one call took is not missing in the next."""
    made = plugin(LOOP, timeout_ms=150)
    for _ in range(3):
        with within(0.15), pytest.raises(CallTimeout):
            made.call("loop", "")


@pytest.mark.parametrize("name", ["loop", "noop"])
def test_no_time_is_no_time(plugin, name):
    """`timeout_ms` of 0 fails every call, at once."""
    made = plugin(LOOP, timeout_ms=0)
    with within(0), pytest.raises(CallTimeout):
        made.call(name, "")


def test_a_time_that_is_no_number_is_refused(plugin):
    """No clock would ever be past it."""
    with pytest.raises(ValueError, match="timeout is nan"):
        plugin(LOOP).call("noop", "", timeout=float("nan"))


INITIALISERS = {
    "start section": "(start $run)",
    "_initialize": '(export "_initialize" (func $run))',
    "__wasm_call_ctors": '(export "__wasm_call_ctors" (func $run))',
    "hs_init": """(func (export "hs_init") (param i32 i32) (call $run))""",
}


@pytest.mark.same_process("the start of a worker counts here")
@pytest.mark.parametrize("kind", INITIALISERS)
def test_initialisers_have_a_deadline_too(plugin, kind):
    """Code that runs while the plug-in is made ends after `timeout_ms`."""
    with within(0.15), pytest.raises(CallTimeout) as caught:
        plugin(f"(module (func $run (loop $l (br $l))) {INITIALISERS[kind]})", timeout_ms=150)

    assert str(caught.value) == "Unable to create Extism plugin: timeout"


@pytest.mark.same_process("the start of a worker counts here")
def test_initialisers_of_libraries_share_the_deadline():
    """A linked module's code counts as well."""
    lib = '(module (func (export "_initialize") (loop $l (br $l))))'
    sources = [{"name": "lib", "data": lib.encode()}, {"name": "main", "data": ECHO.encode()}]
    with within(0.15), pytest.raises(CallTimeout):
        extism.Plugin({"wasm": sources, "timeout_ms": 150})


SLEEPS = wat(
    """(func (export "run") (call $sleep) (call $give (call $input_offset)))
       (func (export "ok"))""",
    before='(import "extism:host/user" "sleep" (func $sleep))',
)


def test_a_slow_host_function_does_not_save_a_call(plugin):
    """Python cannot be interrupted, but when it returns too late the call has failed."""

    @extism.host_fn(name="sleep")
    def sleep() -> None:
        time.sleep(0.3)

    made = plugin(SLEEPS, functions=[sleep])
    with within(0.3), pytest.raises(CallTimeout):
        made.call("run", "", timeout=0.1)

    assert made.call("ok", "") == b""


def test_a_slow_host_function_in_a_start_function_counts(plugin):
    """Creation has failed when its time is over, also where it went well."""

    @extism.host_fn(name="sleep")
    def sleep() -> None:
        time.sleep(0.3)

    text = '(module (import "extism:host/user" "sleep" (func $s)) (start $s))'
    with pytest.raises(CallTimeout, match="Unable to create Extism plugin: timeout"):
        plugin(text, functions=[sleep], timeout_ms=100)


def test_a_host_function_knows_how_much_time_is_left(plugin):
    """`CurrentPlugin.time_remaining` counts down; without a limit it is None."""
    seen = []

    @extism.host_fn(name="sleep")
    def sleep(current: extism.CurrentPlugin) -> None:
        seen.append(current.time_remaining())

    plugin(SLEEPS, functions=[sleep], timeout_ms=60_000).call("run", "")
    plugin(SLEEPS, functions=[sleep]).call("run", "")

    assert 50 < seen[0] <= 60
    assert seen[1] is None


def test_an_allocation_after_the_deadline_is_a_timeout_not_want_of_memory(plugin):
    """A host function that comes too late and gives bytes back fails for the right reason."""

    @extism.host_fn(name="shout")
    def shout(text: str) -> str:
        time.sleep(0.2)
        return text

    made = plugin(
        wat(
            '(func (export "run") (call $give (call $shout (call $copy_input))) (loop $l (br $l)))',
            before='(import "extism:host/user" "shout" (func $shout (param i64) (result i64)))',
        ),
        functions=[shout],
        timeout_ms=50,
    )
    with pytest.raises(CallTimeout):
        made.call("run", "x" * 100_000)


def test_cancel_ends_a_loop(plugin):
    """A handle used on another thread ends the call; its text is upstream's, its class tells."""
    made = plugin(LOOP)
    with repeating(made.cancel_handle().cancel), pytest.raises(Cancelled) as caught:
        made.call("loop", "")

    assert str(caught.value) == "timeout"
    assert made.call("noop", "") == b""


def test_cancel_works_again_and_again(plugin):
    """One handle serves every call of its plug-in."""
    made = plugin(LOOP)
    with repeating(made.cancel_handle().cancel, 0.05):
        for _ in range(5):
            with pytest.raises(Cancelled):
                made.call("loop", "")


def test_cancel_while_nothing_runs_is_without_effect(plugin):
    """It says True, as upstream, and the next call is not touched."""
    made = plugin(LOOP)
    handle = made.cancel_handle()

    assert handle.cancel() is True
    assert made.call("noop", "") == b""
    with pytest.raises(CallTimeout):
        made.call("loop", "", timeout=0.1)


def test_cancel_outlives_its_plugin(plugin):
    """A handle may be used when its plug-in is gone."""
    made = plugin(LOOP)
    handle = made.cancel_handle()
    made.close()

    assert handle.cancel() is True


@pytest.mark.parametrize("end_other", ["timeout", "cancel"])
def test_the_end_of_one_call_is_not_the_end_of_another(end_other):
    """Of two plug-ins from one CompiledPlugin only the one that is due ends (upstream ends both)."""
    long = extism.CompiledPlugin({"wasm": [{"data": LOOP.encode()}], "timeout_ms": 700})
    found = []

    def run():
        with extism.Plugin(long) as plugin, within(0.7), pytest.raises(CallTimeout):
            plugin.call("loop", "")
        found.append("ended by itself")

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.1)
    with extism.Plugin(long) as other:
        if end_other == "cancel":
            with repeating(other.cancel_handle().cancel, 0.05), pytest.raises(Cancelled):
                other.call("loop", "")
    short = {"wasm": [{"data": LOOP.encode()}], "timeout_ms": 50}
    with extism.Plugin(short) as other, pytest.raises(CallTimeout):
        other.call("loop", "")
    thread.join()

    assert found == ["ended by itself"]


def test_cancel_ends_the_creation_of_a_fresh_instance(plugin):
    """After `_start` the next call makes a new instance; its start function can be cancelled."""
    gate = []

    @extism.host_fn(name="gate")
    def host_gate() -> bool:
        return bool(gate)

    made = plugin(
        """(module (import "extism:host/user" "gate" (func $gate (result i32)))
             (func $init (if (call $gate) (then (loop $l (br $l)))))
             (start $init) (func (export "_start")) (func (export "ok")))""",
        functions=[host_gate],
    )
    made.call("_start", "")
    gate.append("closed")
    with (
        repeating(made.cancel_handle().cancel),
        pytest.raises(Cancelled, match="Unable to create Extism plugin: "),
    ):
        made.call("ok", "")
    gate.clear()

    assert made.call("ok", "") == b""


def test_endless_recursion_is_a_trap_and_not_a_crash(plugin):
    """The stack of the guest has an end; the plug-in lives on."""
    made = plugin('(module (func $f (export "f") (call $f)) (func (export "ok")))')
    with pytest.raises(extism.errors.Trap) as caught:
        made.call("f", "")

    assert caught.value.kind == "stack overflow"
    assert made.call("ok", "") == b""


@pytest.mark.same_process("forty processes")
def test_forty_plugins_keep_their_deadlines_at_once():
    """One clock serves them all, fairly."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": LOOP.encode()}], "timeout_ms": 300})
    errors = []

    def run():
        with extism.Plugin(compiled) as plugin:
            try:
                plugin.call("loop", "")
            except Error as exc:
                errors.append(type(exc))

    threads = [threading.Thread(target=run) for _ in range(40)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == [CallTimeout] * 40
    assert time.monotonic() - started < 0.3 + 2 * ROOM


CTRL_C = """
import os, signal, sys, threading, time
import extism

WAT = b'(module (func (export "loop") (loop $l (br $l))) (func (export "noop")))'
plugin = extism.Plugin(WAT, functions=[])
default = signal.getsignal(signal.SIGINT)
for _ in range(3):
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        plugin.call("loop", "")
    except KeyboardInterrupt:
        print("interrupted")
    plugin.call("noop", "")
print(signal.getsignal(signal.SIGINT) is default)
"""


def run_python(script, tmp_path, **environment):
    import os

    path = tmp_path / "script.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


def test_ctrl_c_ends_a_loop_every_time(tmp_path):
    """KeyboardInterrupt comes out of the call, nothing is printed, later calls and Ctrl-Cs work."""
    assert run_python(CTRL_C, tmp_path) == ["interrupted"] * 3 + ["True"]


CTRL_C_ANYWHERE = """
import os, random, signal, threading
import extism
from extism._engine import interrupts

@extism.host_fn(signature=([], []))
def touch(plugin, inputs, outputs):
    pass

WAT = b'''(module (import "extism:host/user" "touch" (func $t))
    (func (export "loop") (loop $l (call $t) (br $l))) (func (export "quick") (call $t)))'''
plugin = extism.Plugin(WAT, functions=[touch])
chance = random.Random(3)
for name in ("loop", "quick"):
    caught = 0
    for _ in range(30):
        timer = threading.Timer(
            chance.uniform(0.0005, 0.01), os.kill, (os.getpid(), signal.SIGINT)
        )
        try:
            timer.start()
            while True:
                plugin.call(name, "")
        except KeyboardInterrupt:
            caught += 1
    print(name, caught)
plugin.call("quick", "")
depth = interrupts.depth(threading.get_ident())
print(interrupts.running_stores, depth, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_ctrl_c_is_never_lost_wherever_it_comes(tmp_path):
    """At the edge of a host function, between two calls, inside the guest: always one KeyboardInterrupt."""
    assert run_python(CTRL_C_ANYWHERE, tmp_path) == ["loop 30", "quick 30", "{} 0 True"]


CTRL_C_IN_HOST = """
import os, signal, time
import extism

@extism.host_fn()
def wait() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

WAT = b'(module (import "extism:host/user" "wait" (func $w)) (func (export "run") (call $w)))'
plugin = extism.Plugin(WAT, functions=[wait])
try:
    plugin.call("run", "")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_a_host_function(tmp_path):
    """In Python code the interrupt is raised where it is, and passes through the guest unchanged."""
    assert run_python(CTRL_C_IN_HOST, tmp_path) == ["interrupted"]


OTHER_HANDLER = """
import os, signal, threading
import extism

WAT = b'(module (func (export "loop") (loop $l (br $l))))'
plugin = extism.Plugin(WAT, functions=[])
handle, over = plugin.cancel_handle(), threading.Event()
signal.signal(signal.SIGINT, lambda number, frame: handle.cancel())

def send():
    while not over.wait(0.1):
        os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=send).start()
try:
    plugin.call("loop", "")
except extism.errors.Cancelled:
    print("cancelled by the handler")
over.set()
"""


def test_a_handler_of_the_host_is_left_alone(tmp_path):
    """A program that handles SIGINT itself keeps its handler, which runs while the guest does."""
    assert run_python(OTHER_HANDLER, tmp_path) == ["cancelled by the handler"]


ASYNCIO = """
import asyncio, os, signal
import extism

WAT = b'(module (func (export "noop")))'
plugin = extism.Plugin(WAT, functions=[])

async def main():
    plugin.call("noop", "")
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        print("cancelled as asyncio does it")
        raise

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_asyncio_keeps_its_own_ctrl_c(tmp_path):
    """A plug-in leaves no handler behind that asyncio would not replace by its own."""
    assert run_python(ASYNCIO, tmp_path) == ["cancelled as asyncio does it", "interrupted"]


FORK = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tried
import extism

WAT = b'(module (func (export "loop") (loop $l (br $l))) (func (export "noop")))'
manifest = {"wasm": [{"data": WAT}], "timeout_ms": 200}
plugin = extism.Plugin(manifest, functions=[])
try:
    plugin.call("loop", "")
except extism.errors.CallTimeout:
    print("parent", flush=True)
child = os.fork()
if child == 0:
    for one in (plugin, extism.Plugin(manifest, functions=[])):
        started = time.monotonic()
        try:
            one.call("loop", "")
        except extism.errors.CallTimeout:
            assert time.monotonic() - started < 10
            print("child", flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
try:
    plugin.call("loop", "")
except extism.errors.CallTimeout:
    print("parent again")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no fork")
def test_a_forked_child_has_its_deadlines(tmp_path):
    """In a child the old plug-in and a new one end in time, and so does the parent's afterwards."""
    assert run_python(FORK, tmp_path) == ["parent", "child", "child", "parent again"]


def test_the_end_of_the_process_is_quiet(tmp_path):
    """A plug-in that is alive, or being called by a daemon thread, does not disturb the exit."""
    script = """
import threading, time, extism
WAT = b'(module (func (export "loop") (loop $l (br $l))) (func (export "noop")))'
plugin = extism.Plugin(WAT, functions=[])
other = extism.Plugin(WAT, functions=[])
plugin.call("noop", "")
threading.Thread(target=other.call, args=("loop", ""), daemon=True).start()
time.sleep(0.1)
print("end")
"""
    assert run_python(script, tmp_path) == ["end"]


def test_nothing_is_left_of_the_suite_in_this_process():
    """No handler of ours stays installed between calls."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Path(extism.__file__).exists()


ALARM = """
import signal, time
import extism

class Alarm(Exception):
    pass

def ring(number, frame):
    raise Alarm("ring")

signal.signal(signal.SIGALRM, ring)
WAT = b'(module (func (export "loop") (loop $l (br $l))) (func (export "noop")))'
plugin = extism.Plugin(WAT, functions=[])
for _ in range(3):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        plugin.call("loop", "")
    except Alarm as error:
        print(error)
    plugin.call("noop", "")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there is no alarm")
def test_what_any_handler_raises_comes_out_of_the_call(tmp_path):
    """A program that ends slow work by an alarm ends a guest by it too; the plug-in goes on."""
    assert run_python(ALARM, tmp_path) == ["ring"] * 3
