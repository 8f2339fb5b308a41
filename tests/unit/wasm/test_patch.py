"""What a memory holds beyond its module's own data: nothing lost, and no more pieces than are worth it."""

from __future__ import annotations

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from extism._wasm.patch import Patch, constant, initial_memory, patch
from extism._wasm.reader import read
from extism.errors import WasmError


def applied(before, changed, size):
    image, at = bytearray(before) + bytes(size - len(before)), 0
    for offset, end in changed.pieces:
        image[offset:end] = changed.content[at : at + end - offset]
        at += end - offset
    return image


MEMORIES = st.lists(st.sampled_from([b"", b"\0", b"a", b"bc", bytes(9)]), max_size=30).map(b"".join)


@given(MEMORIES, MEMORIES, st.integers(1, 9), st.integers(1, 4))
def test_applied_to_the_one_it_gives_the_other(before, after, gap, most):
    """Whatever they hold, and however few the pieces may be; what is missing at the end counts as zero."""
    after = after.ljust(len(before), b"\0")
    changed = patch(before, after, gap, most)

    assert applied(before, changed, len(after)) == after
    assert len(changed.pieces) <= most


def test_pieces_are_what_differs():
    """Short stretches that agree are taken along, long ones are not."""
    changed = patch(b"a-b-------c", b"A-B-------C", gap=3)

    assert changed == Patch(((0, 3), (10, 11)), b"A-BC")


def test_equal_memories():
    """Nothing differs."""
    assert patch(b"abc", b"abc") == Patch((), b"")


def test_the_first_content_of_a_memory():
    """All active segments in their order, at their offsets; passive ones are not there yet."""
    module = read(
        wasmtime.wat2wasm("""
        (module (memory 1)
          (data (i32.const 1) "abcd") (data "passive") (data (i32.const 3) "C") (data (i32.const 65535) "z"))
        """)
    )

    assert initial_memory(module) == b"\0abCd".ljust(65535, b"\0") + b"z"


@pytest.mark.parametrize("offset", ["(i32.const 65536)", "(i32.const -1)"])
def test_data_outside_of_the_memory(offset):
    """It is refused, as the engine would."""
    module = read(wasmtime.wat2wasm(f'(module (memory 1) (data {offset} "a"))'))

    with pytest.raises(WasmError, match="is outside of memory 0"):
        initial_memory(module)


@pytest.mark.parametrize("expression", [b"", b"\x23\0\x0b", b"\x41\1\x41\1\x6a\x0b"])
def test_an_expression_that_is_no_constant(expression):
    """A sum or a global cannot be known from the bytes."""
    with pytest.raises(WasmError, match="is no integer constant"):
        constant(expression)
