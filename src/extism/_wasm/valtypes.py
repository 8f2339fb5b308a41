"""
Types between their bytes and the values of `model.py`, in both directions.

Value types, heap types, limits, the types of tables, memories and globals, and the entries of the
type section with recursion groups. Writing covers what this package builds: function types and
everything that can be imported.

Source:
    https://webassembly.github.io/spec/core/binary/types.html
"""

from __future__ import annotations

from extism._wasm.externs import (
    PAGE_SIZE_LOG2,
    FuncType,
    GlobalType,
    Limits,
    MemoryType,
    TableType,
    ValType,
)
from extism._wasm.leb128 import write_signed, write_unsigned
from extism._wasm.model import ArrayType, CompositeType, ContType, FieldType, StructType, SubType
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._wasm.cursor import Cursor

__all__ = [
    "plain_entries",
    "plain_functype",
    "read_globaltype",
    "read_heaptype",
    "read_limits",
    "read_memorytype",
    "read_rectypes",
    "read_tabletype",
    "read_valtype",
    "write_functype",
    "write_globaltype",
    "write_heaptype",
    "write_limits",
    "write_memorytype",
    "write_tabletype",
    "write_valtype",
]

NUMBERS = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
PACKED = {0x78: "i8", 0x77: "i16"}
HEAPS = {
    0x75: "nocont",
    0x74: "noexn",
    0x73: "nofunc",
    0x72: "noextern",
    0x71: "none",
    0x70: "func",
    0x6F: "extern",
    0x6E: "any",
    0x6D: "eq",
    0x6C: "i31",
    0x6B: "struct",
    0x6A: "array",
    0x69: "exn",
    0x68: "cont",
}
NULLABLE = {
    **{heap: f"{heap}ref" for heap in HEAPS.values()},
    "nocont": "nullcontref",
    "noexn": "nullexnref",
    "nofunc": "nullfuncref",
    "noextern": "nullexternref",
    "none": "nullref",
}
"""The short text of `(ref null heap)`, which is also the meaning of the heap's single byte."""

REF, REF_NULL = 0x64, 0x63
REC, SUB, SUB_FINAL = 0x4E, 0x50, 0x4F
FUNC, STRUCT, ARRAY, CONT = 0x60, 0x5F, 0x5E, 0x5D
HAS_MAX, SHARED, IS_64, HAS_PAGE_SIZE = 1, 2, 4, 8
LARGEST_PAGE_SIZE_LOG2 = 63

SINGLE = {**NUMBERS, **{byte: NULLABLE[heap] for byte, heap in HEAPS.items()}}
BYTE_BY_TEXT = {text: byte for byte, text in SINGLE.items()}
BYTE_BY_HEAP = {heap: byte for byte, heap in HEAPS.items()}

_SINGLE_BYTES = bytes(SINGLE)

_LAST_OF_ONE_BYTE = 0x7F
"""The largest number that LEB128 writes in one byte."""

_MOST_FUNCTYPES = 1000
_functypes: dict[bytes, FuncType] = {}
"""Function types that were asked for, by their bytes: modules have the same few."""


def read_heaptype(cursor: Cursor) -> str:
    """Read a heap type: an abstract one such as `func`, or a type index as a number."""
    start = cursor.offset
    value = cursor.signed(33)
    if value >= 0:
        return str(value)
    if value < -0x40 or value & 0x7F not in HEAPS:
        raise cursor.fail(f"{value} is no heap type", start)
    return HEAPS[value & 0x7F]


def read_valtype(cursor: Cursor) -> ValType:
    """Read a value type."""
    byte = cursor.byte()
    if byte in SINGLE:
        return SINGLE[byte]
    if byte == REF:
        return f"(ref {read_heaptype(cursor)})"
    if byte == REF_NULL:
        heap = read_heaptype(cursor)
        return NULLABLE.get(heap) or f"(ref null {heap})"
    raise cursor.fail(f"{byte:#04x} is no value type", cursor.offset - 1)


def write_valtype(text: ValType) -> bytes:
    """
    Return the bytes of a value type.

    Raises:
        WasmError: `text` is none.
    """
    if text in BYTE_BY_TEXT:
        return bytes((BYTE_BY_TEXT[text],))
    for start, byte in (("(ref null ", REF_NULL), ("(ref ", REF)):
        if text.startswith(start) and text.endswith(")"):
            return bytes((byte,)) + write_heaptype(text[len(start) : -1])
    raise WasmError(f"{text!r} is no value type")


def write_heaptype(heap: str) -> bytes:
    """Return the bytes of a heap type."""
    if heap in BYTE_BY_HEAP:
        return bytes((BYTE_BY_HEAP[heap],))
    if heap.isascii() and heap.isdecimal():
        return write_signed(int(heap))
    raise WasmError(f"{heap!r} is no heap type")


def read_limits(cursor: Cursor, allowed: int = HAS_MAX | SHARED | IS_64) -> tuple[Limits, int]:
    """
    Read limits and return them with their flags.

    Layout:
        A byte of flags (1: has max, 2: shared, 4: 64-bit, 8: page size follows), min, then max.
    """
    flags = cursor.byte()
    if flags & ~allowed:
        raise cursor.fail(f"limits with unknown flags {flags:#04x}", cursor.offset - 1)
    number = cursor.u64 if flags & IS_64 else cursor.u32
    low = number()
    high = number() if flags & HAS_MAX else None
    return Limits(low, high, bool(flags & SHARED), bool(flags & IS_64)), flags


