"""Kernel and plug-in as one module: the same plug-in, whatever it does with the kernel's functions."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_guests import EVERY, Writer
from wat_guests import ECHO, wat

import extism
from extism._engine.engine import wat_to_wasm
from extism._runtime.fuse import fuse
from extism._runtime.fusing import ENTRY, PREFIX, can_fuse
from extism._runtime.kernel_layout import FIRST
from extism._wasm.reader import read
from extism.compiled import CompiledPlugin
from extism.errors import CompileError, Trap


def pair(text, **options):
    """The plug-in of a module, fused and apart."""
    wasm = wat_to_wasm(text) if isinstance(text, str) else text
    options = {"functions": [], **options}
    return [CompiledPlugin(wasm, fuse=fuse, **options) for fuse in (True, False)]


def ends(text, calls, **options):
    """How each call ends, on a fused plug-in and on one apart."""
    found = []
    for compiled in pair(text, **options):
        with extism.Plugin(compiled) as plugin:
            found.append([end(plugin, *call) for call in calls])
    return found


def end(plugin, name, data=b""):
    try:
        return plugin.call(name, data, timeout=30)
    except extism.Error as exc:
        return type(exc), str(exc).splitlines()[0]


def test_a_plugin_of_one_module_is_fused():
    """By default, and not if it was asked to stay apart."""
    together, apart = pair(ECHO)

    assert (together.program.fused is None, together.program.kernel) == (False, None)
    assert apart.program.fused is None


@pytest.mark.parametrize(("value", "is_fused"), [("0", False), ("1", True), ("", True)])
def test_the_environment_decides_where_nothing_is_said(monkeypatch, value, is_fused):
    """`EXTISM_FUSE=0` leaves all plug-ins apart."""
    monkeypatch.setenv("EXTISM_FUSE", value)
    compiled = CompiledPlugin(wat_to_wasm(ECHO), functions=[])

    assert (compiled.program.fused is not None) is is_fused


@pytest.mark.parametrize(
    "text",
    [
        '(module (import "other" "memory" (memory 1)))',
        f'(module (func (export "{PREFIX}data")))',
    ],
)
def test_what_cannot_be_placed_is_refused(text):
    """Memories of others, and names that the kernel's exports would take."""
    assert can_fuse(read(wat_to_wasm(text))) is False


def test_a_plugin_that_counts_fuel_stays_apart():
    """What a call costs does not depend on how the plug-in was put together."""
    compiled = CompiledPlugin(wat_to_wasm(ECHO), functions=[], fuel_limit=10**6, fuse=True)

    assert compiled.program.fused is None


def test_several_modules_stay_apart():
    """The kernel is one, and more than one module reaches it."""
    library = wat('(func (export "size") (result i64) (call $input_length))')
    main = wat(
        '(func (export "run") (call $give_i64 (call $size)))',
        before='(import "library" "size" (func $size (result i64)))',
    )
    manifest = {
        "wasm": [
            {"name": "library", "data": library.encode()},
            {"name": "main", "data": main.encode()},
        ]
    }
    compiled = CompiledPlugin(manifest, functions=[], fuse=True)
    with extism.Plugin(compiled) as plugin:
        assert plugin.call("run", b"12345") == (5).to_bytes(8, "little")
    assert compiled.program.fused is None


def test_exports_show_nothing_of_the_kernel():
    """Names, types and what can be called are those of the module."""
    together, apart = pair(ECHO)
    with extism.Plugin(together) as plugin:
        found = plugin.function_exists(PREFIX + "reset")

    assert together.exports == apart.exports
    assert found is False


def test_a_fused_module_gives_the_host_what_it_calls_and_no_more():
    """An exported function takes room in every instance, and the kernel has two dozen."""
    fused = read(fuse(wat_to_wasm(ECHO), ("levels", "shelf")))
    of_kernel = {
        each.name.removeprefix(PREFIX)
        for each in fused.exports
        if each.name.startswith(PREFIX) and not each.name.startswith(ENTRY)
    }

    assert of_kernel == {
        *("data", "meta", "shelf", "budget"),
        *("alloc", "begin", "fill", "free", "reserve"),
    }


