"""What is handed over when a plugin is made is checked there, not when a guest comes across it."""

from __future__ import annotations

import io

import pytest

import extism

GUEST = b'(module (func (export "run")))'
WANTS_WASI = b"""(module
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (func (export "run")))"""


def kind(value):
    return type(value).__name__


@pytest.mark.parametrize("make", [extism.Plugin, extism.CompiledPlugin])
@pytest.mark.parametrize("value", [None, 5, True, [], object(), io.BytesIO(GUEST)], ids=kind)
def test_what_no_plugin_is_made_of_is_a_type_error(make, value):
    """As upstream, but with what is allowed."""
    with pytest.raises(
        TypeError, match="allowed: a manifest, a module, the path of either"
    ) as caught:
        make(value, functions=[])

    assert f"made of {kind(value)};" in str(caught.value)


@pytest.mark.parametrize("make", [extism.Plugin, extism.CompiledPlugin])
@pytest.mark.parametrize(
    ("functions", "text"),
    [
        ([print], "functions[0] is a builtin_function_or_method; decorate"),
        ([extism.Function(None, "f", [], [], print), "g"], "functions[1] is a str; decorate"),
        ("f", "functions[0] is a str; decorate"),
    ],
    ids=["a plain function", "a name among functions", "a text"],
)
def test_a_function_that_was_not_decorated_is_named(make, functions, text):
    """By its place in the list."""
    with pytest.raises(TypeError) as caught:
        make(GUEST, functions=functions)

    assert text in str(caught.value)


@pytest.mark.parametrize("functions", [None, [], (), {}], ids=repr)
def test_no_functions_can_be_said_in_several_ways(functions):
    """None and everything empty."""
    with extism.Plugin(GUEST, functions=functions) as plugin:
        assert plugin.call("run", "") == b""


@pytest.mark.parametrize("wasi", [None, "yes", 1.0, {}], ids=repr)
def test_wasi_is_yes_or_no(wasi):
    """Nothing that is neither opens WASI."""
    with pytest.raises(TypeError, match="allowed: True, False or WasiOptions"):
        extism.Plugin(WANTS_WASI, wasi=wasi, functions=[])


def test_wasi_may_be_a_number():
    """Upstream takes 1 and 0, and 0 is no."""
    with extism.Plugin(WANTS_WASI, 1, functions=[]) as plugin:
        assert plugin.call("run", "") == b""
        assert plugin.compiled_plugin.wasi is True
    with pytest.raises(extism.errors.LinkError, match="unknown import: `wasi_snapshot_preview1"):
        extism.Plugin(WANTS_WASI, 0, functions=[])


def test_a_function_name_is_a_text(plugin):
    """Anything else is a mistake of the caller's, not of the plugin's."""
    made = plugin(GUEST.decode())

    with pytest.raises(TypeError, match="function_name must be a str, not int"):
        made.call(5, "")
    with pytest.raises(TypeError, match="data must be str or bytes-like, not NoneType"):
        made.call("run", None)
