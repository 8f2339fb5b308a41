"""Values through annotations: what is written is read again; bytes that are none are refused, and nothing of another type passes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from extism.codecs import Json, parameter_wire, result_wires
from fuzz.bytes import mutated
from fuzz.case import Finding, Target

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


class Colour(Enum):
    """What travels as its value."""

    RED = "red"
    BLUE = 3


@dataclass
class Point:
    """What travels as an object."""

    x: int
    y: float = 0.5
    name: str | None = None


@dataclass
class Shape:
    """Objects in an object."""

    points: list[Point]
    colour: Colour
    tags: dict[str, list[int]] = field(default_factory=dict)
    kind: Literal["open", "closed"] = "open"


TEXTS = ("", "a", "é", "𝄞", "\0", '"', "\\", "x" * 300, "null")


class Blocks:
    """Bytes by handle, as a plug-in would have them."""

    def __init__(self) -> None:
        self.found: dict[int, bytes] = {}

    def read(self, handle: int) -> bytes:
        """Return what is there."""
        return self.found[handle]

    def write(self, data: bytes) -> int:
        """Keep bytes and return their handle."""
        handle = 8 * (len(self.found) + 1)
        self.found[handle] = bytes(data)
        return handle


def _number(dice: random.Random) -> int:
    return dice.choice((0, 1, -1, 2**31, -(2**63), 2**63 - 1, dice.randrange(10**6)))


def _float(dice: random.Random) -> float:
    return dice.choice((0.0, -1.5, 1e300, 5e-324, dice.random()))


def _text(dice: random.Random) -> str:
    return dice.choice(TEXTS)


def _point(dice: random.Random) -> Point:
    return Point(_number(dice), _float(dice), dice.choice((None, _text(dice))))


def _shape(dice: random.Random) -> Shape:
    return Shape(
        [_point(dice) for _ in range(dice.randrange(3))],
        dice.choice(list(Colour)),
        {_text(dice): [_number(dice)] for _ in range(dice.randrange(2))},
        dice.choice(("open", "closed")),
    )


MAKERS: tuple[tuple[Any, Callable[[random.Random], Any]], ...] = (
    (str, _text),
    (bytes, lambda dice: dice.randbytes(dice.randrange(30))),
    (Annotated[dict[str, int], Json], lambda dice: {_text(dice): _number(dice)}),
    (Annotated[list[str | None], Json], lambda dice: [_text(dice), None]),
    (Annotated[tuple[int, str], Json], lambda dice: (_number(dice), _text(dice))),
    (Annotated[set[int], Json], lambda dice: {_number(dice), _number(dice)}),
    (Annotated[Colour, Json], lambda dice: dice.choice(list(Colour))),
    (Point, _point),
    (Shape, _shape),
)


class Fuzz(Target):
    """See the module."""

    def case(self, dice: random.Random) -> None:
        """Write a value and read it; break its bytes and read them."""
        annotation, make = dice.choice(MAKERS)
        value, blocks = make(dice), Blocks()
        handle = result_wires(annotation)[0].write(blocks, value)
        wire = parameter_wire(annotation)
        found = wire.read(blocks, handle)
        if found != value or type(found) is not type(value):
            raise Finding(f"{value!r} was read as {found!r}"[:600], str(annotation))
        hostile = _hostile(dice, blocks.found.get(handle, b""))
        try:
            found = wire.read(blocks, blocks.write(hostile))
        except (TypeError, ValueError, RecursionError):
            return
        if not fits(annotation, found):
            raise Finding(f"{annotation} was given {found!r}"[:600], hostile)


def _hostile(dice: random.Random, data: bytes) -> bytes:
    pick = dice.randrange(8)
    if pick == 0:
        return b"[" * dice.choice((1, 1000, 200_000))
    if pick == 1:
        return b'{"x":' * 50_000
    if pick == 2:
        strange: list[Any] = [
            None,
            True,
            1,
            1.5,
            "a",
            [],
            {},
            {"x": 1},
            {"points": [{}]},
            [[1, "a"]],
            10**30,
        ]
        return json.dumps(dice.choice(strange)).encode()
    if pick == 3:
        return dice.choice((b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"\xff", b"\xed\xa0\x80"))
    return mutated(dice, data)


def fits(annotation: Any, value: Any) -> bool:
    """Tell whether a value is what its annotation says, as far as these annotations go."""
    checks: dict[Any, Callable[[Any], bool]] = {
        str: lambda v: isinstance(v, str),
        bytes: lambda v: isinstance(v, bytes),
        MAKERS[2][0]: _is_dict,
        MAKERS[3][0]: _is_list,
        MAKERS[4][0]: lambda v: (
            isinstance(v, tuple) and len(v) == 2 and _is_int(v[0]) and isinstance(v[1], str)
        ),
        MAKERS[5][0]: lambda v: isinstance(v, set) and all(map(_is_int, v)),
        MAKERS[6][0]: lambda v: isinstance(v, Colour),
        Point: _is_point,
        Shape: _is_shape,
    }
    return checks[annotation](value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and _is_int(each) for key, each in value.items()
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(each is None or isinstance(each, str) for each in value)


def _is_shape(value: Any) -> bool:
    if not isinstance(value, Shape):
        return False
    points: list[Any] = value.points
    tags: list[Any] = list(value.tags.values())
    return (
        all(map(_is_point, points))
        and type(value.colour) is Colour
        and value.kind in ("open", "closed")
        and all(isinstance(each, list) and all(map(_is_int, each)) for each in tags)
    )


def _is_point(value: Any) -> bool:
    if not isinstance(value, Point):
        return False
    x: Any = value.x
    y: Any = value.y
    name: Any = value.name
    is_number = isinstance(y, int | float) and not isinstance(y, bool)
    return _is_int(x) and is_number and (name is None or isinstance(name, str))