def test_functions_are_reached_in_every_way():
    """Through a table, a reference, a tail call, another export, and from the start function."""
    text = f"""(module {EVERY}
        (table (export "t") 8 funcref)
        (elem (i32.const 0) func $input_length $alloc $load_u8)
        (elem (table 0) (i32.const 4) funcref (ref.func $length) (ref.null func))
        (elem declare func $input_load_u8)
        (global $g funcref (ref.func $alloc))
        (global $started (mut i64) (i64.const 0))
        (type $get (func (result i64)))
        (type $at (func (param i64) (result i64)))
        (type $byte (func (param i64) (result i32)))
        (start $begin)
        (func $begin (global.set $started (call $alloc (i64.const 40))))
        (func $tail (param i64) (result i32) (return_call $input_load_u8 (local.get 0)))
        (func $give (param i64)
          (local $h i64)
          (local.set $h (call $alloc (i64.const 8)))
          (call $store_u64 (local.get $h) (local.get 0))
          (call $output_set (local.get $h) (i64.const 8)))
        (func (export "table") (call $give (call_indirect (type $get) (i32.const 0))))
        (func (export "table_alloc")
          (call $give (call_indirect (type $at) (i64.const 99) (i32.const 1))))
        (func (export "table_length") (call $give (call_indirect (type $at)
          (call_indirect (type $at) (i64.const 99) (i32.const 1)) (i32.const 4))))
        (func (export "table_wrong") (call $give (call_indirect (type $get) (i32.const 1))))
        (func (export "ref") (call $give (i64.extend_i32_u
          (call_ref $byte (i64.const 1) (ref.func $input_load_u8)))))
        (func (export "tail") (call $give (i64.extend_i32_u (call $tail (i64.const 2)))))
        (func (export "started") (call $give (global.get $started)))
        (func (export "outside") (call $give (i64.extend_i32_u (call $load_u8 (i64.const -1)))))
        (export "reset" (func $reset)) (export "alloc" (func $alloc)) (export "memory_bytes" (func $memory_bytes)))"""
    names = [
        "table",
        "table_alloc",
        "table_length",
        "table_wrong",
        "ref",
        "tail",
        "started",
        "outside",
        "reset",
        "alloc",
    ]
    together, apart = ends(text, [(name, b"input") for name in names])

    assert together == apart
    assert together[0] == (5).to_bytes(8, "little")
    assert together[2] == (99).to_bytes(8, "little")
    assert together[6] == FIRST.to_bytes(8, "little")


def test_a_start_function_may_call_the_host():
    """It runs when the kernel is there: handles go both ways."""
    seen = []

    @extism.host_fn(name="shout", namespace="extism:host/user")
    def shout(text: str) -> str:
        seen.append(text)
        return text.upper()

    text = wat(
        """(global $h (mut i64) (i64.const 0)) (data (i32.const 0) "begun")
           (func $begin (global.set $h (call $shout (call $put (i32.const 0) (i32.const 5)))))
           (start $begin)
           (func (export "run") (call $give_i64 (global.get $h)))""",
        before='(import "extism:host/user" "shout" (func $shout (param i64) (result i64)))',
    )
    extism.HOST_FN_REGISTRY.remove(shout)
    together, apart = ends(text, [("run",)], functions=[shout])

    assert together == apart
    assert seen == ["begun", "begun"]


@pytest.mark.parametrize(
    "text",
    [
        "(module (start $f) (func $f unreachable))",
        '(module (memory 1) (data (i32.const 65536) "x"))',
        "(module (memory 65536) (func $f (drop (memory.grow (i32.const 1)))) (start $f))",
        '(module (table 1 funcref) (elem (i32.const 1) $f) (func $f (export "f")))',
    ],
)
def test_a_plugin_that_cannot_begin_says_the_same(text):
    """Traps of start functions and segments, and memories that are too large."""
    said = []
    for compiled in pair(text):
        try:
            extism.Plugin(compiled).close()
        except extism.Error as exc:
            said.append((type(exc), str(exc).splitlines()[0]))
        else:
            said.append("begun")

    assert said[0] == said[1]


