"""Growth out of a budget: what is taken, what is given back, what is refused, and that nothing else changes."""

from __future__ import annotations

import pytest

from extism._engine.engine import Settings, shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._wasm.marks import ENDED, REFUSED, STRICT
from extism._wasm.meter import meter, starting_bytes
from extism._wasm.names import names_of
from extism._wasm.reader import read
from extism.errors import WasmError

PAGE = 65536
WIDE = Settings(has_memory64=True)


class Metered:
    """An instance of a metered module, with its budget."""

    def __init__(self, text, budget, *, takes_start=False, settings=None):
        engine = shared_engine(settings)
        self.store = Store(engine)
        home = engine.compile(
            wat_to_wasm(f'(module (global (export "b") (mut i64) (i64.const {budget})))')
        )
        self.home = Linker(engine).instantiate(self.store, home)
        self.wasm = meter(wat_to_wasm(text), "home", "b", takes_start=takes_start)
        linker = Linker(engine)
        linker.define_instance("home", self.home)
        self.made = linker.instantiate(self.store, engine.compile(self.wasm))

    @property
    def budget(self):
        return self.home.global_("b").value

    def call(self, name, *values, params=("i32",), results=("i32",)):
        """The result of an export, or the name of the trap that ended it."""
        function = self.made.function(name, params[: len(values)] or params, results)
        fault = function(None, *values)
        return function.results[0] if fault is None else fault.trap


MEMORY = """(module (memory 1 4) (func (export "grow") (param i32) (result i32)
    (memory.grow (local.get 0))))"""
TABLE = """(module (table 1 40 externref) (func (export "grow") (param i32) (result i32)
    (table.grow (ref.null extern) (local.get 0))))"""


@pytest.mark.parametrize(
    ("text", "by", "budget", "result", "left"),
    [
        pytest.param(MEMORY, 2, 2 * PAGE, 1, 0, id="all that there is"),
        pytest.param(MEMORY, 2, 5 * PAGE, 1, 3 * PAGE, id="a part"),
        pytest.param(MEMORY, 0, 0, 1, 0, id="nothing of nothing"),
        pytest.param(MEMORY, 3, 2 * PAGE, -1, 2 * PAGE | REFUSED, id="a page too much"),
        pytest.param(MEMORY, 1, PAGE - 16, -1, PAGE - 16 | REFUSED, id="16 bytes too much"),
        pytest.param(MEMORY, -1, 1 << 40, -1, 1 << 40 | REFUSED, id="2^32 - 1 pages"),
        pytest.param(MEMORY, 4, 9 * PAGE, -1, 9 * PAGE, id="more than the memory may have"),
        pytest.param(TABLE, 39, 39 * 16, 1, 0, id="all elements that there are"),
        pytest.param(TABLE, 5, 100 * 16, 1, 95 * 16, id="a few elements"),
        pytest.param(TABLE, 40, 39 * 16, -1, 39 * 16 | REFUSED, id="an element too much"),
        pytest.param(TABLE, 40, 90 * 16, -1, 90 * 16, id="more than the table may have"),
    ],
)
def test_growth_comes_out_of_the_budget(text, by, budget, result, left):
    """What is refused costs nothing; a refusal of the engine's is no refusal of the budget's."""
    made = Metered(text, budget)

    assert (made.call("grow", by), made.budget) == (result, left)


@pytest.mark.parametrize("text", [MEMORY, TABLE], ids=["memory", "table"])
def test_marks_cost_nothing(text):
    """All of them set, the last byte is still to be had and none beyond."""
    marks = REFUSED | ENDED | 8
    made = Metered(text, 2 * PAGE | marks)
    size = made.call("grow", 2)
    made.call("grow", 0)

    assert (size, made.budget) == (1, 2 * PAGE - (2 * PAGE if text is MEMORY else 32) | marks)


def test_a_strict_budget_ends_the_code():
    """With the trap of unreachable, marked; what was there before is there after."""
    made = Metered(MEMORY, PAGE | STRICT)

    assert (made.call("grow", 2), made.budget) == ("unreachable", PAGE | STRICT | ENDED)
    assert (made.call("grow", 1), made.budget) == (1, STRICT | ENDED)


