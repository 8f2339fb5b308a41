"""
Modules that were made to cost whoever compiles them: small for what they do to a compiler that takes them.

Made of bytes, as text would take longer to read than to compile.
"""

from __future__ import annotations

from extism._wasm.leb128 import write_signed as i32
from extism._wasm.leb128 import write_unsigned as u32

__all__ = [
    "calls_of_many_values",
    "chained_blocks",
    "computed_elements",
    "computed_value",
    "distant_joins",
    "grouped_types",
    "jump_tables",
    "kept_elements",
    "laid_out_elements",
    "loops",
    "loops_over_locals",
    "many_locals",
    "many_sections",
    "nested_blocks",
    "small_functions",
    "small_types",
    "straight_line",
]

I32 = b"\x7f"
VOID_TYPE = b"\x60\x00\x00"


def section(number: int, content: bytes) -> bytes:
    return bytes((number,)) + u32(len(content)) + content


def module(bodies: list[bytes], types: bytes = b"\x01" + VOID_TYPE, kinds: bytes = b"") -> bytes:
    """Functions of those bodies; of type 0 unless `kinds` says which."""
    code = b"".join(u32(len(body)) + body for body in bodies)
    count = u32(len(bodies))
    return (
        b"\0asm\1\0\0\0"
        + section(1, types)
        + section(3, count + (kinds or bytes(len(bodies))))
        + section(10, count + code)
    )


def body(code: bytes, locals_: int = 0) -> bytes:
    head = b"\x01" + u32(locals_) + I32 if locals_ else b"\x00"
    return head + code + b"\x0b"


def straight_line(size: int, count: int = 1) -> bytes:
    """Additions, one after the other: so many bytes, so many times."""
    unit = b"\x20\x00\x41\xe4\x00\x6a\x21\x00"
    return module([body(unit * (size // len(unit)), 1)] * count)


def nested_blocks(count: int) -> bytes:
    return module([body(b"\x02\x40" * count + b"\x0b" * count)])


def small_functions(count: int) -> bytes:
    """Nothing in them, and each costs some 50 us."""
    return module([body(b"")] * count)


def small_types(count: int) -> bytes:
    return b"\0asm\1\0\0\0" + section(1, u32(count) + VOID_TYPE * count)


def grouped_types(count: int) -> bytes:
    """Types in one group, which is one entry."""
    return module([body(b"")], b"\x01\x4e" + u32(count) + VOID_TYPE * count)


def many_sections(count: int) -> bytes:
    return module([body(b"")]) + b"\0\1\0" * count


def computed_value(instructions: int) -> bytes:
    """A global that begins with a sum."""
    value = b"\x41\1" + b"\x41\1\x6a" * (instructions // 2) + b"\x0b"
    return with_sections({6: b"\1\x7f\0" + value})


def kept_elements(count: int) -> bytes:
    """Functions that wait to be put into a table."""
    return with_sections({9: b"\1\1\0" + u32(count) + bytes(count)})


def computed_elements(count: int) -> bytes:
    """Functions that expressions give, in a table from the beginning."""
    elements = b"\1\4\x41\0\x0b" + u32(count) + b"\xd2\0\x0b" * count
    return with_sections({4: b"\1\x70\0" + u32(count), 9: elements})


def laid_out_elements(count: int, at: int = 0) -> bytes:
    """Functions in a table from the beginning, `at` places behind its first one, as linkers write them."""
    elements = b"\1\0\x41" + i32(at) + b"\x0b" + u32(count) + bytes(count)
    return with_sections({4: b"\1\x70\0" + u32(at + count), 9: elements})


def with_sections(more: dict[int, bytes]) -> bytes:
    """A function that does nothing, and more sections by their numbers."""
    sections = {1: b"\x01" + VOID_TYPE, 3: b"\1\0", 10: b"\1\2\0\x0b", **more}
    return b"\0asm\1\0\0\0" + b"".join(section(each, sections[each]) for each in sorted(sections))


def loops(count: int) -> bytes:
    """One after the other."""
    return module([body(b"\x03\x40\x0b" * count)])


def chained_blocks(count: int) -> bytes:
    """A value that goes through one block after the other."""
    return module([body(b"\x02\x7f\x20\x00\x0b\x21\x00" * count, 1)])


def many_locals(functions: int, locals_: int) -> bytes:
    return module([body(b"", locals_)] * functions)


def loops_over_locals(locals_: int, count: int) -> bytes:
    """Loops, each of which asks for another variable."""
    code = b"".join(b"\x03\x40\x20" + u32(i % locals_) + b"\x0d\x00\x0b" for i in range(count))
    return module([body(code, locals_)])


def distant_joins(locals_: int, count: int) -> bytes:
    """Variables that are set in one branch each, and all of them asked for at the end."""
    sets = b"".join(
        b"\x41\x00\x04\x40\x41\x01\x21" + u32(i % locals_) + b"\x0b" for i in range(count)
    )
    return module(
        [body(sets + b"".join(b"\x20" + u32(i) + b"\x1a" for i in range(locals_)), locals_)]
    )


def calls_of_many_values(values: int, count: int) -> bytes:
    """A function that gives back all that it is given, called again and again."""
    many = u32(values) + I32 * values
    types = b"\x02" + VOID_TYPE + b"\x60" + many + many
    caller = body(b"\x41\x01" * values + b"\x10\x01" * count + b"\x1a" * values)
    called = body(b"".join(b"\x20" + u32(i) for i in range(values)))
    return module([caller, called], types, b"\x00\x01")


def jump_tables(functions: int, targets: int) -> bytes:
    table = b"\x02\x40\x41\x00\x0e" + u32(targets) + bytes(targets) + b"\0\x0b"
    return module([body(table)] * functions)
