"""The guests of the benchmarks, in the text format: what a PDK does, without its compiler."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from extism._engine.engine import wat_to_wasm
from extism.abi import ENV, FUNCTIONS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["module_of_size", "written"]


def _imports(body):
    names = [name for name in FUNCTIONS if re.search(rf"\(call \${name}[\s)]", body)]
    for name in names:
        row = FUNCTIONS[name]
        params, results = " ".join(row.params), " ".join(row.results)
        yield f'(import "{ENV}" "{name}" (func ${name} (param {params}) (result {results})))'


def _module(body, imports=""):
    return "\n".join(["(module", *_imports(body), imports, body, ")"])


# `ask` gives what the host makes of the input, `echo` the input, and `spin` computes for some tenths of a second.
_ASKING = """
  (memory (export "memory") 1)
  (func (export "echo") (call $output_set (call $input_offset) (call $input_length)))
  (func (export "ask") (local $text i64)
    (local.set $text (call $ask (call $input_offset)))
    (call $output_set (local.get $text) (call $length (local.get $text))))
  (func (export "spin") (local $i i64)
    (loop $again
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get $i) (i64.const 300000000)))))"""
_ASKING_IMPORTS = '(import "extism:host/user" "ask" (func $ask (param i64) (result i64)))'


# Input to the guest's own memory, then from there to a new block, as PDKs do it: eight bytes at a
# time, the rest one by one.
_ECHO = """
  (memory (export "memory") 520)
  (func $room (param $n i64)
    (local $pages i32)
    (local.set $pages (i32.wrap_i64 (i64.shr_u (i64.add (local.get $n) (i64.const 131071)) (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then (drop (memory.grow (i32.sub (local.get $pages) (memory.size)))))))
  (func $take (param $at i32) (result i64)
    (local $n i64) (local $i i64)
    (local.set $n (call $input_length))
    (call $room (local.get $n))
    (block $done (loop $next
      (br_if $done (i64.gt_s (local.get $i) (i64.sub (local.get $n) (i64.const 8))))
      (i64.store (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))
        (call $input_load_u64 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (i32.store8 (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))
        (call $input_load_u8 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (local.get $n))
  (func $put (param $at i32) (param $n i64) (result i64)
    (local $h i64) (local $i i64)
    (local.set $h (call $alloc (local.get $n)))
    (block $done (loop $next
      (br_if $done (i64.gt_s (local.get $i) (i64.sub (local.get $n) (i64.const 8))))
      (call $store_u64 (i64.add (local.get $h) (local.get $i))
        (i64.load (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (call $store_u8 (i64.add (local.get $h) (local.get $i))
        (i32.load8_u (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (local.get $h))
  (func (export "echo") (result i32)
    (local $n i64)
    (local.set $n (call $take (i32.const 65536)))
    (call $output_set (call $put (i32.const 65536) (local.get $n)) (local.get $n))
    (i32.const 0))
"""

_SMALL = (
    _ECHO
    + """
  (func (export "noop") (result i32) (i32.const 0))
  (func (export "give") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0))
  (func (export "count") (result i32)
    (local $n i64) (local $i i64) (local $found i64) (local $c i32) (local $h i64)
    (local.set $n (call $take (i32.const 65536)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (local.set $c (i32.load8_u offset=65536 (i32.wrap_i64 (local.get $i))))
      (local.set $found (i64.add (local.get $found) (i64.extend_i32_u
        (i32.or (i32.or (i32.eq (local.get $c) (i32.const 97)) (i32.eq (local.get $c) (i32.const 101)))
          (i32.or (i32.or (i32.eq (local.get $c) (i32.const 105)) (i32.eq (local.get $c) (i32.const 111)))
                  (i32.eq (local.get $c) (i32.const 117)))))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (local.get $found))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))
  (func (export "burn") (result i32)
    (local $i i64) (local $x i64) (local $h i64)
    (local.set $x (i64.const 88172645463325252))
    (loop $next
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $next (i64.lt_u (local.get $i) (i64.const 500000))))
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (local.get $x))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))
  (func (export "sieve") (result i32)
    (local $i i32) (local $j i32) (local $h i64)
    (call $room (i64.const 1000000))
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 1000000))
    (local.set $i (i32.const 2))
    (loop $number
      (if (i32.load8_u offset=65536 (local.get $i))
        (then
          (local.set $j (i32.mul (local.get $i) (local.get $i)))
          (block $done (loop $multiple
            (br_if $done (i32.ge_u (local.get $j) (i32.const 1000000)))
            (i32.store8 offset=65536 (local.get $j) (i32.const 0))
            (local.set $j (i32.add (local.get $j) (local.get $i)))
            (br $multiple)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $number (i32.lt_u (local.get $i) (i32.const 1000))))
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (i64.load (i32.const 1065520)))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))
  (func $fibonacci (param $n i64) (result i64)
    (if (result i64) (i64.lt_u (local.get $n) (i64.const 2))
      (then (local.get $n))
      (else (i64.add
        (call $fibonacci (i64.sub (local.get $n) (i64.const 1)))
        (call $fibonacci (i64.sub (local.get $n) (i64.const 2)))))))
  (func (export "fibonacci") (result i32)
    (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (call $fibonacci (i64.const 24)))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))
"""
)

_HOST_IMPORTS = """
  (import "extism:host/user" "add_one" (func $add_one (param i64) (result i64)))
  (import "extism:host/user" "upper" (func $upper (param i64) (result i64)))
"""

_HOST = (
    _ECHO
    + """
  (func (export "ints") (result i32)
    (local $i i64) (local $h i64)
    (loop $next
      (local.set $i (call $add_one (local.get $i)))
      (br_if $next (i64.lt_u (local.get $i) (i64.const 1000))))
    (local.set $h (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $h) (local.get $i))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))
  (func (export "texts") (result i32)
    (local $i i32) (local $n i64) (local $h i64) (local $answer i64)
    (local.set $n (call $take (i32.const 65536)))
    (loop $next
      (local.set $h (call $put (i32.const 65536) (local.get $n)))
      (call $free (local.get $answer))
      (local.set $answer (call $upper (local.get $h)))
      (call $free (local.get $h))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
    (call $output_set (local.get $answer) (call $length (local.get $answer)))
    (i32.const 0))
"""
)

_STATE = (
    _ECHO
    + """
  (data (i32.const 0) "counter")
  (data (i32.const 16) "greeting")
  (data (i32.const 32) "0123456789abcdef0123456789abcdef")
  (func $times (param $what i32) (result i64)
    (local $i i32) (local $h i64)
    (loop $next
      (block $done
        (if (i32.eq (local.get $what) (i32.const 0)) (then
          (call $var_set (call $put (i32.const 0) (i64.const 7)) (call $put (i32.const 32) (i64.const 32)))
          (br $done)))
        (if (i32.eq (local.get $what) (i32.const 1)) (then
          (call $free (local.get $h))
          (local.set $h (call $var_get (call $put (i32.const 0) (i64.const 7))))
          (br $done)))
        (if (i32.eq (local.get $what) (i32.const 2)) (then
          (call $free (local.get $h))
          (local.set $h (call $config_get (call $put (i32.const 16) (i64.const 8))))
          (br $done)))
        (if (i32.eq (local.get $what) (i32.const 3)) (then
          (drop (call $get_log_level))
          (br $done)))
        (call $log_trace (call $put (i32.const 32) (i64.const 32))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
    (local.get $h))
  (func $give (param $h i64) (result i32)
    (call $output_set (local.get $h) (call $length (local.get $h)))
    (i32.const 0))
  (func (export "var_set") (result i32) (call $give (call $times (i32.const 0))))
  (func (export "var_get") (result i32)
    (call $var_set (call $put (i32.const 0) (i64.const 7)) (call $put (i32.const 32) (i64.const 32)))
    (call $give (call $times (i32.const 1))))
  (func (export "config_get") (result i32) (call $give (call $times (i32.const 2))))
  (func (export "log_level") (result i32) (call $give (call $times (i32.const 3))))
  (func (export "log_off") (result i32) (call $give (call $times (i32.const 4))))
"""
)


def _function(number: int, rng: random.Random) -> str:
    """Arithmetic and loads; all but the first call an earlier one."""
    steps = []
    for _ in range(rng.randrange(8, 24)):
        operation = rng.choice(("add", "xor", "mul", "sub", "rotl"))
        value = f"(i64.const {rng.randrange(1 << 40)})"
        steps.append(f"(local.set $x (i64.{operation} (local.get $x) {value}))")
        if rng.random() < 0.3:
            load = f"(i64.load offset={rng.randrange(4096) * 8} (i32.const 0))"
            steps.append(f"(local.set $x (i64.xor (local.get $x) {load}))")
    if number:
        call = f"(call $f{rng.randrange(number)} (local.get $x))"
        steps.append(f"(if (i64.eqz (local.get $x)) (then (local.set $x {call})))")
    return f"(func $f{number} (param $x i64) (result i64) {' '.join(steps)} (local.get $x))"


# What a Rust plug-in's first call does to its memory: pages of the stack, of statics and of the heap become its own.
_TOUCH = """
  (func $touch (local $at i32)
    (local.set $at (i32.const 1310720))
    (loop $next
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 1335296)))))
  (start $touch)
"""

_BARE_BYTES = 700
_FUNCTION_BYTES = 272
_BLOCK_BYTES = 40_000


def _padded(size: int) -> str:
    """The echo guest with code and data around it, half and half, until it is about `size` bytes."""
    rng = random.Random(7)
    half = max(0, size - _BARE_BYTES) // 2
    count = half // _FUNCTION_BYTES
    functions = [_function(number, rng) for number in range(count)]
    if count:
        functions.append(f'(func (export "used") (result i64) (call $f{count - 1} (i64.const 1)))')
    data = []
    for start in range(0, half, _BLOCK_BYTES):
        content = rng.randbytes(min(_BLOCK_BYTES, half - start))
        text = "".join(f"\\{byte:02x}" for byte in content)
        data.append(f'(data (i32.const {20 * 65536 + start}) "{text}")')
    return _ECHO + "\n".join([*functions, *data, *([_TOUCH] if data else [])])


def module_of_size(size: int) -> str:
    """Return the text of a guest with the export `echo` whose binary has about `size` bytes."""
    return _module(_padded(size))


_GUESTS = {
    "small": lambda: _module(_SMALL),
    "host": lambda: _module(_HOST, _HOST_IMPORTS),
    "state": lambda: _module(_STATE),
    "asking": lambda: _module(_ASKING, _ASKING_IMPORTS),
    "large": lambda: module_of_size(1_900_000),
}


def written(folder: Path, *names: str) -> None:
    """Write guests as NAME.wasm."""
    for name in names:
        (folder / f"{name}.wasm").write_bytes(wat_to_wasm(_GUESTS[name]()))