@pytest.mark.parametrize(
    ("by", "budget", "result", "left"),
    [
        pytest.param(2, 2 * PAGE, 1, 0, id="all that there is"),
        pytest.param(3, 2 * PAGE, -1, 2 * PAGE | REFUSED, id="too much"),
        pytest.param(1 << 47, 1 << 62, -1, 1 << 62 | REFUSED, id="2^63 bytes"),
        pytest.param(1 << 48, 1 << 62, -1, 1 << 62 | REFUSED, id="2^64 bytes, 0 if they wrapped"),
        pytest.param(-1, 1 << 62, -1, 1 << 62 | REFUSED, id="2^80 bytes"),
        pytest.param(7, 1 << 62, -1, 1 << 62, id="more than the memory may have"),
    ],
)
def test_memories_of_64_bits(by, budget, result, left):
    """Counts are i64, and none wraps around to something small."""
    made = Metered(
        """(module (memory i64 1 4) (func (export "grow") (param i64) (result i64)
          (memory.grow (local.get 0))))""",
        budget,
        settings=WIDE,
    )

    assert made.call("grow", by, params=("i64",), results=("i64",)) == result
    assert made.budget == left


def test_tables_of_64_bits_and_of_typed_references():
    """An element counts 16 bytes whatever it is; new ones have the value that was given."""
    made = Metered(
        """(module (type $f (func (result i32)))
          (table $t i64 1 (ref $f) (ref.func $five))
          (func $five (type $f) (i32.const 5)) (func $six (type $f) (i32.const 6))
          (elem declare func $six)
          (func (export "grow") (param i64) (result i64)
            (table.grow $t (ref.func $six) (local.get 0)))
          (func (export "call") (param i64) (result i32)
            (call_indirect $t (type $f) (local.get 0))))""",
        16 * 3,
        settings=WIDE,
    )

    assert [made.call("grow", by, params=("i64",), results=("i64",)) for by in (1 << 60, 2, 2)] == [
        -1,
        1,
        -1,
    ]
    assert [made.call("call", at, params=("i64",)) for at in (0, 2)] == [5, 6]


def test_every_memory_and_table_has_its_own_functions():
    """Each instruction grows what it named; all of them share the budget."""
    made = Metered(
        """(module (memory $a 1) (memory $b 2) (table $t 3 funcref) (table $u 4 externref)
          (func (export "a") (param i32) (result i32) (memory.grow $a (local.get 0)))
          (func (export "b") (param i32) (result i32) (memory.grow $b (local.get 0)))
          (func (export "t") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
          (func (export "u") (param i32) (result i32)
            (drop (table.grow $u (ref.null extern) (local.get 0))) (table.grow $u (ref.null extern) (local.get 0))))""",
        4 * PAGE,
    )

    assert [made.call(name, 1) for name in "abtu"] == [1, 2, 3, 5]
    assert made.budget == 2 * PAGE - 3 * 16
    assert sorted(names_of(read(made.wasm)).values()) == [
        "memory.grow",
        "memory.grow",
        "table.grow",
        "table.grow",
    ]


def test_imported_memories_and_tables_are_metered():
    """They are somebody's all the same; the one who grows them pays."""
    engine = shared_engine()
    text = """(module (import "m" "m" (memory 1)) (import "m" "t" (table 1 funcref))
      (func (export "f") (drop (memory.grow (i32.const 1)))
        (drop (table.grow (ref.null func) (i32.const 1)))))"""
    found = read(meter(wat_to_wasm(text), "home", "b"))
    engine.compile(found.data)

    assert len(found.function_type_indices) == 3


def test_functions_keep_their_numbers_and_globals_their_meaning():
    """The budget comes before the module's own globals, which are found in code, exports, data and elements."""
    made = Metered(
        """(module (global $at i32 (i32.const 8)) (global $n (export "n") (mut i32) (i32.const 40))
          (memory (export "m") 1) (data (i32.const 8) "data")
          (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (drop (memory.grow (i32.const 1))) (global.get $n)))""",
        3 * PAGE,
    )
    found = [made.call("next") for _ in range(2)]

    assert (found, made.made.global_("n").value, made.budget) == ([41, 42], 42, PAGE)
    assert bytes(made.made.memory("m").view()[8:12]) == b"data"
    assert read(made.wasm).export("next").index == 0


