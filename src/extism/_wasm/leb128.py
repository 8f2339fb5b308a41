"""
LEB128: the variable-length integers that a WebAssembly binary is made of.

Here are the number and its bytes. A place that moves through a module is a `Cursor` (`cursor.py`).

A number may be padded with continuation bytes up to the length that its width needs, and linkers do
pad; writing always gives the shortest form.

Source:
    https://webassembly.github.io/spec/core/binary/values.html#integers
"""

from __future__ import annotations

from extism.errors import WasmError

__all__ = ["read_signed", "read_unsigned", "write_signed", "write_unsigned"]

_SMALL = tuple(bytes((value,)) for value in range(0x80))


def read_unsigned(data: bytes, offset: int, end: int, bits: int = 32) -> tuple[int, int]:
    """
    Return the unsigned number at `offset` and the offset behind it.

    Layout:
        Seven bits a byte, the lowest first; bit 7 says that another byte follows::

            624485 = 0b0100110_0001110_1100101
            e5 8e 26
            └ offset      ▲ returned offset

    Raises:
        WasmError: The number runs past `end`, or needs more than `bits` bits.
    """
    value = shift = 0
    for index in range(offset, min(end, offset + (bits + 6) // 7)):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> bits:
                raise WasmError(f"a number needs more than {bits} bits", offset=offset)
            return value, index + 1
        shift += 7
    raise _endless(offset, end, bits)


def read_signed(data: bytes, offset: int, end: int, bits: int = 32) -> tuple[int, int]:
    """
    Return the signed number at `offset` and the offset behind it.

    Layout:
        As unsigned; bit 6 of the last byte is the sign and fills all higher bits.

    Raises:
        WasmError: The number runs past `end`, or needs more than `bits` bits.
    """
    value = shift = 0
    for index in range(offset, min(end, offset + (bits + 6) // 7)):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte & 0x40:
                value -= 1 << shift
            if not -(1 << bits - 1) <= value < 1 << bits - 1:
                raise WasmError(f"a number needs more than {bits} bits", offset=offset)
            return value, index + 1
    raise _endless(offset, end, bits)


def write_unsigned(value: int) -> bytes:
    """Return the shortest form of `value`, which is not negative."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    if value < 0:
        raise WasmError(f"{value} is negative and has no unsigned form")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_signed(value: int) -> bytes:
    """Return the shortest form of `value`."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def _endless(offset: int, end: int, bits: int) -> WasmError:
    if end < offset + (bits + 6) // 7:
        return WasmError("the bytes end in the middle of a number", offset=max(offset, end))
    return WasmError(f"a number of {bits} bits is longer than its bytes allow", offset=offset)
