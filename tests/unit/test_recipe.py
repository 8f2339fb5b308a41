"""Programs are found again while they are kept, and only where nothing that they depend on has changed."""

from __future__ import annotations

import gc

import pytest

import extism
from extism import recipe
from extism._engine.engine import Engine, wat_to_wasm
from extism._kept import Kept

WASM = wat_to_wasm("""(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "echo") (call $output (call $offset) (call $length))))""")

USING = wat_to_wasm("""(module
  (import "extism:host/user" "f" (func $f))
  (func (export "run") (call $f)))""")


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """Nothing kept from other tests."""
    programs = Kept(32, 64 << 20)
    monkeypatch.setattr(recipe, "_programs", programs)
    return programs


def program(plugin=WASM, **options):
    return extism.CompiledPlugin(plugin, **{"functions": None, **options}).program


def test_a_plugin_that_has_gone_leaves_its_program():
    """The next of the same bytes is made of it, though nobody held it, and works."""
    number = id(program())
    gc.collect()
    found = program(bytes(bytearray(WASM)))
    with extism.Plugin(WASM) as plugin:
        echoed = plugin.call("echo", b"again")

    assert id(found) == number
    assert echoed == b"again"


OTHERS = {
    "wasi": {"wasi": True},
    "fuel": {"fuel_limit": 1000},
    "memory": {"max_memory": None},
    "apart": {"fuse": False},
    "uninterruptible": {"interruptible": False},
    "features": {"features": ["gc"]},
    "pages": {"plugin": {"wasm": [{"data": WASM}], "memory": {"max_pages": 7}}},
    "name": {"plugin": {"wasm": [{"data": WASM, "name": "other"}, {"data": WASM}]}},
    "world": {"wasi": extism.WasiOptions()},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_options_make_another_program(name):
    """Everything that a program depends on is part of what it is found by."""
    first = program()

    assert program(**OTHERS[name]) is not first


def test_what_a_plugin_alone_depends_on_does_not_matter():
    """Configuration, limits of time and of variables belong to plugins."""
    manifest = {
        "wasm": [{"data": WASM}],
        "config": {"a": "b"},
        "timeout_ms": 5,
        "allowed_hosts": ["example.com"],
        "memory": {"max_var_bytes": 9},
    }

    assert program(manifest) is program()


def test_programs_with_host_functions_are_not_kept(kept):
    """They would keep the functions alive; and those that come later are another plugin's."""
    calls = []

    @extism.host_fn(name="f")
    def first() -> None:
        calls.append("first")

    @extism.host_fn(name="f")
    def second() -> None:
        calls.append("second")

    for function in (first, second):
        with extism.Plugin(USING, functions=[function]) as plugin:
            plugin.call("run", b"")
    extism.HOST_FN_REGISTRY.remove(first)
    extism.HOST_FN_REGISTRY.remove(second)

    assert calls == ["first", "second"]
    assert len(kept) == 0


def test_a_function_decorated_later_is_not_overlooked():
    """A kept program must not hide that the registry has what its module imports; here it had nothing before."""
    with pytest.raises(extism.errors.LinkError):
        program(USING)

    @extism.host_fn(name="f")
    def function() -> None:
        """Do nothing."""

    try:
        with pytest.warns(UserWarning, match="the plugin uses f"):
            found = extism.CompiledPlugin(USING)
    finally:
        extism.HOST_FN_REGISTRY.remove(function)

    assert found.functions == [function]


def test_a_directory_that_is_gone_is_noticed(tmp_path):
    """Grants are looked at for each plugin, also where the program is kept."""
    folder = tmp_path / "folder"
    folder.mkdir()
    manifest = {"wasm": [{"data": WASM}], "allowed_paths": {str(folder): "/"}}
    first = program(manifest, wasi=True)
    second = program(manifest, wasi=True)
    folder.rmdir()

    assert second is first
    with pytest.raises(
        extism.errors.ManifestError, match="Unable to create Extism plugin: No such"
    ):
        program(manifest, wasi=True)


def test_want_of_memory_lets_go_of_everything(kept, monkeypatch):
    """Then it is tried once more."""
    program()
    compile_, wants = Engine.compile, [MemoryError]

    def compile_once_without_memory(self, *arguments):
        if wants:
            raise wants.pop()
        return compile_(self, *arguments)

    monkeypatch.setattr(Engine, "compile", compile_once_without_memory)
    monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", "")
    before = len(kept)
    found = program(wat_to_wasm('(module (func (export "new")))'))

    assert (before, len(kept)) == (1, 1)
    assert found.callable_names() == ("new",)
