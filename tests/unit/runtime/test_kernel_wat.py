"""The kernel's surface: what it exports, how a guest links against it, and how bytes are reached."""

from __future__ import annotations

import pytest
import wasmtime
from bare_kernel import FIRST, HOST_ONLY, KERNEL_FUNCTIONS, BareKernel, engine, kernel_text

from extism.abi import ENV, Function

U64 = (1 << 64) - 1
WILD = (0, 1, 48, 2047, 1 << 31, (1 << 32) - 8, 1 << 32, (1 << 32) + FIRST, 1 << 63, U64 - 7, U64)
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
    beliefs = kernel.beliefs
    kernel.store_u8(offset, 0xEE)
    kernel.store_u64(offset, U64)

    assert (kernel.load_u8(offset), kernel.load_u64(offset)) == (0, 0)
    assert kernel.read(0, 2 * 65536) == data
    assert kernel.beliefs == beliefs


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
    beliefs = kernel.beliefs
    for offset in range(kernel.end + 64):
        kernel.store_u64(offset, U64)
        kernel.store_u8(offset, 0xFF)

    assert kernel.beliefs == beliefs
    assert kernel.length(kept) == 70
    assert kernel.alloc(50) == freed
    assert kernel.read(freed, 64) == bytes(64)
