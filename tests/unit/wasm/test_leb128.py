"""LEB128: one list of cases drives reading and writing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extism._wasm.leb128 import read_signed, read_unsigned, write_signed, write_unsigned
from extism.errors import WasmError

UNSIGNED = [
    pytest.param(b"\x00", 0, id="zero"),
    pytest.param(b"\x7f", 127, id="largest-byte"),
    pytest.param(b"\x80\x01", 128, id="smallest-pair"),
    pytest.param(b"\xe5\x8e\x26", 624485, id="the-spec's-example"),
    pytest.param(b"\xff\xff\xff\xff\x0f", 2**32 - 1, id="u32-max"),
    pytest.param(b"\xff" * 9 + b"\x01", 2**64 - 1, id="u64-max"),
]
SIGNED = [
    pytest.param(b"\x00", 0, id="zero"),
    pytest.param(b"\x3f", 63, id="largest-byte"),
    pytest.param(b"\xc0\x00", 64, id="needs-a-sign-byte"),
    pytest.param(b"\x40", -64, id="smallest-byte"),
    pytest.param(b"\xbf\x7f", -65, id="smallest-pair"),
    pytest.param(b"\xff\xff\xff\xff\x07", 2**31 - 1, id="s32-max"),
    pytest.param(b"\x80\x80\x80\x80\x78", -(2**31), id="s32-min"),
    pytest.param(b"\x80" * 9 + b"\x7f", -(2**63), id="s64-min"),
]


@pytest.mark.parametrize(("raw", "value"), UNSIGNED)
def test_unsigned_both_ways(raw: bytes, value: int) -> None:
    """A number reads from its bytes, whatever stands around them, and writes to the same bytes."""
    assert read_unsigned(b"?" + raw + b"?", 1, len(raw) + 2, 64) == (value, 1 + len(raw))
    assert write_unsigned(value) == raw


@pytest.mark.parametrize(("raw", "value"), SIGNED)
def test_signed_both_ways(raw: bytes, value: int) -> None:
    """A signed number reads from its bytes and writes to the same bytes."""
    assert read_signed(b"?" + raw + b"?", 1, len(raw) + 2, 64) == (value, 1 + len(raw))
    assert write_signed(value) == raw


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"\x83\x80\x80\x80\x00", 3), (b"\x80\x00", 0), (b"\xff\xff\xff\xff\x0f", 2**32 - 1)],
    ids=["five-bytes", "padded-zero", "full"],
)
def test_padding_is_read(raw: bytes, value: int) -> None:
    """Continuation bytes up to the width's length are allowed, as linkers write them."""
    assert read_unsigned(raw, 0, len(raw)) == (value, len(raw))


def test_a_padded_negative_number_is_read() -> None:
    """-1 in five bytes is -1."""
    assert read_signed(b"\xff\xff\xff\xff\x7f", 0, 5) == (-1, 5)


@pytest.mark.parametrize(
    ("read", "raw", "bits", "offset"),
    [
        (read_unsigned, b"", 32, 0),
        (read_unsigned, b"\x80", 32, 1),
        (read_unsigned, b"\x80\x80\x80\x80\x80\x00", 32, 0),
        (read_unsigned, b"\xff\xff\xff\xff\x10", 32, 0),
        (read_unsigned, b"\xff" * 9 + b"\x02", 64, 0),
        (read_signed, b"\xff\xff", 32, 2),
        (read_signed, b"\xff\xff\xff\xff\xff\x7f", 32, 0),
        (read_signed, b"\xff\xff\xff\xff\x0f", 32, 0),
        (read_signed, b"\x80\x80\x80\x80\x70", 32, 0),
        (read_signed, b"\x80" * 9 + b"\x7e", 64, 0),
    ],
    ids=[
        "nothing",
        "cut-off",
        "too-long",
        "too-large",
        "u64-too-large",
        "signed-cut-off",
        "signed-too-long",
        "signed-too-large",
        "signed-too-small",
        "s64-too-small",
    ],
)
def test_what_is_no_number_is_refused(read, raw: bytes, bits: int, offset: int) -> None:
    """Too few bytes, too many bytes, too many bits: each fails and says where."""
    with pytest.raises(WasmError) as caught:
        read(raw, 0, len(raw), bits)

    assert caught.value.offset == offset


def test_the_end_is_respected() -> None:
    """Bytes behind `end` are not read, although they are there."""
    with pytest.raises(WasmError):
        read_unsigned(b"\x80\x01", 0, 1)


def test_a_negative_number_has_no_unsigned_form() -> None:
    """Writing one as unsigned is refused instead of running for ever."""
    with pytest.raises(WasmError):
        write_unsigned(-1)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_round_trip(value: int) -> None:
    """What is written reads back, and uses no more bytes than it must."""
    raw = write_unsigned(value)

    assert read_unsigned(raw, 0, len(raw), 64) == (value, len(raw))
    assert len(raw) == max(1, (value.bit_length() + 6) // 7)


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_round_trip(value: int) -> None:
    """What is written reads back."""
    raw = write_signed(value)

    assert read_signed(raw, 0, len(raw), 64) == (value, len(raw))
