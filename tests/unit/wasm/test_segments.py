"""A memory image in pieces: nothing lost, few enough, the same every time."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extism._wasm.assembly import END, const
from extism._wasm.externs import Limits, MemoryType
from extism._wasm.model import DataSegment
from extism._wasm.segments import GAP, runs, segments

CASES = [
    pytest.param(b"", [], id="nothing"),
    pytest.param(bytes(1000), [], id="zeros"),
    pytest.param(b"abc", [(0, 3)], id="all"),
    pytest.param(bytes(5) + b"abc" + bytes(5), [(5, 8)], id="inside"),
    pytest.param(b"a" + bytes(GAP - 1) + b"b", [(0, GAP + 1)], id="short-gap"),
    pytest.param(b"a" + bytes(GAP) + b"b", [(0, 1), (GAP + 1, GAP + 2)], id="gap"),
    pytest.param(b"a\0b" + bytes(GAP) + bytes(7), [(0, 3)], id="gap-at-the-end"),
    pytest.param(bytes(GAP) + b"\0a", [(GAP + 1, GAP + 2)], id="gap-at-the-start"),
    pytest.param(b"a" + bytes(GAP - 1), [(0, 1)], id="short-end"),
]


@pytest.mark.parametrize(("image", "pieces"), CASES)
def test_pieces_begin_and_end_with_what_is_not_zero(image: bytes, pieces: list) -> None:
    """Zeros around pieces are left out; between them they are kept up to the gap."""
    assert runs(image) == pieces


SPARSE = st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 40)), max_size=20).map(
    lambda parts: b"".join(data + bytes(zeros) for data, zeros in parts)
)


@given(SPARSE, st.integers(1, 30), st.integers(1, 5))
def test_the_pieces_make_the_image(image: bytes, gap: int, most: int) -> None:
    """Laid on zeros they give the image; they are in order, apart by the gap, and not too many."""
    pieces = runs(image, gap, most)
    rebuilt = bytearray(len(image))
    for offset, end in pieces:
        rebuilt[offset:end] = image[offset:end]

    assert rebuilt == image
    assert len(pieces) <= most
    assert all(image[offset] and image[end - 1] for offset, end in pieces)
    assert all(b[0] - a[1] >= gap for a, b in pairwise(pieces))


def test_too_many_pieces_are_merged_where_gaps_are_short() -> None:
    """The gap doubles until there are few enough, so long gaps part pieces to the last."""
    image = (b"a" + bytes(10) + b"b" + bytes(25)) * 3 + bytes(100) + b"c"

    assert runs(image, gap=10, most=6) == [(0, 12), (37, 49), (74, 86), (211, 212)]
    assert runs(image, gap=10, most=2) == [(0, 86), (211, 212)]


def test_segments_say_where_they_go() -> None:
    """The offset is a constant of the memory's address type, the bytes are not copied."""
    image = bytes(200) + b"abc"
    wide = MemoryType(Limits(1, is_64=True))

    assert list(segments(image, 0, MemoryType(Limits(1)))) == [
        DataSegment(memoryview(b"abc"), 0, const("i32", 200) + END)
    ]
    assert list(segments(image, 3, wide)) == [
        DataSegment(memoryview(b"abc"), 3, const("i64", 200) + END)
    ]


def test_seventeen_megabytes_are_no_trouble() -> None:
    """An image as large as an interpreter's, full and sparse by turns, is cut up in little time."""
    chance = random.Random(7)
    block = bytes(chance.choice((0, 0, 1, 200)) for _ in range(4096))
    image = b"".join(
        block[: chance.randrange(4096)] + bytes(chance.randrange(4096)) for _ in range(4200)
    )
    started = time.process_time()
    pieces = runs(image)

    assert len(pieces) > 4000
    assert time.process_time() - started < 8
