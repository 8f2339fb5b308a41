"""Config and Var: text and bytes by key."""

from __future__ import annotations

import pytest

from extism.pdk import Config, Var


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


@pytest.mark.parametrize("value", [5, {"a": 1}, ["a"], 1.5])
def test_a_variable_holds_bytes_or_text(host, value):
    """Other values are refused before the host sees them."""
    with pytest.raises(TypeError, match=r"Var\.set takes bytes or str, not"):
        Var.set("k", value)
