"""
Small plug-ins in the text format, and what makes writing them short.

`wat(body)` wraps fields of a module: functions of `extism:host/env` that the body calls are imported by
the ABI table's types, helpers of this file that it calls are added, and so is a memory of one page.

    wat('(func (export "echo") (call $give (call $input_offset)))')
"""

from __future__ import annotations

import re

from extism.abi import ENV, FUNCTIONS

__all__ = ["ECHO", "LOOP", "SHOUT", "STATEFUL", "UNREACHABLE", "imports", "wat"]

HELPERS = {
    # A new block with bytes of the guest's own memory.
    "put": """(func $put (param $at i32) (param $n i32) (result i64)
        (local $h i64) (local $i i32)
        (local.set $h (call $alloc (i64.extend_i32_u (local.get $n))))
        (block $done (loop $next
          (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
          (call $store_u8 (i64.add (local.get $h) (i64.extend_i32_u (local.get $i)))
            (i32.load8_u (i32.add (local.get $at) (local.get $i))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next)))
        (local.get $h))""",
    # A block becomes the output, all of it.
    "give": """(func $give (param $h i64)
        (call $output_set (local.get $h) (call $length (local.get $h))))""",
    # A number becomes the output, 8 bytes.
    "give_i64": """(func $give_i64 (param $n i64)
        (local $h i64)
        (local.set $h (call $alloc (i64.const 8)))
        (call $store_u64 (local.get $h) (local.get $n))
        (call $output_set (local.get $h) (i64.const 8)))""",
    # A new block with a copy of the input: to be given away.
    "copy_input": """(func $copy_input (result i64)
        (local $h i64) (local $i i64)
        (local.set $h (call $alloc (call $input_length)))
        (block $done (loop $next
          (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
          (call $store_u8 (i64.add (local.get $h) (local.get $i))
            (call $input_load_u8 (local.get $i)))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (br $next)))
        (local.get $h))""",
}


def calls(text: str, names) -> list[str]:
    return [name for name in names if re.search(rf"\(call \${name}[\s)]", text)]


def imports(names, namespace: str = ENV) -> str:
    """The imports of ABI functions, each as `$name`."""
    lines = []
    for name in names:
        row = FUNCTIONS[name]
        params = f" (param {' '.join(row.params)})" if row.params else ""
        results = f" (result {' '.join(row.results)})" if row.results else ""
        lines.append(f'(import "{namespace}" "{name}" (func ${name}{params}{results}))')
    return "\n".join(lines)


def wat(body: str, *, before: str = "", memory: str | None = None) -> str:
    """
    A module around `body`.

    Args:
        body: Fields; functions that it calls are found by `(call $name`.
        before: More imports.
        memory: Its memory field; one page where None and the module touches a memory.
    """
    added: list[str] = []
    while missing := [
        name for name in calls(body + "".join(added), HELPERS) if HELPERS[name] not in added
    ]:
        added += [HELPERS[name] for name in missing]
    everything = body + "".join(added)
    if memory is None and re.search(r"\(data |i32\.(load|store)|memory\.", everything):
        memory = '(memory (export "memory") 1)'
    parts = [imports(calls(everything, FUNCTIONS)), before, memory, *added, body]
    return "(module\n" + "\n".join(part for part in parts if part) + ")"


ECHO = wat('(func (export "echo") (call $give (call $input_offset)))')
"""`echo` gives the input back."""

LOOP = wat("""
    (func (export "loop") (loop $again (br $again)))
    (func (export "noop"))""")
"""`loop` never ends, `noop` does nothing."""

UNREACHABLE = wat("""
    (func $inner unreachable)
    (func (export "trap") (call $inner))
    (func (export "noop"))""")

STATEFUL = wat("""
    (global $n (mut i64) (i64.const 0))
    (func $count (export "count")
      (global.set $n (i64.add (global.get $n) (i64.const 1)))
      (call $give_i64 (global.get $n)))
    (func (export "count_and_trap") (call $count) unreachable)
    (func (export "count_and_loop") (call $count) (loop $again (br $again)))""")
"""`count` gives how often it was called, as 8 bytes."""

SHOUT = wat(
    '(func (export "run") (call $give (call $shout (call $copy_input))))',
    before='(import "extism:host/user" "shout" (func $shout (param i64) (result i64)))',
)
"""`run` gives what the host function `shout` makes of the input."""
