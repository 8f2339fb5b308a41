"""The house's `dataclass` is one to everybody who knows dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from extism._dataclass import dataclass, field, replace


@dataclass(frozen=True)
class Point:
    """A place."""

    x: int
    y: int = 2
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deep(Point):
    """A place below the ground."""

    z: int = 0


@dataclass(frozen=True)
class Checked:
    """Refuses what is negative."""

    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError(self.value)

    def __repr__(self) -> str:
        return "<checked>"


@dataclass(eq=False)
class Open:
    """May be changed."""

    value: Any = None


Original = dataclasses.make_dataclass(
    "Point",
    [("x", int), ("y", int, 2), ("tags", dict, dataclasses.field(default_factory=dict))],
    frozen=True,
)
"""The same by the original."""


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 5), {}),
        ((1,), {"tags": {"a": "b"}}),
        ((), {"y": 3, "x": 4}),
        ((1, 2, {}), {}),
    ],
)
def test_instances_have_the_fields_of_the_original(args, kwargs):
    """Given by place or by name, or by default."""
    made, original = Point(*args, **kwargs), Original(*args, **kwargs)

    assert dataclasses.astuple(made) == dataclasses.astuple(original)
    assert repr(made) == repr(original)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, {}, 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1, "z": 2})],
)
def test_wrong_arguments_are_refused_in_python_s_words(args, kwargs):
    """Missing, too many, twice or unknown: the text is the original's."""
    with pytest.raises(TypeError) as expected:
        Original(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        Point(*args, **kwargs)

    assert str(caught.value) == str(expected.value)


def test_equal_fields_make_equal_instances():
    """Of the same class; the hash follows."""
    assert Point(1) == Point(1)
    assert Point(1) != Point(2)
    assert Point(1) != Deep(1)
    assert hash(Deep(1, 2, (), 3)) == hash(Deep(1, 2, (), 3))
    assert Open(1) != Open(1)


def test_a_default_factory_makes_one_for_each():
    """No instance shares what another may change."""
    assert Point(1).tags is not Point(1).tags


def test_a_frozen_instance_cannot_be_changed():
    """Neither assigned nor deleted, and the error is the original's class."""
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot change field 'x' of a Point"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.y

    assert point == Point(1)


def test_others_can_be_changed():
    """As any object."""
    it = Open()
    it.value = 7

    assert it.value == 7


def test_a_subclass_adds_fields():
    """Those of the base come first."""
    assert Deep(1, 2, {}, 3) == Deep(x=1, z=3)
    assert [each.name for each in dataclasses.fields(Deep)] == ["x", "y", "tags", "z"]


def test_what_a_class_says_itself_stays():
    """Its own `__repr__`, and its check of new instances, copies among them."""
    assert repr(Checked(1)) == "<checked>"
    for make in (lambda: Checked(-1), lambda: replace(Checked(1), value=-1)):
        with pytest.raises(ValueError, match="-1"):
            make()


def test_the_tools_of_dataclasses_take_it():
    """`is_dataclass`, `fields`, `replace`, `asdict`, signatures, `match` and pickles."""
    point = Point(1)
    match point:
        case Point(x, y):
            found = x, y

    assert found == (1, 2)
    assert dataclasses.is_dataclass(Point)
    assert dataclasses.replace(point, y=5) == replace(point, y=5) == Point(1, 5)
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "tags": {}}
    assert str(inspect.signature(Checked)) == "(value: 'int') -> None"
    assert pickle.loads(pickle.dumps(point)) == copy.copy(point) == copy.deepcopy(point) == point
