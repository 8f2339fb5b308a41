"""
Every instruction's shape: which immediates follow the opcode, enough to walk, not to run.

The table covers the core specification 3.0 (SIMD, tail calls, exceptions, typed references, GC,
memory64), what LLVM emits beside it (threads, the older exceptions) and what the engine can switch on
(wide arithmetic, stack switching). What it does not know is a `WasmError` that names opcode and offset.

Theory of operation:
    The same table is used in two ways. `read_opcode` and `skip_immediate` go through code instruction
    by instruction. `plain_run` makes one regular expression of it that swallows a whole run of
    instructions, so that a walk that looks for few of them (calls, say) costs Python nothing for all
    the others.

Source:
    https://webassembly.github.io/spec/core/binary/instructions.html and the proposals' overviews.
"""

from __future__ import annotations

from extism._cached import cache
from extism._dataclass import dataclass
from extism._wasm.valtypes import read_heaptype, read_valtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from typing import Final, Literal, TypeAlias

    from extism._wasm.cursor import Cursor

__all__ = [
    "END",
    "HAS_MEMORY",
    "OPCODES",
    "SPACE_BY_IMMEDIATE",
    "Opcode",
    "Space",
    "plain_run",
    "read_clause",
    "read_expression",
    "read_opcode",
    "skip_block_type",
    "skip_immediate",
]

Space: TypeAlias = "Literal['type', 'func', 'table', 'memory', 'global', 'tag', 'elem', 'data']"
"""The index spaces of a module that instructions refer to."""

END: Final = 0x0B
_PREFIXES: Final = range(0xFB, 0xFF)
_EMPTY_BLOCK: Final = 0x40


@dataclass(frozen=True)
class Opcode:
    """An instruction (or a family of one shape) and the kinds of its immediates, in order."""

    name: str
    immediates: tuple[str, ...]


SPACE_BY_IMMEDIATE: Final[Mapping[str, Space]] = {
    "type": "type",
    "block": "type",
    "heap": "type",
    "valtypes": "type",
    "func": "func",
    "table": "table",
    "memory": "memory",
    "memarg": "memory",
    "global": "global",
    "tag": "tag",
    "catches": "tag",
    "handlers": "tag",
    "elem": "elem",
    "data": "data",
}
"""The kinds of immediate that hold an index which can be renumbered, and into what it points."""

