"""The kernel's allocator: handles, lengths, reuse, wiping."""

from __future__ import annotations

import struct

import pytest
from bare_kernel import FIRST, BareKernel
from hypothesis import given, settings
from hypothesis import strategies as st

from extism.abi import PAGE

U64 = (1 << 64) - 1


@pytest.fixture
def kernel() -> BareKernel:
    return BareKernel()


def lengths(kernel: BareKernel, handle: int) -> tuple[int, int]:
    return kernel.length(handle), kernel.length_unsafe(handle)


# ---------------------------------------------------------------- handles


def test_nothing_is_allocated_for_no_bytes(kernel: BareKernel) -> None:
    """alloc(0) gives the null handle and makes no block."""

    assert kernel.alloc(0) == 0
    assert list(kernel.blocks()) == []


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 63, 64, 65, 65535, 65536, 66560, 6553600])
def test_a_block_has_the_length_it_was_asked_for(kernel: BareKernel, size: int) -> None:
    """The length of a block is exact; both ways of asking agree."""
    handle = kernel.alloc(size)

    assert lengths(kernel, handle) == (size, size)


def test_blocks_are_aligned_and_do_not_touch(kernel: BareKernel) -> None:
    """Blocks of one byte and of two are distinct; each begins on a granule."""
    handles = [kernel.alloc(size) for size in (1, 1, 2, 33)]

    assert handles == [FIRST, FIRST + 32, FIRST + 64, FIRST + 96]


@pytest.mark.parametrize(
    "offset",
    [*range(FIRST + 1, FIRST + 32), FIRST + 32, FIRST + 64, FIRST - 32, 0, 32, 1024, U64, 1 << 32],
)
def test_only_the_start_of_a_block_is_a_handle(kernel: BareKernel, offset: int) -> None:
    """Interior, wild and null offsets have length 0."""
    kernel.alloc(96)

    assert lengths(kernel, offset) == (0, 0)


def test_offsets_that_wrap_onto_a_block_are_no_handles(kernel: BareKernel) -> None:
    """A handle plus a multiple of 2^32 is not the handle."""
    handle = kernel.alloc(10)

    assert lengths(kernel, handle + (1 << 32)) == (0, 0)
    assert lengths(kernel, handle + (1 << 33)) == (0, 0)


@pytest.mark.parametrize(
    "size",
    [(1 << 32) - FIRST + 1, (1 << 32) - 1, 1 << 32, 10 << 30, 1 << 63, U64 - 19, U64 - 11, U64],
)
def test_sizes_that_no_memory_holds_give_null(kernel: BareKernel, size: int) -> None:
    """alloc of 2^32 and more, and of sizes near 2^64, gives 0 and changes nothing."""
    kept = kernel.filled(10, 0x11)
    before = kernel.beliefs

    assert kernel.alloc(size) == 0
    assert kernel.beliefs == before
    assert kernel.data.size(kernel.store) == 16
    assert kernel.length(kept) == 10


# ---------------------------------------------------------------- free


def test_a_freed_handle_is_dead(kernel: BareKernel) -> None:
    """After free the handle has length 0, at the end of the span and inside it."""
    first, last = kernel.alloc(100), kernel.alloc(100)
    kernel.free(first)
    kernel.free(last)

    assert lengths(kernel, first) == (0, 0)
    assert lengths(kernel, last) == (0, 0)


def test_double_free_does_not_alias(kernel: BareKernel) -> None:
    """A block freed twice is handed out once."""
    handle, _ = kernel.alloc(100), kernel.alloc(100)
    kernel.free(handle)
    kernel.free(handle)
    again, other = kernel.alloc(100), kernel.alloc(100)

    assert again == handle
    assert other != again
    kernel.check()


@pytest.mark.parametrize(
    "offset", [0, 1, 32, 256, FIRST - 1, FIRST + 1, FIRST + 32, FIRST + 4096, 1 << 32, 1 << 63, U64]
)
def test_free_of_anything_else_does_nothing(kernel: BareKernel, offset: int) -> None:
    """free of null, an interior, a wild or a never allocated offset changes nothing."""
    handle = kernel.filled(64, 0x11)
    kernel.begin(0)
    kernel.free(handle)
    handle = kernel.filled(64, 0x11)
    before = kernel.beliefs
    kernel.free(offset)

    assert kernel.beliefs == before