def write_limits(limits: Limits, flags: int = 0) -> bytes:
    """Return the bytes of limits; `flags` adds those that are not theirs."""
    flags |= HAS_MAX * (limits.max is not None) | SHARED * limits.is_shared | IS_64 * limits.is_64
    high = b"" if limits.max is None else write_unsigned(limits.max)
    return bytes((flags,)) + write_unsigned(limits.min) + high


def read_memorytype(cursor: Cursor) -> MemoryType:
    """Read the type of a memory."""
    limits, flags = read_limits(cursor, HAS_MAX | SHARED | IS_64 | HAS_PAGE_SIZE)
    if not flags & HAS_PAGE_SIZE:
        return MemoryType(limits)
    log2 = cursor.u32()
    if log2 > LARGEST_PAGE_SIZE_LOG2:
        raise cursor.fail(f"a page of 2^{log2} bytes")
    return MemoryType(limits, log2)


def write_memorytype(memory: MemoryType) -> bytes:
    """Return the bytes of a memory's type."""
    if memory.page_size_log2 == PAGE_SIZE_LOG2:
        return write_limits(memory.limits)
    return write_limits(memory.limits, HAS_PAGE_SIZE) + write_unsigned(memory.page_size_log2)


def read_tabletype(cursor: Cursor) -> TableType:
    """Read the type of a table."""
    element = read_valtype(cursor)
    return TableType(element, read_limits(cursor)[0])


def write_tabletype(table: TableType) -> bytes:
    """Return the bytes of a table's type."""
    return write_valtype(table.element) + write_limits(table.limits)


def read_globaltype(cursor: Cursor) -> GlobalType:
    """Read the type of a global."""
    return GlobalType(read_valtype(cursor), _read_mutability(cursor))


def write_globaltype(type_: GlobalType) -> bytes:
    """Return the bytes of a global's type."""
    return write_valtype(type_.value) + bytes((type_.mutable,))


def write_functype(func: FuncType) -> bytes:
    """Return the bytes of a function type as an entry of the type section."""
    vectors = (func.params, func.results)
    return bytes((FUNC,)) + b"".join(
        write_unsigned(len(types)) + b"".join(map(write_valtype, types)) for types in vectors
    )


def plain_entries(cursor: Cursor, most: int) -> tuple[bytes, ...]:
    """
    Return the entries of a type section as they stand, where all are function types with value types of one byte.

    That is what compilers make of programs without a garbage collector, and what needs no decoding before somebody asks.
    None at all for any other section, also for one that is malformed or has more than `most` entries.
    """
    count, data, start, end = cursor.u32(), cursor.data, cursor.offset, cursor.end
    found = []
    for _ in range(count if count <= most else 0):
        if start + 2 >= end or data[start] != FUNC or data[start + 1] > _LAST_OF_ONE_BYTE:
            return ()
        results = start + 3 + data[start + 1]
        if results > end or data[results - 1] > _LAST_OF_ONE_BYTE:
            return ()
        stop = results + data[results - 1]
        kinds = data[start + 2 : results - 1] + data[results:stop]
        if stop > end or kinds.translate(None, _SINGLE_BYTES):
            return ()
        found.append(data[start:stop])
        start = stop
    return tuple(found) if start == end else ()


def plain_functype(entry: bytes) -> FuncType:
    """Return the function type that an entry of `plain_entries` is."""
    found = _functypes.get(entry)
    if found is None:
        results = 3 + entry[1]
        kinds = entry[2 : results - 1], entry[results:]
        found = FuncType(*[tuple([SINGLE[byte] for byte in each]) for each in kinds])
        if len(_functypes) < _MOST_FUNCTYPES:
            _functypes[entry] = found
    return found


def read_rectypes(cursor: Cursor) -> Iterator[SubType]:
    """Read one entry of the type section: a type, or a recursion group of several."""
    if cursor.peek() != REC:
        yield _read_subtype(cursor, 1)
        return
    cursor.byte()
    count = cursor.count(2)
    for _ in range(count):
        yield _read_subtype(cursor, count)


def _read_subtype(cursor: Cursor, group: int) -> SubType:
    form = cursor.peek()
    if form not in {SUB, SUB_FINAL}:
        return SubType(_read_composite(cursor), group=group)
    cursor.byte()
    supertypes = tuple(cursor.u32() for _ in range(cursor.count()))
    return SubType(_read_composite(cursor), form == SUB_FINAL, supertypes, group)


def _read_composite(cursor: Cursor) -> CompositeType:
    form = cursor.byte()
    if form == FUNC:
        return FuncType(_read_valtypes(cursor), _read_valtypes(cursor))
    if form == STRUCT:
        return StructType(tuple(_read_field(cursor) for _ in range(cursor.count(2))))
    if form == ARRAY:
        return ArrayType(_read_field(cursor))
    if form == CONT:
        return ContType(int(_read_type_index(cursor)))
    raise cursor.fail(f"{form:#04x} is no form of type", cursor.offset - 1)


def _read_valtypes(cursor: Cursor) -> tuple[ValType, ...]:
    return tuple(read_valtype(cursor) for _ in range(cursor.count()))


def _read_field(cursor: Cursor) -> FieldType:
    if cursor.peek() in PACKED:
        return FieldType(PACKED[cursor.byte()], _read_mutability(cursor))
    return FieldType(read_valtype(cursor), _read_mutability(cursor))


def _read_mutability(cursor: Cursor) -> bool:
    byte = cursor.byte()
    if byte > 1:
        raise cursor.fail(f"{byte:#04x} is neither const nor mut", cursor.offset - 1)
    return bool(byte)


def _read_type_index(cursor: Cursor) -> str:
    start = cursor.offset
    heap = read_heaptype(cursor)
    if not heap.isdecimal():
        raise cursor.fail(f"{heap!r} where a type index belongs", start)
    return heap
