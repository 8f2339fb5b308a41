"""Who frees a handle: what the host takes is freed once, what is no handle is refused."""

from __future__ import annotations

import pytest
from wat_guests import wat

import extism
from extism.abi import FUNCTIONS

DATA = '(data (i32.const 0) "key")'

TAKERS = {
    "config_get": "(drop (call $config_get (local.get $a)))",
    "var_get": "(drop (call $var_get (local.get $a)))",
    "var_set": "(call $var_set (local.get $a) (local.get $b))",
    "log_trace": "(call $log_trace (local.get $a))",
    "log_debug": "(call $log_debug (local.get $a))",
    "log_info": "(call $log_info (local.get $a))",
    "log_warn": "(call $log_warn (local.get $a))",
    "log_error": "(call $log_error (local.get $a))",
}
"""Calls of the functions that take handles `$a` and `$b`; http_request is in test_http."""


def lengths_after(body):
    """A guest that makes two blocks, runs `body`, and gives both lengths."""
    return wat(f"""
        (func (export "run") (local $a i64) (local $b i64) (local $out i64)
          (local.set $a (call $put (i32.const 0) (i32.const 3)))
          (local.set $b (call $put (i32.const 0) (i32.const 2)))
          (local.set $out (call $alloc (i64.const 16)))
          {body}
          (call $store_u64 (local.get $out) (call $length (local.get $a)))
          (call $store_u64 (i64.add (local.get $out) (i64.const 8)) (call $length (local.get $b)))
          (call $give (local.get $out))) {DATA}""")


def test_the_cases_are_all_takers():
    """Each host function that takes handles has a case."""
    takers = {row.name for row in FUNCTIONS.values() if row.by == "host" and row.takes}

    assert takers == {*TAKERS, "http_request"}


@pytest.mark.parametrize("name", TAKERS)
def test_what_the_host_takes_is_freed(plugin, name):
    """After the call the handles that it takes have length 0; the others are untouched."""
    output = plugin(lengths_after(TAKERS[name])).call("run", "")
    taken = FUNCTIONS[name].takes

    assert output == bytes([0 if 0 in taken else 3]).ljust(8, b"\0") + bytes(
        [0 if 1 in taken else 2]
    ).ljust(8, b"\0")


def test_a_freed_handle_is_freed_once(plugin):
    """The block that takes the place of a taken one is not freed by a late second free."""
    made = plugin(
        wat(f"""
        (func (export "run") (local $a i64) (local $other i64)
          (local.set $a (call $put (i32.const 0) (i32.const 3)))
          (drop (call $var_get (local.get $a)))
          (local.set $other (call $alloc (i64.const 3)))
          (call $give_i64 (call $length (local.get $other)))) {DATA}""")
    )

    assert made.call("run", "")[0] == 3


def test_what_the_host_gives_is_the_guests(plugin):
    """A handle from var_get is a block of its own, and stays until the guest frees it."""
    made = plugin(
        wat(f"""
        (func (export "run") (local $one i64) (local $two i64)
          (call $var_set (call $put (i32.const 0) (i32.const 3)) (call $copy_input))
          (local.set $one (call $var_get (call $put (i32.const 0) (i32.const 3))))
          (call $store_u8 (local.get $one) (i32.const 88))
          (local.set $two (call $var_get (call $put (i32.const 0) (i32.const 3))))
          (call $free (local.get $one))
          (call $give (local.get $two))) {DATA}""")
    )

    assert made.call("run", "same") == b"same"