def test_a_module_that_is_full_stays_apart():
    """What would exceed a limit of the engine once fused runs in two instances."""
    memories = "(memory 0)" * 99
    together, apart = pair(f'(module {memories} (func (export "f")))')
    with extism.Plugin(together) as plugin:
        assert plugin.call("f", b"") == b""
    assert (together.program.fused, apart.program.fused) == (None, None)


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "apart"])
@pytest.mark.parametrize("index", [*range(2, 12), 20, 40])
@pytest.mark.parametrize(
    "body",
    [
        "(i64.store {} (i32.const 64) (i64.const -1))",
        "(global.set {} (i64.const -1))",
        "(call {})",
        "(block (type {}))",
    ],
    ids=["memory", "global", "function", "type"],
)
def test_what_a_module_has_not_it_does_not_get_from_the_kernel(body, index, fuse):
    """A number behind a module's own is no memory, budget, function or type of the kernel's."""
    text = f"""(module (import "extism:host/env" "alloc" (func (param i64) (result i64)))
      (memory 1) (global (mut i64) (i64.const 0)) (func (export "run") {body.format(index)}))"""
    with pytest.raises(CompileError, match=r"unknown (memory|global|function|type)"):
        CompiledPlugin(wat_to_wasm(text), functions=[], fuse=fuse)


def test_memories_of_the_plugins_own_stay_its_own():
    """Memory 0 and further ones keep their numbers; writing to them does not touch blocks."""
    text = wat(
        """(memory $b (export "b") 1)
           (func (export "run")
             (i64.store (i32.const 512) (i64.const -1))
             (i64.store $b (i32.const 512) (i64.const -1))
             (memory.fill $b (i32.const 0) (i32.const 255) (i32.const 65536))
             (memory.copy $b 0 (i32.const 0) (i32.const 0) (i32.const 100))
             (call $give (call $copy_input)))""",
        memory='(memory (export "memory") 1)',
    )
    together, apart = ends(text, [("run", b"the input"), ("run", b"again")])

    assert together == apart == [b"the input", b"again"]


def test_names_follow_and_the_kernel_has_its_own():
    """A backtrace names the same functions by the same numbers."""
    text = wat(
        "(func $deep (param $x i64) (call $store_u8 (local.get $x) (i32.const 1)) unreachable)"
        '(func (export "run") (call $deep (i64.const 1)))'
    )
    said = []
    for compiled in pair(text):
        with extism.Plugin(compiled) as plugin, pytest.raises(Trap) as caught:
            plugin.call("run", b"")
        frames = caught.value.backtrace.splitlines()[1:]
        said.append([frame.rsplit("- ", 1)[-1] for frame in frames])

    assert said[0] == said[1]
    assert "deep" in said[0][0]


def test_fusing_again_gives_the_same_bytes():
    """So that what is cached under a name is what would be made."""
    wasm = wat_to_wasm(ECHO)

    assert fuse(wasm) == fuse(wasm)


# ------------------------------------------------ generated modules


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.binary(max_size=60), min_size=1, max_size=3))
def test_generated_plugins_do_the_same(seed, inputs):
    """Whatever a guest calls, with whatever numbers, from wherever."""
    calls = [(name, data) for data in inputs for name in ("run", "raw")] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("extism._runtime.shelf.PATIENCE", 2)
        together, apart = ends(Writer(random.Random(seed)).module(), calls)

    assert together == apart


def test_a_backtrace_ends_with_the_export():
    """The entry is the house's: nobody sees it."""
    guest = """(module
        (func $deep unreachable)
        (func $run (export "run") (call $deep)))"""
    with extism.Plugin(guest.encode(), functions=[]) as plugin, pytest.raises(Trap) as info:
        plugin.call("run", b"")

    frames = info.value.backtrace.splitlines()[1:]
    assert [frame.rpartition("!")[2] for frame in frames] == ["deep", "run"]
    assert "kernel" not in str(info.value)


def test_each_callable_export_has_an_entry_and_no_other():
    """What takes parameters, or gives more than a return code, is no call."""
    module = read(
        fuse(
            wat_to_wasm(
                '(module (func (export "a")) (func (export "b") (result i32) i32.const 0)'
                ' (func (export "c") (param i32)) (func (export "d") (result i64) i64.const 0))'
            )
        )
    )
    entries = {export.name for export in module.exports if export.name.startswith(ENTRY)}

    assert entries == {ENTRY + "a", ENTRY + "b"}
