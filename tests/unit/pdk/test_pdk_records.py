"""JSON values and annotations: what is made of them, and what an error says of a value that does not fit."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import pytest

from extism.pdk import InputError
from extism.pdk.leaves import Number
from extism.pdk.records import dumps, reading


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


@dataclass
class Item:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)
    total: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("a price is not negative")


T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    item: T
    spare: list[T] | None = None


class Pair(TypedDict, Generic[T]):
    left: T
    right: Box[T]


@dataclass
class Tree:
    label: str
    children: list[Tree] = field(default_factory=list)
    best: Optional[Item] = None  # noqa: UP045  the older way of writing it


@dataclass
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclass
class Square:
    kind: Literal["square"]
    side: float


Shape = Circle | Square
UserId = NewType("UserId", int)
DAY = dt.date(2024, 2, 29)
NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (str, "a", "a"),
        (int, 5, 5),
        (int, 5.0, 5),
        (float, 5, 5.0),
        (bool, True, True),
        (None, None, None),
        (Any, {"a": 1}, {"a": 1}),
        (list, [1, "a"], [1, "a"]),
        (list[int], [1, 2], [1, 2]),
        (Sequence[int], [1], [1]),
        (set[str], ["a", "a"], {"a"}),
        (frozenset, [1], frozenset([1])),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (dict[Colour, int], {"red": 1}, {Colour.RED: 1}),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (Colour, "red", Colour.RED),
        (Size, 1, Size.SMALL),
        (Literal["a", 1], 1, 1),
        (int | None, None, None),
        (Box[int], {"item": 1, "spare": [2]}, Box(1, [2])),
        (Box[Box[Size]], {"item": {"item": 1}}, Box(Box(Size.SMALL))),
        (Box, {"item": "any"}, Box("any")),
        (Pair[str], {"left": "a", "right": {"item": "b"}}, {"left": "a", "right": Box("b")}),
        (Union[int, str], "a", "a"),  # noqa: UP007  the older way of writing it
        (int | float, 5, 5),
        (float | str, "5", "5"),
        (list[int] | str, "5", "5"),
        (UserId, 7, 7),
        (Annotated[int, "marked"], 7, 7),
        (Point, [1, 2], Point(1.0, 2.0)),
        (Point, {"x": 1}, Point(1.0)),
        (Options, {"depth": 1, "other": 2}, {"depth": 1}),
        (Item, {"name": "a", "price": 1, "tags": ["b"]}, Item("a", 1.0, ["b"])),
        (Item, {"name": "a", "price": 1, "unknown": 1}, Item("a", 1.0)),
        (Tree, {"label": "a", "children": [{"label": "b"}]}, Tree("a", [Tree("b")])),
        (Shape, {"kind": "square", "side": 2}, Square("square", 2.0)),
        (dt.date, "2024-02-29", DAY),
        (dt.datetime, "2024-02-29T12:00:00+00:00", NOON),
        (dt.time, "12:30", dt.time(12, 30)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (decimal.Decimal, 1.1, decimal.Decimal("1.1")),
        (
            decimal.Decimal,
            Number("1.10000000000000000000001"),
            decimal.Decimal("1.10000000000000000000001"),
        ),
        (decimal.Decimal | float, Number("0.1"), 0.1),
        (float, Number("0.1"), 0.1),
        (uuid.UUID, str(ID), ID),
    ],
    ids=str,
)
def test_values(annotation, given, expected):
    """Each annotation gets values of its type, at any depth."""
    found = reading(annotation).read(given)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("annotation", "given", "message"),
    [
        (str, 5, "expected a string, got 5"),
        (int, "5", 'expected an integer, got "5"'),
        (int, 5.5, "expected an integer, got 5.5"),
        (int, True, "expected an integer, got true"),
        (float, True, "expected a number, got true"),
        (bool, 1, "expected true or false, got 1"),
        (None, 0, "expected null, got 0"),
        (list[int], {}, "expected an array, got {}"),
        (list[int], [1, "a"], '[1]: expected an integer, got "a"'),
        (tuple[int, int], [1], "expected an array of 2 items, got [1]"),
        (dict[str, int], {"a b": "c"}, '["a b"]: expected an integer, got "c"'),
        (dict[int, int], {"a": 1}, '["a"]: the key is no int'),
        (Colour, "green", 'expected one of "red", "blue", got "green"'),
        (Size, "1", 'expected 1, got "1"'),
        (Literal["a"], "b", 'expected "a", got "b"'),
        (int | None, "a", 'expected an integer, got "a"'),
        (int | str, None, "expected an integer or a string, got null"),
        (list[int] | str, ["a"], '[0]: expected an integer, got "a"'),
        (Item, [], "expected an object, got []"),
        (Item, {"price": 1}, ".name: is missing"),
        (Item, {"name": "a", "price": -1}, "a price is not negative"),
        (Options, {}, ".depth: is missing"),
        (
            Tree,
            {"label": "a", "children": [{"label": 1}]},
            ".children[0].label: expected a string, got 1",
        ),
        (Tree, {"label": "a", "best": {"name": "b"}}, ".best.price: is missing"),
        (Shape, {"kind": "circle"}, ".radius: is missing"),
        (Shape, {"kind": "oval"}, '.kind: expected "circle" or "square", got "oval"'),
        (Shape, 5, "expected an object, got 5"),
        (Box[int], {"item": "a"}, '.item: expected an integer, got "a"'),
        (
            list[Box[int]],
            [{"item": 1, "spare": ["a"]}],
            '[0].spare[0]: expected an integer, got "a"',
        ),
        (Pair[str], {"left": "a", "right": {"item": 1}}, ".right.item: expected a string, got 1"),
        (
            list[str] | dict[str, int],
            {"a": "b"},
            '["a"]: expected an integer, got "b"',
        ),
        (
            Tree | Item,
            {"name": 1, "label": 2},
            "label: expected a string, got 2; or name: expected a string, got 1",
        ),
        (Point, "x", 'expected an object, got "x"'),
        (dt.date, "soon", 'expected a date (ISO 8601), got "soon"'),
        (decimal.Decimal, "x", 'expected a decimal number, got "x"'),
        (str, ["x" * 100], f'expected a string, got ["{"x" * 55}...'),
    ],
    ids=str,
)
def test_errors_say_where_and_what(annotation, given, message):
    """The text has the place inside the value, what was expected there, and what was found."""
    with pytest.raises(InputError) as caught:
        reading(annotation).read(given)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (complex, "complex has no form in JSON"),
        (list[object | complex], "complex has no form in JSON"),
        (bytes, "bytes has no form in JSON"),
        (type("Own", (), {}), "Own has no form in JSON"),
    ],
)
def test_annotations_that_json_has_no_form_for(annotation, message):
    """They are refused before there is a value."""
    with pytest.raises(TypeError) as caught:
        reading(annotation)

    assert str(caught.value) == message


class Alias:
    """As `type Nested = list[Nested | int]` makes it, since Python 3.12."""

    __name__ = "Nested"

    def __call__(self):
        """Be taken for a type by older versions of `typing`."""


def test_an_alias_in_which_it_stands_itself():
    """It is read at any depth, and errors say where."""
    nested = Alias()
    nested.__value__ = list[Union[nested, int]]  # noqa: UP007  an instance here
    read = reading(nested).read
    with pytest.raises(InputError) as caught:
        read([1, [2, ["x"]]])

    assert read([1, [2, [3]]]) == [1, [2, [3]]]
    assert str(caught.value) == '[1][1][0]: expected an array or an integer, got "x"'


def test_a_field_that_json_has_no_form_for():
    """The text names the class and the field."""

    @dataclass
    class Wrong:
        number: complex

    Wrong.__annotations__["number"] = complex
    with pytest.raises(TypeError) as caught:
        reading(Wrong)

    assert str(caught.value) == "field number of Wrong: complex has no form in JSON"


class Day(dt.date):
    """As libraries have them, with attributes of their own."""

    def __init__(self, *_args):
        self.zone = "UTC"


class Money(decimal.Decimal):
    """The same of a number."""


def test_classes_that_come_from_a_date_or_a_number_are_written_as_it_is():
    """What is inside counts, not the attributes beside it."""
    assert dumps([Day(2024, 5, 6), Money("1.10")]) == '["2024-05-06", "1.10"]'


@dataclass
class Parcel:
    item: object


class Blob(bytes):
    """It has attributes, and is more than they are."""


@pytest.mark.parametrize("value", [ValueError("x"), dumps, "".join, Blob, dt, Blob(b"x")])
def test_what_is_more_than_its_attributes_is_not_written(value):
    """An exception, a function, a class or a module would be an empty object, or one of what nobody meant."""
    with pytest.raises(TypeError, match="is not JSON serializable"):
        dumps({"a": value})


def test_keys_are_written_as_values_are():
    """Members of enums, dates and UUIDs, at any depth; numbers are what `json` makes of them."""
    value = [{Colour.RED: 1}, Parcel({DAY: {ID: {2: None}}}), {"x": (Colour.RED, {1})}]

    assert dumps(value) == (
        f'[{{"red": 1}}, {{"item": {{"{DAY}": {{"{ID}": {{"2": null}}}}}}}}, {{"x": ["red", [1]]}}]'
    )


def test_a_key_that_has_no_form_is_an_error():
    """The text is the one that `json` has."""
    with pytest.raises(TypeError, match="keys must be str, int, float, bool or None, not tuple"):
        dumps({(1, 2): Colour.RED})


def test_what_is_written():
    """Records at any depth are objects, enums their values, sets arrays, dates ISO 8601."""
    value = [Tree("a", best=Item("b", 1.0)), Colour.RED, {1}, Point(1.0), DAY, NOON, ID]

    assert dumps(value) == (
        '[{"label": "a", "children": [], "best": {"name": "b", "price": 1.0, "tags": [], "total": 0.0}}, '
        f'"red", [1], [1.0, 0.0], "2024-02-29", "2024-02-29T12:00:00+00:00", "{ID}"]'
    )