# (prefix byte or 0, first opcode, last opcode, name, immediates)
_TABLE: Final = (
    (0x00, 0x00, 0x00, "unreachable", ""),
    (0x00, 0x01, 0x01, "nop", ""),
    (0x00, 0x02, 0x02, "block", "block"),
    (0x00, 0x03, 0x03, "loop", "block"),
    (0x00, 0x04, 0x04, "if", "block"),
    (0x00, 0x05, 0x05, "else", ""),
    (0x00, 0x06, 0x06, "try", "block"),
    (0x00, 0x07, 0x07, "catch", "tag"),
    (0x00, 0x08, 0x08, "throw", "tag"),
    (0x00, 0x09, 0x09, "rethrow", "label"),
    (0x00, 0x0A, 0x0A, "throw_ref", ""),
    (0x00, 0x0B, 0x0B, "end", ""),
    (0x00, 0x0C, 0x0C, "br", "label"),
    (0x00, 0x0D, 0x0D, "br_if", "label"),
    (0x00, 0x0E, 0x0E, "br_table", "labels label"),
    (0x00, 0x0F, 0x0F, "return", ""),
    (0x00, 0x10, 0x10, "call", "func"),
    (0x00, 0x11, 0x11, "call_indirect", "type table"),
    (0x00, 0x12, 0x12, "return_call", "func"),
    (0x00, 0x13, 0x13, "return_call_indirect", "type table"),
    (0x00, 0x14, 0x14, "call_ref", "type"),
    (0x00, 0x15, 0x15, "return_call_ref", "type"),
    (0x00, 0x18, 0x18, "delegate", "label"),
    (0x00, 0x19, 0x19, "catch_all", ""),
    (0x00, 0x1A, 0x1A, "drop", ""),
    (0x00, 0x1B, 0x1B, "select", ""),
    (0x00, 0x1C, 0x1C, "select t", "valtypes"),
    (0x00, 0x1F, 0x1F, "try_table", "block catches"),
    (0x00, 0x20, 0x22, "local.get .. local.tee", "local"),
    (0x00, 0x23, 0x24, "global.get, global.set", "global"),
    (0x00, 0x25, 0x26, "table.get, table.set", "table"),
    (0x00, 0x28, 0x3E, "i32.load .. i64.store32", "memarg"),
    (0x00, 0x3F, 0x3F, "memory.size", "memory"),
    (0x00, 0x40, 0x40, "memory.grow", "memory"),
    (0x00, 0x41, 0x41, "i32.const", "s32"),
    (0x00, 0x42, 0x42, "i64.const", "s64"),
    (0x00, 0x43, 0x43, "f32.const", "bytes4"),
    (0x00, 0x44, 0x44, "f64.const", "bytes8"),
    (0x00, 0x45, 0xC4, "i32.eqz .. i64.extend32_s", ""),
    (0x00, 0xD0, 0xD0, "ref.null", "heap"),
    (0x00, 0xD1, 0xD1, "ref.is_null", ""),
    (0x00, 0xD2, 0xD2, "ref.func", "func"),
    (0x00, 0xD3, 0xD4, "ref.eq, ref.as_non_null", ""),
    (0x00, 0xD5, 0xD6, "br_on_null, br_on_non_null", "label"),
    (0x00, 0xE0, 0xE0, "cont.new", "type"),
    (0x00, 0xE1, 0xE1, "cont.bind", "type type"),
    (0x00, 0xE2, 0xE2, "suspend", "tag"),
    (0x00, 0xE3, 0xE3, "resume", "type handlers"),
    (0x00, 0xE4, 0xE4, "resume_throw", "type tag handlers"),
    (0x00, 0xE5, 0xE5, "resume_throw_ref", "type handlers"),
    (0x00, 0xE6, 0xE6, "switch", "type tag"),
    (0xFB, 0x00, 0x01, "struct.new, struct.new_default", "type"),
    (0xFB, 0x02, 0x05, "struct.get .. struct.set", "type field"),
    (0xFB, 0x06, 0x07, "array.new, array.new_default", "type"),
    (0xFB, 0x08, 0x08, "array.new_fixed", "type field"),
    (0xFB, 0x09, 0x09, "array.new_data", "type data"),
    (0xFB, 0x0A, 0x0A, "array.new_elem", "type elem"),
    (0xFB, 0x0B, 0x0E, "array.get .. array.set", "type"),
    (0xFB, 0x0F, 0x0F, "array.len", ""),
    (0xFB, 0x10, 0x10, "array.fill", "type"),
    (0xFB, 0x11, 0x11, "array.copy", "type type"),
    (0xFB, 0x12, 0x12, "array.init_data", "type data"),
    (0xFB, 0x13, 0x13, "array.init_elem", "type elem"),
    (0xFB, 0x14, 0x17, "ref.test, ref.cast", "heap"),
    (0xFB, 0x18, 0x19, "br_on_cast, br_on_cast_fail", "bytes1 label heap heap"),
    (0xFB, 0x1A, 0x1E, "any.convert_extern .. i31.get_u", ""),
    (0xFC, 0x00, 0x07, "i32.trunc_sat_f32_s .. i64.trunc_sat_f64_u", ""),
    (0xFC, 0x08, 0x08, "memory.init", "data memory"),
    (0xFC, 0x09, 0x09, "data.drop", "data"),
    (0xFC, 0x0A, 0x0A, "memory.copy", "memory memory"),
    (0xFC, 0x0B, 0x0B, "memory.fill", "memory"),
    (0xFC, 0x0C, 0x0C, "table.init", "elem table"),
    (0xFC, 0x0D, 0x0D, "elem.drop", "elem"),
    (0xFC, 0x0E, 0x0E, "table.copy", "table table"),
    (0xFC, 0x0F, 0x0F, "table.grow", "table"),
    (0xFC, 0x10, 0x11, "table.size, table.fill", "table"),
    (0xFC, 0x13, 0x16, "i64.add128 .. i64.mul_wide_u", ""),
    (0xFD, 0x00, 0x0B, "v128.load .. v128.store", "memarg"),
    (0xFD, 0x0C, 0x0D, "v128.const, i8x16.shuffle", "bytes16"),
    (0xFD, 0x0E, 0x14, "i8x16.swizzle .. f64x2.splat", ""),
    (0xFD, 0x15, 0x22, "i8x16.extract_lane_s .. f64x2.replace_lane", "bytes1"),
    (0xFD, 0x23, 0x53, "i8x16.eq .. v128.any_true", ""),
    (0xFD, 0x54, 0x5B, "v128.load8_lane .. v128.store64_lane", "memarg bytes1"),
    (0xFD, 0x5C, 0x5D, "v128.load32_zero, v128.load64_zero", "memarg"),
    (0xFD, 0x5E, 0x99, "f32x4.demote_f64x2_zero .. i16x8.max_u", ""),
    (0xFD, 0x9B, 0xA1, "i16x8.avgr_u .. i32x4.neg", ""),
    (0xFD, 0xA3, 0xA4, "i32x4.all_true, i32x4.bitmask", ""),
    (0xFD, 0xA7, 0xAE, "i32x4.extend_low_i16x8_s .. i32x4.add", ""),
    (0xFD, 0xB1, 0xB1, "i32x4.sub", ""),
    (0xFD, 0xB5, 0xBA, "i32x4.mul .. i32x4.dot_i16x8_s", ""),
    (0xFD, 0xBC, 0xC1, "i32x4.extmul_low_i16x8_s .. i64x2.neg", ""),
    (0xFD, 0xC3, 0xC4, "i64x2.all_true, i64x2.bitmask", ""),
    (0xFD, 0xC7, 0xCE, "i64x2.extend_low_i32x4_s .. i64x2.add", ""),
    (0xFD, 0xD1, 0xD1, "i64x2.sub", ""),
    (0xFD, 0xD5, 0xE1, "i64x2.mul .. f32x4.neg", ""),
    (0xFD, 0xE3, 0xED, "f32x4.sqrt .. f64x2.neg", ""),
    (0xFD, 0xEF, 0x113, "f64x2.sqrt .. i32x4.relaxed_dot_i8x16_i7x16_add_s", ""),
    (0xFE, 0x00, 0x02, "memory.atomic.notify .. memory.atomic.wait64", "memarg"),
    (0xFE, 0x03, 0x03, "atomic.fence", "bytes1"),
    (0xFE, 0x10, 0x4E, "i32.atomic.load .. i64.atomic.rmw32.cmpxchg_u", "memarg"),
)

