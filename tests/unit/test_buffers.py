"""`ByteBuffer`: what upstream's applications do with a buffer of cffi's works."""

from __future__ import annotations

import gc
import io
import json
import weakref

import pytest

from extism.buffers import copy_of, in_place


@pytest.fixture
def memory():
    return bytearray(b"hello world")


@pytest.fixture
def buffer(memory):
    return in_place(memoryview(memory)[:5])


def test_items_and_slices_are_bytes(buffer):
    """As with cffi, `buffer[0]` is a byte string and `buffer[:]` a copy of all."""
    assert (buffer[0], buffer[-1], buffer[:], buffer[1:3]) == (b"h", b"o", b"hello", b"el")
    assert (len(buffer), list(buffer)) == (5, [b"h", b"e", b"l", b"l", b"o"])


def test_everything_that_takes_bytes_takes_it(buffer):
    """`bytes`, `str`, `join`, files and comparison."""
    assert (bytes(buffer), str(buffer, "utf-8"), buffer[:].decode()) == (b"hello", "hello", "hello")
    assert (b"".join([buffer]), io.BytesIO(buffer).read()) == (b"hello", b"hello")
    assert buffer == b"hello"
    assert buffer != b"other"
    assert json.loads(copy_of(b'{"a": 1}')[:]) == {"a": 1}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, copy_of])
def test_a_slice_is_assigned_in_place(buffer, memory, kind):
    """What is assigned lands in the memory, and nowhere else."""
    buffer[:] = kind(b"HELLO")
    buffer[1:3] = kind(b"xy")
    buffer[0] = b"_"

    assert memory == b"_xyLO world"


@pytest.mark.parametrize("data", [b"", b"four", b"sixsix"])
def test_another_length_is_refused(buffer, memory, data):
    """The error is cffi's, and nothing has changed."""
    with pytest.raises(ValueError, match="right operand length must match slice length"):
        buffer[:] = data

    assert memory == b"hello world"


def test_a_large_slice_is_assigned_at_once():
    """Sixteen megabytes go through one copy, not item by item."""
    memory = bytearray(16 << 20)
    in_place(memoryview(memory))[:] = b"\1" * len(memory)

    assert memory.count(1) == len(memory)


def test_the_owner_lives_as_long_as_the_buffer():
    """The view under a buffer is kept by it."""

    class Owner(bytearray):
        pass

    owner = Owner(b"kept")
    died = weakref.ref(owner)
    buffer = in_place(memoryview(owner))
    del owner
    gc.collect()

    assert (buffer[:], died() is not None) == (b"kept", True)
    del buffer
    gc.collect()
    assert died() is None


def test_no_bytes_are_a_buffer_too():
    """The empty buffer has length 0."""
    assert (copy_of(b"")[:], len(in_place(memoryview(bytearray())))) == (b"", 0)
