"""The host's view of a linear memory: every range checked, right after growth, alive after the store."""

from __future__ import annotations

import gc
import weakref

import pytest

from extism._engine.engine import Engine, Settings, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store

PAGE = 65536
ONE = '(module (memory (export "m") 1 10) (data (i32.const 3) "data"))'


@pytest.fixture
def memory(instantiate):
    return instantiate(ONE).memory("m")


def test_bytes_are_read_and_written_in_place(memory):
    """What the module put there is seen; what is written is there."""
    memory.write(100, b"host")

    assert (memory.read(3, 4), memory.read(100, 4)) == (b"data", b"host")
    assert bytes(memory.range(99, 6)) == b"\0host\0"


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_anything_with_bytes_can_be_written(memory, data):
    """Copies are not needed."""
    memory.write(PAGE - 3, data)

    assert memory.read(PAGE - 3, 3) == b"abc"


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (PAGE, 1),
        (PAGE - 1, 2),
        (0, PAGE + 1),
        (-1, 1),
        (-1, 2),
        (0, -1),
        (2**32, 1),
        (2**63, 2**63),
        (5, -5),
        (PAGE + 1, 0),
    ],
)
def test_a_range_that_is_not_inside_is_refused(memory, offset, length):
    """Neither reading nor a view nor writing reaches outside."""
    with pytest.raises(IndexError, match="are not inside the memory of 65536 bytes"):
        memory.range(offset, length)
    with pytest.raises(IndexError):
        memory.read(offset, length)


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (PAGE, 0), (0, PAGE), (PAGE - 1, 1)])
def test_a_range_up_to_the_edge_is_inside(memory, offset, length):
    """The last byte belongs to it, and so does nothing right behind."""
    assert len(memory.range(offset, length)) == length


def test_writing_past_the_end_changes_nothing(memory):
    """All or nothing."""
    with pytest.raises(IndexError):
        memory.write(PAGE - 1, b"xy")

    assert memory.read(PAGE - 1, 1) == b"\0"


def test_growth_is_seen(memory):
    """Old views stay right as far as they go; new ranges reach further."""
    old = memory.range(0, PAGE)
    before = memory.grow(2)
    memory.write(3 * PAGE - 4, b"last")
    memory.write(3, b"DATA")

    assert (before, memory.size) == (1, 3 * PAGE)
    assert memory.read(3 * PAGE - 4, 4) == b"last"
    assert bytes(old[3:7]) == b"DATA"


def test_growth_by_the_guest_is_seen(instantiate):
    """A range that the guest has only just got is found."""
    instance = instantiate("""(module (memory (export "m") 1)
        (func (export "grow") (drop (memory.grow (i32.const 3)))))""")
    memory = instance.memory("m")
    short = len(memory.view())
    instance.function("grow", (), ())(None)

    assert (short, len(memory.view()), len(memory.view(4 * PAGE))) == (PAGE, PAGE, 4 * PAGE)
    assert memory.read(4 * PAGE - 1, 1) == b"\0"


def test_growth_past_the_maximum_is_refused(memory):
    """None says so, and the memory is as it was."""
    assert memory.grow(10) is None
    assert memory.size == PAGE


def test_growth_past_the_stores_limit_is_refused(store, memory):
    """The limit counts for what the host asks for, too."""
    store.limit_memory(3 * PAGE)
    refused = memory.grow(3)
    store.limit_memory(None)

    assert (refused, memory.grow(3)) == (None, 1)


def test_an_empty_memory_has_an_empty_view(instantiate):
    """Zero pages are a memory."""
    memory = instantiate('(module (memory (export "m") 0))').memory("m")

    assert (memory.size, len(memory.view()), memory.read(0, 0)) == (0, 0, b"")
    with pytest.raises(IndexError):
        memory.read(0, 1)
    memory.grow(1)
    assert memory.read(0, 1) == b"\0"


def test_a_view_keeps_its_store_alive(engine):
    """The bytes are not pulled from under whoever holds them."""
    store = Store(engine)
    instance = Linker(engine).instantiate(store, engine.compile(wat_to_wasm(ONE)))
    view = instance.memory("m").lend(3, 4)
    reference = weakref.ref(store)
    del store, instance
    gc.collect()

    assert bytes(view) == b"data"
    assert reference() is not None
    del view
    gc.collect()
    assert reference() is None


def test_a_memory_of_64_bits_does_not_move():
    """Views are right there too: the engine may not move a memory when it grows."""
    engine = Engine(Settings(has_memory64=True))
    store = Store(engine)
    module = engine.compile(wat_to_wasm('(module (memory (export "m") i64 1))'))
    memory = Linker(engine).instantiate(store, module).memory("m")
    view = memory.lend(0, PAGE)
    memory.grow(1000)
    memory.write(7, b"seen")

    assert bytes(view[7:11]) == b"seen"