@pytest.mark.parametrize(
    "text",
    [
        "(module)",
        '(module (memory 1) (table 1 funcref) (func (export "size") (result i32) (memory.size)))',
        "(module (memory 1) (func (result i32) (i32.const 0x40) (i32.const 0x4040) (i32.add)))",
    ],
)
def test_a_module_that_never_grows_stays_as_it_is(text):
    """Byte for byte, also where its bytes look like growth."""
    wasm = wat_to_wasm(text)

    assert meter(wasm, "home", "b") == wasm


def test_growth_in_dead_code_is_found():
    """Code that the engine never looks at for its values must still be valid."""
    text = """(module (memory 1) (func (export "f") (result i32)
        (return (i32.const 1)) (memory.grow) (drop) (memory.grow)))"""

    assert Metered(text, 0).call("f") == 1


def test_padded_indices_are_understood():
    """`memory.grow` with its index in five bytes is the same instruction."""
    wasm = wat_to_wasm(MEMORY)
    assert wasm.count(bytes.fromhex("0a 08 01 06 00 20 00 40 00 0b")) == 1
    padded = wasm.replace(
        bytes.fromhex("0a 08 01 06 00 20 00 40 00 0b"),
        bytes.fromhex("0a 0c 01 0a 00 20 00 40 80 80 80 80 00 0b"),
    )

    assert meter(padded, "home", "b") == meter(wasm, "home", "b")


@pytest.mark.parametrize("body", ["00 40 05 0b", "00 fc 0f 05 0b"], ids=["a memory", "a table"])
def test_growth_of_what_is_not_there_is_malformed(body):
    """It is told as such, with what there is."""
    code = bytes.fromhex(body)
    wasm = (
        b"\0asm\1\0\0\0"
        + bytes.fromhex("01 04 01 60 00 00 03 02 01 00")
        + bytes((10, len(code) + 2, 1, len(code)))
        + code
    )
    with pytest.raises(WasmError, match="5 of 0"):
        meter(wasm, "home", "b")


STARTS = """(module (memory 2) (memory 1) (table 10 funcref)
  (global $started (export "started") (mut i32) (i32.const 0))
  (func $start (global.set $started (i32.const 1))) {} (func (export "f")))"""


@pytest.mark.parametrize("start", ["(start $start)", ""])
def test_what_an_instance_begins_with_may_be_taken_too(start):
    """When it is made, before its own start function runs."""
    made = Metered(STARTS.format(start), 4 * PAGE, takes_start=True)

    assert made.budget == PAGE - 160
    assert made.made.global_("started").value == bool(start)


def test_an_instance_without_room_is_not_made():
    """It ends before its start function, strict or not, and takes nothing."""
    made = Metered(STARTS.format("(start $start)"), 3 * PAGE, takes_start=True)

    assert (made.made.trap, made.budget) == ("unreachable", 3 * PAGE | ENDED)


def test_what_modules_begin_with_is_counted_without_imports():
    """Pages of memories and elements of tables of their own."""
    module = read(
        wat_to_wasm(
            """(module (import "m" "m" (memory 7)) (import "m" "t" (table 7 funcref))
              (memory 2) (memory 3) (table 10 funcref) (table 1 externref))"""
        )
    )

    assert starting_bytes(module) == (5 * PAGE, 11 * 16)


def cut_off(fuel):
    """How many pages a memory has grown, and how many are missing from the budget, when the fuel has ended."""
    text = """(module (memory (export "m") 1) (func (export "grow")
      (loop $next (drop (memory.grow (i32.const 1))) (br $next))))"""
    made = Metered(text, 1000 * PAGE, settings=Settings(has_fuel=True))
    made.store.set_fuel(fuel)

    assert made.call("grow", params=(), results=()) == "out of fuel"
    return made.made.memory("m").size // PAGE - 1, 1000 - made.budget // PAGE


def test_code_that_is_cut_off_leaves_the_budget_right():
    """Wherever the fuel ends, what is missing from the budget is what the memory has grown by."""
    found = [cut_off(fuel) for fuel in range(1, 120)]

    assert [grown for grown, _ in found] == [taken for _, taken in found]
    assert found[-1][0] > 3
