"""What lasts how long, on both packages: between calls, after failures, after `_start`, between plug-ins."""

from __future__ import annotations

import pytest
from peer_guests import module

from peer import Case, call

pytestmark = pytest.mark.peer

STATE = """
  (global $n (mut i64) (i64.const 0))
  (memory (export "memory") 1)
  (table $t (export "table") 2 funcref)
  (elem declare func $count)
  (func $count (export "count")
    (global.set $n (i64.add (global.get $n) (i64.const 1))) (call $give_i64 (global.get $n)))
  (func (export "poke") (i64.store (i32.const 8) (call $input_load_u64 (i64.const 0))))
  (func (export "peek") (call $give_i64 (i64.load (i32.const 8))))
  (func (export "grow") (call $give_i64 (i64.extend_i32_s (memory.grow (i32.const 2)))))
  (func (export "fill_table") (table.set $t (i32.const 0) (ref.func $count)))
  (func (export "use_table") (call_indirect $t (i32.const 0)))
  (func (export "count_and_trap") (call $count) unreachable)
  (func (export "count_and_fail") (result i32) (call $count) (i32.const 3))
  (func (export "count_and_loop") (call $count) (loop $again (br $again)))
  (func (export "set") (call $var_set (call $key) (call $copy_input)))
  (func (export "set_and_trap") (call $var_set (call $key) (call $copy_input)) unreachable)
  (func (export "set_and_fail") (result i32) (call $var_set (call $key) (call $copy_input)) (i32.const 2))
  (func (export "get") (call $give (call $var_get (call $key))))
  (func (export "config") (call $give (call $config_get (call $key))))
  (func $key (result i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 1))) (call $store_u8 (local.get $h) (i32.const 107)) (local.get $h))
  (func (export "_start") (call $count))
  (func (export "output_then_nothing") (call $give (call $input_offset)))
  (func (export "nothing"))
  (func (export "error") (result i32) (call $error_set (call $copy_input)) (i32.const 1))
  (func (export "first_block") (call $give_i64 (call $alloc (i64.const 100))))
  (func (export "block_count") (local $i i64) (local $n i64)
    (call $give_i64 (call $length (global.get $kept))))
  (global $kept (mut i64) (i64.const 0))
  (func (export "keep_block") (global.set $kept (call $alloc (i64.const 555))))
  (func (export "wipes") (local $h i64)
    (local.set $h (call $alloc (i64.const 4096)))
    (call $give_i64 (call $load_u64 (i64.add (local.get $h) (i64.const 4000)))))"""

MANIFEST = module(STATE, config={"k": "configured"})
NUMBER = (77).to_bytes(8, "little")
FAILURES = ["count_and_trap", "count_and_fail"]

CASES = [
    Case("globals last", MANIFEST, ("count", "count", "count")),
    Case("memory lasts", MANIFEST, (("poke", NUMBER), "peek", "grow", "grow", "peek")),
    Case("tables last", MANIFEST, ("fill_table", "use_table", "use_table", "count")),
    *[
        Case(f"globals last after {name}", MANIFEST, ("count", name, "count", name, "count"))
        for name in FAILURES
    ],
    *[
        Case(
            f"memory lasts after {name}", MANIFEST, (("poke", NUMBER), "grow", name, "peek", "grow")
        )
        for name in FAILURES
    ],
    Case(
        "globals last after a time-out",
        {**MANIFEST, "timeout_ms": 500},
        ("count", "count_and_loop", "count"),
    ),
    *[
        Case(f"variables last after {name}", MANIFEST, (("set", "one"), (name, "two"), "get"))
        for name in ("set", "set_and_trap", "set_and_fail", "count_and_trap", "nothing")
    ],
    Case("variables after _start", MANIFEST, (("set", "one"), "_start", "get")),
    Case(
        "globals after _start", MANIFEST, ("count", "_start", "count", "count", "_start", "_start")
    ),
    Case("memory after _start", MANIFEST, (("poke", NUMBER), "grow", "_start", "peek", "grow")),
    Case("configuration after _start", MANIFEST, ("config", "_start", "config")),
    Case(
        "configuration of the call after _start",
        MANIFEST,
        ("config", "_start", "config"),
        config={"k": "given"},
    ),
    Case("output does not last", MANIFEST, (("output_then_nothing", "here"), "nothing")),
    Case("errors do not last", MANIFEST, (("error", "bad"), "nothing", ("error", ""))),
    Case("input does not last", MANIFEST, (("output_then_nothing", "here"), "output_then_nothing")),
    Case("blocks do not last", MANIFEST, ("keep_block", "block_count")),
    Case("a fresh block reads as zero", MANIFEST, (("nothing", b"\xff" * 8192), "wipes")),
    Case("many calls", MANIFEST, (["repeat", "count", "", 3000],)),
    Case("many large calls", MANIFEST, (["repeat", "output_then_nothing", "QUJD" * 20000, 50],)),
    Case("many failures", MANIFEST, (*["count_and_trap"] * 10, "count")),
    Case("many starts", MANIFEST, (*["_start"] * 40, "count")),
    Case(
        "two plug-ins of one CompiledPlugin have their own globals",
        MANIFEST,
        ("count", "count", ["another", None], "count", ["switch", 0], "count"),
        compiled=True,
    ),
    Case(
        "two plug-ins of one CompiledPlugin have their own variables",
        MANIFEST,
        (("set", "one"), ["another", None], "get", ("set", "two"), ["switch", 0], "get"),
        compiled=True,
    ),
    Case(
        "two plug-ins of one CompiledPlugin have their own configuration",
        MANIFEST,
        ("config", ["another", {"k": "mine"}], "config", ["switch", 0], "config"),
        compiled=True,
    ),
    Case(
        "plug-ins have their own ids",
        MANIFEST,
        (["another", None], ["another", None], ["ids_differ"]),
        compiled=True,
    ),
    Case("threads take turns", MANIFEST, (["threads", "count", "", 8], "count")),
    Case("a closed plug-in", MANIFEST, ("count", ["close"], "count")),
    Case(
        "input of every size",
        MANIFEST,
        tuple(call("output_then_nothing", bytes(n)) for n in range(70)),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_lasts(duel, case):
    """State lasts as long, and no longer, call after call."""
    assert duel(case) == []
