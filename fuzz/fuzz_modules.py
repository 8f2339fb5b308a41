"""Modules with faults: read, described, weighed, rebuilt; what the engine takes runs the same fused and apart."""

from __future__ import annotations

import random

from random_guests import Writer
from wat_guests import ECHO, SHOUT, STATEFUL, UNREACHABLE, wat

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._wasm.dump import dump
from extism._wasm.names import names_of, producers
from extism._wasm.outline import Outline
from extism._wasm.reader import Module, read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.writer import write_sections
from extism.errors import CompileError, WasmError
from extism.limits import check_weight
from fuzz.bytes import mutated
from fuzz.case import Finding, Target
from fuzz.ends import UNTOLD, of_plugin

ALL_KINDS = """(module $named
  (type $t (func (param i32) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (memory (export "m") 1 9) (memory $other 1)
  (table $table (export "table") 3 9 funcref) (table 2 externref)
  (global $g (export "global") (mut i32) (i32.const 5)) (global f64 (f64.const 2.5))
  (tag $tag (export "tag") (param i32))
  (func $f (type $t) (i64.extend_i32_u (i32.add (local.get 0) (global.get $g))))
  (func (export "run") (result i32) (local $x i64) (local v128)
    (local.set $x (call $f (i32.const 3)))
    (block $b (loop $l
      (br_if $b (i64.gt_u (local.get $x) (i64.const 40)))
      (local.set $x (i64.add (local.get $x) (call $length)))
      (local.set $x (i64.add (local.get $x) (i64.const 1)))
      (br $l)))
    (drop (memory.grow (i32.const 1))) (memory.fill (i32.const 9) (i32.const 1) (i32.const 20))
    (memory.copy $other 0 (i32.const 0) (i32.const 8) (i32.const 9))
    (drop (table.grow $table (ref.null func) (i32.const 1)))
    (i32.wrap_i64 (call_indirect (type $t) (i32.const 7) (i32.const 0))))
  (func (export "throws") (throw $tag (i32.const 1)))
  (func (export "branches") (result i32)
    (block (block (block (br_table 0 1 2 (i32.wrap_i64 (call $length)))) (return (i32.const 1)))
      (return (i32.const 2))) (i32.const 0))
  (func $start (global.set $g (i32.const 6)))
  (start $start)
  (elem (i32.const 0) $f $start) (elem declare func $f)
  (data (i32.const 8) "some text") (data $passive "more")
  (@custom "extism.frail" "with content"))"""


class Fuzz(Target):
    """See the module."""

    def __init__(self) -> None:
        texts = [ECHO, SHOUT, STATEFUL, UNREACHABLE, ALL_KINDS, wat('(func (export "nothing"))')]
        texts += [Writer(random.Random(number)).module() for number in range(6)]
        self._corpus = [wat_to_wasm(text) for text in texts]
        self._engine = shared_engine()

    def case(self, dice: random.Random) -> None:
        """Break a module and do everything with it."""
        data = mutated(dice, dice.choice(self._corpus))
        self._look(data)
        is_valid = self._is_valid(data)
        inputs = [b"", dice.randbytes(dice.randrange(40))]
        source = {"wasm": [{"data": data}], "memory": {"max_pages": 64}, "timeout_ms": 500}
        if not is_valid:
            ends = of_plugin(source, fuse=True, inputs=inputs)
            if len(ends) != 1 or not isinstance(ends[0], tuple):
                raise Finding(f"the engine refuses what was run: {ends}"[:300], data)
            return
        together, apart = (of_plugin(source, fuse=fuse, inputs=inputs) for fuse in (True, False))
        if any("the toolkit does not" in str(end) for end in apart):
            raise Finding(f"the engine takes what is not read: {apart}"[:400], data)
        if UNTOLD not in together + apart and together != apart:
            raise Finding(f"fused {together}, apart {apart}"[:600], data)

    def _look(self, data: bytes) -> None:
        """Ask for everything that a module says; only `WasmError` may come of it."""
        try:
            module = read(data)
        except WasmError:
            return
        for ask in _QUESTIONS:
            try:
                ask(module)
            except WasmError:
                continue
        if write_sections(module.sections) != data:
            raise Finding("sections written as they were read are other bytes", data)
        try:
            same = write_sections(rebuild(module, Changes()))
            check_weight(data, "main")
        except (WasmError, CompileError):
            return
        if same != data:
            raise Finding("a module rebuilt without a change is another one", data)

    def _is_valid(self, data: bytes) -> bool:
        try:
            self._engine.validate(data)
        except CompileError:
            return False
        return True


_QUESTIONS = (
    lambda module: module.types,
    lambda module: module.imports,
    lambda module: module.tables,
    lambda module: module.memories,
    lambda module: module.tags,
    lambda module: module.globals,
    lambda module: [module.type_of(export) for export in module.exports],
    lambda module: module.start,
    lambda module: module.elements,
    lambda module: module.data_count,
    lambda module: module.data_segments,
    Module.exported_functions,
    names_of,
    producers,
    dump,
    lambda module: Outline.from_note(Outline.of(module).to_note()),
)
