"""An outline says of a module what the module says of itself, as far as others ask; and so does its note."""

from __future__ import annotations

import pytest

from extism._engine.engine import wat_to_wasm
from extism._wasm.outline import Outline
from extism._wasm.reader import read
from extism.errors import WasmError

MODULES = {
    "all kinds": """(module
      (type $t (func (param i32) (result i64)))
      (import "env" "f" (func $f (type $t)))
      (import "env" "m" (memory 1 9))
      (import "env" "t" (table 1 9 externref))
      (import "env" "g" (global i64))
      (import "env" "e" (tag (param f32)))
      (table (export "table") 3 funcref)
      (memory (export "memory") i64 2)
      (global (export "global") (mut i32) (i32.const 5))
      (tag (export "tag") (param i32))
      (func (export "run") (result i32) (i32.const 1))
      (export "again" (func $f))
      (func $start)
      (start $start)
      (elem (i32.const 0) $start)
      (data (i32.const 0) "a long text that nobody wants to read")
      (@custom "extism.frail" "with content")
      (@custom "wanted" "its content"))""",
    "nothing": "(module)",
    "odd types": """(module
      (rec (type $f (func (param i32))) (type (func)))
      (type $plain (func (param i32)))
      (import "env" "odd" (func (type $f)))
      (import "env" "plain" (func (type $plain)))
      (import "env" "m" (memory 1)))""",
    "many functions": f'(module {"(func (param i32))" * 300} (func (export "last") (result f64) (f64.const 0)))',
}


def facts(module):
    """All that others ask."""
    return {
        "imports": module.imports,
        "exports": module.exports,
        "types": [module.type_of(each) for each in (*module.imports, *module.exports)],
        "functions": list(module.exported_functions().items()),
        "found": [module.export(name) for name in ("run", "memory", "nothing")],
        "memories": module.memories,
        "tables": module.tables,
        "imported": [module.imported_count(kind) for kind in ("func", "memory", "table", "tag")],
        "plain": [module.is_plain(each) for each in module.imports],
        "start": module.start,
        "custom": sorted(module.custom),
    }


@pytest.mark.parametrize("name", MODULES)
def test_an_outline_answers_as_its_module(name):
    """And what its note becomes is the same outline."""
    module = read(wat_to_wasm(MODULES[name]))
    outline = Outline.of(module)

    assert facts(outline) == facts(module)
    assert facts(Outline.from_note(outline.to_note())) == facts(module)
    assert Outline.from_note(outline.to_note()) == outline


def test_types_that_are_not_plain_are_told():
    """They stand in a group, and are no types of the first version."""
    outline = Outline.of(read(wat_to_wasm(MODULES["odd types"])))

    assert [outline.is_plain(each) for each in outline.imports] == [False, True, True]


def test_a_note_is_small():
    """Code, data and the content of custom sections are not in it, but for those that were asked for."""
    module = read(wat_to_wasm(MODULES["all kinds"]))
    note = Outline.of(module, ("wanted", "not there")).to_note()

    assert b"long text" not in note
    assert b"with content" not in note
    assert Outline.from_note(note).custom == {
        "extism.frail": b"",
        "name": b"",
        "wanted": b"its content",
    }


def test_a_type_is_in_a_note_once():
    """Hundreds of functions have a handful of types."""
    exports = "".join(f'(func (export "{n}") (param {"i64 " * 50}))' for n in range(100))
    note = Outline.of(read(wat_to_wasm(f"(module {exports})"))).to_note()

    assert note.count(b"i64") == 50


def test_a_malformed_section_shows_at_once():
    """Not in the middle of something else."""
    broken = read(b"\0asm\1\0\0\0\x07\x03\x05ab")
    with pytest.raises(WasmError):
        Outline.of(broken)
