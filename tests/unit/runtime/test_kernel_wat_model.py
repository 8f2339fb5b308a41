"""The kernel against a model of it in Python: any functions in any order, with everything checked between."""

from __future__ import annotations

from itertools import pairwise

from bare_kernel import FIRST, GRANULE, BareKernel
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from extism._wasm.marks import MARKS
from extism.abi import PAGE

U64 = (1 << 64) - 1
MAX_PAGES = 18

SIZES = st.one_of(
    st.integers(1, 200),
    st.sampled_from([1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 4096, PAGE - 1, PAGE, PAGE + 1]),
    st.integers(3_000, 3_700),  # so that headers lie around the border of `data` and `meta`
    st.integers(1, 400_000),
)
BYTES = st.integers(1, 255)
PICKS = st.integers(0, 1000)


def padded(size: int) -> int:
    return -(-size // GRANULE) * GRANULE


class KernelAgainstModel(RuleBasedStateMachine):
    """
    The model: live blocks with their bytes (padding included), and what was set as input, output, error.

    It does not say where a block lies; it says what must hold wherever that is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernel = BareKernel(budget=(MAX_PAGES - 16) * PAGE)
        self.size: dict[int, int] = {}
        self.bytes: dict[int, bytearray] = {}
        self.dead: list[int] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        self.dead += self.size
        self.size, self.bytes = {}, {}
        self.input = self.output = (0, 0)
        self.error = 0

    def pick(self, number: int) -> int:
        return sorted(self.size)[number % len(self.size)]

    def block_at(self, offset: int) -> int | None:
        """The live block whose granules hold the byte at `offset`."""
        owners = (h for h in self.size if h <= offset < h + len(self.bytes[h]))
        return next(owners, None)

    def model_store(self, offset: int, data: bytes) -> None:
        if not self.reaches(offset, len(data)):
            return
        for at, byte in enumerate(data, offset):
            owner = self.block_at(at)
            if owner is not None:
                self.bytes[owner][at - owner] = byte

    def reaches(self, offset: int, length: int) -> bool:
        return offset >= FIRST and offset + length <= self.kernel.end

    def added(self, handle: int, size: int) -> None:
        self.size[handle] = size
        self.bytes[handle] = bytearray(padded(size))

    # ------------------------------------------------------------ blocks

    @rule(size=SIZES, byte=BYTES)
    def alloc(self, size: int, byte: int) -> None:
        free_before = max((b.capacity for b in self.kernel.blocks() if b.free), default=0)
        room_before = MAX_PAGES * PAGE - self.kernel.end
        handle = self.kernel.alloc(size)
        if not handle:
            assert padded(size) > max(free_before * GRANULE, room_before)
            return
        self.added(handle, size)
        fresh = self.kernel.read(handle, padded(size))

        assert handle % GRANULE == 0
        assert self.kernel.length(handle) == size
        assert fresh == bytes(padded(size))
        self.bytes[handle][:] = bytes([byte]) * padded(size)
        self.kernel.write(handle, bytes(self.bytes[handle]))

    @rule(size=st.sampled_from([0, (1 << 32) - FIRST + 1, 1 << 32, U64 - 19, U64]))
    def alloc_nothing(self, size: int) -> None:
        assert self.kernel.alloc(size) == 0

    @precondition(lambda self: self.size)
    @rule(number=PICKS)
    def free(self, number: int) -> None:
        handle = self.pick(number)
        self.kernel.free(handle)
        del self.size[handle], self.bytes[handle]
        self.dead.append(handle)
        if handle == self.input[0]:
            self.input = (handle, 0)

    @precondition(lambda self: self.dead)
    @rule(number=PICKS)
    def free_dead(self, number: int) -> None:
        handle = self.dead[number % len(self.dead)]
        if handle not in self.size:
            self.kernel.free(handle)

            assert self.kernel.length(handle) == 0

    @precondition(lambda self: self.size)
    @rule(number=PICKS, inside=st.integers(1, 5000))
    def free_interior(self, number: int, inside: int) -> None:
        offset = self.pick(number) + inside
        if offset not in self.size:
            self.kernel.free(offset)

            assert self.kernel.length(offset) == 0

    @rule()
    def reset(self) -> None:
        self.kernel.reset()
        self.begin_anew()

        assert self.kernel.root.span == 0

    @rule(size=st.integers(0, 5000), byte=BYTES)
    def begin(self, size: int, byte: int) -> None:
        self.begin_anew()
        handle = self.kernel.begin(size)
        if size:
            self.added(handle, size)
            self.bytes[handle][:size] = bytes([byte]) * size
            self.kernel.write(handle, bytes([byte]) * size)
            self.input = (FIRST, size)

        assert handle == (FIRST if size else 0)

    # ------------------------------------------------------------ bytes

    @rule(at=st.integers(0, 1_200_000), near=st.booleans(), value=st.integers(0, U64))
    def store_word(self, at: int, near: bool, value: int) -> None:
        offset = FIRST - 16 + at % (self.kernel.root.span + 32) if near else at
        self.kernel.store_u64(offset, value)
        self.model_store(offset, value.to_bytes(8, "little"))
        loaded = self.kernel.load_u64(offset)

        assert loaded == (value if self.reaches(offset, 8) else 0)

    @rule(at=st.integers(0, 1_200_000), near=st.booleans(), value=st.integers(0, 255))
    def store_byte(self, at: int, near: bool, value: int) -> None:
        offset = FIRST - 16 + at % (self.kernel.root.span + 32) if near else at
        self.kernel.store_u8(offset, value)
        self.model_store(offset, bytes([value]))
        loaded = self.kernel.load_u8(offset)

        assert loaded == (value if self.reaches(offset, 1) else 0)

    @rule(index=st.integers(0, 6000) | st.integers(0, U64))
    def load_input(self, index: int) -> None:
        offset, length = self.input
        text = self.kernel.read(offset, length)
        word = text[index : index + 8] if index < length else b""
        expected = int.from_bytes(word, "little") if len(word) == 8 else 0

        assert self.kernel.input_load_u64(index) == expected
        assert self.kernel.input_load_u8(index) == (text[index] if index < length else 0)

    # ------------------------------------------------------------ input, output, error

    @rule(at=st.integers(0, 1_200_000), length=st.integers(0, 10_000), what=st.booleans())
    def set_range(self, at: int, length: int, what: bool) -> None:
        offset = FIRST - 16 + at % (self.kernel.root.span + 32)
        taken = self.reaches(offset, max(length, 1))
        if what:
            self.kernel.input_set(offset, length)
            self.input = (offset, length) if taken else self.input
        else:
            self.kernel.output_set(offset, length)
            self.output = (offset, length) if taken else self.output

    @rule(at=st.integers(0, 1_200_000))
    def set_error(self, at: int) -> None:
        offset = FIRST - 16 + at % (self.kernel.root.span + 32)
        self.kernel.error_set(offset)
        self.error = offset if self.reaches(offset, 1) else self.error

    @rule()
    def clear_error(self) -> None:
        self.kernel.error_set(0)
        self.error = 0

    # ------------------------------------------------------------ what holds between

    @invariant()
    def the_record_is_what_was_set(self) -> None:
        root = self.kernel.root

        assert (root.output_offset, root.output_length) == self.output
        assert (root.input_offset, root.input_length) == self.input
        assert root.error == self.error

    @invariant()
    def every_new_page_came_out_of_the_budget(self) -> None:
        pages = self.kernel.data.size(self.kernel.store)

        assert self.kernel.budget & ~MARKS == (MAX_PAGES - pages) * PAGE

    @invariant()
    def blocks_are_apart_and_inside_the_span(self) -> None:
        ends = [(handle, handle + padded(size)) for handle, size in sorted(self.size.items())]

        assert all(end <= start for (_, end), (start, _) in pairwise(ends))
        assert all(start >= FIRST and end <= self.kernel.end for start, end in ends)

    @invariant()
    def bytes_and_lengths_are_kept(self) -> None:
        for handle, size in self.size.items():
            assert self.kernel.length(handle) == size
            assert self.kernel.read(handle, padded(size)) == self.bytes[handle]

    @invariant()
    def the_headers_are_whole(self) -> None:
        self.kernel.check()
        live = {block.handle for block in self.kernel.blocks() if not block.free}

        assert live == set(self.size)

    def teardown(self) -> None:
        self.kernel.reset()

        assert self.kernel.alloc(1) == FIRST


KernelAgainstModel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

test_any_order_of_calls_agrees_with_the_model = KernelAgainstModel.TestCase
