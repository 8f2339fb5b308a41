"""Variables: bytes that a plug-in keeps on the host's side for as long as it lives."""

from __future__ import annotations

import time

import pytest
from patience import ROOM
from wat_guests import wat

import extism
from extism.errors import CallError, CapabilityDenied

VARS = wat("""
    (data (i32.const 0) "key")
    (func $key (result i64) (call $put (i32.const 0) (i32.const 3)))
    (func (export "set") (call $var_set (call $key) (call $copy_input)))
    (func (export "get") (call $give (call $var_get (call $key))))
    (func (export "remove") (call $var_set (call $key) (i64.const 0)))
    (func (export "set_and_trap") (call $var_set (call $key) (call $copy_input)) unreachable)
    (func (export "by_input") (call $var_set (call $copy_input) (call $key)))
    (func (export "get_by_input") (call $give (call $var_get (call $copy_input))))
    (func (export "null_key") (call $var_set (i64.const 0) (call $copy_input)))
    (func (export "get_null_key") (call $give (call $var_get (i64.const 0))))
    (func (export "_start") (call $var_set (call $key) (call $copy_input)))""")


@pytest.fixture(autouse=True, params=[1, 8], ids=["on the shelf", "at the host"])
def _patience(request, monkeypatch):
    """Everything holds wherever the guest finds its variables: a shelf from the first time on, or later."""
    monkeypatch.setattr("extism._runtime.shelf.PATIENCE", request.param)


def test_a_variable_is_kept_between_calls(plugin):
    """What one call stores, a later one reads."""
    made = plugin(VARS)
    made.call("set", b"bytes \0\xff")

    assert made.call("get", "") == b"bytes \0\xff"


def test_a_variable_that_was_never_set_is_nothing(plugin):
    """The handle is 0, so the output is empty."""
    assert plugin(VARS).call("get", "") == b""


def test_null_removes_a_variable(plugin):
    """The value handle 0 forgets the key; removing twice is no error."""
    made = plugin(VARS)
    made.call("set", "x")
    made.call("remove", "")
    made.call("remove", "")

    assert made.call("get", "") == b""


def test_an_empty_input_as_value_removes_too(plugin):
    """The empty input's handle is 0, so storing it is removing: upstream's rule."""
    made = plugin(VARS)
    made.call("set", "x")
    made.call("set", "")

    assert made.call("get", "") == b""


def test_the_null_key_is_the_empty_name(plugin):
    """A variable may have the name without characters."""
    made = plugin(VARS)
    made.call("null_key", "nameless")

    assert made.call("get_null_key", "") == b"nameless"


def test_keys_are_text_of_any_script(plugin):
    """A key is compared as text, to the last character."""
    made = plugin(VARS)
    made.call("by_input", "ключ🔑")

    assert (made.call("get_by_input", "ключ🔑"), made.call("get_by_input", "ключ")) == (b"key", b"")


def test_variables_outlive_a_trap(plugin):
    """What the failed call had stored stays stored."""
    made = plugin(VARS)
    with pytest.raises(extism.errors.Trap):
        made.call("set_and_trap", "before the trap")

    assert made.call("get", "") == b"before the trap"


def test_variables_outlive_a_fresh_instance(plugin):
    """`_start` runs in a fresh world each time, but the variables are the plug-in's."""
    made = plugin(VARS)
    made.call("_start", "kept")

    assert made.call("get", "") == b"kept"


def test_variables_are_not_shared():
    """Two plug-ins from one CompiledPlugin have each their own."""
    compiled = extism.CompiledPlugin(VARS.encode())
    with extism.Plugin(compiled) as one, extism.Plugin(compiled) as other:
        one.call("set", "mine")

        assert (one.call("get", ""), other.call("get", "")) == (b"mine", b"")


@pytest.mark.parametrize(
    ("limit", "length", "fits"),
    [
        (52, 1, True),
        (51, 1, False),
        (48 + 3 + 1000, 1000, True),
        (48 + 3 + 1000, 1001, False),
        (None, (1 << 20) - 51, True),
        (None, (1 << 20) - 50, False),
    ],
)
def test_a_variable_counts_48_bytes_and_its_key_and_value(plugin, limit, length, fits):
    """The budget is kept to the byte; 1 MiB is the default."""
    made = plugin(VARS, memory={"max_var_bytes": limit})
    if fits:
        made.call("set", b"v" * length)
        assert made.call("get", "") == b"v" * length
        return
    with pytest.raises(CapabilityDenied, match=r"^Variable store is full") as caught:
        made.call("set", b"v" * length)

    assert (caught.value.capability, caught.value.wanted) == ("vars", "key")
    assert isinstance(caught.value, PermissionError)
    assert made.call("get", "") == b""


def test_only_the_new_state_counts(plugin):
    """A key can be overwritten for ever where upstream would count old and new together."""
    made = plugin(VARS, memory={"max_var_bytes": 48 + 3 + 40})
    for n in range(200):
        made.call("set", bytes([n]) * 40)

    assert made.call("get", "") == bytes([199]) * 40


def test_a_refused_variable_leaves_the_old_one(plugin):
    """The store is as it was before."""
    made = plugin(VARS, memory={"max_var_bytes": 100})
    made.call("set", "old")
    with pytest.raises(CapabilityDenied):
        made.call("set", "n" * 100)

    assert made.call("get", "") == b"old"


@pytest.mark.same_process("a million crossings between processes take a minute")
def test_a_variable_that_is_set_a_million_times_takes_no_more_room(plugin):
    """Space is used again."""
    made = plugin(
        wat("""
          (data (i32.const 0) "key")
          (func (export "run")
            (local $i i64) (local $h i64)
            (loop $next
              (local.set $h (call $alloc (i64.const 8)))
              (call $store_u64 (local.get $h) (local.get $i))
              (call $var_set (call $put (i32.const 0) (i32.const 3)) (local.get $h))
              (local.set $i (i64.add (local.get $i) (i64.const 1)))
              (br_if $next (i64.lt_u (local.get $i) (call $input_load_u64 (i64.const 0))))))"""),
        memory={"max_pages": 1},
    )
    made.call("run", (1_000_000).to_bytes(8, "little"))

    assert dict(made.vars) == {"key": (999_999).to_bytes(8, "little")}


@pytest.mark.parametrize("name", ["set", "remove"])
def test_a_limit_of_zero_switches_variables_off(plugin, name):
    """Neither storing nor removing is let through; reading gives nothing."""
    made = plugin(VARS, memory={"max_var_bytes": 0})
    with pytest.raises(CallError, match=r"^Vars are disabled by this host"):
        made.call(name, "x")

    assert made.call("get", "") == b""


def test_clearing_takes_no_longer_than_there_are_variables(plugin):
    """Each is looked at once; copying the rest each time took minutes for as many as a guest can make."""
    made = plugin(VARS, memory={"max_var_bytes": 1 << 24})
    for number in range(5000):
        made.vars[str(number)] = b"x"
    started = time.monotonic()
    made.vars.clear()

    assert len(made.vars) == 0
    assert time.monotonic() - started < ROOM
