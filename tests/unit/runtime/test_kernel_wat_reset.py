"""What reset and begin forget, what they keep, and how generations of handles die."""

from __future__ import annotations

import struct

import pytest
from bare_kernel import FIRST, BareKernel

from extism.abi import PAGE


@pytest.fixture
def kernel() -> BareKernel:
    return BareKernel()


def test_reset_forgets_everything(kernel: BareKernel) -> None:
    """Old handles die, input, output and error are unset, the first handle comes first again."""
    kernel.begin(100)
    handles = [kernel.filled(size, 0xFF) for size in (10, 66560, 10)]
    kernel.free(handles[0])
    kernel.output_set(handles[1], 10)
    kernel.error_set(handles[2])
    kernel.reset()

    assert [kernel.length(handle) for handle in (FIRST, *handles)] == [0, 0, 0, 0]
    assert kernel.root[:8] == (0,) * 8
    assert kernel.alloc(66560) == FIRST
    kernel.check()


def test_reset_keeps_the_memory_it_grew(kernel: BareKernel) -> None:
    """Memory never shrinks, so later calls need not grow it."""
    kernel.alloc(40 * PAGE)
    grown = kernel.memory_bytes()
    kernel.reset()
    kernel.alloc(40 * PAGE)

    assert grown == 41 * PAGE
    assert kernel.memory_bytes() == grown


def test_nothing_of_the_last_call_can_be_read(kernel: BareKernel) -> None:
    """After the next begin no offset a guest can load holds a byte of the call before."""
    kernel.write(kernel.begin(1000), b"s" * 1000)
    kernel.free(kernel.filled(5000, ord("s")))
    kernel.write(kernel.begin(40), b"p" * 40)
    kernel.alloc(3000)

    assert kernel.read(FIRST, kernel.root.span) == b"p" * 40 + bytes(24 + 3008)
    assert all(kernel.load_u8(offset) == 0 for offset in range(kernel.end, kernel.end + 3000, 7))


def test_a_guest_may_reset_and_set_its_own_input(kernel: BareKernel) -> None:
    """reset by the guest takes its input away; input_set then takes only ranges it allocated."""
    kernel.write(kernel.begin(100), b"i" * 100)
    kernel.reset()
    kernel.input_set(FIRST, 100)
    refused = (kernel.input_offset(), kernel.input_length())
    kernel.input_set(kernel.alloc(8), 8)

    assert refused == (0, 0)
    assert (kernel.input_offset(), kernel.input_length()) == (FIRST, 8)
    assert kernel.input_load_u64(0) == 0


def test_the_host_bytes_of_the_root_stay(kernel: BareKernel) -> None:
    """No function of the kernel touches the bytes of the root record that are the host's."""
    kernel.poke(80, b"h" * 44)
    kernel.begin(1000)
    kernel.free(kernel.alloc(10))
    kernel.free(FIRST)
    kernel.reset()

    assert kernel.peek(80, 44) == b"h" * 44


def test_the_generation_wraps_without_waking_old_handles(kernel: BareKernel) -> None:
    """After 2^31 resets a header of generation 0 is as dead as any other, wherever it stands."""
    old = [kernel.alloc(32) for _ in range(4)]
    kernel.alloc(15 * PAGE)
    far = kernel.alloc(32)
    kernel.free(old[1])
    kernel.poke(72, struct.pack("<I", 0xFFFFFFFE))
    kernel.reset()
    handle = kernel.alloc(128)

    assert kernel.root.generation == 0
    assert [kernel.length(offset) for offset in old] == [128, 0, 0, 0]
    kernel.free(handle)
    assert kernel.root.span == 0
    kernel.check()
    assert kernel.alloc(16 * PAGE - FIRST) == FIRST
    assert kernel.length(far) == 0


def test_generations_just_below_the_wrap_work(kernel: BareKernel) -> None:
    """The marks of the last generation before the wrap are told apart."""
    kernel.poke(72, struct.pack("<I", 0xFFFFFFFC))
    kernel.reset()
    freed, kept = kernel.alloc(64), kernel.alloc(64)
    kernel.free(freed)

    assert kernel.root.generation == 0xFFFFFFFE
    assert (kernel.length(freed), kernel.length(kept)) == (0, 64)
    kernel.check()
    assert kernel.alloc(64) == freed