def test_a_length_past_the_block_cannot_be_forged(kernel: BareKernel) -> None:
    """Bytes that look like a header, written where a guest can, make no handle and no length."""
    handle = kernel.alloc(256)
    forged = struct.pack("<4I", 0, 1 << 26, U64 >> 32, 0)
    for offset in range(0, 256, 8):
        kernel.store_u64(handle + offset, int.from_bytes(forged[offset % 16 :][:8], "little"))

    assert [kernel.length(handle + offset) for offset in range(0, 288, 8)] == [256, *[0] * 35]


def test_space_of_the_last_block_is_reused_at_once(kernel: BareKernel) -> None:
    """A block freed at the end gives way to a new one of any size, at the same offset."""
    handle = kernel.alloc(65535)
    interior = [kernel.length(handle + i) for i in range(1, 5)]
    kernel.free(handle)
    again = kernel.alloc(65535)
    kernel.free(again)
    shorter = kernel.alloc(65535 - 24)

    assert interior == [0, 0, 0, 0]
    assert (again, shorter) == (handle, handle)
    assert kernel.length(shorter) == 65535 - 24


def test_space_between_blocks_is_reused(kernel: BareKernel) -> None:
    """A freed block of the same class is handed out before the span grows."""
    freed, _ = kernel.alloc(100), kernel.alloc(100)
    kernel.free(freed)

    assert kernel.alloc(97) == freed


def test_what_is_not_needed_of_a_free_block_stays_free(kernel: BareKernel) -> None:
    """A larger free block is cut; the rest serves the next allocation."""
    freed, _ = kernel.alloc(7 * 32), kernel.alloc(1)
    kernel.free(freed)
    taken = [kernel.alloc(4 * 32), kernel.alloc(2 * 32), kernel.alloc(32)]

    assert taken == [freed, freed + 4 * 32, freed + 6 * 32]
    kernel.check()


ORDERS = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]


@pytest.mark.parametrize("order", ORDERS)
def test_free_neighbours_join(kernel: BareKernel, order: tuple[int, ...]) -> None:
    """Three neighbours freed in any order become one block that serves their sum."""
    handles = [kernel.alloc(100) for _ in range(3)]
    kernel.alloc(1)
    for index in order:
        kernel.free(handles[index])
        kernel.check()

    assert kernel.alloc(3 * 128) == handles[0]


@pytest.mark.parametrize("order", ORDERS)
def test_free_blocks_at_the_end_leave_the_span(kernel: BareKernel, order: tuple[int, ...]) -> None:
    """When the last blocks are free, in whatever order they were freed, the span ends before them."""
    handles = [kernel.alloc(100) for _ in range(3)]
    for index in order:
        kernel.free(handles[index])
        kernel.check()

    assert kernel.root.span == 0


def test_a_growing_text_does_not_eat_the_memory(kernel: BareKernel) -> None:
    """Allocate longer, free the shorter, many times over: the memory keeps its first size."""
    handle = kernel.alloc(32)
    for size in range(64, 65536, 32):
        longer = kernel.alloc(size)
        kernel.free(handle)
        handle = longer

    assert kernel.memory_bytes() == 16 * PAGE


def test_a_mark_of_a_free_block_is_not_found_in_a_later_one(kernel: BareKernel) -> None:
    """A free block once ended where a live one now ends: its right neighbour must not join it."""
    gap, _ = kernel.alloc(64), kernel.alloc(1)
    kernel.free(gap)
    live, right = kernel.alloc(64), kernel.alloc(64)
    kernel.free(FIRST + 64)
    kernel.free(right)

    assert kernel.length(live) == 64
    assert kernel.root.span == 64
    kernel.check()


def test_a_mark_of_a_dead_block_makes_no_handle(kernel: BareKernel) -> None:
    """In generation 0, where zeros look current, an old header inside a live block has no length."""
    first, second, _ = kernel.alloc(5), kernel.alloc(7), kernel.alloc(9)
    kernel.free(first)
    kernel.free(second)
    joined = kernel.alloc(64)

    assert (joined, kernel.root.generation) == (first, 0)
    assert lengths(kernel, second) == (0, 0)


