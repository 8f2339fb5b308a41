"""Records cross as JSON objects, checked at the boundary: dataclasses, pydantic's models, msgspec's structs."""

from __future__ import annotations

import json
from dataclasses import dataclass

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