OPCODES: Final[Mapping[tuple[int, int], Opcode]] = {
    (prefix, code): opcode
    for prefix, first, last, name, immediates in _TABLE
    for opcode in (Opcode(name, tuple(immediates.split())),)
    for code in range(first, last + 1)
}
"""All known instructions by (prefix byte or 0, opcode)."""


def read_opcode(cursor: Cursor) -> tuple[int, Opcode]:
    """
    Read an opcode, prefix included, and return its number behind the prefix and its row.

    Raises:
        WasmError: The table does not have it.
    """
    start = cursor.offset
    byte = cursor.byte()
    prefix, code = (byte, cursor.u32()) if byte in _PREFIXES else (0, byte)
    opcode = OPCODES.get((prefix, code))
    if opcode is None:
        number = f"{prefix:#04x} {code:#04x}" if prefix else f"{code:#04x}"
        raise cursor.fail(f"unknown opcode {number}", start)
    return code, opcode


def read_expression(cursor: Cursor) -> bytes:
    """Read a constant expression and return its bytes, the closing `end` included."""
    start = cursor.offset
    while True:
        code, opcode = read_opcode(cursor)
        for kind in opcode.immediates:
            skip_immediate(cursor, kind)
        if code == END and opcode.name == "end":
            return cursor.data[start : cursor.offset]


def skip_immediate(cursor: Cursor, kind: str) -> None:
    """Move behind an immediate of that kind."""
    _SKIP[kind](cursor)


def skip_block_type(cursor: Cursor) -> None:
    """Move behind the type of a block: none, one value type, or the index of a function type."""
    first = cursor.peek()
    if first == _EMPTY_BLOCK:
        cursor.byte()
    elif first < 0x80 and first & 0x40:
        read_valtype(cursor)
    elif cursor.signed(33) < 0:
        raise cursor.fail(f"{first:#04x} starts no block type")


def _skip_memarg(cursor: Cursor) -> None:
    if cursor.u32() & HAS_MEMORY:
        cursor.u32()
    cursor.u64()


HAS_MEMORY: Final = 0x40
"""In the alignment of a load or store: the index of its memory follows (else it is memory 0)."""


def _skip_labels(cursor: Cursor) -> None:
    for _ in range(cursor.count()):
        cursor.u32()


def _skip_valtypes(cursor: Cursor) -> None:
    for _ in range(cursor.count()):
        read_valtype(cursor)


def read_clause(cursor: Cursor, kind: str) -> tuple[int, tuple[str, ...]]:
    """Read the first byte of a clause of `try_table` or `resume` and return it with what follows."""
    byte = cursor.byte()
    clauses = _CLAUSES[kind]
    if byte >= len(clauses):
        raise cursor.fail(f"{byte:#04x} starts no clause of {kind}", cursor.offset - 1)
    return byte, clauses[byte]


_CLAUSES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    # catch, catch_ref, catch_all, catch_all_ref
    "catches": (("tag", "label"), ("tag", "label"), ("label",), ("label",)),
    # on tag label, on tag switch
    "handlers": (("tag", "label"), ("tag",)),
}


def _skip_clauses(cursor: Cursor, kind: str) -> None:
    for _ in range(cursor.count(2)):
        for _number in read_clause(cursor, kind)[1]:
            cursor.u32()


def _skip_u32(cursor: Cursor) -> None:
    cursor.u32()


