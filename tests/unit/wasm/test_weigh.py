"""Weighing: what makes a compiler work, counted from the bytes."""

from __future__ import annotations

import pytest

from extism._engine.engine import wat_to_wasm
from extism._wasm.initial import initial_steps
from extism._wasm.reader import read
from extism._wasm.weigh import weights
from extism.errors import WasmError

FILL = "(nop)" * 1100
"""Enough that a function is looked at."""


def heaviest(text: str, shallow: int = 0) -> dict[str, int]:
    """The largest weight by rule."""
    found: dict[str, int] = {}
    for rule, value, _ in weights(read(wat_to_wasm(text)), shallow):
        found[rule] = max(found.get(rule, 0), value)
    return found


def test_a_module_without_code_weighs_its_bytes():
    """There is nothing else to ask."""
    assert heaviest("(module)") == {"module_bytes": 8, "entries": 0}


def test_entries_are_counted_in_every_section():
    """Two types, an import, a function, a table, a global, two exports, a segment; data costs nothing."""
    text = """(module (type (func)) (type (func (param i32))) (import "a" "b" (func (type 0)))
      (func (export "f") (type 1)) (table 1 funcref) (global (export "g") i32 (i32.const 1))
      (elem (i32.const 0) 1) (memory 1) (data "x"))"""

    assert heaviest(text)["entries"] == 9


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ("(table 1 funcref) (elem (i32.const 0) 0 0 0 0 0 0 0 0)", 2),
        ("(table 1 funcref) (elem (i32.const 1048568) 0 0 0 0 0 0 0 0)", 2),
        ("(table 1 funcref) (elem (i32.const 1048569) 0 0 0 0 0 0 0 0)", 54),
        ("(table 1 funcref) (elem (i32.const -8) 0 0 0 0 0 0 0 0)", 54),
        ('(import "a" "t" (table 1 funcref)) (elem (i32.const 0) 0 0 0)', 24),
        ("(table 1 funcref) (elem (table 0) (i32.const 0) func 0 0 0 0)", 1),
        ("(elem func 0 0 0)", 24),
        ("(elem declare func 0 0 0 0)", 1),
        ("(elem funcref (ref.func 0) (ref.null func))", 20),
        ("(table 1 funcref) (elem (i32.add (i32.const 0) (i32.const 1)) 0)", 15),
        ('(memory 1) (data (i32.const 5) "x") (data "y")', 0),
        ('(memory 1) (data (i32.add (i32.const 5) (i32.const 7)) "x") (data "y")', 3),
        ("(global i32 (i32.const 1)) (global i64 (i64.const -9223372036854775808))", 0),
        (f"(global i32 {'(i32.add (i32.const 1) ' * 100}(i32.const 1){')' * 100})", 96),
        (f"(global i32 {'(i32.add (i32.const 1) ' * 40}(i32.const 1){')' * 40}) (type (func))", 36),
    ],
)
def test_initial_values_count_what_code_takes_for_them(fields, steps):
    """Numbers, and functions in the first places of a table, take none; all else, as it is made of."""
    module = read(wat_to_wasm(f"(module {fields} (func))"))
    *_, found = [0, *initial_steps(module)]

    assert found == steps


def test_bytes_and_locals_are_counted_in_every_function():
    """The largest function counts, and the sum of the locals."""
    found = heaviest("(module (func (local i32 i32 i64)) (func (local f32) (nop)))")

    assert (found["function_bytes"], found["locals"]) == (6, 4)


def test_blocks_count_as_deep_as_they_lie_inside_each_other():
    """Neighbours do not add up."""
    found = heaviest(f"(module (func {FILL} (block (loop (block))) (block)))")

    assert found["nesting"] == 3


def test_functions_with_few_blocks_are_not_asked_how_deep_they_are():
    """They cannot be deeper than they have blocks."""
    assert "nesting" not in heaviest(f"(module (func {FILL} (block (block))))", shallow=2)


def test_targets_of_jump_tables_add_up():
    """Over all functions, the default not counted."""
    body = f"{FILL} (block (br_table 0 0 0 0 (i32.const 0)))"

    assert heaviest(f"(module (func {body}) (func {body}))")["jump_targets"] == 6


# n x + 8 l x + n v / 8 + l v / 2 + n n / 32 + l l / 2 + 100 c
@pytest.mark.parametrize(
    ("code", "tangle"),
    [
        pytest.param("(block)" * 64, 64 * 64 // 32, id="blocks"),
        pytest.param("(loop)" * 64, 64 * 64 // 32 + 64 * 64 // 2, id="loops"),
        pytest.param("(local i32 i32 i32) " + "(block)" * 64, 64 * 3 + 128, id="variables"),
        pytest.param("(local i32 i32 i32) " + "(loop)" * 64, 9 * 64 * 3 + 128 + 2048, id="both"),
        pytest.param(
            "(drop (block (result i32) (i32.const 0)))" * 64, 64 * 64 // 8 + 128, id="value"
        ),
        pytest.param(
            "(drop (drop (block (result i32 i64) (i32.const 0) (i64.const 0))))" * 64,
            64 * 128 // 8 + 128,
            id="values",
        ),
        pytest.param("(drop (drop (call $two)))" * 3, 600, id="calls"),
        pytest.param("(drop (call $one))" * 3, 0, id="plain calls"),
        pytest.param("(if (i32.const 0) (then))" * 64, 128, id="ifs"),
    ],
)
def test_the_tangle_of_a_function_is_the_formula(code, tangle):
    """As the head of the module says it."""
    locals_, _, rest = code.partition(") ") if code.startswith("(local") else ("", "", code)
    text = f"""(module
        (func $one (result i32) (i32.const 0))
        (func $two (result i32 i32) (i32.const 0) (i32.const 0))
        (func {locals_ and locals_ + ")"} {FILL} {rest}))"""

    assert heaviest(text, shallow=1000)["function_tangle"] == tangle


def test_parameters_are_variables_too():
    """A compiler follows them the same way."""
    found = heaviest(f"(module (func (param i32 i32) {FILL} {'(block)' * 64}))")

    assert found["function_tangle"] == 64 * 2 + 128


def test_the_tangles_of_all_functions_add_up():
    """Many functions below the limit are as bad as one above it."""
    function = f"(func {FILL} {'(block)' * 64})"

    assert heaviest(f"(module {function * 5})")["module_tangle"] == 5 * 128


def test_small_functions_are_not_walked():
    """They cannot tangle much, and are most of all functions."""
    assert "function_tangle" not in heaviest("(module (func (loop)))")


def test_code_that_cannot_be_read_is_said_so():
    """An unknown opcode, in a function that is large enough to be looked at."""
    wasm = bytearray(wat_to_wasm(f"(module (func {FILL}))"))
    wasm[-100] = 0x27

    with pytest.raises(WasmError, match="unknown opcode 0x27"):
        list(weights(read(wasm)))
