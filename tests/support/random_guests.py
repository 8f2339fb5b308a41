"""Guests at random: they call every function of the kernel, with any numbers, from any place in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wat_guests import imports

from extism.abi import FUNCTIONS

if TYPE_CHECKING:
    import random

__all__ = ["EVERY", "Writer"]

EVERY = imports(row.name for row in FUNCTIONS.values() if "http" not in row.name)
LOGS = ("log_trace", "log_debug", "log_info", "log_warn", "log_error")
WILD = [0, 1, 511, 512, 513, 519, 543, 544, 2**16, 2**20, 2**31, 2**32, 2**32 + 512, 2**63, -1, -8]


class Writer:
    """A random guest: calls of the kernel's functions in every position, mixed into one number."""

    def __init__(self, dice: random.Random) -> None:
        self.random = dice

    def number(self):
        """An i64: near a block, in the input, or anywhere."""
        pick = self.random.randrange(6)
        if pick < 3:
            offset = self.random.randrange(-9, 80)
            return f"(i64.add (local.get $h{pick}) (i64.const {offset}))"
        if pick == 3:
            return f"(i64.const {self.random.randrange(-2, 40)})"
        if pick == 4:
            return "(local.get $x)"
        return f"(i64.const {self.random.choice(WILD)})"

    def value(self, depth=0):
        """An expression of type i64."""
        n = self.number() if depth > 2 or self.random.random() < 0.5 else self.value(depth + 1)
        return self.random.choice(
            (
                f"(i64.extend_i32_u (call $load_u8 {n}))",
                f"(call $load_u64 {n})",
                f"(i64.extend_i32_u (call $input_load_u8 {n}))",
                f"(call $input_load_u64 {n})",
                f"(call $length {n})",
                f"(call $length_unsafe {n})",
                "(call $input_length)",
                "(call $input_offset)",
                "(call $output_offset)",
                "(call $output_length)",
                "(call $error_get)",
                f"(call_indirect (type $word) {n} (i32.const 0))",
                f"(i64.extend_i32_u (call_indirect (type $byte) {n} (i32.const 1)))",
                f"(call_ref $word {n} (ref.func $load_u64))",
                f"(call $tail {n})",
            )
        )

    def statement(self, depth=0):
        """Something that is done; loops together have 100 turns a call."""
        n, v, h = self.number(), self.value(), self.random.randrange(3)
        size = self.random.choice((0, 1, 7, 8, 31, 32, 33, 64, 500, 70000))
        plain = [
            f"(call $store_u8 {n} (i32.wrap_i64 {v}))",
            f"(call $store_u64 {n} {v})",
            f"(local.set $h{h} (call $alloc (i64.const {size})))",
            f"(local.set $h{h} (call $alloc (i64.const {size})))",
            f"(call $free {n})",
            f"(call $output_set {n} (i64.const {self.random.randrange(40)}))",
            f"(call $input_set {n} (i64.const 5))",
            f"(call $store_indirect {n} {v})",
            f"(local.set $x (i64.xor (i64.rotl (local.get $x) (i64.const 7)) {v}))",
            f"(if (i64.eq {v} (i64.const -3)) (then (call $reset)))",
            f"(call $var_set (local.get $h{h}) (local.get $h{self.random.randrange(3)}))",
            f"(local.set $h{h} (call $var_get (call $short {n})))",
            f"(call $var_set (call $short {n}) (call $short {n}))",
            f"(local.set $h{h} (call $config_get (call $short {n})))",
            f"(call ${self.random.choice(LOGS)} {n})",
            "(local.set $x (i64.add (local.get $x) (i64.extend_i32_s (call $get_log_level))))",
        ]
        if depth > 2 or self.random.random() < 0.7:
            return self.random.choice(plain)
        one, two = self.block(depth), self.block(depth)
        nested = [
            f"(if (i64.eqz {v}) (then {one}) (else {two}))",
            f"(loop $l {one} (br_if $l (call $goes_on)))",
            f"(block $b {one} (br_if $b (i64.eqz {v})) {two})",
        ]
        return self.random.choice(nested)

    def block(self, depth):
        return " ".join(self.statement(depth + 1) for _ in range(self.random.randrange(1, 4)))

    def module(self) -> str:
        """Several functions, some with parameters and locals of other types."""
        functions = []
        for number in range(3):
            params = self.random.choice(("", "(param f64 i32)", "(param i64 v128 i64)"))
            locals_ = self.random.choice(("", "(local f32 i64 i64)", "(local i32) (local funcref)"))
            body = " ".join(self.statement() for _ in range(self.random.randrange(4, 14)))
            functions.append(
                f"""(func $f{number} {params} (result i64) {locals_}
                  (local $x i64) (local $h0 i64) (local $h1 i64) (local $h2 i64)
                  (local.set $x (i64.const {number})) {body} (local.get $x))
                (func $call{number} (result i64) (call $f{number} {defaults(params)}))"""
            )
        return f"""(module {EVERY} (memory 1)
            (type $word (func (param i64) (result i64)))
            (type $byte (func (param i64) (result i32)))
            (type $put (func (param i64 i64)))
            (table funcref (elem $load_u64 $load_u8 $store_u64))
            (elem declare func $load_u64)
            (global $turns (mut i32) (i32.const 0))
            (func $goes_on (result i32)
              (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
              (i32.gt_s (global.get $turns) (i32.const 0)))
            (func $short (param i64) (result i64)
              (local $h i64)
              (local.set $h (call $alloc (i64.and (local.get 0) (i64.const 15))))
              (call $store_u8 (local.get $h)
                (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 127)))
              (local.get $h))
            (func $tail (param i64) (result i64) (return_call $load_u64 (local.get 0)))
            (func $store_indirect (param i64 i64)
              (call_indirect (type $put) (local.get 0) (local.get 1) (i32.const 2)))
            {" ".join(functions)}
            (func (export "run") (local $h i64) (local $x i64)
              (global.set $turns (i32.const 100))
              (local.set $x (i64.xor (call $call0) (i64.add (call $call1) (call $call2))))
              (local.set $h (call $alloc (i64.const 8)))
              (call $store_u64 (local.get $h) (local.get $x))
              (call $output_set (local.get $h) (i64.const 8)))
            (func (export "raw") (global.set $turns (i32.const 100)) (drop (call $call2))))"""


def defaults(params):
    zeros = {"f64": "(f64.const 0)", "i32": "(i32.const 0)", "i64": "(i64.const 0)"}
    zeros["v128"] = "(v128.const i64x2 0 0)"
    return " ".join(zeros[word] for word in params.strip("()").split()[1:])
