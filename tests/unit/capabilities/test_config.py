"""Configuration: texts by key."""

from __future__ import annotations

import pytest

from extism._capabilities.config import Config
from extism.secret import Secret


def test_get_reveals_plain_and_secret_values():
    """Both kinds of values reach the guest as text; a missing key is None, an empty text is a text."""
    config = Config({"a": "x", "b": Secret("y"), "c": "", "d": 'NUL \0 "quoted" 🦀'})

    assert [config.get(key) for key in "abcde"] == ["x", "y", "", 'NUL \0 "quoted" 🦀', None]


def test_updates_make_a_copy():
    """`updated` merges, removes with None, and leaves the original alone."""
    config = Config({"a": "1", "b": "2"})
    changed = config.updated({"a": None, "b": "3", "c": Secret("4"), "missing": None})

    assert [changed.get(key) for key in "abc"] == [None, "3", "4"]
    assert [config.get(key) for key in "abc"] == ["1", "2", None]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"k": 5}, "config['k'] is a int; allowed: str, extism.Secret or None"),
        ({"k": b"hunter2"}, "config['k'] is a bytes; allowed: str, extism.Secret or None"),
        ({5: "x"}, "config: a key is a int; keys are str"),
        (["k"], "config is a list; allowed: a mapping of texts"),
    ],
)
def test_wrong_values_are_refused_without_being_shown(changes, text):
    """The error names the key and the type, never the value, and nothing is merged."""
    with pytest.raises(TypeError) as caught:
        Config().updated(changes)

    assert str(caught.value) == text


def test_the_values_are_a_copy():
    """Changing the dict later changes nothing."""
    values = {"a": "1"}
    config = Config(values)
    values["a"] = "2"

    assert config.get("a") == "1"


def test_repr_shows_keys_only():
    """No value appears in the repr."""
    assert repr(Config({"b": "hunter2", "a": "x"})) == "<Config ['a', 'b']>"
