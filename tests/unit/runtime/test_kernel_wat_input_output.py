"""What a guest and its host hand each other through the kernel: input, output, error, the record of them."""

from __future__ import annotations

import pytest
from bare_kernel import FIRST, BareKernel

U64 = (1 << 64) - 1


@pytest.fixture
def kernel() -> BareKernel:
    return BareKernel()


# ---------------------------------------------------------------- input


def begun(text: bytes) -> BareKernel:
    kernel = BareKernel()
    kernel.write(kernel.begin(len(text)), text)
    return kernel


def test_begin_makes_the_input() -> None:
    """The host's one crossing leaves a live block of the input's length, set as input."""
    kernel = begun(b"hello")

    assert (kernel.input_offset(), kernel.input_length()) == (FIRST, 5)
    assert kernel.length(FIRST) == 5
    assert bytes(kernel.input_load_u8(i) for i in range(5)) == b"hello"


def test_begin_without_input_makes_no_block(kernel: BareKernel) -> None:
    """An empty input has offset 0 and length 0, so the guest sees the null handle."""
    kernel.begin(40)

    assert kernel.begin(0) == 0
    assert (kernel.input_offset(), kernel.input_length()) == (0, 0)
    assert kernel.root.span == 0


@pytest.mark.parametrize("length", [1 << 32, (1 << 32) - 511, 1 << 63, U64])
def test_begin_refuses_what_no_memory_holds(kernel: BareKernel, length: int) -> None:
    """An input past the largest memory gives -1, and the old input is gone all the same."""
    kernel.begin(40)

    assert kernel.begin(length) == U64
    assert (kernel.input_offset(), kernel.input_length(), kernel.length(FIRST)) == (0, 0, 0)


def test_begin_pads_the_input_with_zeros() -> None:
    """What lies behind the input in its last granule is zero, whatever an earlier call left there."""
    kernel = BareKernel()
    kernel.filled(4096, 0xFF)
    kernel.write(kernel.begin(33), b"i" * 33)

    assert kernel.load_u64(FIRST + 33) == 0
    assert kernel.read(FIRST, 64) == b"i" * 33 + bytes(31)


@pytest.mark.parametrize("length", [1, 31, 32, 33, 4096, 65000])
def test_accept_makes_the_input_of_what_is_written_already(length: int) -> None:
    """It leaves the kernel as `begin` and writing would, whatever lay there."""
    data = bytes(range(1, 256)) * 300
    one, other = BareKernel(), BareKernel()
    for kernel in (one, other):
        kernel.filled(70000, 0xFF)
        kernel.error_set(kernel.filled(5, 1))
    one.write(FIRST, data[:length])
    one.accept(length)
    other.write(other.begin(length), data[:length])
    end = FIRST + -(-length // 32) * 32

    assert one.root == other.root
    assert one.read(FIRST, end - FIRST) == data[:length] + bytes(end - FIRST - length)
    assert one.read(end, 64) == other.read(end, 64)
    assert one.length(FIRST) == other.length(FIRST) == length
    assert one.alloc(64) == other.alloc(64)


def test_accept_of_nothing_forgets_the_last_call() -> None:
    """No input, no block."""
    kernel = begun(b"0123456789")
    kernel.accept(0)

    assert (kernel.input_offset(), kernel.input_length(), kernel.length(FIRST)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        pytest.param(0, (FIRST, 5), [FIRST, FIRST + 5, 0], id="well"),
        pytest.param(0, None, [0, 0, 0], id="no output"),
        pytest.param(7, (FIRST, 5), [FIRST, -1, 7], id="a code"),
        pytest.param(-1, (FIRST, 5), [FIRST, -1, -1], id="a code below 0"),
        pytest.param(0, (FIRST + 3, 0), [FIRST + 3, FIRST + 3, 0], id="an empty output"),
    ],
)
def test_conclude_says_where_the_output_is_and_how_it_ended(code, output, expected) -> None:
    """The end is -1 where the call did not end well."""
    kernel = begun(b"0123456789")
    if output is not None:
        kernel.output_set(*output)

    assert kernel.conclude(code) == expected


def test_conclude_tells_of_an_error() -> None:
    """Whatever the code and the output are; taken back, it is none."""
    kernel = begun(b"0123456789")
    kernel.output_set(FIRST, 5)
    kernel.error_set(FIRST)
    with_error = kernel.conclude(0)
    kernel.error_set(0)

    assert with_error == [FIRST, -1, 0]
    assert kernel.conclude(0) == [FIRST, FIRST + 5, 0]


