"""Variables and configuration, on both packages: what is kept, how much, what a missing one reads as."""

from __future__ import annotations

import pytest
from peer_guests import module

from peer import Case

pytestmark = pytest.mark.peer

# The input is one letter, the key, and then the value.
GUEST = """
  (func $key (result i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $h) (call $input_load_u8 (i64.const 0)))
    (local.get $h))
  (func $value (result i64) (local $h i64) (local $i i64) (local $n i64)
    (if (i64.le_u (call $input_length) (i64.const 1)) (then (return (i64.const 0))))
    (local.set $n (i64.sub (call $input_length) (i64.const 1)))
    (local.set $h (call $alloc (local.get $n)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (call $store_u8 (i64.add (local.get $h) (local.get $i))
        (call $input_load_u8 (i64.add (local.get $i) (i64.const 1))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (local.get $h))
  (func (export "set") (call $var_set (call $key) (call $value)))
  (func (export "get") (call $give (call $var_get (call $key))))
  (func (export "get_handle") (call $give_i64 (call $var_get (call $key))))
  (func (export "config") (call $give (call $config_get (call $key))))
  (func (export "config_whole_input") (call $give (call $config_get (call $copy_input))))
  (func (export "config_handle") (call $give_i64 (call $config_get (call $key))))
  (func (export "set_null_key") (call $var_set (i64.const 0) (call $copy_input)))
  (func (export "get_null_key") (call $give (call $var_get (i64.const 0))))
  (func (export "set_whole_input_as_key") (call $var_set (call $copy_input) (call $copy_input)))
  (func (export "get_whole_input") (call $give (call $var_get (call $copy_input))))
  (func (export "keys_are_freed") (local $k i64) (local $v i64)
    (local.set $k (call $key)) (local.set $v (call $value))
    (call $var_set (local.get $k) (local.get $v))
    (call $give_i64 (i64.add (call $length (local.get $k)) (call $length (local.get $v)))))
  (func (export "given_is_ours") (local $h i64)
    (local.set $h (call $var_get (call $key)))
    (call $store_u8 (local.get $h) (i32.const 33))
    (call $give (call $var_get (call $key))))"""

PLAIN = module(GUEST)


def limited_to(max_var_bytes: int | None) -> dict:
    return {**PLAIN, "memory": {"max_var_bytes": max_var_bytes}}


