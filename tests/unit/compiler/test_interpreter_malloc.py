"""The allocator of the guest interpreter against a model, and its promises one by one."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from bare_heap import EINVAL, ENOMEM, PAGE, UNIT, BareHeap, Block
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

MAX_PAGES = 20
PATIENCE = 16
"""How many blocks of similar size it may miss before it lets the memory grow."""

SIZES = st.one_of(
    st.integers(0, 200),
    st.sampled_from([11, 12, 13, 27, 28, 29, 1003, 1004, 1005, 1020, 1021, 4096, PAGE - 4, PAGE]),
    st.integers(500, 20_000),
    st.integers(20_000, 500_000),
)
ALIGNMENTS = st.integers(0, 17).map(lambda power: 1 << power)
BYTES = st.integers(1, 255)
PICKS = st.integers(0, 1000)

pytestmark = pytest.mark.timeout(300)


def block_size(size):
    """The size of the block that holds `size` bytes."""
    return max(UNIT, (size + 4 + UNIT - 1) // UNIT * UNIT)


def fits(block: Block, size: int, alignment: int = UNIT) -> bool:
    gap = -block.offset % alignment
    return (block.is_free or block.is_top) and block.size >= gap + block_size(size)


class HeapAgainstModel(RuleBasedStateMachine):
    """
    The model: the bytes of each block that is in use, and its alignment.

    It does not say where a block lies; it says what must hold wherever that is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heap = BareHeap(MAX_PAGES)
        self.bytes: dict[int, bytes] = {}

    def pick(self, number: int) -> int:
        return sorted(self.bytes)[number % len(self.bytes)]

    def fill(self, address: int, byte: int) -> None:
        """Write to all that the block holds, more than was asked for."""
        content = bytes([byte]) * self.heap.call("malloc_usable_size", address)
        self.heap.memory.write(address, content)
        self.bytes[address] = content

    def allocate(self, name: str, *values: int, size: int, alignment: int = UNIT) -> int:
        """Call the function, and check that the memory grew or was refused with reason only."""
        blocks, end = self.heap.blocks() if self.bytes else [], self.heap.memory.size
        address = self.heap.allocate(name, *values)
        if self.heap.memory.size != end or not address:
            free = [block for block in blocks if fits(block, size, alignment)]
            assert not free or (address and len(blocks) > PATIENCE)
        if self.heap.memory.size != end:
            assert self.heap.blocks()[-1].size < PAGE
        if not address and blocks:
            start = blocks[-1].offset if self.room_is_next() else end + UNIT
            start += -start % alignment
            assert start + block_size(size) > MAX_PAGES * PAGE
        assert address % max(alignment, UNIT) == 0
        return address

    def room_is_next(self) -> bool:
        return not self.heap.thefts or self.heap.thefts[-1][1] != self.heap.memory.size

    @rule(size=SIZES, byte=BYTES)
    def malloc(self, size: int, byte: int) -> None:
        address = self.allocate("malloc", size, size=size)
        if address:
            assert self.heap.call("malloc_usable_size", address) >= size
            self.fill(address, byte)

    @rule(count=st.integers(0, 7), size=SIZES, byte=BYTES)
    def calloc(self, count: int, size: int, byte: int) -> None:
        address = self.allocate("calloc", count, size, size=count * size)
        if address:
            assert self.heap.memory.read(address, count * size) == bytes(count * size)
            self.fill(address, byte)

    @rule(
        name=st.sampled_from(["memalign", "aligned_alloc"]),
        alignment=ALIGNMENTS,
        size=SIZES,
        byte=BYTES,
    )
    def aligned(self, name: str, alignment: int, size: int, byte: int) -> None:
        address = self.allocate(name, alignment, size, size=size, alignment=alignment)
        if address:
            assert self.heap.call("malloc_usable_size", address) >= size
            self.fill(address, byte)

    @precondition(lambda self: self.bytes)
    @rule(number=PICKS, size=SIZES, byte=BYTES)
    def realloc(self, number: int, size: int, byte: int) -> None:
        old = self.pick(number)
        address = self.allocate("realloc", old, size, size=size)
        if address:
            before = self.bytes.pop(old)
            kept = min(len(before), size)
            assert self.heap.memory.read(address, kept) == before[:kept]
            self.fill(address, byte)

    @precondition(lambda self: self.bytes)
    @rule(number=PICKS)
    def free(self, number: int) -> None:
        address = self.pick(number)
        self.heap.call("free", address)
        del self.bytes[address]

    @precondition(lambda self: len(self.heap.thefts) < 2)
    @rule(pages=st.integers(1, 2))
    def somebody_else_grows_the_memory(self, pages: int) -> None:
        self.heap.steal(pages)

    @precondition(lambda self: self.bytes)
    @invariant()
    def blocks_in_use_are_those_of_the_model(self) -> None:
        blocks = self.heap.blocks()
        in_use = {
            block.offset: block.capacity
            for block in blocks
            if not block.is_free and not block.is_top
        }

        assert in_use == {address: len(content) for address, content in self.bytes.items()}
        assert all(a.offset + a.size <= b.offset for a, b in pairwise(blocks))

    @invariant()
    def contents_are_kept(self) -> None:
        for address, content in self.bytes.items():
            assert self.heap.memory.read(address, len(content)) == content

    def teardown(self) -> None:
        """When all is free, each run of the heap is one block."""
        was_used = bool(self.bytes)
        for address in self.bytes:
            self.heap.call("free", address)
        if was_used:
            assert sum(block.is_free for block in self.heap.blocks()) <= len(self.heap.thefts)
            assert all(block.is_free or block.is_top for block in self.heap.blocks())