@pytest.mark.parametrize(("before_it", "found"), [(7, True), (8, False)])
def test_eight_blocks_of_a_bin_are_looked_at(
    kernel: BareKernel, before_it: int, found: bool
) -> None:
    """The eighth free block of a class is found; for a later one the span grows, in bounded time."""
    handles = []
    for granules in (7, *[4] * before_it):
        handles.append(kernel.alloc(granules * 32))
        kernel.alloc(1)
    end = kernel.end
    for handle in handles:
        kernel.free(handle)

    assert kernel.alloc(6 * 32) == (handles[0] if found else end)


# ---------------------------------------------------------------- bytes of blocks


@pytest.mark.parametrize("size", [1, 32, 33, 1000, 100_000])
def test_reused_blocks_read_as_zero(kernel: BareKernel, size: int) -> None:
    """A block that takes freed space, padding included, begins as zeros."""
    inside, _ = kernel.filled(size, 0xFF), kernel.alloc(1)
    kernel.free(inside)
    kernel.free(kernel.filled(2 * size, 0xFF))
    padded = -(-size // 32) * 32
    within, above = kernel.alloc(size), kernel.alloc(2 * size)

    assert within == inside
    assert kernel.read(within, padded) == bytes(padded)
    assert kernel.read(above, 2 * padded) == bytes(2 * padded)


def test_a_block_half_above_what_was_ever_written_reads_as_zero(kernel: BareKernel) -> None:
    """Only the low part of a block was used before: all of it begins as zeros."""
    kernel.free(kernel.filled(100, 0xFF))
    handle = kernel.alloc(1000)

    assert kernel.read(handle, 1024) == bytes(1024)


def test_canaries_survive_their_neighbours(kernel: BareKernel) -> None:
    """Filling, freeing and allocating between two blocks leaves both as they were."""
    below, freed, above = (kernel.filled(64, byte) for byte in (0xA1, 0xB2, 0xC3))
    for size in (1, 32, 33, 64, 64, 1):
        kernel.free(freed)
        freed = kernel.filled(size, 0xB2)

    assert kernel.read(below, 64) == b"\xa1" * 64
    assert kernel.read(above, 64) == b"\xc3" * 64
    assert (kernel.length(below), kernel.length(above)) == (64, 64)


# ---------------------------------------------------------------- lists of sizes


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(
            [
                *(20622, 23162, 58594, 32421, 25928, 44611, 26318, 24455, 5798, 60202, 42126),
                *(64928, 57832, 50888, 63256, 37562, 46334, 47985, 60836, 28132, 65535, 37800),
                *(33150, 48768, 38457, 57249, 5734, 58587, 26294, 26653, 24519, 1),
            ],
            id="many of some KiB",
        ),
        pytest.param([352054710, 1248853976, 2678441931, 14567928], id="some of GiB"),
    ],
)
def test_sizes_that_once_broke_a_kernel(kernel: BareKernel, sizes: list[int]) -> None:
    """Each allocation gives null or a block of the very length; only GiB may be refused."""
    handles = [kernel.alloc(size) for size in sizes]

    assert [kernel.length(h) for h in handles] == [
        size if h else 0 for h, size in zip(handles, sizes, strict=True)
    ]
    assert all(h for h, size in zip(handles, sizes, strict=True) if size < 1 << 28)


def test_sizes_from_64_down_to_1(kernel: BareKernel) -> None:
    """Allocated and freed one after the other, each has its length and takes the same place."""
    for size in range(64, 0, -1):
        handle = kernel.alloc(size)

        assert (handle, *lengths(kernel, handle)) == (FIRST, size, size)
        kernel.free(handle)


SMALL = st.lists(st.integers(0, 0xFFFF), max_size=100)
LARGE = st.lists(st.integers(0, 1 << 32), max_size=20)


@settings(deadline=None, max_examples=50)
@given(sizes=SMALL | LARGE)
def test_any_sizes_with_frees_between(sizes: list[int]) -> None:
    """Whatever is allocated and freed, lengths are exact, and null stands for 0 bytes or no room."""
    kernel = BareKernel(max_pages=512)
    previous = 0
    for size in sizes:
        handle = kernel.alloc(size)
        fits = size <= (kernel.data.data_len(kernel.store) - kernel.end)

        assert kernel.length(handle) == (size if handle else 0)
        assert handle or not size or not fits
        kernel.free((handle, previous, 0)[size % 3])
        previous = handle
    kernel.check()