CASES = [
    Case(
        "a variable",
        PLAIN,
        (
            "get",
            ("set", "k1"),
            ("get", "k"),
            ("set", "k22"),
            ("get", "k"),
            ("set", "k"),
            ("get", "k"),
        ),
    ),
    Case(
        "several variables",
        PLAIN,
        (
            ("set", "a1"),
            ("set", "b2"),
            ("set", "c3"),
            ("set", "b"),
            ("get", "a"),
            ("get", "b"),
            ("get", "c"),
        ),
    ),
    Case("a missing variable is 0", PLAIN, (("get_handle", "x"),)),
    Case("a removed variable is 0", PLAIN, (("set", "xabc"), ("set", "x"), ("get_handle", "x"))),
    Case("any bytes in a variable", PLAIN, (("set", b"k" + bytes(range(256))), ("get", "k"))),
    Case("a large variable", PLAIN, (("set", b"k" + b"v" * 500_000), ("get", "k"))),
    Case(
        "a long key",
        PLAIN,
        (("set_whole_input_as_key", "k" * 1000), ("get_whole_input", "k" * 1000)),
    ),
    Case(
        "keys are text",
        PLAIN,
        (
            ("set_whole_input_as_key", "schlüssel"),
            ("get_whole_input", "schlüssel"),
            ("get_whole_input", "Schlüssel"),
        ),
    ),
    Case(
        "keys with a NUL",
        PLAIN,
        (("set_whole_input_as_key", "a\0b"), ("get_whole_input", "a\0b"), ("get_whole_input", "a")),
    ),
    Case(
        "the null key is the empty key",
        PLAIN,
        (("set_null_key", "value"), "get_null_key", ("get_whole_input", "")),
    ),
    Case("handles given to var_set are gone", PLAIN, (("keys_are_freed", "kvalue"),)),
    Case("a variable is a copy", PLAIN, (("set", "kabc"), ("given_is_ours", "k"), ("get", "k"))),
    Case("removing what is not there", PLAIN, (("set", "x"), ("get", "x"))),
    *[
        Case(
            f"{limit} bytes for variables",
            limited_to(limit),
            (("set", "k1"), ("get", "k"), ("set", "k"), ("get", "k")),
        )
        for limit in (0, 1, 49, 50, 51, 1000)
    ],
    Case(
        "bytes for variables: null", limited_to(None), (("set", b"k" + bytes(1000)), ("get", "k"))
    ),
    Case(
        "no room is left",
        limited_to(200),
        (
            ("set", "a" + "x" * 50),
            ("set", "b" + "x" * 50),
            ("set", "c"),
            ("set", "dd"),
            ("get", "a"),
            ("get", "b"),
            ("get", "d"),
        ),
    ),
    Case(
        "the default limit holds this",
        PLAIN,
        (("set", b"k" + bytes(1048576 - 49)), ("get_handle", "z")),
    ),
    Case("and not one byte more", PLAIN, (("set", b"k" + bytes(1048576 - 48)), ("get", "k"))),
    Case(
        "a failed set changes nothing",
        limited_to(100),
        (("set", "kold"), ("set", "k" + "x" * 200), ("get", "k")),
    ),
    Case(
        "overwriting with as much",
        limited_to(150),
        (("set", "k" + "a" * 40), ("set", "k" + "b" * 40), ("get", "k")),
    ),
    Case(
        "overwriting with less",
        limited_to(150),
        (("set", "k" + "a" * 90), ("set", "k" + "b" * 5), ("get", "k")),
    ),
    Case(
        "a manifest of no vars, null handle",
        limited_to(1),
        (("set", "k"), ("set", b"k" + bytes(1024))),
    ),
    Case(
        "configuration",
        {**PLAIN, "config": {"a": "one", "b": ""}},
        (
            ("config", "a"),
            ("config", "b"),
            ("config", "c"),
            ("config_handle", "b"),
            ("config_handle", "c"),
        ),
    ),
    Case(
        "configuration of any text",
        {**PLAIN, "config": {"grüße": "wörld 𝄞", "": "empty key", "nul": "a\0b"}},
        (
            ("config_whole_input", "grüße"),
            ("config_whole_input", ""),
            ("config_whole_input", "nul"),
        ),
    ),
    Case(
        "much configuration",
        {**PLAIN, "config": {f"key {n}": "x" * n for n in range(300)}},
        (("config_whole_input", "key 299"), ("config_whole_input", "key 0")),
    ),
    Case(
        "configuration given to the plug-in",
        {**PLAIN, "config": {"a": "one", "b": "two"}},
        (("config", "a"), ("config", "b"), ("config", "c")),
        config={"a": "new", "c": "three"},
    ),
    Case(
        "configuration taken away",
        {**PLAIN, "config": {"a": "one", "b": "two"}},
        (("config", "a"), ("config", "b")),
        config={"a": None},
    ),
    Case("no configuration", PLAIN, (("config", "a"),), config={}),
    Case(
        "a number in config=",
        {**PLAIN, "config": {"a": "one"}},
        (("config", "a"),),
        config={"a": 1, "b": "two"},
    ),
    Case("a list as config=", {**PLAIN, "config": {"a": "one"}}, (("config", "a"),), config=["a"]),
    Case(
        "configuration is not a variable",
        {**PLAIN, "config": {"a": "one"}},
        (("get", "a"), ("set", "azwei"), ("config", "a"), ("get", "a")),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_variables_and_configuration(duel, case):
    """What a guest stores and reads is the same, up to the same limits."""
    assert duel(case) == []
