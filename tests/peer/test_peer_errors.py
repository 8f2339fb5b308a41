"""How calls end, on both packages: return codes, error texts, traps, exits, exports that cannot be called."""

from __future__ import annotations

import pytest
from peer_guests import module, text

from peer import Case

pytestmark = pytest.mark.peer

TRAPS = """
  (type $nothing (func))
  (type $other (func (param i32)))
  (table $t 4 funcref)
  (elem (i32.const 0) $plain)
  (func $plain)
  (func (export "unreachable") unreachable)
  (func (export "divide") (result i32) (i32.div_s (i32.const 1) (i32.const 0)))
  (func (export "remainder") (result i32) (i32.rem_u (i32.const 1) (i32.const 0)))
  (func (export "overflow") (result i32) (i32.div_s (i32.const 0x80000000) (i32.const -1)))
  (func (export "convert") (result i32) (i32.trunc_f64_s (f64.const 1e300)))
  (func (export "convert_nan") (result i32) (i32.trunc_f32_s (f32.const nan)))
  (func (export "memory_load") (result i32) (i32.load (i32.const 0x10000)))
  (func (export "memory_store") (i64.store (i32.const -4) (i64.const 1)))
  (func (export "memory_copy") (memory.copy (i32.const 0) (i32.const 0xffff) (i32.const 2)))
  (func (export "table_get") (drop (table.get $t (i32.const 4))))
  (func (export "call_null") (call_indirect $t (type $nothing) (i32.const 1)))
  (func (export "call_wrong_type") (call_indirect $t (type $other) (i32.const 1) (i32.const 0)))
  (func (export "call_past_table") (call_indirect $t (type $nothing) (i32.const 99)))
  (func $deep (export "recurse") (call $deep))
  (func (export "fine") (result i32) (i32.const 0))"""

TRAP_NAMES = [
    *["unreachable", "divide", "remainder", "overflow", "convert", "convert_nan", "memory_load"],
    *["memory_store", "memory_copy", "table_get", "call_null", "call_wrong_type"],
    *["call_past_table", "recurse"],
]

EXIT = """
  (func (export "exit") (call $proc_exit (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))
  (func (export "output_and_exit") (call $give (call $input_offset)) (call $proc_exit (i32.const 0)))
  (func (export "error_and_exit") (call $error_set (call $input_offset)) (call $proc_exit (i32.const 0)))
  (func (export "error_and_exit_3") (call $error_set (call $input_offset)) (call $proc_exit (i32.const 3)))
  (func (export "count") (global.set $n (i64.add (global.get $n) (i64.const 1))) (call $give_i64 (global.get $n)))
  (global $n (mut i64) (i64.const 0))"""
PROC_EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))'

CODES = """
  (func (export "code") (result i32) (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
  (func (export "code_with_output") (result i32) (call $give (call $input_offset)) (i32.const 4))
  (func (export "code_with_error") (result i32) (call $error_set (call $input_offset)) (i32.const 4))
  (func (export "error_without_result") (call $error_set (call $input_offset)))
  (func (export "error_and_trap") (call $error_set (call $input_offset)) unreachable)
  (func (export "error_and_refusal")
    (call $error_set (call $input_offset)) (drop (call $config_get (i64.const 99999))))
  (func (export "error_twice") (result i32)
    (call $error_set (call $copy_input)) (call $error_set (i64.const 0)) (i32.const 1))"""

SHAPES = """
  (global (export "a_global") i32 (i32.const 1))
  (memory (export "a_memory") 1)
  (func (export "long") (result i64) (i64.const 0))
  (func (export "single") (result f32) (f32.const 0))
  (func (export "float") (result f64) (f64.const 1))
  (func (export "two") (result i32 i32) (i32.const 0) (i32.const 0))
  (func (export "one_parameter") (param i32))
  (func (export "three_parameters") (param i32 i64 f32) (result i32) (i32.const 0))
  (func (export "reference") (result funcref) (ref.null func))
  (func (export "") (result i32) (i32.const 0))
  (func (export "with space") (result i32) (i32.const 0))
  (func (export "grüße") (result i32) (i32.const 0))"""