HeapAgainstModel.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

test_any_order_of_calls_agrees_with_the_model = HeapAgainstModel.TestCase


def scatter(heap, sizes, seed=0):
    """Take blocks of random sizes, and give back a random half of them; return the others."""
    chance = random.Random(seed)
    addresses = [heap.allocate("malloc", chance.choice(sizes)) for _ in range(2000)]
    chance.shuffle(addresses)
    for address in addresses[1000:]:
        heap.call("free", address)
    return addresses[:1000]


def test_after_all_is_free_one_block_takes_almost_the_whole_memory():
    """Free neighbours become one, whatever their sizes were: nothing but the first word is lost."""
    heap = BareHeap(max_pages=200)
    for address in scatter(heap, range(1, 8000)):
        heap.call("free", address)
    end = heap.memory.size
    (top,) = heap.blocks()
    address = heap.allocate("malloc", top.capacity)

    assert address == top.offset
    assert top.offset - heap.start < 2 * UNIT
    assert heap.memory.size == end


def test_sizes_may_follow_each_other_in_a_full_memory():
    """Small blocks, large ones and small ones again: each time the memory holds as many as it can."""
    heap = BareHeap(max_pages=40)
    counts = []
    for size in (100_000, 40, 300_000, 1000, 40):
        taken = []
        while address := heap.allocate("malloc", size):
            taken.append(address)
        for address in taken:
            heap.call("free", address)
        counts.append(len(taken))
    room = 40 * PAGE - heap.start - UNIT

    assert counts == [room // block_size(size) for size in (100_000, 40, 300_000, 1000, 40)]


def test_a_block_at_the_end_grows_where_it_is():
    """A buffer that grows by realloc takes no more than itself, in pages too."""
    heap = BareHeap()
    first = address = heap.allocate("malloc", 100)
    for size in range(1000, 3_000_000, 50_000):
        address = heap.allocate("realloc", address, size)

    assert address == first
    assert heap.memory.size - first < size + 2 * PAGE


def test_a_block_grows_into_a_free_one_behind_it():
    """No copy and no new memory."""
    heap = BareHeap()
    block, behind, _ = (heap.allocate("malloc", 1000) for _ in range(3))
    heap.call("free", behind)

    assert heap.allocate("realloc", block, 2000) == block


def test_a_block_grows_into_a_free_one_before_it():
    """Where that suffices the bytes move down; nothing else is taken."""
    heap = BareHeap()
    before, block, _ = (heap.allocate("malloc", 1000) for _ in range(3))
    heap.memory.write(block, bytes(range(250)) * 4)
    heap.call("free", before)
    moved = heap.allocate("realloc", block, 2000)

    assert moved == before
    assert heap.memory.read(moved, 1000) == bytes(range(250)) * 4


def test_a_block_that_shrinks_gives_back_the_rest():
    """The tail serves the next request."""
    heap = BareHeap()
    block, _ = (heap.allocate("malloc", 1000) for _ in range(2))

    assert heap.allocate("realloc", block, 100) == block
    assert heap.allocate("malloc", 880) == block + block_size(100)


def test_a_block_of_the_same_size_is_found_again():
    """What was freed serves the next request of its size, although larger blocks are free too."""
    heap = BareHeap()
    blocks = [heap.allocate("malloc", size) for size in (50_000, 10, 50_100, 10, 90_000, 10)]
    for block in blocks[::2]:
        heap.call("free", block)

    assert heap.allocate("malloc", 50_100) == blocks[2]
    assert heap.allocate("malloc", 50_000) == blocks[0]


def test_the_memory_grows_by_what_is_needed():
    """A page more is asked for when the last one is full, never earlier."""
    heap = BareHeap()
    heap.allocate("malloc", 1)
    before = heap.memory.size
    heap.allocate("malloc", 10 * PAGE)

    assert heap.memory.size == before + 10 * PAGE


def test_somebody_else_may_make_the_memory_grow():
    """The heap goes on behind what was taken; what it had before serves small blocks still."""
    heap = BareHeap()
    first = heap.allocate("malloc", 1000)
    heap.steal(2)
    (start, end), rest = heap.thefts[0], heap.blocks()[-1]
    large = heap.allocate("malloc", 3 * PAGE)
    small = heap.allocate("malloc", 100)

    assert end == start + 2 * PAGE
    assert large == end + UNIT
    assert small == rest.offset == first + block_size(1000)
    assert heap.memory.read(start, 2 * PAGE) == bytes(2 * PAGE)


def test_the_last_block_does_not_grow_over_what_somebody_else_took():
    """It moves behind it, or stays where it is if there is no memory for that: none is taken in vain."""
    heap = BareHeap(max_pages=11)
    block = heap.allocate("malloc", 3 * PAGE)
    heap.steal(2)
    before = heap.memory.size

    assert heap.allocate("realloc", block, 6 * PAGE) == 0
    assert heap.memory.size == before
    assert heap.allocate("realloc", block, 4 * PAGE) == before + UNIT


def test_a_refused_block_leaves_the_heap_as_it_was():
    """NULL and ENOMEM; the blocks are the same, and smaller ones can be had."""
    heap = BareHeap(max_pages=10)
    block = heap.allocate("malloc", 1000)
    heap.memory.write(block, b"kept")
    before = heap.blocks()

    assert heap.allocate("malloc", 20 * PAGE) == 0
    assert heap.allocate("realloc", block, 20 * PAGE) == 0
    assert heap.allocate("memalign", PAGE, 20 * PAGE) == 0
    assert heap.blocks() == before
    assert heap.memory.read(block, 4) == b"kept"
    assert heap.allocate("malloc", 7 * PAGE) != 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("malloc", (2**31 - 1,)),
        ("malloc", (2**32 - 1,)),
        ("malloc", (2**32 - 16,)),
        ("calloc", (65536, 65536)),
        ("calloc", (2**31, 2)),
        ("realloc", (0, 2**32 - 1)),
        ("reallocarray", (0, 65536, 65537)),
        ("memalign", (2**31, 16)),
        ("memalign", (2**30, 2**31 - 16)),
        ("aligned_alloc", (16, 2**32 - 8)),
        ("valloc", (2**32 - 1,)),
    ],
)
def test_sizes_that_no_memory_has(name, values):
    """Sums and products that overflow are refused, never wrapped around."""
    heap = BareHeap()

    assert heap.allocate(name, *values) == 0


