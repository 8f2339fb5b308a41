"""The life of a plug-in: made, shared between threads, closed."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import pickle
import sys
import threading
import time
import weakref

import pytest
from patience import AGES, until
from wat_guests import ECHO, LOOP, SHOUT, STATEFUL, wat

import extism
from extism.errors import PluginBusy, PluginClosed

CALLS = wat(
    """(func (export "run") (call $f) (call $give (call $input_offset)))
       (func (export "ok") (call $give (call $input_offset)))""",
    before='(import "extism:host/user" "f" (func $f))',
)


def calling(f):
    return extism.Plugin(CALLS, functions=[extism.Function(None, "f", [], [], f)])


def test_a_closed_plugin_says_so(plugin):
    """Every use is a PluginClosed; closing again is not."""
    made = plugin(ECHO)
    made.close()
    made.close()

    for use in (
        lambda: made.call("echo", "x"),
        lambda: made.function_exists("echo"),
        made.cancel_handle,
        made.__enter__,
    ):
        with pytest.raises(PluginClosed, match="closed"):
            use()
    assert repr(made) == f"<Plugin {made.id} closed>"


def test_leaving_the_block_closes():
    """Also when an exception leaves it, which goes on."""
    with pytest.raises(ZeroDivisionError), extism.Plugin(ECHO) as made:
        1 / 0  # noqa: B018 - the exception is wanted
    with pytest.raises(PluginClosed):
        made.call("echo", "x")


def test_closing_leaves_the_compiled_plugin_and_its_children():
    """Each plug-in has a life of its own; the compiled one may go first."""
    compiled = extism.CompiledPlugin(ECHO)
    one, other = extism.Plugin(compiled), extism.Plugin(compiled)
    del compiled
    one.close()

    with other:
        assert other.call("echo", "x") == b"x"


def test_a_host_function_may_close_its_plugin():
    """The running call ends well, and nothing runs after it."""

    def f(plugin, inputs, outputs):
        made.close()
        plugin.alloc(10)

    made = calling(f)

    assert made.call("run", "still here") == b"still here"
    with pytest.raises(PluginClosed):
        made.call("ok", "x")


def test_a_host_function_that_closes_and_raises():
    """Both take effect."""

    def f(plugin, inputs, outputs):
        made.close()
        raise ValueError("and out")

    made = calling(f)
    with pytest.raises(extism.errors.HostFunctionError, match="and out"):
        made.call("run", "x")
    with pytest.raises(PluginClosed):
        made.call("ok", "x")


def test_a_plugin_cannot_call_itself():
    """A host function that calls the plug-in which runs it gets PluginBusy, where upstream hangs."""
    seen = []

    def f(plugin, inputs, outputs):
        with pytest.raises(PluginBusy, match="cannot make reentrant calls into plugin") as caught:
            made.call("ok", "x")
        seen.append(caught.value)

    with calling(f) as made:
        assert made.call("run", "outer") == b"outer"
        assert made.call("ok", "x") == b"x"
    assert len(seen) == 1


def test_busy_that_nobody_handles_fails_the_call():
    """It is the cause of the outer call's error."""
    with (
        calling(lambda *_: made.call("ok", "x")) as made,
        pytest.raises(extism.errors.HostFunctionError) as caught,
    ):
        made.call("run", "x")

    assert isinstance(caught.value.__cause__, PluginBusy)


def test_function_exists_may_be_asked_from_inside():
    """Looking at the exports is no call."""
    seen = []
    with calling(lambda *_: seen.append(made.function_exists("ok"))) as made:
        made.call("run", "")

    assert seen == [True]


