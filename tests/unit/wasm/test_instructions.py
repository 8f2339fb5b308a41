"""The table of instructions against the engine's own decoder, and the run pattern against the table."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from oracle import validate, wat

from extism._wasm.cursor import Cursor
from extism._wasm.instructions import (
    OPCODES,
    SPACE_BY_IMMEDIATE,
    plain_run,
    read_expression,
    read_opcode,
    skip_immediate,
)
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import SectionId
from extism._wasm.reader import read
from extism._wasm.writer import new_section, write_sections
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterator

SURROUNDINGS = read(
    wat(
        """(module
          (type (func)) (type (struct (field (mut i8)))) (type (struct (field (mut i32))))
          (type (array (mut i8))) (type (array (mut funcref))) (type (cont 0)) (type (array (mut i32)))
          (import "" "" (func)) (table 1 funcref) (memory 1 2 shared) (tag (type 0))
          (global (mut i32) (i32.const 0)) (elem func 0) (func) (data "x"))"""
    )
)
"""One entry of every index space (and types of all forms), for an instruction to point at."""

ONLY_OLDER = {(0, 0x06), (0, 0x07), (0, 0x09), (0, 0x18), (0, 0x19)}
"""The older exceptions (`try`, `catch`, ...): LLVM emits them, the engine knows but refuses them."""

NEEDS_A_PARTNER = {(0, 0x05), (0, 0x0B), (0, 0xE6)}
"""`else`, `end` and `switch` are invalid in the surroundings before their length can show."""

REFUSED = re.compile(r"illegal opcode|unknown 0x\w+ subopcode|support is not enabled")

EXAMPLES = {
    "type": [b"\0", b"\1", b"\2", b"\3", b"\4", b"\5", b"\6"],
    **{space: [b"\0"] for space in ("func", "table", "memory", "global", "tag", "elem", "data")},
    "label": [b"\0", b"\1"],
    "local": [b"\0"],
    "field": [b"\0"],
    "s32": [b"\xc0\x00"],
    "s64": [b"\xff\xff\xff\x7f"],
    "bytes1": [b"\0", b"\3"],
    "bytes4": [b"\xff" * 4],
    "bytes8": [b"\xff" * 8],
    "bytes16": [b"\0" * 16],
    "block": [b"\x40", b"\x63\x70", b"\0"],
    "heap": [b"\x70"],
    "memarg": [b"\0\x80\1", b"\1\0", b"\2\0", b"\3\0", b"\x40\0\5"],
    "labels": [b"\1\1", b"\2\0\0"],
    "valtypes": [b"\1\x7f", b"\1\x63\x70"],
    "catches": [b"\2\2\1\2\1", b"\1\0\0\1", b"\0"],
    "handlers": [b"\0"],
}
"""Immediates of each kind, of which at least one is valid in the surroundings."""


def verdict(body: bytes) -> str:
    """Return what the engine says to a function with these bytes for a body."""
    entry = b"\1\1\x7f" + body  # one local
    code = new_section(SectionId.CODE, [b"\1", write_unsigned(len(entry)), entry])
    counted = [new_section(SectionId.DATA_COUNT, [b"\1"]), code]
    sections = [
        new
        for old in SURROUNDINGS.sections
        for new in (counted if old.id == SectionId.CODE else [old])
    ]
    try:
        validate(write_sections(sections))
    except wasmtime.WasmtimeError as error:
        return str(error)
    return "valid"


BODY = int(re.findall(r"at offset 0x(\w+)", verdict(b"\xff\x0b"))[0], 16)
"""Offset of a body's first instruction in the modules that `verdict` makes."""


def opcode_bytes(prefix: int, code: int) -> bytes:
    return bytes((prefix,)) + write_unsigned(code) if prefix else bytes((code,))


ALL_CODES = [
    *((0, code) for code in range(0xFB)),
    (0, 0xFF),
    *((prefix, code) for prefix in range(0xFB, 0xFF) for code in range(0x140)),
]


def test_the_table_has_what_the_engine_has() -> None:
    """The engine decodes exactly the opcodes of the table, the older exceptions apart."""
    known = {
        (prefix, code)
        for prefix, code in ALL_CODES
        if not REFUSED.search(verdict(opcode_bytes(prefix, code) + bytes(40) + b"\x0b"))
    }

    assert known | ONLY_OLDER == OPCODES.keys()


@pytest.mark.parametrize("prefix", [0, 0xFB, 0xFC, 0xFD, 0xFE], ids=hex)
def test_the_engine_reads_as_many_bytes(prefix: int) -> None:
    """Behind opcode and immediates as the table has them, the engine meets the byte we put there."""
    wrong = [
        (hex(prefix), hex(code), opcode.name)
        for (its_prefix, code), opcode in OPCODES.items()
        if its_prefix == prefix
        and (prefix, code) not in ONLY_OLDER | NEEDS_A_PARTNER
        and not ends_where_it_should(opcode_bytes(prefix, code), opcode.immediates)
    ]

    assert wrong == []


def ends_where_it_should(opcode: bytes, kinds: tuple[str, ...]) -> bool:
    in_block = b"\x02\x70\x00"  # (block (result funcref) unreachable
    for immediates in itertools.product(*(EXAMPLES[kind] for kind in kinds)):
        body = in_block + opcode + b"".join(immediates)
        expected = f"illegal opcode: 0xff (at offset {BODY + len(body):#x})"
        if verdict(body + b"\xff\x0b\x0b") == expected:
            return True
    return False