WILD = {
    "freed": "(call $free (local.get $a))",
    "interior": "(local.set $a (i64.add (local.get $a) (i64.const 1)))",
    "minus one": "(local.set $a (i64.const -1))",
    "2^40": "(local.set $a (i64.const 0x10000000000))",
    "inside the root": "(local.set $a (i64.const 32))",
    "never given": "(local.set $a (i64.const 4096))",
}
TEXTS = {
    "config_get": "invalid handle offset for config key: ",
    "var_get": "invalid handle offset for var key: ",
    "var_set": "invalid handle offset for var key: ",
    "log_error": "invalid handle offset for log message: ",
    "http_request": "invalid handle offset for http request: ",
}
USES = {**TAKERS, "http_request": "(drop (call $http_request (local.get $a) (i64.const 0)))"}


@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_handle_ends_the_call(plugin, name, wild):
    """A handle that is no live block is refused by name and offset, and the plug-in lives on."""
    made = plugin(
        wat(f"""
        (func (export "ok"))
        (func (export "run") (local $a i64) (local $b i64)
          (local.set $a (call $put (i32.const 0) (i32.const 3)))
          (local.set $b (call $put (i32.const 0) (i32.const 2)))
          {WILD[wild]} {USES[name]}) {DATA}""")
    )
    with pytest.raises(extism.errors.CallError) as caught:
        made.call("run", "")

    assert str(caught.value).startswith(TEXTS[name])
    assert int(str(caught.value).removeprefix(TEXTS[name])) > 0
    assert made.call("ok", "") == b""


def test_a_value_that_is_no_handle_is_refused(plugin):
    """The second handle of var_set has a text of its own, and nothing is kept."""
    made = plugin(
        wat(f"""
        (func (export "bad")
          (call $var_set (call $put (i32.const 0) (i32.const 3)) (i64.const 4096)))
        (func (export "read")
          (call $give (call $var_get (call $put (i32.const 0) (i32.const 3))))) {DATA}""")
    )
    with pytest.raises(extism.errors.CallError, match="invalid handle offset for var value: 4096"):
        made.call("bad", "")

    assert made.call("read", "") == b""


@pytest.mark.parametrize("name", ["config_get", "var_get", "var_set"])
def test_the_null_handle_is_an_empty_text(plugin, name):
    """0 is no error: it is the text without characters."""
    made = plugin(
        wat(f"""
        (func (export "run") (local $a i64) (local $b i64) {USES[name]}
          (call $give (call $input_offset)))""")
    )

    assert made.call("run", "fine") == b"fine"


@pytest.mark.parametrize(
    ("name", "text"), [("config_get", "config key"), ("var_get", "var key"), ("var_set", "var key")]
)
def test_a_key_that_is_no_utf8_ends_the_call(plugin, name, text):
    """Keys are text; the error says which one was not, and where."""
    made = plugin(
        wat(f"""
        (func (export "run") (local $a i64) (local $b i64)
          (local.set $a (call $copy_input)) {USES[name]})""")
    )
    with pytest.raises(extism.errors.CallError) as caught:
        made.call("run", b"ab\xff")

    assert str(caught.value) == f"invalid utf-8 sequence of 1 bytes from index 2 in {text}"


def test_a_guest_hurts_only_itself(plugin):
    """Every address may be read, written, freed and asked for its length; the next call is in order."""
    made = plugin(
        wat("""
        (func (export "storm") (local $p i64) (local $i i32)
          (loop $next
            (local.set $p (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $i))) (i64.const 3)))
            (call $store_u64 (local.get $p) (i64.const -1))
            (call $store_u8 (local.get $p) (i32.const 255))
            (drop (call $load_u64 (local.get $p))) (drop (call $load_u8 (local.get $p)))
            (call $free (local.get $p)) (drop (call $length (local.get $p)))
            (call $output_set (local.get $p) (i64.const -50))
            (call $output_set (i64.const 2048) (local.get $p))
            (call $error_set (local.get $p)) (call $input_set (local.get $p) (local.get $p))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 64))))
          (call $error_set (i64.const 0)) (call $reset))
        (func (export "echo") (call $give (call $input_offset)))""")
    )

    assert made.call("storm", "") == b""
    assert made.call("echo", "x" * 10_000) == b"x" * 10_000
