"""The kernel's surface: what it exports, and how bytes, input, output and error are reached."""

from __future__ import annotations

import pytest
import wasmtime
from bare_kernel import FIRST, HOST_ONLY, KERNEL_FUNCTIONS, BareKernel, engine, kernel_text

from extism.abi import ENV, Function

U64 = (1 << 64) - 1
WILD = (0, 1, 31, 511, 1 << 31, (1 << 32) - 8, 1 << 32, (1 << 32) + 512, 1 << 63, U64 - 7, U64)
"""Offsets that no block of a small kernel reaches, each at an edge of some arithmetic."""


@pytest.fixture
def kernel() -> BareKernel:
    return BareKernel()


def module() -> wasmtime.Module:
    return wasmtime.Module(engine(), kernel_text())


def test_imports_nothing() -> None:
    """The kernel runs on its own."""

    assert module().imports == []


def test_exports_the_abi_and_what_the_host_needs() -> None:
    """Every kernel function of the ABI table is there, and beside it only what no guest may import."""
    names = {export.name for export in module().exports}

    assert names == {*KERNEL_FUNCTIONS, *HOST_ONLY}


@pytest.mark.parametrize("row", KERNEL_FUNCTIONS.values(), ids=lambda row: row.name)
def test_exports_have_the_types_of_the_abi(row: Function) -> None:
    """Each function takes and gives exactly what the ABI table says."""
    type_ = {export.name: export.type for export in module().exports}[row.name]

    assert isinstance(type_, wasmtime.FuncType)
    assert tuple(map(str, type_.params)) == row.params
    assert tuple(map(str, type_.results)) == row.results


def forwarding_guest() -> str:
    """Write a module that imports each kernel function and exports it again through a function of its own."""
    imports, bodies = [], []
    for name, row in KERNEL_FUNCTIONS.items():
        params = f"(param {' '.join(row.params)})" if row.params else ""
        results = f"(result {' '.join(row.results)})" if row.results else ""
        gets = " ".join(f"(local.get {index})" for index in range(len(row.params)))
        imports.append(f'(import "{ENV}" "{name}" (func ${name} {params} {results}))')
        bodies.append(f'(func (export "{name}") {params} {results} (call ${name} {gets}))')
    return f"(module {' '.join(imports + bodies)})"


def test_a_guest_links_against_all_twenty_functions(kernel: BareKernel) -> None:
    """A guest that imports every kernel function through a linker can use every one."""
    linker = wasmtime.Linker(engine())
    for name in KERNEL_FUNCTIONS:
        linker.define(kernel.store, ENV, name, kernel.exports[name])
    guest_module = wasmtime.Module(engine(), forwarding_guest())
    guest = linker.instantiate(kernel.store, guest_module).exports(kernel.store)

    def call(name: str, *arguments: int) -> int | None:
        return guest[name](kernel.store, *arguments)  # type: ignore[operator,no-any-return]

    handle = call("alloc", 16) or 0
    used = [
        handle,
        call("length", handle),
        call("length_unsafe", handle),
        call("store_u8", handle, 7),
        call("load_u8", handle),
        call("store_u64", FIRST + 8, 9),
        call("load_u64", FIRST + 8),
        call("input_set", handle, 16),
        call("input_offset"),
        call("input_length"),
        call("input_load_u8", 0),
        call("input_load_u64", 8),
        call("output_set", handle, 3),
        call("output_offset"),
        call("output_length"),
        call("error_set", handle),
        call("error_get"),
        call("memory_bytes"),
        call("free", handle),
        call("length", handle),
        call("reset"),
        call("output_offset"),
    ]

    assert used == [
        *(FIRST, 16, 16),
        *(None, 7, None, 9),
        *(None, FIRST, 16, 7, 9),
        *(None, FIRST, 3),
        *(None, FIRST),
        16 * 65536,
        *(None, 0),
        *(None, 0),
    ]


# ---------------------------------------------------------------- bytes


