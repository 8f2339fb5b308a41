"""The fields of classes with parameters: what `Box[int]` says holds in every class that comes from it."""

from __future__ import annotations

import json
from dataclasses import InitVar, dataclass, field
from typing import (
    ClassVar,
    Generic,
    NamedTuple,
    NotRequired,
    Protocol,
    TypedDict,
    TypeVar,
)

import attrs
import pytest

import extism
from extism.pdk.errors import InputError
from extism.pdk.records import reading

SOURCE = """
import dataclasses
import typing

import extism


@dataclasses.dataclass
class Box[T]:
    item: T


@dataclasses.dataclass
class Many[T](Box[list[T]]):
    pass


@dataclasses.dataclass
class Numbers(Many[int]):
    name: str = ""


class Pair[T](typing.TypedDict):
    left: T


class Left(Pair[int]):
    pass


class Lefter(Left):
    pass


type Boxes[T] = list[Box[T]]


@extism.plugin_fn
def total(numbers: Numbers, more: Boxes[int], pair: Lefter) -> int:
    return sum(numbers.item) + sum(box.item for box in more) + pair["left"]
"""

A = TypeVar("A")
B = TypeVar("B")
Number = TypeVar("Number", int, float)


@dataclass
class Box(Generic[A]):
    item: A
    spare: list[A] = field(default_factory=list)


@dataclass
class Numbers(Box[int]):
    name: str = ""


@dataclass
class NamedNumbers(Numbers):
    """Two levels above the parameter, and no parameter of its own."""


@dataclass
class Boxes(Box[list[A]], Generic[A]):
    """The same name `A` for another parameter."""

    first: A | None = None


@dataclass
class Texts(Boxes[str]):
    pass


@dataclass
class Two(Generic[A, B]):
    a: A
    b: B


@dataclass
class Turned(Two[B, A], Generic[A, B]):
    pass


@dataclass
class Half(Two[A, int]):
    pass


@dataclass
class Later(Box["Numbers"]):
    """Its argument is text."""


@dataclass
class Node(Generic[A]):
    value: A
    children: list[Node[A]] = field(default_factory=list)


@dataclass
class Letters(Node[str]):
    pass


@dataclass
class Kept(Box[int]):
    """Says itself what its base leaves open."""

    item: str  # type: ignore[assignment]


@dataclass(slots=True)
class Slotted(Generic[A]):
    item: A


@dataclass(slots=True)
class SlottedInt(Slotted[int]):
    pass


class Shown(Protocol[A]):
    item: A


@dataclass
class Part(Shown[int]):
    item: int
    other: str = ""


@dataclass
class Mixed(Box[int], Two[str, bool]):
    """Two bases, each with arguments."""


@dataclass
class Amount(Generic[Number]):
    value: Number


@dataclass
class Bounded(Generic[A]):
    held: Box[A]


@dataclass
class Seeded:
    total: int = field(init=False, default=0)
    unit: ClassVar[str] = "m"
    start: InitVar[int] = 1

    def __post_init__(self, start: int) -> None:
        self.total = start + 1


@attrs.define
class Crate(Generic[A]):
    item: A


@attrs.define
class IntCrate(Crate[int]):
    label: str = ""


class Pair(TypedDict, Generic[A]):
    left: A
    right: NotRequired[list[A]]


class IntPair(Pair[int]):
    more: str


class Pairs(Pair[list[A]], Generic[A], total=False):
    own: A


class TextPairs(Pairs[str]):
    pass


class Row(NamedTuple, Generic[A]):
    a: A
    b: int = 0


