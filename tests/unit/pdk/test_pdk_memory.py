"""Blocks in the memory shared with the host."""

from __future__ import annotations

import pytest

from extism.pdk import MemoryHandle, memory


@pytest.mark.parametrize(
    "data", ["é!", b"\xc3\xa9!", bytearray(b"\xc3\xa9!"), memoryview(b"\xc3\xa9!")]
)
def test_a_block_holds_what_it_was_made_of(host, data):
    """Text is stored as UTF-8; length counts bytes."""
    handle = memory.alloc(data)

    assert handle == MemoryHandle(64, 3)
    assert memory.bytes(handle) == b"\xc3\xa9!"
    assert memory.string(handle) == "é!"


def test_find(host):
    """A block is found by its first byte's offset, and nothing else is."""
    handle = memory.alloc("abc")

    assert memory.find(handle.offset) == handle
    assert [memory.find(0), memory.find(handle.offset + 1)] == [None, None]


def test_a_freed_block(host):
    """Reading it says what happened; freeing it again does nothing."""
    handle = memory.alloc("abc")
    memory.free(handle)
    memory.free(handle)

    assert memory.find(handle.offset) is None
    with pytest.raises(
        ValueError, match=r"MemoryHandle\(offset=64, length=3\) is not a live block"
    ):
        memory.bytes(handle)


def test_no_bytes_need_no_block(host):
    """The block of nothing is the null handle, and reads as nothing."""
    handle = memory.alloc(b"")

    assert handle == MemoryHandle(0, 0)
    assert memory.bytes(handle) == b""


@pytest.mark.parametrize("data", [5, None])
def test_alloc_takes_bytes_or_text(host, data):
    """A length is not mistaken for content."""
    with pytest.raises(TypeError):
        memory.alloc(data)
