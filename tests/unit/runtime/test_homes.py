"""Plug-ins of two modules: where the kernel goes, how the main module is linked, and where both live."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import extism
import extism.compiled as compiled_module
from extism._engine import engine
from extism._runtime.fusing import PREFIX

SAYS = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (global $started (mut i32) (i32.const 0))
  (func $start (global.set $started (i32.const 48)))
  (start $start)
  (func (export "_initialize") (global.set $started (i32.add (global.get $started) (i32.const 2))))
  (func (export "say") (param i32)
    (local $block i64)
    (local.set $block (call $alloc (i64.const 1)))
    (call $store (local.get $block) (i32.add (global.get $started) (local.get 0)))
    (call $output (local.get $block) (i64.const 1)))
  EXTRA)
"""
SPEAKS = """
(module
  (import "mouth" "say" (func $say (param i32)))
  (import "mouth" "memory" (memory 1))
  (func (export "speak") (call $say (i32.const 1)))
  (func (export "grow") (result i32) (i32.eq (memory.grow (i32.const 20)) (i32.const -1)))
  EXTRA)
"""
MAY_NOT = [
    ("", '(import "extism:host/env" "input_length" (func (result i64)))'),
    ('(func (export "_start"))', ""),
    (f'(func (export "{PREFIX}data"))', ""),
]


def pair(library="", main="", **memory):
    modules = {"mouth": SAYS.replace("EXTRA", library), "main": SPEAKS.replace("EXTRA", main)}
    if main.startswith("(import"):
        modules["main"] = SPEAKS.replace("(module", f"(module {main}").replace("EXTRA", "")
    wasm = [{"name": name, "data": text.encode()} for name, text in modules.items()]
    return {"wasm": wasm, "memory": memory}


@pytest.mark.parametrize("fuse", [True, False])
def test_the_one_library_that_uses_the_kernel_takes_it_in(fuse):
    """The main module is linked with both; start functions and initialisers run once, the library's first."""
    compiled = extism.CompiledPlugin(pair(), functions=[], fuse=fuse)
    with extism.Plugin(compiled) as one, extism.Plugin(compiled) as two:
        said = one.call("speak", ""), two.call("speak", ""), one.call("speak", "")

    assert (compiled.program.fused is not None) is fuse
    assert said == (b"3", b"3", b"3")


@pytest.mark.parametrize("fuse", [True, False])
def test_the_main_module_grows_out_of_the_same_budget(fuse):
    """What the library's memory may grow by is what the kernel has left."""
    with extism.Plugin(pair(), functions=[], fuse=fuse, max_memory=30 * 65536) as plugin:
        plugin.call("grow", "")
        with pytest.raises(extism.Error, match="Error code: 1"):
            plugin.call("grow", "")
    with extism.Plugin(pair(max_pages=30), functions=[], fuse=fuse) as plugin:
        plugin.call("grow", "")
        with pytest.raises(extism.errors.OutOfMemory):
            plugin.call("grow", "")


@pytest.mark.parametrize(("library", "main"), MAY_NOT, ids=["main uses it", "command", "names"])
def test_pairs_that_stay_apart(library, main):
    """Where both use the kernel, where the library is made anew for each call, where its exports are in the way."""
    compiled = extism.CompiledPlugin(pair(library, main), functions=[])

    assert compiled.program.fused is None


def test_more_pairs_than_there_are_slots(monkeypatch):
    """Those for which there is none live in memory of their own."""
    monkeypatch.setattr(engine, "_engines", {})
    monkeypatch.setattr(compiled_module, "_caches", {})
    monkeypatch.setenv("EXTISM_SLOTS", "2")
    compiled = extism.CompiledPlugin(pair(max_pages=1000), functions=[])
    plugins = [extism.Plugin(compiled) for _ in range(5)]

    assert [plugin.call("speak", "") for plugin in plugins] == [b"3"] * 5


FIRST = """
import extism
code = b'(module (func (export "run")))'
one = extism.Plugin(code, functions=[])
two = extism.CompiledPlugin(code, functions=[])
plugins = [one, extism.Plugin(two), extism.Plugin(two)]
settings = [each._life.instance.store.engine.settings for each in plugins]
one.restart()
settings.append(one._life.instance.store.engine.settings)
assert [each.call("run", b"") for each in plugins] == [b""] * 3
print(*["first" if each.is_for_one else "slot" if each.has_slots else "mapped" for each in settings])
"""


MANY = """
import extism
code = b'(module (func (export "run")))'
plugins = [extism.Plugin(extism.CompiledPlugin(code, functions=[])), extism.Plugin(code, functions=[])]
settings = [each._life.instance.store.engine.settings for each in plugins]
assert [each.call("run", b"") for each in plugins] == [b""] * 2
print(*["first" if each.is_for_one else "slot" if each.has_slots else "mapped" for each in settings])
"""


LIBRARY = """
import extism
library = b'(module (import "extism:host/env" "input_length" (func (result i64))) (func (export "f")))'
main = b'(module (import "library" "f" (func $f)) (func (export "run") (call $f)))'
manifest = {"wasm": [{"data": library, "name": "library"}, {"data": main}]}
plugins = [extism.Plugin(manifest, functions=[]) for _ in range(2)]
settings = [each._life.instance.store.engine.settings for each in plugins]
assert [each.call("run", b"") for each in plugins] == [b""] * 2
print(*["first" if each.is_for_one else "slot" if each.has_slots else "mapped" for each in settings])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has slots")
@pytest.mark.parametrize("script", [MANY, LIBRARY], ids=["compiled for many", "with a library"])
def test_where_more_are_to_come_the_first_has_a_slot(script, tmp_path):
    """Slots are laid out at once: nothing is loaded a second time for them."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "EXTISM_SLOTS": "256", "EXTISM_NATIVE_CACHE_DIR": str(tmp_path)},
    )

    assert done.stdout.split() == ["slot", "slot"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has slots")
@pytest.mark.parametrize(
    ("slots", "is_cached", "lived"),
    [
        ("256", True, "first slot slot slot"),
        ("1", True, "first slot mapped mapped"),
        ("0", True, "first mapped mapped mapped"),
        ("256", False, "slot slot slot slot"),
    ],
)
def test_the_first_instance_of_a_process_needs_no_slots(slots, is_cached, lived, tmp_path):
    """They are laid out for the second one; at once where that would mean to compile twice."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            **os.environ,
            "EXTISM_SLOTS": slots,
            "EXTISM_NATIVE_CACHE_DIR": str(tmp_path / "native") if is_cached else "",
        },
    )

    assert done.stdout.split() == lived.split()
