"""Config and Var: text and bytes by key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

import pytest

from extism.pdk import Config, InputError, Var


@dataclass
class Point:
    x: int
    y: int


class Colour(Enum):
    RED = "red"


def test_config(host):
    """A value is read as text or JSON; a missing or empty one is None, or the default."""
    host.config = {b"user": "Zoé".encode(), "clé".encode(): b'{"a": 1}', b"empty": b""}

    assert Config.get_str("user") == "Zoé"
    assert Config.get_json("clé") == {"a": 1}
    assert [Config.get_str("none"), Config.get_str("empty"), Config.get_json("none")] == [None] * 3
    assert Config.get_str("none", "you") == "you"
    assert Config.get_str("empty", default=7) == 7
    assert Config.get_json("none", []) == []


def test_a_variable_is_what_was_stored(host):
    """Text, bytes and JSON go in and come out."""
    Var.set("text", "é")
    Var.set("bytes", b"\xff")
    Var.set("view", memoryview(b"abc")[:2])
    Var.set("array", bytearray(b"x"))
    Var.set("json", "[1]")

    assert Var.get_str("text") == "é"
    assert Var.get_bytes("bytes") == b"\xff"
    assert Var.get_bytes("view") == b"ab"
    assert Var.get_bytes("array") == b"x"
    assert Var.get_json("json") == [1]


def test_a_missing_variable(host):
    """None, or the default."""
    assert [Var.get_str("k"), Var.get_bytes("k"), Var.get_json("k")] == [None] * 3
    assert [Var.get_str("k", "d"), Var.get_bytes("k", b"d"), Var.get_json("k", 1)] == ["d", b"d", 1]


@pytest.mark.parametrize(
    "delete", [Var.delete, lambda key: Var.set(key, None)], ids=["delete", "set"]
)
def test_delete(host, delete):
    """A variable can be deleted, also twice."""
    Var.set("k", "v")
    delete("k")
    delete("k")

    assert host.variables == {}


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (5, int, b"5"),
        (1.5, float, b"1.5"),
        (True, bool, b"true"),
        ({"a": 1}, dict[str, int], b'{"a": 1}'),
        (["a"], list, b'["a"]'),
        (Point(1, 2), Point, b'{"x": 1, "y": 2}'),
        (Colour.RED, Colour, b"red"),
        ("é", str, b"\xc3\xa9"),
        (b"\xff", bytes, b"\xff"),
    ],
)
def test_a_typed_variable(host, value, kind, stored):
    """Any value that JSON has a form for is stored, and comes back as what it was."""
    Var.set("k", value)

    assert host.variables == {b"k": stored}
    assert Var.get("k", kind) == value


def test_a_variable_that_has_no_form(host):
    """It is refused before the host sees it."""
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        Var.set("k", object())
    assert host.variables == {}


def test_typed_values_that_are_missing(host):
    """None, or the default, whatever its type."""
    assert [Var.get("k", int), Var.get("k", int, 0), Config.get("k", str, "d")] == [None, 0, "d"]


def test_a_typed_value_that_is_something_else(host):
    """The text names the key, and the place inside the value."""
    host.config[b"limits"] = b'{"x": "a", "y": 2}'
    Var.set("count", "many")

    with pytest.raises(InputError) as caught:
        Config.get("limits", Point)
    assert str(caught.value) == 'config limits.x: expected an integer, got "a"'
    with pytest.raises(InputError, match=r'^var count: expected an integer, got "many"$'):
        Var.get("count", int)


def test_a_typed_value_without_quotes(host):
    """A configuration is text: a date is written into it as such, with or without JSON's quotes."""
    host.config.update({b"bare": b"2024-02-29", b"quoted": b'"2024-02-29"', b"other": b"soon"})

    assert Config.get("bare", date) == Config.get("quoted", date) == date(2024, 2, 29)
    with pytest.raises(
        InputError, match=r'^config other: expected a date \(ISO 8601\), got "soon"$'
    ):
        Config.get("other", date)
