"""doors: what the base image offers to plug-ins, and that no other image offers the same."""

from __future__ import annotations

import pytest
import wasmtime

from extism._compiler.doors import SPARE_SLOTS, first_slot, opened, own_door, stack_top
from extism._wasm.reader import read
from extism.errors import BuildError

SNAPSHOT = """
(module
  (table (export "__indirect_function_table") 7 7 funcref)
  (memory (export "memory") 1)
  (global (export "__stack_pointer") (mut i32) (i32.const 2048))
  (data (i32.const 4096) "TEXT")
  (func (export "py_load") (result i32) (i32.const 0))
  (func (export "py_invoke") (param i32) (result i32) (local.get 0)))
"""


def image(text="a"):
    return read(opened(bytes(wasmtime.wat2wasm(SNAPSHOT.replace("TEXT", text)))))


def test_the_table_has_spare_slots_and_cannot_grow():
    """They begin behind the interpreter's own."""
    base = image()

    assert str(base.tables[0]) == f"(table {7 + SPARE_SLOTS} {7 + SPARE_SLOTS} funcref)"
    assert first_slot(base) == 7


def test_each_image_has_a_door_of_its_own():
    """It is py_invoke under another name: the same for equal images, and for no others."""
    base = image()
    door = base.export(own_door(base))

    assert door.index == base.export("py_invoke").index
    assert own_door(image()) == door.name
    assert own_door(image("b")) != door.name


def test_an_image_without_a_door_of_its_own():
    """It was not made here, and is refused."""
    with pytest.raises(BuildError, match="it has no door of its own"):
        own_door(read(bytes(wasmtime.wat2wasm(SNAPSHOT))))


def test_where_the_stack_begins():
    """It is what the stack pointer begins with."""
    assert stack_top(image()) == 2048
