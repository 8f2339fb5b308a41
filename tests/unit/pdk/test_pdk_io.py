"""Input and output in every form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

import pytest

from extism import pdk


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Word(str, Enum):  # noqa: UP042  the older way of writing it is what is tested
    YES = "yes"


class Plain:
    def __init__(self):
        self.name = "Ann"
        self.size = Size.LARGE


@dataclass(slots=True)
class Point:
    x: int
    y: float


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        ("été".encode(), str, "été"),
        (b"\xff\x00", bytes, b"\xff\x00"),
        (b"", str, ""),
        (b'{"a": 1}', dict, {"a": 1}),
        (b"[1, 2]", list, [1, 2]),
        (b"[1, 2]", list[int], [1, 2]),
        (b'{"a": 1}', dict[str, int], {"a": 1}),
        (b"blue", Colour, Colour.BLUE),
        (b"2", Size, Size.LARGE),
        (b"yes", Word, Word.YES),
    ],
)
def test_input_of_a_type(host, given, kind, expected):
    """The input is read as the type that is asked for."""
    host.given = given

    assert pdk.input(kind) == expected


@pytest.mark.parametrize("kind", [complex, "str", type("Own", (), {})])
def test_input_of_an_unsupported_type(host, kind):
    """A type that JSON has no form for is refused."""
    with pytest.raises(TypeError, match="has no form in JSON"):
        pdk.input(kind)


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [(b"5", int, 5), (b"5", float, 5.0), (b"[1]", tuple[int], (1,)), (b"true", object, True)],
)
def test_input_of_other_types_is_json(host, given, kind, expected):
    """Whatever JSON has a form for can be asked for."""
    host.given = given

    assert pdk.input(kind) == expected


def test_input_that_is_not_of_the_type(host):
    """JSON of another type, a word that is no member, and bytes that are no UTF-8 are errors."""
    host.given = b"[1]"
    with pytest.raises(TypeError, match=r"expected an object, got \[1\]"):
        pdk.input(dict)
    with pytest.raises(ValueError, match=r"expected one of .*, got \[1\]"):
        pdk.input(Colour)
    host.given = b"\xff"
    with pytest.raises(ValueError, match="expected text, got bytes that are not UTF-8"):
        pdk.input(str)


def test_input_by_name(host):
    """input_str and input_bytes give the whole input."""
    host.given = "été".encode()

    assert pdk.input_str() == "été"
    assert pdk.input_bytes() == b"\xc3\xa9t\xc3\xa9"


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (b'{"a": [1, null]}', None, {"a": [1, None]}),
        (b"5", None, 5),
        (b"5.9", int, 5),
        (b'"5"', int, 5),
        (b"5", float, 5.0),
        (b'"a"', str, "a"),
        (b"true", bool, True),
        (b"[]", list, []),
        (b"{}", dict, {}),
    ],
)
def test_input_json(host, given, kind, expected):
    """JSON is read, converted to a number where one is asked for, checked for the other types."""
    host.given = given

    assert pdk.input_json(kind) == expected


def test_input_json_that_is_not_of_the_type(host):
    """The text names what was found and what was wanted."""
    host.given = b"[1]"
    with pytest.raises(TypeError, match=r"expected an object, got \[1\]"):
        pdk.input_json(dict)
    with pytest.raises(TypeError, match="complex has no form in JSON"):
        pdk.input_json(complex)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("été", "été".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[1:3], b"bc"),
        ({"a": 1}, b'{"a": 1}'),
        ([1, "b"], b'[1, "b"]'),
        (Colour.RED, b"red"),
        (Size.SMALL, b"1"),
        (Word.YES, b"yes"),
    ],
)
def test_output_by_type(host, value, expected):
    """The type of the value says how it is written."""
    pdk.output(value)

    assert host.outputs == [expected]


def test_output_of_none_is_no_output(host):
    """output() and output(None) leave the output as it is."""
    pdk.output()
    pdk.output(None)

    assert host.outputs == []


@pytest.mark.parametrize(
    ("value", "name"), [(5, "int"), (5.0, "float"), (True, "bool"), ((1,), "tuple")]
)
def test_output_of_an_unsupported_type(host, value, name):
    """What has no single form is refused, and output_json is named."""
    with pytest.raises(TypeError) as caught:
        pdk.output(value)

    assert str(caught.value) == f"Unsupported type for output: {name}; output_json takes any value"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, b"5"),
        (True, b"true"),
        (None, b"null"),
        (1.5, b"1.5"),
        ("a", b'"a"'),
        ((1, 2), b"[1, 2]"),
        ({"c": Colour.RED}, b'{"c": "red"}'),
        (Plain(), b'{"name": "Ann", "size": 2}'),
        ([Point(1, 2.5)], b'[{"x": 1, "y": 2.5}]'),
    ],
)
def test_output_json(host, value, expected):
    """Numbers are written as numbers, objects as their attributes, enums as their values."""
    pdk.output_json(value)

    assert host.outputs == [expected]


@pytest.mark.parametrize("value", [object, b"a"], ids=["class", "bytes"])
def test_output_json_of_what_json_cannot_say(host, value):
    """What JSON has no word for is an error, not text about an object."""
    with pytest.raises(TypeError, match="is not JSON serializable"):
        pdk.output_json(value)


def test_output_checks_the_form_in_its_name(host):
    """output_str takes str, output_bytes takes bytes; the text says what to use instead."""
    with pytest.raises(
        TypeError, match="output_str takes str, not dict; output_json takes any value"
    ):
        pdk.output_str({})
    with pytest.raises(TypeError, match="output_bytes takes bytes, not str"):
        pdk.output_bytes("a")
    assert host.outputs == []


def test_an_empty_output_is_an_output(host):
    """Setting no bytes replaces what was set before."""
    pdk.output_str("first")
    pdk.output_str("")
    pdk.output_bytes(b"")

    assert host.outputs == [b"first", b"", b""]


def test_set_error(host):
    """The text is handed on as UTF-8, also where it holds half a character."""
    pdk.set_error("à \udc80")

    assert host.errors == [b"\xc3\xa0 \\udc80"]