def test_numbers_are_little_endian(kernel: BareKernel) -> None:
    """A u64 is eight bytes, the lowest first, whichever way it is written and read."""
    handle = kernel.alloc(8)
    kernel.store_u64(handle, 999)
    bytes_of_999 = bytes(kernel.load_u8(handle + i) for i in range(8))
    for i in range(8):
        kernel.store_u8(handle + i, i)

    assert bytes_of_999 == (999).to_bytes(8, "little")
    assert kernel.load_u64(handle) == 0x0706050403020100


def test_store_u8_takes_the_low_byte(kernel: BareKernel) -> None:
    """Only the low eight bits of the value are stored; the neighbours stay."""
    handle = kernel.alloc(3)
    kernel.store_u8(handle + 1, 0xABCD)

    assert kernel.read(handle, 3) == b"\x00\xcd\x00"


def test_words_may_lie_at_any_alignment(kernel: BareKernel) -> None:
    """A u64 is stored and loaded at each offset modulo eight."""
    handle = kernel.alloc(71)
    for shift in range(8):
        kernel.store_u64(handle + 9 * shift, 0x1122334455667788 + shift)
        loaded = kernel.load_u64(handle + 9 * shift)

        assert loaded == 0x1122334455667788 + shift


@pytest.mark.parametrize("offset", WILD)
def test_bytes_out_of_reach_read_as_zero_and_swallow_stores(
    kernel: BareKernel, offset: int
) -> None:
    """Loads outside the blocks give 0 and stores there change nothing at all."""
    kernel.filled(100, 0xFF)
    data = kernel.read(0, 2 * 65536)
    meta = bytes(kernel.meta.read(kernel.store))
    kernel.store_u8(offset, 0xEE)
    kernel.store_u64(offset, U64)

    assert (kernel.load_u8(offset), kernel.load_u64(offset)) == (0, 0)
    assert kernel.read(0, 2 * 65536) == data
    assert bytes(kernel.meta.read(kernel.store)) == meta


def test_reach_ends_with_the_last_block(kernel: BareKernel) -> None:
    """The last byte and the last whole word of the last granule are in reach, one further is not."""
    end = kernel.filled(40, 0xFF) + 64
    kernel.store_u8(end, 0xEE)
    kernel.store_u64(end - 7, 0)

    assert (kernel.load_u8(end - 1), kernel.load_u8(end)) == (0xFF, 0)
    assert (kernel.load_u64(end - 8), kernel.load_u64(end - 7)) == (U64, 0)
    assert kernel.read(end - 8, 16) == b"\xff" * 8 + b"\x00" * 8


def test_reach_begins_with_the_first_block(kernel: BareKernel) -> None:
    """A word that begins below the first handle is out of reach as a whole."""
    kernel.filled(40, 0xFF)
    kernel.store_u64(FIRST - 1, 0)

    assert kernel.load_u64(FIRST - 1) == 0
    assert kernel.read(FIRST - 8, 16) == b"\x00" * 8 + b"\xff" * 8


def test_nothing_is_in_reach_before_the_first_block(kernel: BareKernel) -> None:
    """Without a block every load gives 0 and every store is lost."""
    kernel.store_u8(FIRST, 1)
    kernel.store_u64(FIRST, 1)

    assert (kernel.load_u8(FIRST), kernel.load_u64(FIRST)) == (0, 0)
    assert kernel.read(0, 65536) == bytes(65536)


def test_a_guest_that_scribbles_everywhere_hurts_only_its_bytes(kernel: BareKernel) -> None:
    """Stores to every offset leave the root record, the bins and all headers as they were."""
    kernel.begin(100)
    freed, kept = kernel.alloc(50), kernel.alloc(70)
    kernel.free(freed)
    meta = bytes(kernel.meta.read(kernel.store))
    for offset in range(kernel.end + 64):
        kernel.store_u64(offset, U64)
        kernel.store_u8(offset, 0xFF)

    assert bytes(kernel.meta.read(kernel.store)) == meta
    assert kernel.length(kept) == 70
    assert kernel.alloc(50) == freed
    assert kernel.read(freed, 64) == bytes(64)


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


@pytest.mark.parametrize("offset", [*WILD[1:], FIRST + 64])
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
