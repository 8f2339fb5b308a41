"""The kernel at its limits: growth granted and refused, being cut off, wild arguments, large numbers."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
import wasmtime
from bare_kernel import FIRST, GRANULE, KERNEL_FUNCTIONS, NEAR, BareKernel, engine, kernel_text

from extism._wasm.marks import ENDED, REFUSED, STRICT
from extism.abi import ENV, PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

U64 = (1 << 64) - 1


def pages(kernel: BareKernel) -> tuple[int, int]:
    return kernel.data.size(kernel.store), kernel.meta.size(kernel.store)


# ---------------------------------------------------------------- growth


@pytest.mark.parametrize(
    ("size", "data", "meta"),
    [
        pytest.param(16 * PAGE - FIRST, 16, 8, id="the last byte of the first pages"),
        pytest.param(16 * PAGE - FIRST + 1, 17, 9, id="one byte more"),
        pytest.param(17 * PAGE - FIRST, 17, 9, id="an odd number of pages"),
        pytest.param(17 * PAGE, 18, 9, id="an even number of pages"),
        pytest.param(100 * PAGE, 101, 51, id="100 pages"),
    ],
)
def test_memory_grows_by_what_is_needed(size: int, data: int, meta: int) -> None:
    """Data grows to the page that the block ends in; meta to half of that, rounded up."""
    kernel = BareKernel()
    handle = kernel.alloc(size)
    kernel.store_u8(handle + size - 1, 7)

    assert (handle, kernel.load_u8(handle + size - 1)) == (FIRST, 7)
    assert pages(kernel) == (data, meta)
    assert kernel.memory_bytes() == data * PAGE
    kernel.check()


def test_free_space_is_used_before_memory_grows() -> None:
    """When the span cannot grow in place, a larger free block is cut before new pages are asked for."""
    kernel = BareKernel()
    freed, _ = kernel.alloc(10 * PAGE), kernel.alloc(6 * PAGE - FIRST - 32)
    kernel.free(freed)
    handles = [kernel.alloc(size) for size in (32, 5 * PAGE, 1, 4 * PAGE)]

    assert handles == [16 * PAGE - 32, freed, freed + 5 * PAGE, freed + 5 * PAGE + 32]
    assert pages(kernel) == (16, 8)
    kernel.check()


def test_a_refused_growth_gives_null_and_changes_nothing() -> None:
    """At the limit alloc gives 0; blocks stay as they are, smaller requests are met."""
    kernel = BareKernel(max_pages=20)
    kept = kernel.filled(1000, 0x5A)
    beliefs = kernel.beliefs
    refused = kernel.alloc(100 << 20)
    unchanged = kernel.beliefs == beliefs
    rest = 20 * PAGE - kernel.end

    assert (refused, unchanged, pages(kernel)) == (0, True, (16, 8))
    assert kernel.alloc(rest + 1) == 0
    assert kernel.alloc(rest) == kept + 1024
    assert kernel.alloc(1) == 0
    assert kernel.read(kept, 1000) == b"\x5a" * 1000
    kernel.check()


@pytest.mark.parametrize("absurd", [0, (1 << 32) - FIRST + 1, 1 << 32, U64])
def test_only_want_of_room_is_marked(absurd: int) -> None:
    """No bytes, and more than any memory could hold, are refused without a mark."""
    kernel = BareKernel(budget=PAGE)
    kernel.alloc(absurd)
    before = kernel.budget
    kernel.alloc(100 << 20)

    assert (before, kernel.budget) == (PAGE, PAGE | REFUSED)


@pytest.mark.parametrize(("pages", "left"), [(15, 4), (16, 3), (17, 2), (19, 0), (20, 4)], ids=str)
def test_new_pages_of_data_come_out_of_the_budget(pages: int, left: int) -> None:
    """The first 16 are free, headers cost nothing, and what is refused costs nothing."""
    kernel = BareKernel(budget=4 * PAGE)
    handle = kernel.alloc(pages * PAGE)

    assert (bool(handle), kernel.budget & -16) == (pages < 20, left * PAGE)
    kernel.check()


def test_growth_that_the_engine_refuses_is_given_back() -> None:
    """The budget is as before, so that what does fit is granted."""
    kernel = BareKernel(max_pages=20, budget=40 * PAGE)
    refused = kernel.alloc(30 * PAGE)

    assert (refused, kernel.budget) == (0, 40 * PAGE | REFUSED)
    assert kernel.alloc(20 * PAGE - FIRST) == FIRST
    assert kernel.budget == 36 * PAGE | REFUSED


def test_a_strict_budget_ends_a_guest_that_wants_more() -> None:
    """It traps, marked; blocks stand, and what there is room for is still to be had."""
    kernel = BareKernel(budget=4 * PAGE | STRICT)
    kept = kernel.filled(1000, 0x5A)
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        kernel.alloc(21 * PAGE)

    assert kernel.budget == 4 * PAGE | STRICT | ENDED
    assert kernel.read(kept, 1000) == b"\x5a" * 1000
    assert kernel.alloc(15 * PAGE) == kept + 1024
    kernel.check()


def test_a_strict_budget_does_not_end_the_host() -> None:
    """Reserving and beginning give 0 and -1, without a mark."""
    kernel = BareKernel(budget=STRICT)

    assert (kernel.reserve(17 * PAGE), kernel.begin(17 * PAGE)) == (0, U64)
    assert kernel.budget == STRICT


def test_a_strict_budget_ends_nobody_while_a_bin_still_holds_what_fits() -> None:
    """Without room for new pages the whole class is searched before a guest is ended."""
    kernel = BareKernel(budget=STRICT)
    fitting = kernel.alloc(7 * 32)
    kernel.alloc(1)
    small = []
    for _ in range(20):
        small.append(kernel.alloc(4 * 32))
        kernel.alloc(1)
    kernel.alloc(16 * PAGE - kernel.end)
    for handle in (fitting, *small):
        kernel.free(handle)

    assert kernel.alloc(6 * 32) == fitting
    assert kernel.budget == STRICT


def test_room_comes_back_when_blocks_are_freed() -> None:
    """After alloc gave 0 for want of room, freeing makes room again."""
    kernel = BareKernel(max_pages=16)
    handles = []
    while handle := kernel.alloc(PAGE):
        handles.append(handle)
    for handle in handles[3:7]:
        kernel.free(handle)

    assert len(handles) == 15
    assert kernel.alloc(4 * PAGE) == handles[3]
    assert kernel.alloc(PAGE) == 0
    kernel.check()


def test_five_mebibyte_blocks_until_there_is_no_more() -> None:
    """Allocations run into the limit and into 0, never into a trap; reset makes room for them again."""
    kernel = BareKernel(max_pages=1000)
    counts = []
    for _ in range(2):
        kernel.reset()
        handles = []
        while handle := kernel.alloc(5 << 20):
            handles.append(handle)
        counts.append(len(handles))

    assert counts == [12, 12]


def test_a_full_memory_still_finds_what_fits_far_down_its_bin() -> None:
    """When nothing can grow, the whole class is searched, not only its first blocks."""
    kernel = BareKernel(max_pages=16)
    fitting = kernel.alloc(7 * 32)
    kernel.alloc(1)
    small = []
    for _ in range(20):
        small.append(kernel.alloc(4 * 32))
        kernel.alloc(1)
    kernel.alloc(16 * PAGE - kernel.end)
    for handle in (fitting, *small):
        kernel.free(handle)

    assert kernel.alloc(6 * 32) == fitting
    assert kernel.alloc(5 * 32) == 0
    kernel.check()


def with_meta_limited_to(pages: int) -> BareKernel:
    declared = '(memory $meta (export "meta") 8 32768)'
    text = kernel_text()
    assert text.count(declared) == 1
    return BareKernel(text=text.replace(declared, f'(memory $meta (export "meta") 8 {pages})'))


def test_headers_that_may_not_grow_refuse_the_block() -> None:
    """When only meta is at its limit, alloc gives 0 and uses what both memories cover, again and again."""
    kernel = with_meta_limited_to(9)
    refused = [kernel.alloc(30 * PAGE) for _ in range(3)]
    grown = pages(kernel)
    handle = kernel.alloc(18 * PAGE - FIRST)
    rest = 2 * (9 * PAGE - 256) - kernel.root.span

    assert (refused, grown) == ([0, 0, 0], (31, 8))
    assert (handle, kernel.alloc(rest + 1), kernel.alloc(rest)) == (FIRST, 0, 18 * PAGE)
    assert kernel.alloc(1) == 0
    assert pages(kernel) == (31, 9)
    kernel.check()


def test_begin_without_room_gives_minus_one_and_sets_no_input() -> None:
    """A too large input is reported; the next, smaller one works."""
    kernel = BareKernel(max_pages=20)
    kernel.begin(10)

    assert kernel.begin(100 << 20) == U64
    assert (kernel.input_offset(), kernel.input_length(), kernel.root.span) == (0, 0, 0)
    assert kernel.begin(20 * PAGE - FIRST) == FIRST
    assert kernel.begin(20 * PAGE - FIRST + 1) == U64


def test_the_largest_memory_works_to_its_last_byte() -> None:
    """With all of 4 GiB handed out no address wraps: the last word is in reach, nothing behind it."""
    kernel = BareKernel()
    handle = kernel.alloc((1 << 32) - FIRST)
    if not handle:
        pytest.skip("this machine does not lend 4 GiB of address space")
    kernel.store_u64((1 << 32) - 8, 0x0102030405060708)
    kernel.store_u64((1 << 32) - 7, U64)

    assert handle == FIRST
    assert kernel.length(handle) == (1 << 32) - FIRST
    assert kernel.load_u64((1 << 32) - 8) == 0x0102030405060708
    assert (kernel.load_u8((1 << 32) - 1), kernel.load_u8(1 << 32)) == (1, 0)
    assert pages(kernel) == (65536, 32768)
    assert (kernel.alloc(1), kernel.alloc((1 << 32) - FIRST)) == (0, 0)
    kernel.free(handle)
    assert kernel.root.span == 0


# ---------------------------------------------------------------- a million blocks


LOOPS = f"""
(module
  (import "{ENV}" "alloc" (func $alloc (param i64) (result i64)))
  (import "{ENV}" "free" (func $free (param i64)))
  (func (export "keep") (param $count i64) (param $size i64) (result i64)
    (local $handle i64) (local $kept i64)
    (loop $next
      (local.set $handle (call $alloc (local.get $size)))
      (local.set $kept (i64.add (local.get $kept) (i64.extend_i32_u
        (i64.ne (local.get $handle) (i64.const 0)))))
      (local.set $count (i64.sub (local.get $count) (i64.const 1)))
      (br_if $next (i64.ne (local.get $count) (i64.const 0))))
    (local.get $kept))
  (func (export "turn") (param $count i64) (param $size i64) (result i64)
    (local $old i64) (local $new i64)
    (local.set $old (call $alloc (local.get $size)))
    (loop $next
      (local.set $new (call $alloc (local.get $size)))
      (call $free (local.get $old))
      (local.set $old (local.get $new))
      (local.set $count (i64.sub (local.get $count) (i64.const 1)))
      (br_if $next (i64.ne (local.get $count) (i64.const 0))))
    (local.get $old))
  (func (export "free_all") (param $from i64) (param $step i64) (param $to i64)
    (loop $next
      (call $free (local.get $from))
      (local.set $from (i64.add (local.get $from) (local.get $step)))
      (br_if $next (i64.lt_u (local.get $from) (local.get $to))))))
