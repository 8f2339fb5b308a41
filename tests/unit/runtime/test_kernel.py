"""The host's handle on a real kernel: input, output, error, blocks by handle."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extism import abi
from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._runtime.kernel import Kernel, NoRoom
from extism._runtime.kernel_layout import FIRST
from extism._runtime.kernel_source import kernel_text, kernel_wasm
from extism._runtime.purse import Want
from extism._wasm.marks import STRICT

PAGE = 65536
WILD = [1, 31, 256, 2047, 2049, 4096, 2**31, 2**32, 2**32 + FIRST, 2**63 - 1, -1, -FIRST, -(2**63)]


@pytest.fixture(scope="module")
def code():
    return shared_engine().compile(kernel_wasm())


@pytest.fixture
def kernel(code):
    store = Store(shared_engine())
    return Kernel(Linker(shared_engine()).instantiate(store, code))


def call(kernel, name, *values, results=()):
    function = kernel.instance.function(name, ("i64",) * len(values), results)
    assert function(None, *values) is None
    return function.results[0] if results else None


def limited(kernel, pages):
    kernel.instance.store.limit_memory(pages * PAGE)
    return kernel


@pytest.mark.parametrize("data", [b"", b"x", b"input", bytes(range(256)) * 8192])
def test_input_is_where_a_guest_finds_it(kernel, data):
    """As one live block that is the input."""
    kernel.begin(data)
    handle = call(kernel, "input_offset", results=("i64",))

    assert call(kernel, "input_length", results=("i64",)) == len(data)
    assert kernel.read(handle) == data
    assert (handle == 0) is (data == b"")


def test_begin_forgets_the_call_before(kernel):
    """Blocks, output and error are gone; the first handle comes again."""
    kernel.begin(b"first")
    first = call(kernel, "input_offset", results=("i64",))
    call(kernel, "output_set", first, 5)
    call(kernel, "error_set", first)
    before = (kernel.output(), kernel.error())
    kernel.begin(b"")

    assert before == (b"first", b"first")
    assert (kernel.output(), kernel.error(), kernel.length(first)) == (b"", None, 0)
    assert kernel.alloc(5) == first


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_a_block_holds_what_was_stored(kernel, data):
    """Its length is that of the data, to the byte."""
    handle = kernel.store(data)

    assert (kernel.length(handle), kernel.read(handle)) == (5, b"bytes")


def test_no_data_is_the_null_handle(kernel):
    """Nothing is allocated for nothing, and reading it gives nothing."""
    assert (kernel.store(b""), kernel.alloc(0), kernel.read(0), kernel.length(0)) == (0, 0, b"", 0)


def test_a_new_block_is_zero(kernel):
    """Also where another one lay."""
    handle = kernel.store(b"\xff" * 100)
    kernel.free(handle)

    assert kernel.alloc(100) == handle
    assert kernel.read(handle) == bytes(100)


def test_padding_behind_stored_bytes_is_zero(kernel):
    """The rest of the last granule shows nothing of who lay there before."""
    handle = kernel.store(b"\xff" * 32)
    kernel.free(handle)
    kernel.store(b"x")

    assert kernel.data.read(handle, 32) == b"x" + bytes(31)


@pytest.mark.parametrize("handle", WILD)
def test_what_is_no_handle_is_nothing(kernel, handle):
    """It has no length, cannot be read, and freeing it does nothing."""
    kept = kernel.store(b"kept")
    kernel.free(handle)

    assert (kernel.length(handle), kernel.read(handle)) == (0, None)
    assert kernel.read(kept) == b"kept"


def test_a_freed_handle_is_nothing(kernel):
    """And freeing it again does not free who lies there now."""
    first = kernel.store(b"first")
    kernel.free(first)
    freed = (kernel.length(first), kernel.read(first))
    second = kernel.store(b"other")
    kernel.free(first) if first != second else None

    assert freed == (0, None)
    assert kernel.read(second) == b"other"


def test_an_error_that_is_no_block_is_none(kernel):
    """An interior handle, a freed one, none."""
    handle = kernel.store(b"text")
    call(kernel, "error_set", handle + 1)
    interior = kernel.error()
    call(kernel, "error_set", handle)
    set_ = kernel.error()
    kernel.free(handle)

    assert (interior, set_, kernel.error()) == (None, b"text", None)


def test_output_may_be_a_piece(kernel):
    """Any range that the guest has, also across blocks."""
    handle = kernel.store(b"0123456789")
    call(kernel, "output_set", handle + 3, 4)

    assert kernel.output() == b"3456"


@pytest.mark.parametrize("size", [17 * PAGE, 2**32 - 1, 2**32, 2**63, 2**64, 2**70])
def test_a_block_without_room_is_refused(kernel, size):
    """By the limit, or because no memory is that large; the kernel goes on."""
    limited(kernel, 17)
    with pytest.raises(NoRoom):
        kernel.alloc(size)

    assert kernel.read(kernel.store(b"small")) == b"small"


def test_an_input_without_room_is_refused(kernel):
    """The next call is in order."""
    limited(kernel, 17)
    with pytest.raises(NoRoom):
        kernel.begin(bytes(17 * PAGE))
    kernel.begin(b"small")

    assert kernel.read(call(kernel, "input_offset", results=("i64",))) == b"small"


def test_what_a_guest_wanted_is_known_once(kernel):
    """Absurd lengths are not want of room."""
    kernel.grant(PAGE)
    call(kernel, "alloc", -1, results=("i64",))
    absurd = kernel.purse.take_want()
    call(kernel, "alloc", 20 * PAGE, results=("i64",))

    assert absurd == Want(was_told=False, was_ended=False)
    assert kernel.purse.take_want() == Want(was_told=True, was_ended=False)
    assert kernel.purse.take_want() == absurd
    assert kernel.purse.left == PAGE


def test_a_strict_budget_refuses_the_host_too(kernel):
    """A zeroed block is made by what guests run, which ends; the host is told, and goes on."""
    kernel.grant(PAGE | STRICT)
    with pytest.raises(NoRoom):
        kernel.alloc(20 * PAGE)

    assert kernel.purse.take_want() == Want(was_told=False, was_ended=False)
    assert kernel.read(kernel.store(b"small")) == b"small"


def test_a_new_kernel_has_the_default_budget(kernel):
    """So that the host has nothing to set in most of them."""
    assert kernel.purse.left == abi.DEFAULT_MAX_MEMORY


def test_large_blocks_are_reached_after_growth(kernel):
    """Headers and bytes of blocks that were not there at first."""
    handles = [kernel.store(bytes([n]) * (1 << 20)) for n in range(40)]

    assert [kernel.read(handle)[:1] for handle in handles] == [bytes([n]) for n in range(40)]
    assert kernel.length(handles[-1]) == 1 << 20


@pytest.mark.parametrize("size", [1, 40, 1000])
@pytest.mark.parametrize("before", [3520, 3552, 3584])
def test_blocks_are_found_on_both_sides_of_the_border(kernel, before, size):
    """Where headers change from one memory to the other: in use, and after they are freed."""
    kernel.begin(b"i" * before)
    handles = [kernel.store(bytes([n]) * size) for n in (1, 2, 3)]
    kernel.free(handles[1])

    assert [kernel.length(handle) for handle in handles] == [size, 0, size]
    assert [kernel.read(handles[0]), kernel.read(handles[2])] == [b"\1" * size, b"\3" * size]
    assert (kernel.store(b"2" * size), kernel.read(FIRST)) == (handles[1], b"i" * before)


@pytest.mark.parametrize("before", [3488, 3520, 3552, 3584])
def test_a_mark_of_a_freed_block_is_not_found_around_the_border(kernel, before):
    """Where one was freed another ends: the one behind that does not join it when it is freed."""
    kernel.begin(b"i" * before)
    for handle in reversed([kernel.store(b"x" * 32) for _ in range(2)]):
        kernel.free(handle)
    kept, freed, _ = (kernel.store(b"x" * size) for size in (64, 32, 32))
    kernel.free(freed)

    assert (kernel.length(kept), kernel.length(freed)) == (64, 0)
    assert kernel.alloc(32) == freed


def test_what_a_small_call_needs_of_the_host_is_in_one_page(kernel):
    """Input, a block of the host's, an error: nothing lies behind the first 4096 bytes, or in the other memory."""
    kernel.tell_level(3)
    kernel.begin(b"i" * 1000)
    kernel.set_error(b"e" * 1000)

    assert (kernel.error(), kernel.output()) == (b"e" * 1000, b"")
    assert not any(kernel.data.read(4096, kernel.data.size - 4096))
    assert not any(kernel._meta.read(0, kernel._meta.size))