def test_another_thread_waits():
    """Two calls of one plug-in run one after the other."""
    spans = []

    def f(plugin, inputs, outputs):
        start = time.monotonic()
        time.sleep(0.1)
        spans.append((start, time.monotonic()))

    with calling(f) as made:
        threads = [threading.Thread(target=made.call, args=("run", "")) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    spans.sort()
    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_close_waits_for_a_call_on_another_thread():
    """The call ends well; who waited behind it is told that the plug-in is closed."""
    inside, go = threading.Event(), threading.Event()
    found = {}

    def f(plugin, inputs, outputs):
        inside.set()
        assert go.wait(AGES)

    made = calling(f)

    def call(name):
        try:
            found[name] = made.call(name, name)
        except PluginClosed as exc:
            found[name] = type(exc)

    first = threading.Thread(target=call, args=("run",))
    first.start()
    assert inside.wait(AGES)
    second = threading.Thread(target=call, args=("ok",))
    second.start()
    closing = threading.Thread(target=made.close)
    closing.start()
    assert until(lambda: made._life.is_closed)
    closing.join(0.1)
    waited = closing.is_alive()
    go.set()
    for thread in (first, second, closing):
        thread.join(AGES)

    assert waited is True
    assert found == {"run": b"run", "ok": PluginClosed}


def test_two_threads_get_their_own_answers(plugin):
    """600 calls each of one plug-in, and no answer is the other's."""
    made = plugin(ECHO)
    wrong = []

    def run(name):
        for n in range(600):
            text = f"{name} {n}".encode()
            if made.call("echo", text) != text:
                wrong.append(text)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_plugin_is_freed_without_the_collector():
    """No reference cycle keeps a plug-in, or its memory, after the last reference is gone."""
    gc.collect()
    gc.disable()
    try:
        made = extism.Plugin(
            SHOUT,
            functions=[
                extism.Function(
                    None, "shout", [extism.ValType.I64], [extism.ValType.I64], lambda p, i, o: None
                )
            ],
        )
        made.call("run", "x")
        store = weakref.ref(made._life.instance.store)
        references = [weakref.ref(made), store, weakref.ref(made.compiled_plugin)]
        del made

        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


def test_closing_frees_the_memory_though_the_plugin_is_kept():
    """A closed plug-in holds no store."""
    made = extism.Plugin(STATEFUL)
    store = weakref.ref(made._life.instance.store)
    made.close()

    assert store() is None


def test_a_failed_call_leaves_nothing_behind():
    """The error goes, and the call's objects with it."""

    class Context:
        pass

    context = Context()
    reference = weakref.ref(context)
    with calling(lambda *_: 1 / 0) as made:
        with contextlib.suppress(extism.Error):
            made.call("run", "x", host_context=context)
        del context
        gc.collect()

        assert reference() is None


def test_a_living_plugin_is_not_pickled_or_copied(plugin):
    """The error says what to do instead."""
    made = plugin(ECHO)

    for use in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="send its manifest"):
            use(made)


def test_repr_tells_which_and_whether_it_is_open(plugin):
    """Its id, and its state."""
    made = plugin(ECHO)

    assert repr(made) == f"<Plugin {made.id} open>"
    assert repr(made.compiled_plugin) == "<CompiledPlugin echo>"


@pytest.mark.parametrize("kind", ["hs_init", "__wasm_call_ctors", "_initialize", "start"])
def test_initialisers_run_once_when_the_plugin_is_made(plugin, kind):
    """They have run before the first call, and do not run again."""
    export = {
        "hs_init": '(func (export "hs_init") (param i32 i32) (call $init))',
        "start": "(start $init)",
    }.get(kind, f'(export "{kind}" (func $init))')
    made = plugin(
        wat(f"""
        (global $n (mut i64) (i64.const 0))
        (func $init (global.set $n (i64.add (global.get $n) (i64.const 1))))
        {export}
        (func (export "get") (call $give_i64 (global.get $n)))""")
    )

    assert [made.call("get", "")[0] for _ in range(2)] == [1, 1]


def test_a_trap_while_a_plugin_is_made_is_an_error_and_the_next_one_works(plugin):
    """The words of creation, the kind of the trap, and no damage."""
    with pytest.raises(extism.errors.Trap) as caught:
        plugin("(module (func $f unreachable) (start $f))")

    assert str(caught.value).startswith(
        "Unable to create Extism plugin: wasm trap: wasm `unreachable`"
    )
    assert caught.value.kind == "unreachable"
    assert plugin(ECHO).call("echo", "x") == b"x"


@pytest.mark.parametrize("status", [0, 3])
def test_a_program_that_ends_while_it_is_made_is_no_plugin(plugin, status):
    """proc_exit in an initialiser fails creation, whatever the status."""
    with pytest.raises(extism.errors.GuestExit) as caught:
        plugin(
            f"""(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (func $f (call $exit (i32.const {status}))) (start $f))""",
            wasi=True,
        )

    assert str(caught.value).startswith("Unable to create Extism plugin: ")
    assert caught.value.exit_code == status


@pytest.mark.same_process("processes are not cheap")
def test_making_and_dropping_many_plugins_is_cheap():
    """A thousand copies of one compiled plug-in, made, called and dropped, leave no thread behind."""
    compiled = extism.CompiledPlugin(ECHO)
    threads = threading.active_count()
    for n in range(1000):
        with extism.Plugin(compiled) as made:
            assert made.call("echo", str(n)) == str(n).encode()

    assert threading.active_count() <= threads + 1


def test_importing_extism_loads_nothing_heavy():
    """Neither the network, nor the command line, nor the engine's own package."""
    import subprocess

    script = (
        "import extism, sys; extism.Plugin('(module (func (export \"f\")))').call('f', '');"
        "print([n for n in ('urllib3', 'click', 'rich', 'wasmtime', 'ssl') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "[]\n"


def test_a_call_that_waits_does_not_lose_its_time():
    """A call's time begins when the call does, not when it starts to wait for another thread's."""

    def loop():
        with pytest.raises(extism.errors.CallTimeout):
            made.call("loop", "", timeout=0.8)

    with extism.Plugin({"wasm": [{"data": LOOP.encode()}]}) as made:
        thread = threading.Thread(target=loop)
        thread.start()
        time.sleep(0.05)

        assert made.call("noop", "", timeout=0.6) == b""
        thread.join()
