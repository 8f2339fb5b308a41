"""The two places of headers: those of the first 112 granules lie in `data`, all others in `meta`."""

from __future__ import annotations

import struct
from itertools import permutations

import pytest
from bare_kernel import FIRST, GRANULE, NEAR, BareKernel, handle_of

from extism.abi import PAGE

FAR = FIRST + NEAR * GRANULE
"""The first block whose header lies in `meta`."""

MACHINE_PAGE = 4096

THREE = list(permutations(range(3)))


@pytest.fixture
def kernel() -> BareKernel:
    return BareKernel()


def filled_up_to(kernel: BareKernel, offset: int) -> None:
    """Let one block end there."""
    if offset > kernel.end:
        kernel.alloc(offset - kernel.end)


def written(data: bytes) -> set[int]:
    """Give the pages of the machine that are not all zeros."""
    pages = range(0, len(data), MACHINE_PAGE)
    return {at // MACHINE_PAGE for at in pages if any(data[at : at + MACHINE_PAGE])}


# ---------------------------------------------------------------- where they lie


def test_the_places_meet_between_two_blocks(kernel: BareKernel) -> None:
    """The 112th header is the last below the first handle, the next stands at the same address in `meta`."""
    handles = [kernel.alloc(5) for _ in range(NEAR + 1)]
    near = bytes(kernel.data.read(kernel.store, FIRST - 16, FIRST))
    far = bytes(kernel.meta.read(kernel.store, 0, FIRST + 32))

    assert handles[-2:] == [FAR - GRANULE, FAR]
    assert near == struct.pack("<4I", 0, 1, 5, 0)
    assert far == bytes(FIRST) + struct.pack("<4I", 0, 1, 5, 0) + bytes(16)
    assert [kernel.length(handle) for handle in handles] == [5] * (NEAR + 1)


@pytest.mark.parametrize(
    ("sizes", "data", "meta"),
    [
        pytest.param([], {0}, set(), id="nothing"),
        pytest.param([16, 16], {0}, set(), id="16 bytes in and out"),
        pytest.param([1024, 1024], {0}, set(), id="1 KiB in and out"),
        pytest.param([1024, 1025], {0, 1}, set(), id="one byte more"),
        pytest.param([1792, 1792], {0, 1}, set(), id="the last headers in data"),
        pytest.param([1792, 1792, 1], {0, 1}, {0}, id="the first header in meta"),
    ],
)
@pytest.mark.parametrize("start", ["begin", "accept"])
def test_a_small_call_writes_to_one_page_of_the_machine(
    kernel: BareKernel, start: str, sizes: list[int], data: set[int], meta: set[int]
) -> None:
    """With input and output of up to 2048 bytes together; `meta` is left alone for some more."""
    for size in sizes[:1]:
        getattr(kernel, start)(size)
        kernel.write(FIRST, b"i" * size)
    for size in sizes[1:]:
        kernel.output_set(kernel.filled(size, 0xFF), size)
    if not sizes:
        kernel.begin(0)

    assert written(bytes(kernel.data.read(kernel.store))) == data
    assert written(bytes(kernel.meta.read(kernel.store))) == meta


@pytest.mark.parametrize("before", [0, 96, 3000, NEAR * GRANULE - 32, NEAR * GRANULE])
@pytest.mark.parametrize("size", [1, 33, 600, 5000, 2 * PAGE])
def test_blocks_around_the_border_are_like_others(
    kernel: BareKernel, before: int, size: int
) -> None:
    """One that ends before, spans, or follows it has its length and its zeros, and dies when it is freed."""
    filled_up_to(kernel, FIRST + before)
    handle, behind = kernel.filled(size, 0x22), kernel.filled(40, 0x33)
    kernel.free(handle)
    freed = kernel.length(handle)
    again = kernel.alloc(size)

    assert (freed, again, kernel.length(again)) == (0, handle, size)
    assert kernel.read(again, size) == bytes(size)
    assert kernel.read(behind, 40) == b"\x33" * 40
    kernel.check()


# ---------------------------------------------------------------- free blocks on both sides


@pytest.mark.parametrize("order", THREE, ids=str)
@pytest.mark.parametrize("shift", [32, 64, 128, 160, 256, 288, 352, 384])
def test_free_neighbours_join_across_the_border(
    kernel: BareKernel, shift: int, order: tuple[int, ...]
) -> None:
    """Three blocks freed in any order become one, wherever among them the border lies."""
    filled_up_to(kernel, FAR - shift)
    handles = [kernel.alloc(100) for _ in range(3)]
    kernel.alloc(1)
    for index in order:
        kernel.free(handles[index])
        kernel.check()

    assert kernel.binned() == {3: {FAR - shift}}
    assert kernel.alloc(3 * 128) == FAR - shift


@pytest.mark.parametrize("order", THREE, ids=str)
@pytest.mark.parametrize("shift", [32, 128, 256, 384])
def test_the_span_shrinks_across_the_border(
    kernel: BareKernel, shift: int, order: tuple[int, ...]
) -> None:
    """When the last blocks are free it ends before them, on whichever side that is."""
    filled_up_to(kernel, FAR - shift)
    handles = [kernel.alloc(100) for _ in range(3)]
    for index in order:
        kernel.free(handles[index])
        kernel.check()

    assert kernel.end == FAR - shift


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_one_list_leads_across_the_border(kernel: BareKernel, order: tuple[int, ...]) -> None:
    """Free blocks of one class on both sides are linked; what is taken out of the middle leaves the others."""
    filled_up_to(kernel, FAR - 4 * GRANULE)
    handles = [kernel.alloc(32) for _ in range(8)][::2]
    for index in order:
        kernel.free(handles[index])
        kernel.check()
    kernel.free(handles[order[1]] + GRANULE)  # joins its neighbours, which leave their places
    kernel.check()
    taken = []
    while kernel.binned().get(0):
        taken.append(kernel.alloc(32))
        kernel.check()

    apart = [handles[index] for index in reversed(order)]
    joined = range(handles[order[1]], handles[order[1]] + 3 * GRANULE, GRANULE)
    assert taken == [handle for handle in apart if handle not in joined]


def test_a_block_is_cut_on_either_side(kernel: BareKernel) -> None:
    """What is left of a large free block has its header where it belongs."""
    filled_up_to(kernel, FAR - 17 * GRANULE)
    large, _ = kernel.alloc(24 * GRANULE), kernel.alloc(1)
    kernel.free(large)
    taken = [kernel.alloc(granules * GRANULE) for granules in (17, 6, 1)]

    assert taken == [large, FAR, FAR + 6 * GRANULE]
    assert kernel.binned() == {}
    kernel.check()


# ---------------------------------------------------------------- forgetting


@pytest.mark.parametrize("generation", [0xFFFFFFFC, 0xFFFFFFFE])
def test_headers_in_both_places_die_with_their_generation(
    kernel: BareKernel, generation: int
) -> None:
    """At a reset like any other, and at the one where the generations begin anew."""
    kernel.reset()
    handles = [kernel.alloc(32) for _ in range(NEAR + 8)]
    for handle in handles[1::2]:
        kernel.free(handle)
    kernel.poke(72, struct.pack("<I", generation))
    kernel.reset()
    kernel.alloc(NEAR * GRANULE + 256)

    assert kernel.root.generation == (generation + 2) % (1 << 32)
    assert [kernel.length(handle) for handle in handles[1:]] == [0] * (NEAR + 7)
    kernel.free(FIRST)
    assert kernel.root.span == 0
    kernel.check()


def test_no_header_is_left_when_the_generations_begin_anew(kernel: BareKernel) -> None:
    """Both places are cleared, to the end of a `meta` that has grown."""
    handles = [kernel.alloc(32) for _ in range(NEAR + 8)]
    kernel.alloc(40 * PAGE)
    kernel.alloc(32)
    for handle in handles[::2]:
        kernel.free(handle)
    kernel.poke(72, struct.pack("<I", 0xFFFFFFFE))
    kernel.reset()

    assert not any(kernel.beliefs[128:])


def test_an_accepted_input_needs_one_header(kernel: BareKernel) -> None:
    """Of an input that ends among the headers in `meta`, `data` holds all that there is to know."""
    kernel.accept(NEAR * GRANULE + 5000)

    assert kernel.length(FIRST) == NEAR * GRANULE + 5000
    assert bytes(kernel.meta.read(kernel.store)) == bytes(8 * PAGE)
    kernel.check()


@pytest.mark.parametrize("size", [64, NEAR * GRANULE, NEAR * GRANULE + 64])
def test_a_block_behind_an_accepted_input_does_not_join_it(kernel: BareKernel, size: int) -> None:
    """Not even where a free block of the call before ended, and has left its mark."""
    filled_up_to(kernel, FIRST + size - 32)
    gap, _ = kernel.alloc(32), kernel.alloc(32)
    kernel.free(gap)
    kernel.accept(size)
    kernel.free(kernel.alloc(32))

    assert (kernel.length(FIRST), kernel.root.span) == (size, size)
    kernel.check()


# ---------------------------------------------------------------- what a guest can do about it


@pytest.mark.parametrize("first", [0, 1, 7])
def test_no_offset_below_the_first_handle_reads_or_writes(kernel: BareKernel, first: int) -> None:
    """Root record and headers are there, and a guest sees zeros and changes nothing."""
    kernel.begin(100)
    kernel.output_set(kernel.alloc(200), 5)
    for handle in [kernel.alloc(32) for _ in range(NEAR)][::2]:
        kernel.free(handle)
    before = kernel.beliefs
    seen = set()
    for offset in range(first, FIRST, 8 if first else 1):
        kernel.store_u8(offset, 0xEE)
        kernel.store_u64(offset, 0xEEEEEEEEEEEEEEEE)
        kernel.store_u64(offset - FIRST, 0xEEEEEEEEEEEEEEEE)
        seen |= {kernel.load_u8(offset), kernel.load_u64(offset), kernel.load_u64(offset - FIRST)}

    assert seen == {0}
    assert kernel.beliefs == before
    kernel.check()


def test_no_range_or_handle_begins_below_the_first(kernel: BareKernel) -> None:
    """Neither input nor output nor error can be what the kernel believes, and no header is freed."""
    kernel.begin(100)
    kernel.alloc(5000)
    before = kernel.beliefs
    for offset in (*range(0, FIRST, 8), 1, 255, 257, FIRST - 1):
        for length in (0, 1, FIRST - offset, 4000):
            kernel.input_set(offset, length)
            kernel.output_set(offset, length)
        if offset:
            kernel.error_set(offset)
        kernel.free(offset)

    assert [kernel.length(offset) for offset in range(FIRST)] == [0] * FIRST
    assert kernel.beliefs == before


def test_headers_and_handles_are_counted_alike() -> None:
    """The addresses in the head of `kernel.wat`."""

    assert [handle_of(header) for header in (256, 2032, 2048)] == [FIRST, FAR - GRANULE, FAR]