def test_room_ends_where_headers_end():
    """Where only the memory of headers may not grow; an input that has just room is one block."""
    text = kernel_text()
    few = text.replace('(export "meta") 8 32768', '(export "meta") 8 9')
    code = shared_engine().compile(wat_to_wasm(few, "kernel"))
    kernel = Kernel(Linker(shared_engine()).instantiate(Store(shared_engine()), code))
    with pytest.raises(NoRoom):
        kernel.begin(bytes(30 * PAGE))
    kernel.begin(bytes(17 * PAGE))
    room = kernel.room
    kernel.begin(b"i" * (room - 64))
    handle = kernel.store(b"x" * 64)

    assert (few != text, room) == (True, 2 * (9 * PAGE - 256))
    assert (kernel.length(FIRST), kernel.read(handle)) == (room - 64, b"x" * 64)
    with pytest.raises(NoRoom):
        kernel.store(b"x")


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("store"), st.sampled_from([1, 31, 32, 33, 64, 100, 500, 3500, 5000, 70_000])
        ),
        st.tuples(st.just("alloc"), st.sampled_from([1, 32, 40, 96, 3000, 600_000])),
        st.tuples(st.just("free"), st.integers(0, 20)),
        st.tuples(st.just("begin"), st.sampled_from([0, 5, 64])),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_what_the_host_writes_itself_is_what_the_kernel_would(code, steps):
    """Headers, bins, span and bytes after each step, with and without the crossing."""
    here, there = (
        Kernel(Linker(shared_engine()).instantiate(Store(shared_engine()), code)) for _ in range(2)
    )
    handles = []
    for step, (kind, number) in enumerate(steps):
        if kind == "store":
            data = bytes([step + 1]) * number
            handles.append(here.store(data))
            assert there._store_in_kernel(data, number) == handles[-1]
        elif kind == "alloc":
            handles.append(here.alloc(number))
            assert there.alloc(number) == handles[-1]
        elif kind == "free" and handles:
            handle = handles[number % len(handles)]
            here.free(handle)
            there.free(handle)
        elif kind == "begin":
            here.begin(b"i" * number)
            there.begin(b"i" * number)
        memories = [
            (each.data.read(0, each.data.size), each._meta.read(0, each._meta.size))
            for each in (here, there)
        ]
        assert memories[0] == memories[1]


def test_the_hosts_own_calls_are_not_cut_off(kernel):
    """A deadline that has passed, and a cancel, do not tear the lists."""
    store = kernel.instance.store
    store.open(time.monotonic() - 1)
    store.cancel()
    try:
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            handle = kernel.store(b"x" * 100_000)
            kernel.free(handle)
        is_cancelled = kernel.is_cancelled
    finally:
        store.close()

    assert is_cancelled is True
    assert store.is_shielded is False
