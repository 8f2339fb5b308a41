"""Many threads, many plug-ins: nobody gets what is another's."""

from __future__ import annotations

import contextlib
import gc
import random
import threading
import time
import weakref
from pathlib import Path

import pytest
from patience import ROOM
from wat_guests import wat

import extism
from extism.errors import (
    CallTimeout,
    Cancelled,
    GuestError,
    HostFunctionError,
    PluginClosed,
    Trap,
)

GUEST = wat(
    """
    (func (export "echo") (call $give (call $input_offset)))
    (func (export "fail") (result i32) (call $error_set (call $input_offset)) (i32.const 1))
    (func (export "unreachable") unreachable)
    (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func (export "loop") (loop $l (br $l)))
    (func (export "host") (call $give (call $host (call $copy_input))))""",
    before='(import "extism:host/user" "host" (func $host (param i64) (result i64)))',
)


class Refused(Exception):
    pass


@extism.host_fn(name="host")
def host(plugin: extism.CurrentPlugin, text: str) -> str:
    assert plugin.host_context() == text
    if text.startswith("raise"):
        raise Refused(text)
    return f"<{text}>"


extism.HOST_FN_REGISTRY.remove(host)


@pytest.fixture(scope="module")
def compiled():
    return extism.CompiledPlugin(GUEST, functions=[host])


def one_of_each(plugin, name):
    """Call a plug-in in every way that it can end, and check that each end is its own."""
    assert plugin.call("echo", name) == name.encode()
    with pytest.raises(GuestError) as said:
        plugin.call("fail", name)
    assert str(said.value) == name
    with pytest.raises(Trap) as broken:
        plugin.call("unreachable", name)
    assert broken.value.kind == "unreachable"
    with pytest.raises(Trap) as divided:
        plugin.call("divide", name)
    assert divided.value.kind == "integer divide by zero"
    assert plugin.call("host", name, host_context=name) == f"<{name}>".encode()
    with pytest.raises(HostFunctionError) as raised:
        plugin.call("host", f"raise {name}", host_context=f"raise {name}")
    assert str(raised.value.__cause__) == f"raise {name}"


def test_every_thread_gets_its_own_ends(compiled, together):
    """Eight threads, a plug-in each: outputs, errors, traps and exceptions are never mixed up."""

    def work(seed):
        with extism.Plugin(compiled) as plugin:
            for n in range(150):
                one_of_each(plugin, f"{seed}-{n}")

    together(*(lambda seed=seed: work(seed) for seed in range(8)))


def test_one_plugin_serves_many_threads(compiled, together):
    """Eight threads, one plug-in: calls are one after the other, and answers go to who asked."""
    with extism.Plugin(compiled) as plugin:
        together(
            *(
                lambda seed=seed: [one_of_each(plugin, f"{seed}-{n}") for n in range(15)]
                for seed in range(8)
            )
        )


def test_plugins_are_made_and_dropped_on_many_threads(compiled, together):
    """Making and closing at once, from one compiled plug-in, leaves every one in order."""

    def work(seed):
        for n in range(200):
            with extism.Plugin(compiled) as plugin:
                text = f"{seed} {n}"
                assert plugin.call("host", text, host_context=text) == f"<{text}>".encode()

    together(*(lambda seed=seed: work(seed) for seed in range(6)))


def test_modules_are_compiled_on_many_threads(together):
    """The same and different modules, compiled at once, answer each for itself."""

    def work(seed):
        chance = random.Random(seed)
        for _ in range(40):
            number = chance.randrange(4)
            text = wat(f'(func (export "n") (call $give_i64 (i64.const {number})))')
            with extism.Plugin(text, functions=[]) as plugin:
                assert plugin.call("n", "")[0] == number

    together(*(lambda seed=seed: work(seed) for seed in range(6)))


def test_a_cancel_never_hits_another_call(together):
    """While four threads cancel without pause, every call is right or Cancelled, and no later one is hit."""
    stop = threading.Event()
    cancelled = []
    with (
        extism.Plugin(GUEST, functions=[host]) as hit,
        extism.Plugin(GUEST, functions=[host]) as spared,
    ):
        handle = hit.cancel_handle()

        def cancels():
            chance = random.Random(threading.get_ident())
            while not stop.is_set():
                handle.cancel()
                time.sleep(chance.random() / 1000)

        def calls():
            for n in range(300):
                try:
                    assert hit.call("echo", str(n)) == str(n).encode()
                except Cancelled:
                    cancelled.append(n)
            stop.set()

        def bystander():
            n = 0
            while not stop.is_set():
                n += 1
                assert spared.call("echo", str(n)) == str(n).encode()

        together(calls, bystander, cancels, cancels, cancels, cancels)

        assert hit.call("echo", "after") == b"after"


def test_every_loop_is_ended_by_its_cancel(together):
    """A cancel that finds a call ends that one: none is lost."""
    with extism.Plugin(GUEST, functions=[host]) as plugin:
        handle, rounds = plugin.cancel_handle(), 20
        done = []

        def loops():
            for n in range(rounds):
                with pytest.raises(Cancelled):
                    plugin.call("loop", "")
                done.append(n)

        def cancels():
            while len(done) < rounds:
                handle.cancel()
                time.sleep(0.001)

        together(loops, cancels)

        assert len(done) == rounds


def test_deadlines_of_many_plugins_are_their_own(together):
    """Twelve plug-ins with deadlines between 20 and 240 ms end each at its own."""
    late = []

    def work(milliseconds):
        manifest = {"wasm": [{"data": GUEST.encode()}], "timeout_ms": milliseconds}
        with extism.Plugin(manifest, functions=[host]) as plugin:
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(CallTimeout):
                    plugin.call("loop", "")
                took = time.monotonic() - started
                if not milliseconds / 1000 <= took < milliseconds / 1000 + ROOM:
                    late.append((milliseconds, took))

    together(*(lambda ms=ms: work(ms) for ms in range(20, 260, 20)))

    assert late == []


def test_closing_while_others_call_is_safe(compiled, together):
    """Callers get their answer or PluginClosed, never anything else."""
    for _ in range(15):
        plugin = extism.Plugin(compiled)

        def calls(plugin=plugin):
            with contextlib.suppress(PluginClosed):
                for n in range(50):
                    assert plugin.call("echo", str(n)) == str(n).encode()

        def closes(plugin=plugin):
            time.sleep(0.001)
            plugin.close()

        together(calls, calls, calls, closes)


def test_nothing_is_left_when_all_is_done(together):
    """After many ends of all kinds, no plug-in, store, call context or exception is alive."""
    references = []

    class Context(str):
        __slots__ = ("__weakref__",)

    def work(seed):
        plugin = extism.Plugin(GUEST, functions=[host])
        references.append(weakref.ref(plugin._life.instance.store))
        references.append(weakref.ref(plugin))
        for n in range(10):
            context = Context(f"raise {seed}-{n}")
            references.append(weakref.ref(context))
            with contextlib.suppress(HostFunctionError):
                plugin.call("host", context, host_context=context)
            one_of_each(plugin, f"{seed}-{n}")

    together(*(lambda seed=seed: work(seed) for seed in range(4)))
    gc.collect()

    assert [reference() for reference in references if reference() is not None] == []


def test_stores_do_not_pile_up(compiled):
    """Of five hundred plug-ins, made and dropped without the collector, no memory map stays."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("there is no /proc here")

    def count():
        return len(maps.read_text().splitlines())

    for _ in range(50):
        extism.Plugin(compiled).call("echo", "x")
    before = count()
    for _ in range(500):
        extism.Plugin(compiled).call("echo", "x")

    assert count() - before < 50
