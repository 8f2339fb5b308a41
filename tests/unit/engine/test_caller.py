"""Who calls: functions of the house find the memory of exactly the instance that called them."""

from __future__ import annotations

import gc
import weakref

import pytest

from extism._engine.engine import wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._engine.wasi import Preopen, Wasi

FILLING = """(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "{name}") 1)
    {more}
    (func (export "fill") (result i32) (call $random (i32.const 0) (i32.const 16))))"""


def filling(name="memory", more=""):
    return FILLING.format(name=name, more=more)


@pytest.fixture
def live(engine):
    """A function from module text to an instance; all are in one store."""
    store = Store(engine, wasi=Wasi())
    linker = Linker(engine)
    linker.define_wasi()
    return lambda text: linker.instantiate(store, engine.compile(wat_to_wasm(text)))


def fill(instance):
    return instance.function("fill", (), ("i32",))(None)


def test_each_module_has_its_own_memory(live):
    """What one is given does not land in another's."""
    one, other = live(filling()), live(filling())

    assert fill(one) is None
    assert one.memory("memory").read(0, 16) != bytes(16)
    assert other.memory("memory").read(0, 16) == bytes(16)


@pytest.mark.parametrize(
    "text",
    [filling("other"), filling("other", '(func (export "memory"))')],
    ids=["another name", "a function"],
)
def test_without_a_memory_there_is_nothing_to_write_to(live, text):
    """The call ends in a trap that says so."""
    fault = fill(live(text))

    assert "missing required memory export" in fault.text


def test_a_store_that_opened_files_is_freed_at_once(engine, tmp_path):
    """Nothing that the house keeps for it refers back to it."""
    store = Store(engine, wasi=Wasi(preopens=(Preopen(str(tmp_path), "/d"),)))
    linker = Linker(engine)
    linker.define_wasi()
    closing = """(module
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "fill") (result i32) (call $close (i32.const 3))))"""
    assert fill(linker.instantiate(store, engine.compile(wat_to_wasm(closing)))) is None
    gone = weakref.ref(store)
    gc.disable()
    try:
        del store
        assert gone() is None
    finally:
        gc.enable()