_SKIP: Final[Mapping[str, Callable[[Cursor], object]]] = {
    **dict.fromkeys(
        ("type", "func", "table", "memory", "global", "tag", "elem", "data"), _skip_u32
    ),
    **dict.fromkeys(("local", "label", "field"), _skip_u32),
    "s32": lambda cursor: cursor.signed(32),
    "s64": lambda cursor: cursor.signed(64),
    "bytes1": lambda cursor: cursor.skip(1),
    "bytes4": lambda cursor: cursor.skip(4),
    "bytes8": lambda cursor: cursor.skip(8),
    "bytes16": lambda cursor: cursor.skip(16),
    "block": skip_block_type,
    "heap": read_heaptype,
    "memarg": _skip_memarg,
    "labels": _skip_labels,
    "valtypes": _skip_valtypes,
    "catches": lambda cursor: _skip_clauses(cursor, "catches"),
    "handlers": lambda cursor: _skip_clauses(cursor, "handlers"),
}

_U32 = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_U64 = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_NO_MEMORY = rb"(?:[\x00-\x3f]|[\x80-\xbf][\x80-\xff]{0,3}[\x00-\x7f])"
_WITH_MEMORY = rb"(?:[\x40-\x7f]|[\xc0-\xff][\x80-\xff]{0,3}[\x00-\x7f])" + _U32
_BLOCK = rb"(?:[\x00-\x62\x65-\x7f]|[\x80-\xff]{1,4}[\x00-\x7f]|[\x63\x64]" + _U32 + rb")"
_PATTERN: Final[Mapping[str, bytes]] = {
    **dict.fromkeys(("type", "func", "table", "memory", "global", "tag", "elem", "data"), _U32),
    **dict.fromkeys(("local", "label", "field", "s32", "heap"), _U32),
    "s64": _U64,
    **{f"bytes{length}": b"(?s:.{%d})" % length for length in (1, 4, 8, 16)},
    "block": _BLOCK,
    "memarg": rb"(?:" + _NO_MEMORY + rb"|" + _WITH_MEMORY + rb")" + _U64,
}
"""Immediates whose length a regular expression can tell; the counted ones are missing."""

_LONGEST_RUN: Final = 4096
"""Bounds what the matcher remembers of a run (about 100 bytes an instruction) while it is in it."""


@cache
def plain_run(
    moving: frozenset[Space], replaced: frozenset[str] = frozenset()
) -> re.Pattern[bytes]:
    """
    Return the pattern that matches as many instructions as it can that mention no space in `moving`.

    What it does not match is left for `read_opcode`: instructions that do mention one, those whose name
    is in `replaced`, those with counted immediates (`br_table`), unknown opcodes, opcodes with padded numbers, truncated code. A
    match never ends inside an instruction. It accepts every well-formed number and some that are too
    large, which is the engine's to judge.
    """
    import re

    codes: dict[tuple[bool, bytes], list[bytes]] = {}
    for (prefix, code), opcode in OPCODES.items():
        kinds = opcode.immediates
        if opcode.name in replaced:
            continue
        if all(kind in _PATTERN and SPACE_BY_IMMEDIATE.get(kind) not in moving for kind in kinds):
            shape = b"".join(_PATTERN[kind] for kind in kinds)
            codes.setdefault((bool(prefix), shape), []).append(_opcode_bytes(prefix, code))
    bare = _any_of(codes.pop((False, b"")))
    # The commonest come first, and each takes the one-byte instructions behind it along: 2.4 times
    # as fast as one alternative for each instruction.
    order = sorted(codes, key=lambda key: (key[0], key[1] not in _COMMON, len(key[1])))
    runs = [_any_of(codes[key]) + key[1] + bare + b"*" for key in order]
    return re.compile(b"(?:%s|%s+){1,%d}" % (b"|".join(runs), bare, _LONGEST_RUN))


def _any_of(opcodes: list[bytes]) -> bytes:
    """Return a pattern for them: a set of bytes for all that differ in one, which compiles fast."""
    from re import escape

    sets: dict[tuple[bytes, bytes], list[bytes]] = {}
    for opcode in opcodes:
        at = min(1, len(opcode) - 1)
        key = opcode[:at], opcode[at + 1 :]
        sets.setdefault(key, []).append(escape(opcode[at : at + 1]))
    runs = [
        escape(head) + b"[%s]" % b"".join(middle) + escape(tail)
        for (head, tail), middle in sets.items()
    ]
    return runs[0] if len(runs) == 1 else b"(?:%s)" % b"|".join(runs)


_COMMON: Final = (_U32, _PATTERN["memarg"])
"""The shapes of most instructions that are longer than a byte."""


def _opcode_bytes(prefix: int, code: int) -> bytes:
    if not prefix:
        return bytes((code,))
    return bytes((prefix, code)) if code < 0x80 else bytes((prefix, code & 0x7F | 0x80, code >> 7))