class IntRow(Row[int]):
    """A named tuple has the fields of the first class only."""

    note: str


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (Numbers, {"item": 1, "spare": [2], "name": "n"}, Numbers(1, [2], "n")),
        (NamedNumbers, {"item": 1}, NamedNumbers(1)),
        (Boxes[str], {"item": ["a"], "spare": [["b"]], "first": "c"}, Boxes(["a"], [["b"]], "c")),
        (Texts, {"item": ["a"], "first": "c"}, Texts(["a"], [], "c")),
        (Turned[int, str], {"a": "x", "b": 1}, Turned("x", 1)),
        (Half[str], {"a": "x", "b": 1}, Half("x", 1)),
        (Later, {"item": {"item": 1}}, Later(Numbers(1))),
        (
            Letters,
            {"value": "a", "children": [{"value": "b"}]},
            Letters("a", [Node("b")]),
        ),
        (Kept, {"item": "a", "spare": [1]}, Kept("a", [1])),
        (SlottedInt, {"item": 1}, SlottedInt(1)),
        (Part, {"item": 1}, Part(1)),
        (Mixed, {"a": "x", "b": True, "item": 1}, Mixed("x", True, 1)),
        (Amount[int], {"value": 1}, Amount(1)),
        (Amount, {"value": 1.5}, Amount(1.5)),
        (Bounded[Numbers], {"held": {"item": {"item": 1}}}, Bounded(Box(Numbers(1)))),
        (Seeded, {"start": 4}, Seeded(4)),
        (IntCrate, {"item": 1}, IntCrate(1)),
        (IntPair, {"left": 1, "right": [2], "more": "m"}, {"left": 1, "right": [2], "more": "m"}),
        (Pairs[str], {"left": ["a"]}, {"left": ["a"]}),
        (TextPairs, {"left": ["a"], "own": "b"}, {"left": ["a"], "own": "b"}),
        (Row[str], ["a", 1], Row("a", 1)),
        (IntRow, [1, 2], IntRow(1, 2)),
        (IntRow, {"a": 1}, IntRow(1)),
    ],
)
def test_a_generic_is_filled(annotation, given, expected):
    """What the parameter stands for is read at every depth of bases, and makes the class that was asked for."""
    found = reading(annotation).read(given)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("annotation", "given", "words"),
    [
        (Numbers, {"item": "a"}, '.item: expected an integer, got "a"'),
        (Numbers, {"item": 1, "spare": ["a"]}, '.spare[0]: expected an integer, got "a"'),
        (NamedNumbers, {"item": "a"}, '.item: expected an integer, got "a"'),
        (Boxes[str], {"item": "a"}, '.item: expected an array, got "a"'),
        (Boxes[str], {"item": [], "first": 1}, ".first: expected a string, got 1"),
        (Texts, {"item": [1]}, ".item[0]: expected a string, got 1"),
        (Turned[int, str], {"a": 1, "b": 1}, ".a: expected a string, got 1"),
        (Half[str], {"a": "x", "b": "y"}, '.b: expected an integer, got "y"'),
        (Later, {"item": {"item": "a"}}, '.item.item: expected an integer, got "a"'),
        (
            Letters,
            {"value": "a", "children": [{"value": 1}]},
            ".children[0].value: expected a string, got 1",
        ),
        (Kept, {"item": 1}, ".item: expected a string, got 1"),
        (SlottedInt, {"item": "a"}, '.item: expected an integer, got "a"'),
        (Part, {"item": "a"}, '.item: expected an integer, got "a"'),
        (Mixed, {"a": 1, "b": True, "item": 1}, ".a: expected a string, got 1"),
        (Amount, {"value": "a"}, '.value: expected an integer or a number, got "a"'),
        (Seeded, {"start": "a"}, '.start: expected an integer, got "a"'),
        (IntCrate, {"item": "a"}, '.item: expected an integer, got "a"'),
        (IntPair, {"left": "a", "more": ""}, '.left: expected an integer, got "a"'),
        (IntPair, {"left": 1}, ".more: is missing"),
        (Pairs[str], {"left": "a"}, '.left: expected an array, got "a"'),
        (TextPairs, {"left": [1]}, ".left[0]: expected a string, got 1"),
        (TextPairs, {"left": [], "own": 1}, ".own: expected a string, got 1"),
        (IntRow, ["a", 1], '[0]: expected an integer, got "a"'),
    ],
)
def test_what_does_not_fit_is_named(annotation, given, words):
    """A class that comes from a filled generic is checked as one whose fields are written out."""
    with pytest.raises(InputError) as caught:
        reading(annotation).read(given)

    assert str(caught.value).lstrip() == words


def test_a_parameter_that_nobody_filled_takes_its_bound():
    """Without arguments a parameter is what it is bound to; without a bound it takes every value."""
    bound = TypeVar("bound", bound=Numbers)

    assert reading(bound).read({"item": 1}) == Numbers(1)
    assert reading(A).read({"item": 1}) == {"item": 1}


@pytest.fixture(scope="module")
def plugin(python_plugin):
    with extism.Plugin({"wasm": [{"path": str(python_plugin(SOURCE))}]}, wasi=True) as plugin:
        yield plugin


@pytest.mark.guest_python
def test_in_a_plugin(plugin):
    """Classes and aliases with parameters, written as newer Pythons write them, are read inside."""
    given = {"numbers": {"item": [1], "name": "n"}, "more": [{"item": 2}], "pair": {"left": 3}}

    assert plugin.call("total", json.dumps(given)) == b"6"


@pytest.mark.guest_python
@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"numbers": {"item": ["a"]}}, 'numbers.item[0]: expected an integer, got "a"'),
        ({"more": [{"item": "a"}]}, 'more[0].item: expected an integer, got "a"'),
        ({"pair": {"left": "a"}}, 'pair.left: expected an integer, got "a"'),
    ],
)
def test_in_a_plugin_what_does_not_fit_is_named(plugin, member, words):
    """The error of the call names the field."""
    given = {"numbers": {"item": []}, "more": [], "pair": {"left": 0}, **member}
    with pytest.raises(extism.Error) as caught:
        plugin.call("total", json.dumps(given))

    assert str(caught.value).splitlines()[0] == f"total: {words}"
