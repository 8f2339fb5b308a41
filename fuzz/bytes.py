"""Bytes that were right once: flipped, cut, doubled, swapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["mutated", "somewhere"]

INTERESTING = (0x00, 0x01, 0x0B, 0x3F, 0x40, 0x60, 0x7D, 0x7F, 0x80, 0xFF)
"""The ends of LEB128's ranges, and the wasm format's most frequent marks."""


def mutated(dice: random.Random, data: bytes, most: int = 4) -> bytes:
    """Return the bytes with one to `most` faults."""
    for _ in range(dice.randint(1, most)):
        data = dice.choice(_WAYS)(dice, data)
    return data


def somewhere(dice: random.Random, data: bytes) -> int:
    """Return a place in the bytes; often near the beginning, where formats say how they go on."""
    end = len(data)
    return dice.randrange(min(end, 64) if dice.random() < 0.3 else end) if end else 0


def _flip(dice: random.Random, data: bytes) -> bytes:
    at = somewhere(dice, data)
    return (
        data[:at]
        + bytes(byte ^ (1 << dice.randrange(8)) for byte in data[at : at + 1])
        + data[at + 1 :]
    )


def _put(dice: random.Random, data: bytes) -> bytes:
    at = somewhere(dice, data)
    return data[:at] + bytes((dice.choice(INTERESTING),)) + data[at + 1 :]


def _insert(dice: random.Random, data: bytes) -> bytes:
    at = somewhere(dice, data)
    return data[:at] + dice.randbytes(dice.randint(1, 5)) + data[at:]


def _remove(dice: random.Random, data: bytes) -> bytes:
    at = somewhere(dice, data)
    return data[:at] + data[at + dice.randint(1, 8) :]


def _double(dice: random.Random, data: bytes) -> bytes:
    at = somewhere(dice, data)
    piece = data[at : at + dice.randint(1, 40)]
    return data[:at] + piece + data[at:]


def _swap(dice: random.Random, data: bytes) -> bytes:
    one, other = sorted((somewhere(dice, data), somewhere(dice, data)))
    length = dice.randint(1, 12)
    if one + length > other:
        return data
    first, second = data[one : one + length], data[other : other + length]
    return data[:one] + second + data[one + length : other] + first + data[other + length :]


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: somewhere(dice, data)] if dice.random() < 0.2 else _flip(dice, data)


_WAYS = (_flip, _flip, _flip, _put, _put, _insert, _remove, _double, _swap, _cut)
