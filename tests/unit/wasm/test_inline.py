"""Bodies in place of calls: what is taken, where arguments go, and that nothing else changes."""

from __future__ import annotations

import pytest

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._wasm.cursor import Cursor
from extism._wasm.externs import FuncType
from extism._wasm.inline import Inlining, straight
from extism._wasm.model import SectionId
from extism._wasm.reader import read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.relocate import Renumbering, renumber_code
from extism._wasm.writer import write_sections
from extism.errors import WasmError


def body(text):
    """The body of the first function of a module of that one function."""
    section = read(wat_to_wasm(f"(module (memory 1) {text})")).section(SectionId.CODE)
    cursor = Cursor.over(section)
    cursor.count()
    inside = cursor.inner()
    return inside.data[inside.offset : inside.end]


def inlined(text, *functions):
    """The module with calls of these functions, by index, replaced."""
    module = read(wat_to_wasm(text))
    section = module.section(SectionId.CODE)
    cursor = Cursor.over(section)
    bodies = [cursor.inner() for _ in range(cursor.count())]
    taken = {
        at: straight(bodies[at].data[bodies[at].offset : bodies[at].end], module.func_type(at))
        for at in functions
    }
    params = [len(module.func_type(at).params) for at in range(len(bodies))]
    renumbering = Renumbering({"func": lambda index: index})
    changes = Changes()
    changes.replaced[SectionId.CODE] = renumber_code(section, renumbering, Inlining(taken, params))
    return write_sections(rebuild(module, changes))


def result(wasm, name, params, *values):
    engine = shared_engine()
    instance = Linker(engine).instantiate(Store(engine), engine.compile(wasm))
    run = instance.function(name, params, ("i64",))
    assert run(None, *values) is None
    return run.results[0]


MIXED = """(module (memory 1)
    (func $sub (param i64 i64) (result i64) (i64.sub (local.get 0) (local.get 1)))
    (func $pick (param i32 i64) (result i64)
      (if (result i64) (local.get 0) (then (local.get 1)) (else (i64.const -1))))
    (func $keep (param i64) (i64.store (i32.const 8) (local.get 0)))
    (func (export "run") (param i64) (result i64) (local i32) (local $x i64)
      (local.set 1 (i32.const 1))
      (call $keep (call $sub (local.get 0) (i64.const 3)))
      (local.set $x (call $sub (call $sub (i64.const 100) (local.get 0)) (i64.load (i32.const 8))))
      (loop $again
        (local.set $x (i64.add (local.get $x) (call $pick (local.get 1) (i64.const 5))))
        (br_if $again (i64.lt_s (local.get $x) (i64.const 1000))))
      (call $pick (i32.wrap_i64 (local.get $x)) (local.get $x))))"""


@pytest.mark.parametrize("value", [0, 7, -1, 500])
def test_a_body_does_what_the_call_did(value):
    """Order of arguments, calls inside arguments, results, blocks."""
    before = result(wat_to_wasm(MIXED), "run", ("i64",), value)

    assert result(inlined(MIXED, 0, 1, 2), "run", ("i64",), value) == before


def test_no_call_is_left():
    """Neither in the code nor, in a function that had none, anything new."""
    wasm = inlined(MIXED, 0, 1, 2)
    code = read(wasm).section(SectionId.CODE)

    assert renumber_code(code, Renumbering({"func": lambda index: index + 1})) is not None
    assert b"\x10\x00" not in bytes(code.payload)
    assert bytes(code.payload).startswith(
        bytes(read(wat_to_wasm(MIXED)).section(SectionId.CODE).payload)[:1]
    )


def test_functions_without_such_calls_stay_to_the_byte():
    """They get no scratch locals."""
    text = (
        '(module (func $f (result i64) i64.const 1) (func (export "run") (result i64) i64.const 2))'
    )

    assert inlined(text, 0) == wat_to_wasm(text)


def test_a_tail_call_is_none_of_those():
    """It leaves the caller, so it stays a call of the function."""
    text = """(module
        (func $f (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
        (func (export "run") (param i64) (result i64) (return_call $f (local.get 0))))"""

    assert result(inlined(text, 0), "run", ("i64",), 41) == 42


@pytest.mark.parametrize(
    "text",
    [
        "(func (return))",
        "(func (block (br 0)))",
        "(func (local i32))",
        "(func (block (br_table 0 (i32.const 0))))",
        "(func (return_call 0))",
    ],
)
def test_bodies_that_leave_are_refused(text):
    """And those with locals: they would have to be zero each time."""
    with pytest.raises(WasmError, match="cannot be put in place of a call"):
        straight(body(text), FuncType())
