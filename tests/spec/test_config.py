"""Configuration: texts that the host gives and the guest reads."""

from __future__ import annotations

import pytest
from wat_guests import ECHO, wat

import extism

READS = wat('(func (export "get") (call $give (call $config_get (call $copy_input))))')


@pytest.fixture(autouse=True, params=[1, 8], ids=["on the shelf", "at the host"])
def _patience(request, monkeypatch):
    """Everything holds wherever the guest finds its configuration."""
    monkeypatch.setattr("extism._runtime.shelf.PATIENCE", request.param)


@pytest.mark.parametrize(
    "value",
    ["blue", "", "süß 👋", 'quotes " and \\', "NUL \0 inside", "x" * 300_000],
    ids=["plain", "empty", "not ASCII", "quotes", "NUL", "long"],
)
def test_a_value_arrives_as_it_was_given(plugin, value):
    """Every text arrives to the last byte; an empty one reads as none."""
    made = plugin(READS, config={"key": value})

    assert [made.call("get", "key") for _ in range(3)] == [value.encode()] * 3


def test_a_key_that_is_not_there_is_nothing(plugin):
    """The handle is 0."""
    made = plugin(READS, config={"key": "x"})

    assert [made.call("get", "other") for _ in range(3)] == [b""] * 3


def test_the_argument_is_merged_over_the_manifest():
    """Its keys win, None takes one away, the others stay."""
    manifest = {"wasm": [{"data": READS.encode()}], "config": {"a": "1", "b": "2", "c": "3"}}
    with extism.Plugin(manifest, config={"b": "two", "c": None, "d": "4"}) as made:
        found = [made.call("get", key) for key in "abcd"]

    assert found == [b"1", b"two", b"", b"4"]


def test_the_argument_is_for_one_plugin_only():
    """Plug-ins from one CompiledPlugin do not see each other's configuration."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": READS.encode()}], "config": {"k": "base"}})
    with extism.Plugin(compiled, config={"k": "mine"}) as one, extism.Plugin(compiled) as other:
        assert (one.call("get", "k"), other.call("get", "k")) == (b"mine", b"base")


@pytest.mark.parametrize("value", [1, 1.5, True, b"bytes", ["a"], {"a": "b"}], ids=repr)
def test_a_value_that_is_no_text_is_refused(value):
    """The error names the key and the type, never the value."""
    with pytest.raises(TypeError, match="config\\['k'\\] is a "):
        extism.Plugin(ECHO, config={"k": value})


def test_a_secret_reaches_the_guest_and_nobody_else(plugin):
    """The guest reads the text; it is in no repr."""
    made = plugin(READS, config={"token": extism.Secret("hunter2")})

    assert made.call("get", "token") == b"hunter2"
    assert "hunter2" not in repr(made) + repr(vars(made)) + repr(made._life.state.config)


def test_the_callers_dicts_stay_as_they_are():
    """Neither the manifest nor the config is changed by making a plug-in."""
    manifest = {"wasm": [{"data": READS.encode()}], "config": {"a": "1"}}
    config = {"b": None}
    extism.Plugin(manifest, config=config).close()

    assert (manifest, config) == (
        {"wasm": [{"data": READS.encode()}], "config": {"a": "1"}},
        {"b": None},
    )
