"""
What a memory holds beyond what its module put there: the bytes that turn the one content into the other.

`initial_memory` is the content that a module gives its memory when it is instantiated, `patch` what has changed since.
How a patch is applied is up to whoever makes a module of it.

Theory of operation:
    Both contents become one large number each; their exclusive-or is zero wherever they agree, so the pieces of it
    that are not zero (`segments.runs`) are what has changed. 13 MB take some 40 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism._wasm.assembly import END
from extism._wasm.leb128 import read_signed
from extism._wasm.segments import MOST, runs
from extism.errors import WasmError

if TYPE_CHECKING:
    from extism._wasm.reader import Module

__all__ = ["GAP", "Patch", "constant", "initial_memory", "patch"]

GAP: Final = 24
"""Bytes that agree between two pieces: a piece takes 8 bytes besides its own, and some time to be applied."""

_CONSTANTS: Final = (b"\x41", b"\x42")
"""`i32.const` and `i64.const`."""


@dataclass(frozen=True, slots=True)
class Patch:
    """
    What has changed.

    Attributes:
        pieces: Offset and end of each, in order.
        content: The bytes of all pieces, one after the other.
    """

    pieces: tuple[tuple[int, int], ...]
    content: bytes


def patch(before: bytes | bytearray, after: bytes, gap: int = GAP, most: int = MOST) -> Patch:
    """
    Return what turns `before` into `after`; beyond its end, `before` counts as zero.

    Args:
        before: A memory.
        after: The same memory later; it has not become smaller.
        gap: Bytes in a row that agree, to part two pieces.
        most: Pieces at most.

    The result depends on the arguments only.
    """
    assert len(before) <= len(after)
    first, second = (int.from_bytes(each, "little") for each in (before, after))
    difference = (first ^ second).to_bytes(len(after), "little")
    pieces = tuple(runs(difference, gap, most))
    return Patch(pieces, b"".join([after[offset:end] for offset, end in pieces]))


def initial_memory(module: Module, memory: int = 0) -> bytearray:
    """
    Return what a memory of the module's own holds when it is instantiated, before any code runs.

    Raises:
        WasmError: A data segment lies outside, or at no constant offset.
    """
    type_ = module.memories[memory]
    image = bytearray(type_.limits.min * type_.page_size)
    for segment in module.data_segments:
        if segment.memory != memory:
            continue
        offset = constant(segment.offset)
        end = offset + len(segment.data)
        if not 0 <= offset <= end <= len(image):
            raise WasmError(f"data at {offset} is outside of memory {memory}", section="data")
        image[offset:end] = segment.data
    return image


def constant(expression: bytes) -> int:
    """
    Return the number that a constant expression is.

    Raises:
        WasmError: It is no single integer constant.
    """
    if expression[:1] in _CONSTANTS:
        value, end = read_signed(expression, 1, len(expression), 64)
        if expression[end:] == END:
            return value
    raise WasmError(f"{expression.hex()} is no integer constant")