"""


def looping(kernel: BareKernel, name: str, *arguments: int) -> int:
    linker = wasmtime.Linker(engine())
    for import_ in ("alloc", "free"):
        linker.define(kernel.store, ENV, import_, kernel.exports[import_])
    module = wasmtime.Module(engine(), LOOPS)
    function = linker.instantiate(kernel.store, module).exports(kernel.store)[name]
    return function(kernel.store, *arguments)  # type: ignore[operator,no-any-return]


def test_a_million_small_blocks() -> None:
    """A million blocks of 16 bytes are placed side by side, freed in any order, and placed again."""
    kernel = BareKernel()
    kept = looping(kernel, "keep", 1_000_000, 16)
    end = FIRST + 1_000_000 * 32
    span = kernel.end
    looping(kernel, "free_all", FIRST, 64, end)
    looping(kernel, "free_all", FIRST + 32, 64, end)
    freed = kernel.root.span
    again = looping(kernel, "keep", 1_000_000, 16)

    assert (kept, span, freed) == (1_000_000, end, 0)
    assert (again, kernel.end) == (1_000_000, end)


def test_a_million_small_blocks_stop_at_the_limit() -> None:
    """With 200 pages the first 409536 get a block; the others get null, quickly."""
    kernel = BareKernel(max_pages=200)

    assert looping(kernel, "keep", 1_000_000, 16) == (200 * PAGE - FIRST) // 32
    kernel.reset()
    assert kernel.alloc(16) == FIRST


def test_a_million_turns_stay_in_place() -> None:
    """Allocating and freeing a million times over uses the same few places."""
    kernel = BareKernel()

    assert looping(kernel, "turn", 1_000_000, 100) in {FIRST, FIRST + 128}
    assert kernel.root.dirty <= 3 * 128


# ---------------------------------------------------------------- wild arguments


EDGES = sorted(
    {
        (base + delta) & U64
        for base in (0, FIRST, FIRST + 256, 16 * PAGE, 1 << 31, 1 << 32, 1 << 63)
        for delta in (-8, -1, 0, 1, 7, 32)
    }
)


@pytest.mark.parametrize("rest", [0, 100, 16 * PAGE - FIRST - 2 * 128])
@pytest.mark.parametrize("name", KERNEL_FUNCTIONS)
def test_no_argument_traps_or_tears_the_kernel(name: str, rest: int) -> None:
    """Each function takes every edge number, alone and in pairs, and leaves a whole kernel."""
    kernel = BareKernel(max_pages=16)
    params = KERNEL_FUNCTIONS[name].params
    edges = {"i64": EDGES, "i32": [0, 1, (1 << 31) - 1]}
    function = getattr(kernel, name)
    kernel.begin(100)
    kernel.free(kernel.alloc(100))
    kernel.alloc(100)
    kernel.alloc(rest)
    for arguments in product(*(edges[type_] for type_ in params)):
        function(*arguments)
    kernel.check()

    assert kernel.begin(10) == FIRST


# ---------------------------------------------------------------- cut off in the middle


def cut_off(kernel: BareKernel, units: int, name: str, *arguments: int) -> bool:
    """Run a function on so little fuel; whether it was stopped before its end."""
    kernel.fuel(units)
    try:
        getattr(kernel, name)(*arguments)
    except wasmtime.Trap:
        return True
    finally:
        kernel.fuel(1 << 60)
    return False


def broken(front: int, name: str, *arguments: int) -> Iterator[BareKernel]:
    """Give kernels in which a function was stopped at each point where a deadline could stop it."""
    whole = fragmented(front)
    getattr(whole, name)(*arguments)
    needed = (1 << 60) - whole.store.get_fuel()
    for units in {*range(min(needed, 60)), *range(max(needed - 120, 0), needed)}:
        kernel = fragmented(front)
        if cut_off(kernel, units, name, *arguments):
            yield kernel


def fragmented(front: int) -> BareKernel:
    """
    Make a kernel with free blocks in some bins, holding 0xFF from an earlier call and 0x11 of its own.

    They lie behind a block of so many bytes: between their headers may be the border of `data` and `meta`.
    """
    kernel = BareKernel(max_pages=17, fuel=True)
    kernel.filled(200_000, 0xFF)
    kernel.begin(0)
    kernel.filled(front, 0x11)
    handles = [kernel.filled(size, 0x11) for size in (100, 100, 300, 100, 1000, 32, 100)]
    for handle in handles[0::2]:
        kernel.free(handle)
    kernel.fuel(1 << 60)
    return kernel


FRONTS = [0, (NEAR - 6) * GRANULE]
CUTS = [
    pytest.param(("alloc", 100), id="alloc from its bin"),
    pytest.param(("alloc", 200), id="alloc that cuts a block"),
    pytest.param(("alloc", 5000), id="alloc above the span"),
    pytest.param(("alloc", 16 * PAGE), id="alloc that grows"),
    pytest.param(("alloc", 30 * PAGE), id="alloc that is refused"),
    pytest.param(("free", 128), id="free between free blocks"),
    pytest.param(("free", 128 * 5 + 1024 + 64), id="free of no handle"),
    pytest.param(("reset",), id="reset"),
    pytest.param(("begin", 5000), id="begin"),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("front", FRONTS)
def test_a_kernel_cut_off_anywhere_is_whole_after_begin(front: int, cut: tuple[str, int]) -> None:
    """Whatever instruction a deadline strikes, begin makes a working kernel with nothing of the past."""
    name, *numbers = cut
    behind = FIRST + front if name == "free" else 0
    kernels = list(broken(front, name, *(behind + number for number in numbers)))
    for kernel in kernels:
        begun = kernel.begin(40)
        kernel.write(begun, b"i" * 40)
        handles = [kernel.alloc(size) for size in (32, 100, 5000)]
        kernel.check()

        assert (begun, handles) == (FIRST, [FIRST + 64, FIRST + 96, FIRST + 224])
        assert kernel.read(FIRST, kernel.root.span) == b"i" * 40 + bytes(24 + 5184)
    assert kernels


@pytest.mark.parametrize("size", [100, 200, 5000, 16 * PAGE])
@pytest.mark.parametrize("front", FRONTS)
def test_an_alloc_cut_off_anywhere_shows_no_earlier_call(front: int, size: int) -> None:
    """A guest that goes on after a broken alloc finds no byte of the call before in its reach."""
    kernels = list(broken(front, "alloc", size))
    reached = [kernel.read(FIRST, kernel.root.span) for kernel in kernels]

    assert len(kernels) > 50
    assert not any(b"\xff" in data for data in reached)
