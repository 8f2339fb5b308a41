"""The ABI as upstream's host and ours play it: one hand-written guest, the same calls, equal answers."""

from __future__ import annotations

import base64

import pytest

pytestmark = pytest.mark.peer

GUEST = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "length_unsafe" (func $length_unsafe (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_u64 (param i64) (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (import "extism:host/env" "error_get" (func $error_get (result i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "http_status_code" (func $status (result i32)))
  (import "extism:host/env" "http_headers" (func $headers (result i64)))
  (import "extism:host/env" "get_log_level" (func $log_level (result i32)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (global $count (mut i64) (i64.const 0))

  ;; gives one number, eight bytes
  (func $give (param $n i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (local.get $n))
    (call $output (local.get $h) (i64.const 8)))
  ;; a block that holds the byte `k`
  (func $key (result i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $h) (i32.const 107))
    (local.get $h))
  (func $give_block (param $h i64)
    (call $output (local.get $h) (call $length (local.get $h))))

  (func (export "echo") (call $output (call $input_offset) (call $input_length)))
  (func (export "echo_words") (local $i i64) (local $h i64)
    (local.set $h (call $alloc (call $input_length)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
      (if (i64.le_u (i64.add (local.get $i) (i64.const 8)) (call $input_length))
        (then
          (call $store_u64 (i64.add (local.get $h) (local.get $i)) (call $input_u64 (local.get $i)))
          (local.set $i (i64.add (local.get $i) (i64.const 8))))
        (else
          (call $store_u8 (i64.add (local.get $h) (local.get $i)) (call $input_u8 (local.get $i)))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))))
      (br $next)))
    (call $output (local.get $h) (call $input_length)))
  (func (export "word_of_short_input") (call $give (call $input_u64 (i64.const 0))))
  (func (export "byte_past_input") (call $give (i64.extend_i32_u (call $input_u8 (call $input_length)))))
  (func (export "input_offset_is_zero")
    (call $give (i64.extend_i32_u (i64.eqz (call $input_offset)))))
  (func (export "alloc_zero") (call $give (call $alloc (i64.const 0))))
  (func (export "length_of_block") (call $give (call $length (call $alloc (i64.const 1234)))))
  (func (export "length_unsafe_of_block")
    (call $give (call $length_unsafe (call $alloc (i64.const 99)))))
  (func (export "length_of_interior")
    (call $give (call $length (i64.add (call $alloc (i64.const 64)) (i64.const 1)))))
  (func (export "length_of_freed") (local $h i64)
    (local.set $h (call $alloc (i64.const 64)))
    (call $free (local.get $h))
    (call $free (local.get $h))
    (call $give (call $length (local.get $h))))
  (func (export "load_far") (call $give (call $load_u64 (i64.const 0x10000000000))))
  (func (export "load_null") (call $give (i64.extend_i32_u (call $load_u8 (i64.const 0)))))
  (func (export "fresh_is_zero") (call $give (call $load_u64 (call $alloc (i64.const 8)))))
  (func (export "unaligned") (local $h i64)
    (local.set $h (call $alloc (i64.const 24)))
    (call $store_u64 (i64.add (local.get $h) (i64.const 3)) (i64.const 0x0102030405060708))
    (call $give (call $load_u64 (i64.add (local.get $h) (i64.const 3)))))
  (func (export "no_output"))
  (func (export "last_output_wins")
    (call $give (i64.const 1)) (call $give (i64.const 2)))
  (func (export "null_output_changes_nothing")
    (call $give (i64.const 1)) (call $output (i64.const 0) (i64.const 0)))
  (func (export "part_of_a_block") (local $h i64)
    (local.set $h (call $alloc (i64.const 16)))
    (call $store_u64 (i64.add (local.get $h) (i64.const 4)) (i64.const 0x4847464544434241))
    (call $output (i64.add (local.get $h) (i64.const 4)) (i64.const 8)))
  (func (export "error") (result i32) (call $error (call $input_offset)) (i32.const 1))
  (func (export "error_with_zero") (result i32) (call $error (call $input_offset)) (i32.const 0))
  (func (export "error_taken_back") (result i32)
    (call $error (call $input_offset)) (call $error (i64.const 0)) (call $give (call $error_get))
    (i32.const 0))
  (func (export "code") (result i32) (i32.const 7))
  (func (export "negative_code") (result i32) (i32.const -3))
  (func (export "trap") unreachable)
  (func (export "divide") (result i32) (i32.div_s (i32.const 1) (i32.const 0)))
  (func (export "error_then_trap") (call $error (call $input_offset)) unreachable)
  (func (export "var_set") (call $var_set (call $key) (call $input_offset)))
  (func (export "var_get") (call $give_block (call $var_get (call $key))))
  (func (export "var_delete") (call $var_set (call $key) (i64.const 0)))
  (func (export "config") (call $give_block (call $config_get (call $key))))
  (func (export "config_handle_is_freed") (local $k i64)
    (local.set $k (call $key)) (drop (call $config_get (local.get $k)))
    (call $give (call $length (local.get $k))))
  (func (export "status") (call $give (i64.extend_i32_u (call $status))))
  (func (export "headers") (call $give (call $headers)))
  (func (export "log_level") (call $give (i64.extend_i32_u (call $log_level))))
  (func (export "log_bad_handle") (call $log_info (i64.const 999999)))
  (func (export "count")
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $give (global.get $count))))
"""

MANIFEST = {"wasm": [{"data": base64.b64encode(GUEST.encode()).decode()}]}

ANSWERS = [
    *[("echo", bytes(range(256)) * 4096), ("echo", b""), ("echo", b"x")],
    *[("echo_words", bytes(range(n))) for n in (0, 1, 7, 8, 9, 200)],
    *[("word_of_short_input", b"seven!!"), ("word_of_short_input", b"eight!!!")],
    *[("byte_past_input", b"abc"), ("input_offset_is_zero", b""), ("input_offset_is_zero", b"a")],
    *[(name, b"") for name in ("alloc_zero", "length_of_block", "length_unsafe_of_block")],
    *[(name, b"") for name in ("length_of_interior", "length_of_freed", "load_far", "load_null")],
    *[(name, b"") for name in ("fresh_is_zero", "unaligned", "no_output", "last_output_wins")],
    *[(name, b"") for name in ("null_output_changes_nothing", "part_of_a_block")],
    *[("error", "grüße".encode()), ("error", b""), ("error_with_zero", b"still an error")],
    *[("error_taken_back", b"never mind"), ("code", b""), ("negative_code", b"")],
    *[("error_then_trap", b"said before"), ("config", b""), ("config_handle_is_freed", b"")],
    *[("status", b""), ("headers", b""), ("log_bad_handle", b"")],
]

FAULTS = ["trap", "divide", "nope"]

STORY = [
    *[
        ("var_get", b""),
        ("var_set", b"one"),
        ("var_get", b""),
        ("var_set", b"two"),
        ("var_get", b""),
    ],
    *[("var_delete", b""), ("var_get", b""), ("var_set", b""), ("var_get", b"")],
    *[("count", b""), ("count", b""), ("trap", b""), ("count", b"")],
]


@pytest.mark.parametrize(("function", "data"), ANSWERS, ids=lambda value: str(value)[:24])
def test_the_same_call_gives_the_same_answer(ours, peer, function, data):
    """Output bytes and error texts are equal to the letter."""
    expected = peer.call(MANIFEST, function, data, config={"k": "the value"})

    assert ours.call(MANIFEST, function, data, config={"k": "the value"}) == expected


@pytest.mark.parametrize("function", FAULTS)
def test_our_errors_begin_as_theirs_and_tell_more(ours, peer, function):
    """Where upstream's text ends, ours begins the same way and goes on to the cause."""
    theirs = peer.call(MANIFEST, function).error
    mine = ours.call(MANIFEST, function).error

    assert mine.startswith(theirs.splitlines()[0])
    assert len(mine) > len(theirs)


def test_state_lives_as_long_as_theirs(ours, peer):
    """Variables, globals and what a trap leaves behind are equal call after call."""
    manifest = {**MANIFEST, "config": {"story": "own plugin"}}

    def tell(host):
        answers = [host.call(manifest, function, data) for function, data in STORY]
        return [answer.output for answer in answers]

    assert tell(ours) == tell(peer)
