"""What runs before the first call, on both packages: start functions, initialisers, commands."""

from __future__ import annotations

import itertools

import pytest
from peer_guests import module, text

from peer import Case

pytestmark = pytest.mark.peer

# Each initialiser adds a digit of its own, so that the number tells which ran, and how often.
DIGITS = {"start": 1, "_initialize": 10, "__wasm_call_ctors": 100, "hs_init": 1000}


def starting(*names: str, **bodies: str) -> dict:
    """A module with the initialisers `names`, and `told`, which gives the sum of what ran."""
    functions = []
    for name in names:
        body = bodies.get(
            name, f"(global.set $n (i64.add (global.get $n) (i64.const {DIGITS[name]})))"
        )
        params = " (param i32 i32)" if name == "hs_init" else ""
        head = "(func $start" if name == "start" else f'(func (export "{name}"){params}'
        functions.append(f"{head} {body})")
    start = "(start $start)" if "start" in names else ""
    told = '(func (export "told") (call $give_i64 (global.get $n)))'
    return module(f"(global $n (mut i64) (i64.const 0)) {' '.join(functions)} {start} {told}")


COMBINATIONS = [
    names for count in range(len(DIGITS) + 1) for names in itertools.combinations(DIGITS, count)
]

WRONG_TYPES = {
    "_initialize with a parameter": '(func (export "_initialize") (param i32))',
    "_initialize with a result": '(func (export "_initialize") (result i32) (i32.const 0))',
    "__wasm_call_ctors with a parameter": '(func (export "__wasm_call_ctors") (param i32))',
    "__wasm_call_ctors of another type, and _initialize": """
        (func (export "__wasm_call_ctors") (result i32) (i32.const 1))
        (func (export "_initialize") (global.set $n (i64.const 5)))""",
    "hs_init without parameters": '(func (export "hs_init"))',
    "hs_init with a result": '(func (export "hs_init") (param i32 i32) (result i32) (i32.const 0))',
    "hs_init with pointers of 64 bits": '(func (export "hs_init") (param i64 i64))',
    "_initialize as a global": '(global (export "_initialize") i32 (i32.const 0))',
    "_start as a global": '(global (export "_start") i32 (i32.const 0))',
    "_start with a parameter": '(func (export "_start") (param i32))',
    "_start with a result": '(func (export "_start") (result i32) (i32.const 3))',
    "a command that exports a global": """
        (func (export "_start")) (global (export "gg") i32 (i32.const 1))""",
    "a command that exports a memory": """
        (func (export "_start")) (memory (export "memory") 1)""",
    "a command that exports a table": """
        (func (export "_start")) (table (export "other") 1 funcref)""",
}
REFUSED = ("_initialize with a parameter", "_initialize with a result")
TOLD = '(global $n (mut i64) (i64.const 0)) (func (export "told") (call $give_i64 (global.get $n)))'

COMMAND = """
  (global $n (mut i64) (i64.const 0))
  (func $count (global.set $n (i64.add (global.get $n) (i64.const 1))) (call $give_i64 (global.get $n)))
  (func (export "_start") (call $count))
  (func (export "count") (call $count))
  (func (export "set") (call $var_set (call $copy_input) (call $copy_input)))
  (func (export "get") (call $give (call $var_get (call $copy_input))))"""

WASI = (
    '(import "wasi_snapshot_preview1" "fd_write" '
    "(func $write (param i32 i32 i32 i32) (result i32)))"
)
PRINTS = """
  (memory (export "memory") 1) (data (i32.const 8) "\\10\\00\\00\\00\\05\\00\\00\\00started\\n")
  (data (i32.const 16) "ready")
  (func $print (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4))))
  (func (export "f"))"""

CASES = [
    *[
        Case(
            f"{name} prints",
            module(f"{PRINTS} {start}", before=WASI),
            ("f", "f"),
            wasi=True,
            environ={"EXTISM_ENABLE_WASI_OUTPUT": "1"},
        )
        for name, start in {
            "_initialize": '(func (export "_initialize") (call $print))',
            "__wasm_call_ctors": '(func (export "__wasm_call_ctors") (call $print))',
            "start": "(start $print)",
            "_start": '(func (export "_start") (call $print))',
        }.items()
    ],
    *[
        Case(f"starts with {' and '.join(names) or 'nothing'}", starting(*names), ("told", "told"))
        for names in COMBINATIONS
    ],
    *[
        Case(name, module(TOLD + body), ("told",), refused=name in REFUSED)
        for name, body in WRONG_TYPES.items()
    ],
    *[
        Case(f"{name} by name", starting(name), ("told", name, "told"))
        for name in ("_initialize", "__wasm_call_ctors", "hs_init")
    ],
    *[
        Case(
            f"{name} traps",
            starting(name, **{name: "unreachable"}),
            ("told", "told"),
            refused=name in ("start", "_initialize"),
        )
        for name in DIGITS
    ],
    Case(
        "_initialize traps the first time",
        starting(
            "_initialize",
            _initialize="""
            (if (i64.eqz (global.get $n)) (then (global.set $n (i64.const 3)) unreachable))""",
        ),
        ("told", "told"),
        refused=True,
    ),
    Case(
        "start runs out of a table",
        text("(module (table 1 funcref) (elem (i32.const 3) $f) (func $f))"),
        refused=True,
    ),
    Case(
        "data that does not fit",
        text('(module (memory 1) (data (i32.const 65535) "ab"))'),
        refused=True,
    ),
    Case(
        "start uses the kernel",
        module('(func $s (drop (call $alloc (i64.const 9)))) (start $s) (func (export "f"))'),
        ("f",),
    ),
    Case(
        "start asks for configuration",
        module('(func $s (drop (call $config_get (i64.const 0)))) (start $s) (func (export "f"))'),
        ("f",),
    ),
    Case(
        "_initialize asks for configuration",
        module(
            '(func (export "_initialize") (drop (call $config_get (i64.const 0)))) (func (export "f"))'
        ),
        ("f",),
    ),
    Case(
        "start calls a host function",
        module(
            '(func $s (drop (call $hello))) (start $s) (func (export "f"))',
            before='(import "extism:host/user" "hello" (func $hello (result i64)))',
        ),
        ("f",),
        functions=("hello",),
    ),
    Case("a command", module(COMMAND), ("_start", "_start", "count", "count", "_start", "count")),
    Case("a command keeps variables", module(COMMAND), (("set", "k"), "_start", ("get", "k"))),
    Case("a command keeps configuration", module(COMMAND, config={"a": "b"}), ("_start", "_start")),
    Case("a command exists", module(COMMAND), (["exists", "_start"], ["exists", "count"])),
    Case(
        "a command and a reactor",
        module('(func (export "_start")) (func (export "_initialize")) (func (export "f"))'),
        ("f", "_start"),
    ),
    Case(
        "a command that traps",
        module('(func (export "_start") unreachable) (func (export "f"))'),
        ("_start", "f", "_start"),
    ),
    Case(
        "_start is never run by itself",
        module("""(global $n (mut i64) (i64.const 0))
            (func (export "_start") (global.set $n (i64.const 1)))
            (func (export "told") (call $give_i64 (global.get $n)))"""),
        ("told", "_start", "told"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_before_the_first_call(duel, case):
    """The same initialisers run, as often, and the same modules are refused."""
    assert duel(case) == []