def test_reserve_gives_a_block_that_only_lacks_wiping(kernel: BareKernel) -> None:
    """The host's alloc gives a live block whose padding is zero; 0 for nothing and for too much."""
    kernel.free(kernel.filled(100, 0xFF))
    handle = kernel.reserve(33)

    assert kernel.length(handle) == 33
    assert kernel.read(handle + 33, 31) == bytes(31)
    assert (kernel.reserve(0), kernel.reserve(U64)) == (0, 0)


@pytest.mark.parametrize(
    ("index", "word"),
    [
        pytest.param(0, 0x3736353433323130, id="first"),
        pytest.param(2, 0x3938373635343332, id="last whole one"),
        pytest.param(3, 0, id="one byte past the end"),
        pytest.param(9, 0, id="last byte"),
        pytest.param(10, 0, id="the end"),
        pytest.param(U64, 0, id="minus 1"),
        pytest.param(U64 - 7, 0, id="minus 8"),
        pytest.param(1 << 32, 0, id="wraps in 32 bits"),
        pytest.param(1 << 63, 0, id="largest negative"),
    ],
)
def test_input_words_are_whole_or_zero(index: int, word: int) -> None:
    """input_load_u64 gives eight bytes of the input, or 0 where not all eight are inside."""
    kernel = begun(b"0123456789")

    assert kernel.input_load_u64(index) == word


@pytest.mark.parametrize("index", [10, 11, U64, 1 << 32, 1 << 63])
def test_input_bytes_past_the_end_are_zero(index: int) -> None:
    """input_load_u8 gives 0 outside the input, even where a block follows it."""
    kernel = begun(b"0123456789")
    kernel.filled(64, 0xFF)

    assert kernel.input_load_u8(index) == 0


def test_an_input_of_one_word_gives_it() -> None:
    """Eight bytes of input are one whole word."""
    kernel = begun(b"01234567")

    assert kernel.input_load_u64(0) == 0x3736353433323130
    assert kernel.input_load_u64(1) == 0


@pytest.mark.parametrize("length", range(8))
def test_input_shorter_than_a_word_gives_no_word(length: int) -> None:
    """An input of fewer than eight bytes has no whole word to load."""
    kernel = begun(b"x" * length)

    assert kernel.input_load_u64(0) == 0


def test_a_long_input_loads_byte_by_byte() -> None:
    """Each of 123456 bytes of input comes back; the word that crosses its end is 0."""
    text = bytes(i * 7 % 251 for i in range(123456))
    kernel = begun(text)
    sample = [*range(0, 123456, 97), 123455]

    assert [kernel.input_load_u8(i) for i in sample] == [text[i] for i in sample]
    assert kernel.input_load_u64(123457) == 0
    assert kernel.input_load_u64(123448) == int.from_bytes(text[-8:], "little")


def test_freeing_the_input_empties_it(kernel: BareKernel) -> None:
    """After the guest frees its input block the length is 0; the offset stays."""
    kernel.write(kernel.begin(10), b"0123456789")
    kernel.free(FIRST)

    assert (kernel.input_offset(), kernel.input_length()) == (FIRST, 0)
    assert (kernel.input_load_u8(0), kernel.input_load_u64(0)) == (0, 0)


def test_freeing_another_block_leaves_the_input(kernel: BareKernel) -> None:
    """Freeing a block that is not the input does not touch the input."""
    kernel.begin(10)
    kernel.free(kernel.alloc(5))

    assert (kernel.input_offset(), kernel.input_length()) == (FIRST, 10)


RANGES = [
    pytest.param(FIRST, 100, True, id="whole block"),
    pytest.param(FIRST + 3, 7, True, id="inside a block"),
    pytest.param(FIRST + 90, 100, True, id="across two blocks"),
    pytest.param(FIRST, 256, True, id="all there is"),
    pytest.param(FIRST, 0, True, id="empty"),
    pytest.param(FIRST + 255, 1, True, id="last byte"),
    pytest.param(FIRST, 257, False, id="one byte too long"),
    pytest.param(FIRST + 256, 0, False, id="empty, behind the last block"),
    pytest.param(FIRST + 256, 1, False, id="behind the last block"),
    pytest.param(FIRST - 1, 5, False, id="begins too low"),
    pytest.param(0, 0, False, id="null"),
    pytest.param(0, 5, False, id="null with a length"),
    pytest.param(FIRST, 1 << 40, False, id="2^40 bytes"),
    pytest.param(FIRST, 1 << 63, False, id="2^63 bytes"),
    pytest.param(FIRST, U64, False, id="-1 bytes"),
    pytest.param(FIRST, U64 - 49, False, id="-50 bytes"),
    pytest.param(FIRST + 100, U64 - 99, False, id="-100 bytes, the sum wraps to the start"),
    pytest.param(U64, 1, False, id="offset -1"),
    pytest.param(U64 - 10, 600, False, id="wraps round"),
    pytest.param((1 << 32) + FIRST, 5, False, id="wraps in 32 bits"),
]