HANDLES = """
  (func (export "config_key") (drop (call $config_get (i64.const 4242))))
  (func (export "var_key") (drop (call $var_get (i64.const 4242))))
  (func (export "var_set_key") (call $var_set (i64.const 4242) (i64.const 0)))
  (func (export "var_set_value") (call $var_set (call $copy_input) (i64.const 4242)))
  (func (export "log_message") (call $log_error (i64.const 4242)))
  (func (export "request") (drop (call $http_request (i64.const 4242) (i64.const 0))))
  (func (export "config_key_interior")
    (drop (call $config_get (i64.add (call $copy_input) (i64.const 1)))))
  (func (export "var_key_no_text") (drop (call $var_get (call $copy_input))))
  (func (export "config_key_no_text") (drop (call $config_get (call $copy_input))))
  (func (export "negative_handle") (drop (call $config_get (i64.const -1))))
  (func (export "null_config_key") (call $give_i64 (call $config_get (i64.const 0))))
  (func (export "freed_key") (local $h i64)
    (local.set $h (call $copy_input)) (call $free (local.get $h))
    (drop (call $config_get (local.get $h))))"""


EXITING = module(EXIT, before=PROC_EXIT, memory='(memory (export "memory") 1)')


def number(value: int) -> bytes:
    return (value % 2**64).to_bytes(8, "little")


CASES = [
    *[Case(f"trap {name}", module(TRAPS), (name, "fine", name)) for name in TRAP_NAMES],
    *[
        Case(f"code {n}", module(CODES), (("code", number(n)), ("code", number(0))))
        for n in (0, 1, 2, 7, 127, 128, 133, 134, 255, 256, 2**31 - 1, -1, -2, -(2**31))
    ],
    Case("code with output", module(CODES), (("code_with_output", "nobody sees this"),)),
    Case("code with error", module(CODES), (("code_with_error", "what happened"),)),
    Case("error without a result", module(CODES), (("error_without_result", "what happened"),)),
    Case("error taken back", module(CODES), (("error_twice", "what happened"),)),
    Case("error of several lines", module(CODES), (("code_with_error", "one\ntwo\r\nthree\n"),)),
    Case("error of wide letters", module(CODES), (("code_with_error", "ü € 𝄞 \u202e"),)),
    Case("error of no length", module(CODES), (("code_with_error", ""),)),
    Case("error with a NUL", module(CODES), (("code_with_error", "before\0after"),)),
    Case("error that is no text", module(CODES), (("code_with_error", b"a\xff\xfeb"),)),
    Case("error of 70000 bytes", module(CODES), (("code_with_error", b"x" * 70000),)),
    Case("error and trap", module(CODES), (("error_and_trap", "last words"),)),
    Case("error and refusal", module(CODES), (("error_and_refusal", "last words"),)),
    *[
        Case(f"exit {n}", EXITING, (("exit", number(n)),), True)
        for n in (0, 1, 3, 125, 126, 255, 256, -1)
    ],
    *[
        Case(f"exit: {name}", EXITING, ((name, "text"), "count"), True)
        for name in ("output_and_exit", "error_and_exit", "error_and_exit_3")
    ],
    *[
        Case(f"shape {name or 'of no name'}", module(SHAPES), (name, ["exists", name]))
        for name in (
            *["long", "single", "float", "two", "one_parameter", "three_parameters", "reference"],
            *["a_global", "a_memory", "missing", "", "with space", "grüße"],
        )
    ],
    Case("name with a NUL", module(SHAPES), ("long\0er",)),
    *[
        Case(f"handle {name}", module(HANDLES), ((name, given),), log="error")
        for name, given in [
            *[("config_key", b""), ("var_key", b""), ("var_set_key", b""), ("request", b"")],
            *[("var_set_value", b"k"), ("log_message", b""), ("config_key_interior", b"key")],
            *[("var_key_no_text", b"\xff"), ("config_key_no_text", b"ab\xc3"), ("freed_key", b"k")],
            *[("negative_handle", b""), ("null_config_key", b"")],
        ]
    ],
    Case("not a module", text("(module (func (export"), ("x",), refused=True),
    Case(
        "not valid",
        text('(module (func (export "f") (result i32) (i64.const 1)))'),
        ("f",),
        refused=True,
    ),
    Case("input as a str", module(CODES), (["text", "code_with_error", "grüße"],)),
    Case("output parsed", EXITING, (["parse", "output_and_exit", "AAAA"],), True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_end_of_a_call(duel, case):
    """A call ends in the same way: output, code, the guest's words, the cause of a trap or refusal."""
    assert duel(case) == []
