"""WebAssembly itself, on both packages: proposals that are on and off, text and binary, odd modules."""

from __future__ import annotations

import pytest
from peer_guests import data, module, text

from peer import Case

pytestmark = pytest.mark.peer

ON = {
    "SIMD": "(i64x2.extract_lane 0 (i64x2.add (v128.const i64x2 40 1) (v128.const i64x2 2 1)))",
    "relaxed SIMD": """(i64x2.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 1 2 3 4)))""",
    "several results": "(i64.add (call $two))",
    "bulk memory": "(memory.fill (i32.const 0) (i32.const 7) (i32.const 8)) (i64.load (i32.const 0))",
    "passive data": """(memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 8))
        (data.drop $bytes) (i64.load (i32.const 0))""",
    "saturating conversion": "(i64.trunc_sat_f64_s (f64.const 1e300))",
    "sign extension": "(i64.extend8_s (i64.const 0x80))",
    "reference types": "(i64.extend_i32_u (ref.is_null (table.get $refs (i32.const 0))))",
    "tail calls": "(call $down (i64.const 100000))",
    "typed function references": "(call_ref $long (ref.func $five))",
    "exceptions": """(block $caught (result i64)
        (try_table (catch $tag $caught) (throw $tag (i64.const 99))) (i64.const 1))""",
    "several memories": "(i64.store $second (i32.const 0) (i64.const 5)) (i64.load $second (i32.const 0))",
    "wide arithmetic": "(i64.add (i64.mul_wide_u (i64.const -1) (i64.const 2)))",
    "extended constants": "(global.get $sum)",
}

AROUND = """
  (memory 1) (memory $second 1)
  (data $bytes "\\01\\02\\03\\04\\05\\06\\07\\08")
  (global $sum i64 (i64.add (i64.const 40) (i64.const 2)))
  (table $refs 2 externref)
  (type $long (func (result i64)))
  (tag $tag (param i64))
  (func $five (type $long) (i64.const 5)) (elem declare func $five)
  (func $two (result i64 i64) (i64.const 40) (i64.const 2))
  (func $down (param i64) (result i64)
    (if (i64.eqz (local.get 0)) (then (return (i64.const 3))))
    (return_call $down (i64.sub (local.get 0) (i64.const 1))))"""

OFF = {
    "shared memory": "(module (memory 1 2 shared))",
    "atomics": "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
    "custom page sizes": "(module (memory 1 (pagesize 1)))",
    "old exceptions": "(module (tag $t) (func try (throw $t) catch $t end))",
    "a component": "(component)",
    "an empty component": b"\0asm\x0d\x00\x01\x00",
}

LATER = {
    "garbage collection": """(type $pair (struct (field i64) (field i64)))
        (func (export "run") (call $give_i64
          (struct.get $pair 0 (struct.new $pair (i64.const 8) (i64.const 9)))))""",
    "64-bit memory": """(memory $wide i64 1)
        (func (export "run") (call $give_i64 (i64.load (i64.const 0))))""",
}

ODD = {
    "nothing at all": "(module)",
    "a name section": '(module $named (func $f (export "run")))',
    "a custom section": '(module (@custom "of ours" "bytes") (func (export "run")))',
    "many functions": f'(module {"(func)" * 3000} (func (export "run")))',
    "many locals": f'(module (func (export "run") (local {"i64 " * 3000})))',
    "a deep block": f'(module (func (export "run") {"(block " * 500}{")" * 500}))',
    "a large table": '(module (table 100000 funcref) (func (export "run")))',
    "a large memory": '(module (memory 1000) (func (export "run")))',
    "a maximum of 4 GiB": '(module (memory 1 65536) (func (export "run")))',
    "imports of no name": '(module (import "" "" (func)))',
}

BINARY = (
    b"\0asm\x01\0\0\0"
    + bytes([1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 7, 1, 3])
    + b"run"
    + bytes([0, 0, 10, 4, 1, 2, 0, 0x0B])
)
BROKEN = {
    "only the magic number": b"\0asm",
    "another version": b"\0asm\x02\0\0\0",
    "cut off": BINARY[:-3],
    "trailing bytes": BINARY + b"\xff\xff",
    "a section twice": BINARY + BINARY[8:14],
    "an unknown section": BINARY + bytes([99, 1, 0]),
    "a body that is too long": BINARY[:-4] + bytes([9, 0, 0x0B, 0x0B]),
}


def running(body: str) -> dict:
    return module(f'{AROUND} (func (export "run") {body} (call $give_i64))')


CASES = [
    *[Case(f"feature: {name}", running(body), ("run",)) for name, body in ON.items()],
    *[
        Case(f"off: {name}", {"wasm": [data(body)]}, ("run",), refused=name != "atomics")
        for name, body in OFF.items()
    ],
    *[Case(f"off here: {name}", module(body), ("run",)) for name, body in LATER.items()],
    *[
        Case(f"module: {name}", text(body), ("run",), refused=name == "imports of no name")
        for name, body in ODD.items()
    ],
    Case("binary", {"wasm": [data(BINARY)]}, ("run",)),
    *[
        Case(f"broken: {name}", {"wasm": [data(body)]}, ("run",), refused=True)
        for name, body in BROKEN.items()
    ],
    *[
        Case(f"broken, as it is: {name}", body, ("run",), refused=True)
        for name, body in BROKEN.items()
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_webassembly(duel, case):
    """The same modules run, with the same results; the same ones are refused."""
    assert duel(case) == []
