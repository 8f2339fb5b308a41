"""The kernel's functions, called on both packages: the same guest, the same calls, equal answers."""

from __future__ import annotations

import pytest
from peer_guests import text

from peer import Case

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
  (import "extism:host/env" "input_set" (func $input_set (param i64 i64)))
  (import "extism:host/env" "output_offset" (func $output_offset (result i64)))
  (import "extism:host/env" "output_length" (func $output_length (result i64)))
  (import "extism:host/env" "reset" (func $reset))
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
  (func (export "store_far")
    (call $store_u64 (i64.const 0x10000000000) (i64.const 1))
    (call $store_u8 (i64.const -1) (i32.const 1))
    (call $give (i64.const 1)))
  (func (export "store_null")
    (call $store_u8 (i64.const 0) (i32.const 7))
    (call $give (i64.extend_i32_u (call $load_u8 (i64.const 0)))))
  (func (export "store_keeps_one_byte") (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u8 (local.get $h) (i32.const 0x7fffff41))
    (call $give (call $load_u64 (local.get $h))))
  (func (export "length_of_null") (call $give (call $length (i64.const 0))))
  (func (export "length_of_nonsense") (call $give (call $length (i64.const 0x7ffffff))))
  (func (export "length_unsafe_of_null") (call $give (call $length_unsafe (i64.const 0))))
  (func (export "free_nonsense")
    (call $free (i64.const 0)) (call $free (i64.const -1)) (call $free (i64.const 12345))
    (call $give (i64.const 1)))
  (func (export "free_interior") (local $h i64)
    (local.set $h (call $alloc (i64.const 64)))
    (call $free (i64.add (local.get $h) (i64.const 8)))
    (call $give (call $length (local.get $h))))
  (func (export "blocks_do_not_overlap") (local $a i64) (local $b i64)
    (local.set $a (call $alloc (i64.const 24)))
    (local.set $b (call $alloc (i64.const 24)))
    (call $store_u64 (i64.add (local.get $a) (i64.const 16)) (i64.const -1))
    (call $give (call $load_u64 (local.get $b))))
  (func (export "alloc_more_than_there_is")
    (call $give (call $alloc (i64.const 0x100000000))))
  (func (export "megabytes") (local $h i64)
    (local.set $h (call $alloc (i64.const 5000000)))
    (call $store_u64 (i64.add (local.get $h) (i64.const 4999992)) (i64.const 99))
    (call $give (i64.add (call $length (local.get $h))
      (call $load_u64 (i64.add (local.get $h) (i64.const 4999992))))))
  (func (export "freed_input_is_empty")
    (call $free (call $input_offset))
    (call $give (call $input_length)))
  (func (export "input_replaced") (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (i64.const 0x4847464544434241))
    (call $input_set (local.get $h) (i64.const 4))
    (call $output (call $input_offset) (call $input_length)))
  (func (export "null_input_changes_nothing")
    (call $input_set (i64.const 0) (i64.const 0))
    (call $output (call $input_offset) (call $input_length)))
  (func (export "input_past_a_word")
    (call $give (call $input_u64 (i64.sub (call $input_length) (i64.const 4)))))
  (func (export "input_far") (call $give (i64.extend_i32_u (call $input_u8 (i64.const 0x7ffffffff)))))
  (func (export "output_read_back")
    (call $give (i64.const 5))
    (call $give (i64.add (call $output_length) (call $load_u64 (call $output_offset)))))
  (func (export "output_far") (call $output (i64.const 0x7fffffff) (i64.const 4)))
  (func (export "output_past_the_end")
    (call $give (i64.const 3)) (call $output (call $input_offset) (i64.const 0x7fffffff)))
  (func (export "output_of_no_length")
    (call $give (i64.const 3)) (call $output (call $alloc (i64.const 4)) (i64.const 0)))
  (func (export "output_of_two_blocks") (local $a i64)
    (local.set $a (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $a) (i64.const 0x4847464544434241))
    (call $output (local.get $a) (i64.const 8)))
  (func (export "freed_output_still_counts") (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (i64.const 0x4847464544434241))
    (call $output (local.get $h) (i64.const 8))
    (call $free (local.get $h)))
  (func (export "reset_forgets_the_input") (call $reset) (call $give (call $input_length)))
  (func (export "reset_forgets_the_output") (call $give (i64.const 4)) (call $reset))
  (func (export "reset_forgets_the_error") (result i32)
    (call $error (call $input_offset)) (call $reset) (i32.const 0))
  (func (export "alloc_after_reset_is_the_first_again") (local $h i64)
    (call $reset) (local.set $h (call $alloc (i64.const 16)))
    (call $reset) (call $give (i64.extend_i32_u
      (i64.eq (local.get $h) (call $alloc (i64.const 16))))))
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
  (func (export "error_in_an_interior") (result i32)
    (call $error (i64.add (call $input_offset) (i64.const 1))) (i32.const 0))
  (func (export "error_in_an_interior_with_code") (result i32)
    (call $error (i64.add (call $input_offset) (i64.const 1))) (i32.const 9))
  (func (export "error_at_nonsense") (result i32)
    (call $error (i64.const 0x7fffffff)) (i32.const 0))
  (func (export "freed_error") (result i32)
    (call $error (call $input_offset)) (call $free (call $input_offset)) (i32.const 3))
  (func (export "last_error_wins") (result i32) (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (i64.const 0x4847464544434241))
    (call $error (local.get $h)) (call $error (call $input_offset)) (i32.const 1))
  (func (export "error_beside_output") (result i32)
    (call $give (i64.const 6)) (call $error (call $input_offset)) (i32.const 1))
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