def test_the_whole_of_four_gigabytes_can_be_asked_for():
    """The largest object is 2 GiB; near the end of the address space the heap stops in time."""
    heap = BareHeap()
    first = heap.allocate("malloc", 2**31 - 100)
    second = heap.allocate("malloc", 2**31 - 10 * PAGE)

    assert first
    assert second
    assert heap.allocate("malloc", 10 * PAGE) == 0
    assert heap.memory.size <= 65535 * PAGE
    heap.call("free", first)
    heap.call("free", second)

    assert len(heap.blocks()) == 1


@pytest.mark.parametrize("alignment", [0, 3, 24, 2**32 - 1])
def test_an_alignment_that_is_no_power_of_two(alignment):
    """EINVAL, in errno or, from posix_memalign, as the result."""
    heap = BareHeap()

    assert heap.call("memalign", alignment, 100) == 0
    assert heap.call("get_error") == EINVAL
    assert heap.call("posix_memalign", heap.result, alignment, 100) == EINVAL


def test_posix_memalign_returns_its_error_and_leaves_errno_alone():
    """The address goes where the caller says; an alignment below a pointer's is refused."""
    heap = BareHeap(max_pages=10)
    heap.call("set_error", 7)

    assert heap.call("posix_memalign", heap.result, 4096, 100) == 0
    assert heap.word(heap.result) % 4096 == 0
    assert heap.word(heap.result) != 0
    assert heap.call("posix_memalign", heap.result, 4096, 10 * PAGE) == ENOMEM
    assert heap.call("posix_memalign", heap.result, 2, 100) == EINVAL
    assert heap.call("get_error") == 7