def instructions(moving: frozenset[str] | None = None) -> Iterator[tuple[bytes, bool]]:
    """Give every instruction with every example of its immediates, and whether it is plain."""
    counted = {"labels", "valtypes", "catches", "handlers"}
    for (prefix, code), opcode in OPCODES.items():
        kinds = opcode.immediates
        is_plain = not counted & {*kinds} and all(
            SPACE_BY_IMMEDIATE.get(kind) not in (moving or frozenset()) for kind in kinds
        )
        for immediates in itertools.product(*(EXAMPLES[kind] for kind in kinds)):
            yield opcode_bytes(prefix, code) + b"".join(immediates), is_plain


@pytest.mark.parametrize(
    "moving",
    [frozenset(), frozenset({"func"}), frozenset({"type"}), frozenset({"memory", "global", "tag"})],
    ids=["none", "func", "type", "memory-global-tag"],
)
def test_the_run_pattern_takes_plain_instructions_whole(moving) -> None:
    """It matches an instruction to its last byte if that mentions nothing that moves, else not at all."""
    run = plain_run(moving)
    found = {raw: run.match(raw + b"\xff") for raw, _ in instructions(moving)}
    lengths = {raw: match.end() if match else 0 for raw, match in found.items()}

    assert lengths == {raw: len(raw) if plain else 0 for raw, plain in instructions(moving)}


def test_reading_goes_to_the_last_byte() -> None:
    """Opcode and immediates of every instruction are read to the end, whatever stands behind it."""
    assert [raw for raw, _ in instructions() if length_of(raw + b"?") != len(raw)] == []


def test_an_instruction_that_is_cut_off_is_refused() -> None:
    """Every instruction fails at each byte before its last, and with an error of the toolkit."""
    for raw, _ in instructions():
        for length in range(len(raw)):
            with pytest.raises(WasmError):
                length_of(raw[:length])


def length_of(raw: bytes) -> int:
    cursor = Cursor(raw)
    for kind in read_opcode(cursor)[1].immediates:
        skip_immediate(cursor, kind)
    return cursor.offset


PLAIN = [raw for raw, plain in instructions(frozenset({"func"})) if plain]


@given(st.lists(st.sampled_from(PLAIN), max_size=30))
def test_a_run_ends_between_instructions(chosen: list[bytes]) -> None:
    """However instructions follow each other, the pattern stops exactly at the call behind them."""
    code = b"".join(chosen)
    match = plain_run(frozenset({"func"})).match(code + b"\x10\x05\x0b")

    assert (match.end() if match else 0) == len(code)


def test_a_run_longer_than_the_bound_is_taken_in_pieces() -> None:
    """More local.gets than the matcher takes at once are matched piece by piece, all of them."""
    code = b"\x20\x05" * 10_000
    run, offset = plain_run(frozenset({"func"})), 0
    while match := run.match(code, offset):
        offset = match.end()

    assert offset == len(code)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x27", "unknown opcode 0x27 (at byte 0)"),
        (b"\xff", "unknown opcode 0xff (at byte 0)"),
        (b"\xfd\x9a\x01", "unknown opcode 0xfd 0x9a (at byte 0)"),
        (b"\xfc\x80\x80\x80\x80\x0f", "unknown opcode 0xfc 0xf0000000 (at byte 0)"),
    ],
    ids=["gap", "no-prefix", "simd-gap", "padded"],
)
def test_unknown_opcodes_are_named(raw: bytes, text: str) -> None:
    """The error names opcode and offset."""
    with pytest.raises(WasmError) as caught:
        read_opcode(Cursor(raw))

    assert str(caught.value) == text


def test_a_padded_opcode_behind_a_prefix_is_read() -> None:
    """`memory.fill` with its opcode in three bytes is `memory.fill`."""
    assert length_of(b"\xfc\x8b\x80\x00\x00") == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"\x41\x05\x0b",
        b"\x23\x00\x41\x07\x6a\x0b",
        b"\xd2\x0b\x0b",
        b"\xd0\x70\x0b",
        b"\xfd\x0c" + b"\x0b" * 16 + b"\x0b",
        b"\x44" + b"\x0b" * 8 + b"\x0b",
    ],
    ids=["i32", "extended", "ref.func-11", "ref.null", "v128-of-0b", "f64-of-0b"],
)
def test_a_constant_expression_ends_at_its_end(raw: bytes) -> None:
    """The `0b` that ends it is found among immediates that hold `0b` too; what follows is left."""
    cursor = Cursor(raw + b"\x0b\x0b")

    assert read_expression(cursor) == raw
    assert cursor.offset == len(raw)


@pytest.mark.parametrize(
    "raw",
    [b"\x1f\x40\x01\x04\x00", b"\xe3\x00\x01\x02\x00", b"\x02\xff\x7f", b"\x02\x65", b"\xd0\x40"],
    ids=["catch", "handler", "negative-block-type", "block-of-no-type", "heap"],
)
def test_impossible_immediates_are_refused(raw: bytes) -> None:
    """A byte that no clause, block or heap type starts with is an error."""
    with pytest.raises(WasmError):
        length_of(raw + bytes(8))
