"""What upstream's Python package does not have: variables from outside, restart, listings, time for one call."""

from __future__ import annotations

import logging
import time

import pytest
from patience import ROOM

import extism

GUEST = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "log_error" (func $log (param i64)))
  (global $count (mut i32) (i32.const 0))
  (memory (export "memory") 1)
  (func $key (result i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 1)))
    (call $store (local.get $h) (i32.const 107)) (local.get $h))
  (func (export "read") (local $v i64)
    (local.set $v (call $var_get (call $key)))
    (call $output (local.get $v) (call $length (local.get $v))))
  (func (export "write") (call $var_set (call $key) (call $input)))
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
  (func (export "log") (call $log (call $input)))
  (func (export "loop") (loop $next (br $next)))
  (func (export "takes") (param i32)))
"""


@pytest.fixture
def plugin():
    with extism.Plugin(GUEST, functions=[]) as made:
        yield made


def code(plugin):
    with pytest.raises(extism.errors.GuestError) as caught:
        plugin.call("count", "")
    return caught.value.exit_code


def test_variables_are_a_dict_from_outside(plugin):
    """What the host sets the guest reads, and the other way round."""
    plugin.vars["k"] = "from the host"
    read = plugin.call("read", "")
    plugin.call("write", "from the guest")

    assert read == b"from the host"
    assert dict(plugin.vars) == {"k": b"from the guest"}
    del plugin.vars["k"]
    assert (plugin.call("read", ""), len(plugin.vars), "k" in plugin.vars) == (b"", 0, False)
    with pytest.raises(KeyError):
        del plugin.vars["k"]


def test_variables_from_outside_have_the_same_budget():
    """A value that does not fit is refused, and the old one stays."""
    manifest = {"wasm": [{"data": GUEST.encode()}], "memory": {"max_var_bytes": 60}}
    with extism.Plugin(manifest, functions=[]) as plugin:
        plugin.vars["k"] = b"fits"
        with pytest.raises(extism.errors.CapabilityDenied, match=r"^Variable store is full"):
            plugin.vars["k"] = b"x" * 100

        assert plugin.call("read", "") == b"fits"


def test_restart_gives_fresh_memory_and_keeps_variables(plugin):
    """Globals begin anew, variables stay."""
    plugin.vars["k"] = b"kept"
    before = [code(plugin), code(plugin)]
    plugin.restart()

    assert (before, code(plugin), plugin.call("read", "")) == ([1, 2], 1, b"kept")


def test_reset_keeps_the_guest_s_memory(plugin):
    """The blocks of the last call go, globals stay."""
    first = code(plugin)
    plugin.reset()

    assert (first, code(plugin)) == (1, 2)


def test_exports_and_imports_are_listed_with_their_types(plugin):
    """In the order of the module, in the words of the text format."""
    exports = {item.name: (item.type, item.is_callable) for item in plugin.exports}

    assert list(exports) == ["memory", "read", "write", "count", "log", "loop", "takes"]
    assert exports["memory"] == ("(memory 1)", False)
    assert exports["count"] == ("(func (result i32))", True)
    assert exports["takes"] == ("(func (param i32))", False)
    assert plugin.imports[1] == ("extism:host/env", "store_u8", "(func (param i64 i32))")
    assert len(plugin.imports) == 8


def test_a_call_may_have_a_time_of_its_own(plugin):
    """`timeout` ends this call; the next has none."""
    began = time.monotonic()
    with pytest.raises(extism.errors.CallTimeout):
        plugin.call("loop", "", timeout=0.2)

    assert 0.2 <= time.monotonic() - began < 0.2 + ROOM
    assert plugin.call("read", "") == b""


def test_the_sooner_of_two_time_limits_holds():
    """A generous `timeout` does not lift the manifest's."""
    manifest = {"wasm": [{"data": GUEST.encode()}], "timeout_ms": 200}
    with extism.Plugin(manifest, functions=[]) as plugin:
        began = time.monotonic()
        with pytest.raises(extism.errors.CallTimeout):
            plugin.call("loop", "", timeout=60)

    assert time.monotonic() - began < 0.2 + ROOM


def test_a_plugin_may_have_a_logger_of_its_own(caplog):
    """Its messages reach the logger that it was given."""
    with extism.Plugin(GUEST, functions=[], logger="app.plugins.mine") as plugin:
        plugin.call("log", "hello")

    (record,) = caplog.records
    assert (record.name, record.message, record.levelno) == (
        "app.plugins.mine",
        "hello",
        logging.ERROR,
    )
