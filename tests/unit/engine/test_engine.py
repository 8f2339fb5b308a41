"""Engines: compiling, serialising, and what is switched on."""

from __future__ import annotations

import pytest

from extism._engine.engine import Engine, Settings, shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism.errors import CompileError

SEVEN = wat_to_wasm('(module (func (export "f") (result i32) (i32.const 7)))')


def run(engine, module):
    function = Linker(engine).instantiate(Store(engine), module).function("f", (), ("i32",))
    function(None)
    return function.results[0]


def test_settings_share_one_engine():
    """The default ones and those that equal them."""
    assert shared_engine() is shared_engine(Settings())
    assert shared_engine(Settings(has_fuel=True)) is not shared_engine()


def test_a_recipe_names_every_switch():
    """Two engines that make different code differ in it."""
    recipes = {
        Engine(each).recipe
        for each in (Settings(), Settings(has_gc=True), Settings(is_optimized=False))
    }

    assert len(recipes) == 3
    assert all("memory_may_move=False" in recipe for recipe in recipes)


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(is_optimized=False), Settings(has_gc=True)]
)
def test_code_of_every_setting_runs(settings):
    """Whatever is switched, a module is a module."""
    engine = Engine(settings)

    assert run(engine, engine.compile(SEVEN)) == 7


def test_serialised_code_is_loaded(engine, tmp_path):
    """From a file, mapped; it gives the same answers."""
    path = tmp_path / "m.cwasm"
    path.write_bytes(engine.compile(SEVEN).serialize())

    assert run(engine, engine.load(path)) == 7


@pytest.mark.parametrize(
    "content", [b"", b"\0asm\1\0\0\0", b"\x7fELF" + bytes(200)], ids=["empty", "wasm", "ELF"]
)
def test_what_is_no_serialised_code_is_refused(engine, tmp_path, content):
    """Before anything is run."""
    path = tmp_path / "m.cwasm"
    path.write_bytes(content)
    with pytest.raises(CompileError) as caught:
        engine.load(path, "name")

    assert caught.value.module == "name"


def test_a_missing_file_is_refused(engine, tmp_path):
    """With the engine's words."""
    with pytest.raises(CompileError, match="No such file or directory"):
        engine.load(tmp_path / "m.cwasm")


def test_code_of_other_settings_is_refused(engine, tmp_path):
    """An engine runs only what it could have made."""
    path = tmp_path / "m.cwasm"
    path.write_bytes(Engine(Settings(has_fuel=True)).compile(SEVEN).serialize())

    with pytest.raises(CompileError):
        engine.load(path)


@pytest.mark.parametrize(
    "text",
    ["(module", "(module (func (result i32)))(", "\0", "(module (func $a) (func $a))"],
)
def test_malformed_text_is_refused_with_its_place(text):
    """The message points into the text."""
    with pytest.raises(CompileError):
        wat_to_wasm(text, "name")


def test_text_may_hold_what_it_likes():
    """Bytes and str, with characters of every script."""
    text = '(module (func (export "grüß 👋")))'

    assert wat_to_wasm(text) == wat_to_wasm(text.encode())
    assert "grüß 👋".encode() in wat_to_wasm(text)