MANIFEST = text(GUEST, config={"k": "the value"})

ANSWERS = [
    *[("echo", bytes(range(256)) * 4096), ("echo", b""), ("echo", b"x")],
    *[("echo_words", bytes(range(n))) for n in (0, 1, 7, 8, 9, 200)],
    *[("word_of_short_input", b"seven!!"), ("word_of_short_input", b"eight!!!")],
    *[("byte_past_input", b"abc"), ("input_offset_is_zero", b""), ("input_offset_is_zero", b"a")],
    *["alloc_zero", "length_of_block", "length_unsafe_of_block", "length_of_interior"],
    *["length_of_freed", "load_far", "load_null", "fresh_is_zero", "unaligned", "store_far"],
    *["store_null", "store_keeps_one_byte", "length_of_null", "length_of_nonsense"],
    *["length_unsafe_of_null", "free_nonsense", "free_interior", "blocks_do_not_overlap"],
    *["alloc_more_than_there_is", "megabytes", "output_read_back", "output_far"],
    *["output_past_the_end", "output_of_no_length", "output_of_two_blocks"],
    *["freed_output_still_counts", "reset_forgets_the_output"],
    *["alloc_after_reset_is_the_first_again", "null_output_changes_nothing", "part_of_a_block"],
    *["no_output", "last_output_wins"],
    *[("freed_input_is_empty", b"input"), ("input_replaced", b"input")],
    *[("null_input_changes_nothing", b"input"), ("input_past_a_word", b"more than a word")],
    *[("input_far", b"abc"), ("reset_forgets_the_input", b"input")],
    *[("reset_forgets_the_error", b"error"), ("error", "grüße".encode()), ("error", b"")],
    *[("error_with_zero", b"still an error"), ("error_taken_back", b"never mind")],
    *[("error_in_an_interior_with_code", b"error"), ("error_at_nonsense", b"error")],
    *[("freed_error", b"error"), ("last_error_wins", b"the last"), ("error", b"x" * 5000)],
    *[("error_beside_output", b"both"), ("error_in_an_interior", b"error")],
    *["code", "negative_code", "config", "config_handle_is_freed", "status", "headers"],
    *["log_bad_handle", "trap", "divide", "nope"],
]

STORY = [
    *["var_get", ("var_set", b"one"), "var_get", ("var_set", b"two"), "var_get"],
    *["var_delete", "var_get", ("var_set", b""), "var_get"],
    *["count", "count", "trap", "count"],
]

DIFFERENT = {}


def case(step):
    name, given = (step, b"") if isinstance(step, str) else step
    return Case(f"{name}-{len(given)}" if given else name, MANIFEST, ((name, given),))


CASES = [*map(case, ANSWERS), Case("story", MANIFEST, tuple(STORY))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_call(duel, case):
    """Each function of the kernel gives what upstream's gives, and where that refuses, so does ours."""
    assert duel(case) == []
