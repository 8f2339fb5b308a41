"""
Good programs at random: arithmetic, memory, tables, globals, loops, and the kernel's functions as they are meant.

Where blocks lie, what NaNs look like and how long anything takes is not part of what they give, so that two
implementations can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wat_guests import imports

if TYPE_CHECKING:
    import random

__all__ = ["program"]

USED = (
    *("alloc", "free", "length", "length_unsafe", "load_u8", "load_u64", "store_u8", "store_u64"),
    *("input_length", "input_load_u8", "input_load_u64", "output_set", "error_set"),
    *("config_get", "var_get", "var_set", "log_info", "http_status_code"),
)
BINARY = {
    "i32": ["add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr"],
    "i64": ["add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr"],
    "f64": ["add", "sub", "mul", "div", "min", "max", "copysign"],
}
UNARY = {
    "i32": ["clz", "ctz", "popcnt", "eqz", "extend8_s", "extend16_s"],
    "i64": ["clz", "ctz", "popcnt", "extend8_s", "extend16_s", "extend32_s"],
    "f64": ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"],
}
COMPARE = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]
COMPARE_FLOATS = ["eq", "ne", "lt", "gt", "le", "ge"]
CONSTANTS = {
    "i32": ("0", "1", "-1", "7", "255", "65536", "2147483647", "-2147483648"),
    "i64": ("0", "1", "-1", "8", "4294967296", "9223372036854775807", "-9223372036854775808"),
    "f64": ("0", "-0", "1.5", "-2.25", "1e300", "5e-324", "inf", "4294967295.5"),
}
BLOCK = 64
FUNCTIONS = 4


class _Writer:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def pick(self, *options: str) -> str:
        return self.dice.choice(options)

    # ------------------------------------------------------------ expressions

    def value(self, kind: str, depth: int) -> str:
        """Return an expression of that type; `$ai32`, `$bi32` and so on are locals."""
        if depth <= 0 or self.dice.random() < 0.2:
            constant = f"({kind}.const {self.dice.choice(CONSTANTS[kind])})"
            return self.pick(
                constant, f"(local.get $a{kind})", f"(local.get $b{kind})", f"(global.get $g{kind})"
            )
        return self.dice.choice((self._plain, self._plain, getattr(self, f"_{kind}")))(kind, depth)

    def _plain(self, kind: str, depth: int) -> str:
        one, two = self.value(kind, depth - 1), self.value(kind, depth - 1)
        test = self.value("i32", depth - 1)
        return self.pick(
            f"({kind}.{self.dice.choice(BINARY[kind])} {one} {two})",
            f"({kind}.{self.dice.choice(UNARY[kind])} {one})",
            f"(select {one} {two} {test})",
            f"(if (result {kind}) {test} (then {one}) (else {two}))",
            f"(block $out (result {kind}) (br_if $out {one} {test}) (drop) {two})",
            f"({kind}.load {self.place()})",
        )

    def _i32(self, kind: str, depth: int) -> str:
        one, two = self.value("i64", depth - 1), self.value("i64", depth - 1)
        three, four = self.value("f64", depth - 1), self.value("f64", depth - 1)
        five = self.value(kind, depth - 1)
        return self.pick(
            f"(i64.{self.dice.choice(COMPARE)} {one} {two})",
            f"(f64.{self.dice.choice(COMPARE_FLOATS)} {three} {four})",
            f"(i32.trunc_sat_f64_{self.pick('s', 'u')} {three})",
            f"(i32.{self.pick('div_s', 'div_u', 'rem_s', 'rem_u')} {five} (i32.or {self.value(kind, 0)} (i32.const 1)))",
            f"(i32.wrap_i64 {one})",
            f"(call $load_u8 (i64.add (local.get $h) (i64.and {one} (i64.const {BLOCK - 1}))))",
            f"(call $input_load_u8 (i64.and {one} (i64.const 255)))",
            f"(i32.load8_{self.pick('s', 'u')} {self.place()})",
            "(memory.size)",
            "(call $http_status_code)",
        )

    def _i64(self, kind: str, depth: int) -> str:
        one, three = self.value(kind, depth - 1), self.value("f64", depth - 1)
        two = self.value("i32", depth - 1)
        inside = f"(i64.add (local.get $h) (i64.and {one} (i64.const {BLOCK - 8})))"
        return self.pick(
            f"(i64.extend_i32_{self.pick('s', 'u')} {two})",
            f"(i64.trunc_sat_f64_{self.pick('s', 'u')} {three})",
            f"(i64.{self.pick('div_s', 'div_u', 'rem_u')} {one} {self.value(kind, 0)})",
            f"(call $load_u64 {inside})",
            f"(call $input_load_u64 (i64.and {one} (i64.const 255)))",
            "(call $input_length)",
            "(call $length (local.get $h))",
            "(call $length_unsafe (local.get $h))",
            f"(call $length (call $var_get (call $key {two})))",
            f"(call $load_u64 (call $var_get (call $key {two})))",
            f"(call $length (call $config_get (call $key {two})))",
            f"(call_indirect (type $f) {one} {self._slot(two)})",
        )

    def _f64(self, kind: str, depth: int) -> str:
        del kind
        return f"(f64.convert_{self.pick('i64_s', 'i64_u')} {self.value('i64', depth - 1)})"

    def _slot(self, index: str) -> str:
        """Return a place in the table: nearly always one with a function in it."""
        most = FUNCTIONS - 1 if self.dice.random() < 0.9 else 2 * FUNCTIONS - 1
        return f"(i32.and {index} (i32.const {most}))"

    def place(self) -> str:
        """Return an address: nearly always inside of the memory."""
        mask = 0xFFF0 if self.dice.random() < 0.98 else 0x1FFFF
        return f"(i32.and {self.value('i32', 1)} (i32.const {mask}))"

    # ------------------------------------------------------------ statements

    def statement(self, depth: int) -> str:
        kind = self.pick("i32", "i64", "f64")
        value, word, test = self.value(kind, depth), self.value("i64", depth), self.value("i32", 2)
        inside = f"(i64.add (local.get $h) (i64.and {word} (i64.const {BLOCK - 8})))"
        simple = (
            f"(local.set ${self.pick('a', 'b')}{kind} {value})",
            f"(global.set $g{kind} {value})",
            f"({self.pick('i32', 'i64')}.store8 {self.place()} {self.value('i32', 1)})".replace(
                "i64.store8", "i32.store8"
            ),
            f"(i64.store {self.place()} {word})",
            f"(call $store_u64 {inside} {self.value('i64', 1)})",
            f"(call $store_u8 {inside} {test})",
            f"(call $var_set (call $key {test}) (call $value {word}))",
            f"(call $var_set (call $key {test}) (i64.const 0))",
            f"(call $free (local.get $h)) (local.set $h (call $alloc (i64.const {BLOCK})))",
            f"(memory.fill {self.place()} {test} (i32.const {self.dice.randrange(16)}))",
            f"(memory.copy {self.place()} {self.place()} (i32.const {self.dice.randrange(16)}))",
            f"(drop (memory.grow (i32.const {self.dice.choice((0, 0, 1, 2))})))",
            f"(call $log_info (call $value {word}))",
        )
        if depth <= 1 or self.dice.random() < 0.6:
            return self.dice.choice(simple)
        one, two = self.statements(depth - 1), self.statements(depth - 1)
        return self.pick(
            f"(if {test} (then {one}) (else {two}))",
            f"(loop $again {one} (br_if $again (i32.and {test} (call $goes_on))))",
            f"(block $a (block $b (block $c (br_table $a $b $c {test})) {one}) {two})",
        )

    def statements(self, depth: int) -> str:
        return " ".join(self.statement(depth) for _ in range(self.dice.randint(1, 3)))


LOCALS = "(local $h i64) " + " ".join(
    f"(local ${name}{kind} {kind})" for name in "ab" for kind in ("i32", "i64", "f64")
)


def program(dice: random.Random) -> str:
    """Return a module with the exports `run0`, `run1` and `run2`; the last may set an error."""
    writer = _Writer(dice)
    begin = f"(local.set $h (call $alloc (i64.const {BLOCK})))"
    functions = [
        f"""(func $f{number} (param $p i64) (result i64) {LOCALS} {begin}
          (local.set $ai64 (local.get $p))
          (if (i32.eqz (call $goes_on)) (then (return (local.get $p))))
          {writer.statements(2)} (call $free (local.get $h)) {writer.value("i64", 2)})"""
        for number in range(FUNCTIONS)
    ]
    exports = [
        f"""(func (export "run{number}") {"(result i32)" if number else ""} {LOCALS}
          (global.set $turns (i32.const 60)) {begin}
          {writer.statements(3)} {writer.statements(3)} {_end(writer, number)})"""
        for number in range(3)
    ]
    return f"""(module {imports(USED)}
      (memory (export "memory") 1 8)
      (type $f (func (param i64) (result i64)))
      (table {2 * FUNCTIONS} funcref) (elem (i32.const 0) $f0 $f1 $f2 $f3)
      (global $turns (mut i32) (i32.const 0))
      (global $gi32 (mut i32) (i32.const 3)) (global $gi64 (mut i64) (i64.const 5))
      (global $gf64 (mut f64) (f64.const 0.5))
      (data (i32.const 16) "{dice.randbytes(20).hex()}")
      (func $goes_on (result i32)
        (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
        (i32.gt_s (global.get $turns) (i32.const 0)))
      (func $key (param i32) (result i64) (local $h i64)
        (local.set $h (call $alloc (i64.const 1)))
        (call $store_u8 (local.get $h)
          (i32.add (i32.const 97) (i32.and (local.get 0) (i32.const 3))))
        (local.get $h))
      (func $value (param i64) (result i64) (local $h i64)
        (local.set $h (call $alloc (i64.const 8)))
        (call $store_u64 (local.get $h)
          (i64.or (i64.and (local.get 0) (i64.const 0x0f0f0f0f0f0f0f0f))
            (i64.const 0x4040404040404040)))
        (local.get $h))
      {" ".join(functions)} {" ".join(exports)})"""


def _end(writer: _Writer, number: int) -> str:
    """Return what an export ends with: 16 bytes of output; the last one an error now and then."""
    output = f"""(call $store_u64 (local.get $h) {writer.value("i64", 2)})
      (call $store_u64 (i64.add (local.get $h) (i64.const 8))
        (i64.trunc_sat_f64_s {writer.value("f64", 2)}))
      (call $output_set (local.get $h) (i64.const 16))"""
    if not number:
        return output
    code = f"(i32.and {writer.value('i32', 2)} (i32.const {(1, 3)[number - 1]}))"
    error = f"(if (i32.and {writer.value('i32', 1)} (i32.const 1)) (then (call $error_set (call $value {writer.value('i64', 1)}))))"
    return f"{output} {error if number == 2 else ''} {code}"