@pytest.mark.parametrize(("offset", "length", "taken"), RANGES)
def test_input_set_takes_ranges_of_blocks_only(
    kernel: BareKernel, offset: int, length: int, taken: bool
) -> None:
    """A range that is not wholly in reach is ignored; the earlier input stays."""
    kernel.begin(100)
    kernel.alloc(128)
    kernel.input_set(offset, length)

    expected = (offset, length) if taken else (FIRST, 100)
    assert (kernel.input_offset(), kernel.input_length()) == expected


def test_input_set_moves_what_is_loaded(kernel: BareKernel) -> None:
    """After input_set the loads read the new range, counted from its start, and end with it."""
    kernel.begin(4)
    handle = kernel.alloc(20)
    kernel.write(handle, b"abcdefghijklmnopqrst")
    kernel.input_set(handle + 1, 9)

    assert kernel.input_load_u8(0) == ord("b")
    assert kernel.input_load_u64(1) == int.from_bytes(b"cdefghij", "little")
    assert (kernel.input_load_u8(9), kernel.input_load_u64(2)) == (0, 0)


# ---------------------------------------------------------------- output and error


@pytest.mark.parametrize(("offset", "length", "taken"), RANGES)
def test_output_set_takes_ranges_of_blocks_only(
    kernel: BareKernel, offset: int, length: int, taken: bool
) -> None:
    """A range that is not wholly in reach is ignored; the earlier output stays."""
    kernel.alloc(100)
    kernel.alloc(128)
    kernel.output_set(FIRST, 3)
    kernel.output_set(offset, length)

    expected = (offset, length) if taken else (FIRST, 3)
    assert (kernel.output_offset(), kernel.output_length()) == expected


def test_freeing_the_output_leaves_it_set(kernel: BareKernel) -> None:
    """free clears neither output nor error; their owner is the host by then."""
    handle = kernel.alloc(5)
    kernel.output_set(handle, 5)
    kernel.error_set(handle)
    kernel.free(handle)

    assert (kernel.output_offset(), kernel.output_length()) == (handle, 5)
    assert kernel.error_get() == handle


def test_error_is_kept_until_cleared(kernel: BareKernel) -> None:
    """error_get gives the handle last set; 0 clears it."""
    handle = kernel.alloc(512)
    kernel.error_set(handle)
    first = kernel.error_get()
    kernel.error_set(0)

    assert (first, kernel.error_get()) == (handle, 0)


@pytest.mark.parametrize(
    "offset",
    [1, 31, FIRST - 1, FIRST + 64, 1 << 31, 1 << 32, (1 << 32) + FIRST, 1 << 63, U64 - 7, U64],
)
def test_error_out_of_reach_is_ignored(kernel: BareKernel, offset: int) -> None:
    """error_set keeps the earlier error when the new one is not in reach."""
    handle = kernel.alloc(64)
    kernel.error_set(handle)
    kernel.error_set(offset)

    assert kernel.error_get() == handle


def test_an_error_inside_a_block_has_no_length(kernel: BareKernel) -> None:
    """An interior pointer is stored, but as no live handle it has length 0: not an error."""
    handle = kernel.alloc(64)
    kernel.error_set(handle + 1)

    assert kernel.error_get() == handle + 1
    assert kernel.length(kernel.error_get()) == 0


def test_the_host_reads_the_result_with_one_look(kernel: BareKernel) -> None:
    """The root record begins with output offset, output length and error handle."""
    kernel.begin(10)
    output, error = kernel.alloc(100), kernel.alloc(7)
    kernel.output_set(output + 1, 50)
    kernel.error_set(error)

    assert kernel.root == (
        *(output + 1, 50, error),
        *(FIRST, 10, 3),
        *(192, 185, 192),
        2,
    )
