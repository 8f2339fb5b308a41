"""Records cross as JSON objects, checked at the boundary: dataclasses, pydantic's models, msgspec's structs."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - read from the annotation
from typing import Annotated, Any, Literal, NewType, TypedDict

import msgspec
import pydantic
import pytest

import extism
from extism.errors import HostFunctionError, SignatureError

GUEST = """
(module
  (import "extism:host/user" "f" (func $f (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "run") (local $h i64)
    (local.set $h (call $f (call $input)))
    (call $output (local.get $h) (call $length (local.get $h)))))
"""


@dataclass
class Address:
    street: str
    number: int


@dataclass
class Person:
    name: str
    age: int
    home: Address | None = None


class PersonModel(pydantic.BaseModel):
    name: str
    age: int


class PersonStruct(msgspec.Struct):
    name: str
    age: int


KINDS = [Person, PersonModel, PersonStruct]


def plugin(kind):
    def f(person: kind) -> kind:
        person.age += 1
        return person

    f.__annotations__.update(person=kind, **{"return": kind})
    return extism.Plugin(GUEST, functions=[extism.host_fn(name="f")(f)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_arrives_and_goes_back(kind):
    """The host function gets an instance and gives one; the guest sees JSON both ways."""
    with plugin(kind) as made:
        answer = json.loads(made.call("run", '{"name": "Ada", "age": 36}'))

    assert (answer["name"], answer["age"]) == ("Ada", 37)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "sent",
    ['{"name": "Ada"}', '{"name": "Ada", "age": "old"}', '{"name": 7, "age": 1}', "[]", "{"],
    ids=["a field is missing", "a text for a number", "a number for a text", "a list", "no JSON"],
)
def test_a_wrong_record_never_reaches_the_function(kind, sent):
    """The error names function and parameter, and what is wrong."""
    with plugin(kind) as made, pytest.raises(HostFunctionError) as caught:
        made.call("run", sent)

    cause = caught.value.__cause__
    assert isinstance(cause, SignatureError)
    assert (cause.function, cause.parameter) == ("extism:host/user::f", "person")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ('{"name": "Ada", "age": true}', "age: int wanted, True found"),
        (
            '{"name": "Ada", "age": 1, "home": {"street": "S", "number": "x"}}',
            "home: number: int wanted, 'x' found",
        ),
    ],
)
def test_a_dataclass_is_checked_at_any_depth(sent, text):
    """The path of the wrong field is in the text."""
    with plugin(Person) as made, pytest.raises(HostFunctionError, match=text):
        made.call("run", sent)


class Colour(enum.Enum):
    RED = "red"


class Options(TypedDict, total=False):
    deep: bool


Name = NewType("Name", str)


@dataclass
class Node:
    """One field of each kind that JSON has a form for, and itself."""

    name: Name = Name("")
    colour: Colour = Colour.RED
    kind: Literal["leaf", "branch", 1] = "leaf"
    size: tuple[int, int] = (0, 0)
    tags: set[str] = field(default_factory=set)
    path: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    value: int | list[float] | None = None
    extra: Any = None
    model: PersonModel | None = None
    struct: PersonStruct | None = None
    children: list[Node] = field(default_factory=list)
    named: dict[str, Node] = field(default_factory=dict)


def received(annotation, sent):
    """What a host function gets for a parameter of that annotation."""
    seen = []

    def f(value) -> str:
        seen.append(value)
        return ""

    f.__annotations__["value"] = annotation
    with extism.Plugin(GUEST, functions=[extism.host_fn(name="f")(f)]) as made:
        made.call("run", sent)
    return seen[0]


def returned(annotation, value):
    """What the guest gets for a result of that annotation."""

    def f(_: str):
        return value

    f.__annotations__["return"] = annotation
    with extism.Plugin(GUEST, functions=[extism.host_fn(name="f")(f)]) as made:
        return json.loads(made.call("run", ""))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"name": "n", "colour": "red", "kind": 1}, Node(Name("n"), Colour.RED, 1)),
        ({"size": [1, 2], "path": ["a", "b", "c"]}, Node(size=(1, 2), path=("a", "b", "c"))),
        ({"tags": ["a", "a"], "options": {"deep": True}}, Node(tags={"a"}, options={"deep": True})),
        ({"value": 1}, Node(value=1)),
        ({"value": [1, 2.5]}, Node(value=[1, 2.5])),
        ({"value": None, "extra": {"any": []}}, Node(extra={"any": []})),
        ({"model": {"name": "m", "age": 1}}, Node(model=PersonModel(name="m", age=1))),
        ({"struct": {"name": "s", "age": 1}}, Node(struct=PersonStruct("s", 1))),
        ({"children": [{"name": "c"}]}, Node(children=[Node(Name("c"))])),
        ({"named": {"k": {"size": [0, 1]}}}, Node(named={"k": Node(size=(0, 1))})),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_fields_become_what_the_dataclass_says(sent, expected):
    """Enums, literals, tuples, sets, unions and other records, at any depth."""
    assert received(Node, json.dumps(sent)) == expected


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"name": None}, "name: str wanted, None found"),
        ({"colour": "blue"}, "colour: 'blue' is not a valid Colour"),
        ({"kind": "root"}, "kind: one of 'leaf', 'branch', 1 wanted, 'root' found"),
        ({"kind": True}, "kind: one of 'leaf', 'branch', 1 wanted, True found"),
        ({"size": [1]}, "size: 2 items wanted, 1 found"),
        ({"size": [1, "2"]}, "size: [1]: int wanted, '2' found"),
        ({"tags": {}}, "tags: set wanted, {} found"),
        ({"path": ["a", 2]}, "path: [1]: str wanted, 2 found"),
        ({"options": []}, "options: dict wanted, [] found"),
        ({"value": "x"}, "value: list wanted, 'x' found"),
        ({"children": [{"children": [{"name": 1}]}]}, "children: [0]: children: [0]: name: str"),
        ({"named": {"k": []}}, "named: 'k': an object for Node wanted, [] found"),
        ({"struct": {"name": 1, "age": 1}}, "struct: Expected `str`, got `int`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named_with_its_path(sent, text):
    """What the dataclass does not say is an error that leads to the place."""
    with pytest.raises(HostFunctionError) as caught:
        received(Node, json.dumps(sent))

    assert f"wrong value as value of extism:host/user::f: {text}" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "sent", "expected"),
    [
        (list[Person], '[{"name": "A", "age": 1}]', [Person("A", 1)]),
        (Person | None, "null", None),
        (Person | None, '{"name": "A", "age": 1}', Person("A", 1)),
        (tuple[tuple[str, str], ...], '[["a", "b"]]', (("a", "b"),)),
        (
            dict[str, PersonModel],
            '{"k": {"name": "A", "age": 1}}',
            {"k": PersonModel(name="A", age=1)},
        ),
        (Annotated[int, ["a note"]], "5", 5),
        (Colour, '"red"', Colour.RED),
        (complex, "[1]", [1]),
        (list[complex], "[1]", [1]),
        (dict[int, str], '{"1": "a"}', {"1": "a"}),
    ],
)
def test_json_becomes_what_the_annotation_says(annotation, sent, expected):
    """`Annotated[T, Json]` gives a T; what JSON has no form for stays as it came, as upstream leaves it."""
    assert received(Annotated[annotation, extism.Json], sent) == expected


@pytest.mark.parametrize(
    ("annotation", "sent", "text"),
    [
        (dict, "[1]", "dict wanted, [1] found"),
        (list, "{}", "list wanted, {} found"),
        (str, "1", "str wanted, 1 found"),
        (list[Person], '[{"name": 1}]', "[0]: name: str wanted, 1 found"),
    ],
)
def test_json_of_another_kind_is_an_error(annotation, sent, text):
    """The annotation is a promise to the function."""
    with pytest.raises(HostFunctionError) as caught:
        received(Annotated[annotation, extism.Json], sent)

    assert f"wrong value as value of extism:host/user::f: {text}" in str(caught.value)


@dataclass
class Event:
    at: datetime


@dataclass
class Ranks:
    by_place: dict[int, str]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Event, "field at of Event: datetime has no form in JSON"),
        (Ranks, "field by_place of Ranks: dict[int, str] has no form in JSON"),
    ],
)
@pytest.mark.parametrize("place", ["value", "return"])
def test_a_field_without_a_form_in_json_is_refused_at_decoration(kind, text, place):
    """Before a plugin runs, for parameters and results."""

    def f(value: str) -> str:
        return value

    f.__annotations__[place] = kind
    with pytest.raises(SignatureError) as caught:
        extism.host_fn()(f)

    assert text in str(caught.value)
    assert caught.value.parameter == place


def test_a_field_whose_annotation_cannot_be_read_is_refused():
    """A name that is not there is told, with the class."""

    @dataclass
    class Broken:
        other: Nowhere  # noqa: F821 - the case

    def f(value: str) -> str:
        return value

    f.__annotations__["value"] = Broken
    with pytest.raises(
        SignatureError, match="annotations of Broken cannot be read: name 'Nowhere'"
    ):
        extism.host_fn()(f)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Node, Node(tags={"a"}, size=(1, 2)), {"tags": ["a"], "size": [1, 2], "colour": "red"}),
        (
            Node,
            Node(struct=PersonStruct("s", 1), model=PersonModel(name="m", age=2)),
            {"struct": {"name": "s", "age": 1}, "model": {"name": "m", "age": 2}},
        ),
        (Annotated[Any, extism.Json], {"k": Node(children=[Node(Name("c"))])}, None),
        (Annotated[list, extism.Json], [PersonModel(name="m", age=2)], [{"name": "m", "age": 2}]),
        (Annotated[Any, extism.Json], Colour.RED, "red"),
    ],
    ids=["fields", "records in records", "a dataclass in a dict", "models in a list", "an enum"],
)
def test_results_are_json_at_any_depth(annotation, value, expected):
    """Records are objects, enums their values, sets and tuples lists."""
    answer = returned(annotation, value)
    if expected is None:
        answer, expected = answer["k"]["children"][0]["name"], "c"
    elif isinstance(expected, dict):
        answer = {key: answer[key] for key in expected}

    assert answer == expected


def test_what_has_no_form_in_json_is_no_result():
    """The error names the type."""
    with pytest.raises(
        HostFunctionError, match="returned a wrong value: complex has no form in JSON"
    ):
        returned(Annotated[Any, extism.Json], {"k": 1j})