def test_nothing_is_not_an_error():
    """free(NULL) does nothing; of 0 bytes there is a block; NULL holds 0 bytes."""
    heap = BareHeap()
    heap.call("free", 0)

    assert heap.allocate("malloc", 0) != heap.allocate("malloc", 0)
    assert heap.allocate("realloc", 0, 0) != 0
    assert heap.call("malloc_usable_size", 0) == 0


@pytest.mark.parametrize("name", ["free", "malloc_usable_size"])
def test_a_block_that_is_free_already_traps(name):
    """Alone, joined with the block before, with the block behind, and at the end of the heap."""
    for order in ((1,), (0, 1), (2, 1), (1, 0), (3,), (0, 1, 2, 3)):
        heap = BareHeap()
        blocks = [heap.allocate("malloc", 100) for _ in range(4)]
        for index in order:
            heap.call("free", blocks[index])

        for index in order:
            assert heap.attempt(name, blocks[index]) is not None


def test_an_address_inside_a_block_traps():
    """Whatever is not aligned was never given out."""
    heap = BareHeap()

    assert heap.attempt("free", heap.allocate("malloc", 100) + 4) is not None


def test_wiped_blocks_leave_zeros_behind():
    """If callers wipe what they free, free memory is zero but for three words and the last of a block."""
    heap = BareHeap()
    chance = random.Random(1)
    live = scatter(heap, range(1, 600))
    live = [address for address in live if wipe(heap, address)]
    for _ in range(3000):
        if live and chance.random() < 0.55:
            address = live.pop(chance.randrange(len(live)))
            wipe(heap, address)
            heap.call("free", address)
        else:
            alignment = chance.choice([1, 16, 64, 4096])
            live.append(heap.allocate("memalign", alignment, chance.randrange(2000)))

    free = [block for block in heap.blocks() if block.is_free]
    links = [(block.offset, block.offset + block.capacity - 4) for block in free]
    dirty = [
        (start, end) for start, end in links if any(heap.memory.read(start + 8, end - start - 8))
    ]

    assert len(free) > 100
    assert dirty == []


def test_holes_that_are_given_up():
    """What comes then lies behind everything; blocks around a hole can still be freed, and are used again."""
    heap = BareHeap()
    blocks = [heap.allocate("malloc", 100) for _ in range(61)]
    for address in blocks[1::2]:
        heap.call("free", address)
    heap.call("give_up_holes")
    later = [heap.allocate("malloc", 100) for _ in range(60)]

    assert min(later) > max(blocks)
    assert not any(block.is_free for block in heap.blocks())
    for address in blocks[::2]:
        heap.call("free", address)
    assert {heap.allocate("malloc", 100) for _ in range(31)} == set(blocks[::2])


def test_given_up_holes_are_zero():
    """Nothing of the lists stays in them: a snapshot has nothing to carry."""
    heap = BareHeap()
    blocks = [heap.allocate("malloc", 100) for _ in range(60)]
    for address in blocks[::2]:
        heap.call("free", address)
    heap.call("give_up_holes")

    assert {heap.memory.read(address, 100) for address in blocks[::2]} == {bytes(100)}


def wipe(heap, address):
    size = heap.call("malloc_usable_size", address)
    heap.memory.write(address, bytes(size))
    return size


def test_the_work_of_a_call_does_not_grow_with_the_heap():
    """With ten thousand free blocks a call executes as little as with a hundred."""

    def most(count):
        heap, chance = BareHeap(has_fuel=True), random.Random(2)
        held = [heap.allocate("malloc", chance.randrange(1, 3000)) for _ in range(2 * count)]
        for address in held[::2]:
            heap.call("free", address)
        used = []
        for _ in range(300):
            heap.store.set_fuel(10**9)
            address = heap.call("malloc", chance.randrange(1, 3000))
            heap.call("free", address)
            used.append(10**9 - heap.store.fuel())
        return max(used)

    assert most(10_000) < 1000
    assert most(100) < 1000
