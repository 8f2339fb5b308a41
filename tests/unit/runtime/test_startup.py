"""Which initialisers run, in which order, and what they have to look like."""

from __future__ import annotations

import pytest

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._runtime.startup import initialise, initialise_library, runs_code
from extism._wasm.reader import read
from extism.errors import LinkError

HS = '(func (export "hs_init") (param i32 i32) (call $tell (i32.const 1)))'
HS_ANSWERS = '(func (export "hs_init") (param i32 i32) (result i32) (call $tell (i32.const 1)) (i32.const 9))'
HS_WRONG = '(func (export "hs_init") (param i64))'
CTORS = '(func (export "__wasm_call_ctors") (call $tell (i32.const 2)))'
CTORS_WRONG = '(func (export "__wasm_call_ctors") (param i32))'
INIT = '(func (export "_initialize") (call $tell (i32.const 3)))'
INIT_WRONG = '(func (export "_initialize") (result i32) (i32.const 0))'
START = '(func (export "_start") (call $tell (i32.const 4)))'


def ran(how, *fields, section=""):
    """The numbers that the initialisers of a module told, in order; or the fault."""
    told = []
    linker = Linker(shared_engine())
    linker.define_function("host", "tell", ("i32",), (), lambda _data, n: told.append(n) or ())
    wasm = wat_to_wasm(
        f'(module (import "host" "tell" (func $tell (param i32))) {" ".join(fields)} {section})'
    )
    outline = read(wasm)
    instance = linker.instantiate(Store(shared_engine()), shared_engine().compile(wasm))
    fault = how(instance, outline.exported_functions(), None)
    return told if fault is None else fault


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), []),
        ((START,), []),
        ((INIT,), [3]),
        ((CTORS,), [2]),
        ((CTORS, INIT), [2]),
        ((CTORS_WRONG, INIT), []),
        ((HS,), [1]),
        ((HS_ANSWERS,), [1]),
        ((HS, INIT), [3, 1]),
        ((HS, CTORS), [1]),
        ((HS, CTORS, INIT), [3, 1]),
        ((HS, INIT_WRONG), [1]),
        ((INIT, START), [3]),
    ],
)
def test_the_main_module_runs_one_of_them(fields, expected):
    """hs_init before the constructors before _initialize; `_start` never."""
    assert ran(initialise, *fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [((), []), ((INIT,), [3]), ((CTORS,), []), ((HS,), []), ((HS, CTORS, INIT), [3])],
)
def test_a_library_runs_only_its_initialize(fields, expected):
    """Nothing else, whatever it exports."""
    assert ran(initialise_library, *fields) == expected


@pytest.mark.parametrize(
    ("how", "field", "text"),
    [
        (initialise, INIT_WRONG, "_initialize must have no parameters and no results"),
        (initialise_library, INIT_WRONG, "_initialize must have no parameters and no results"),
        (initialise, HS_WRONG, "failed to initialize Haskell using hs_init"),
    ],
)
def test_an_initialiser_of_another_type_is_refused(how, field, text):
    """The text shows what it is."""
    with pytest.raises(LinkError, match=text):
        ran(how, field)


def test_a_trap_is_told_and_ends_the_row():
    """What comes after a failed initialiser does not run."""
    trap = '(func (export "_initialize") unreachable)'

    assert ran(initialise, trap, HS).trap == "unreachable"


@pytest.mark.parametrize(
    ("text", "main", "library"),
    [
        ("(module)", False, False),
        (f"(module {START.replace('(call $tell (i32.const 4))', '')})", False, False),
        ("(module (func $f) (start $f))", True, True),
        ('(module (func (export "_initialize")))', True, True),
        ('(module (func (export "__wasm_call_ctors")))', True, False),
        ('(module (func (export "__wasm_call_ctors") (param i32)))', False, False),
        ('(module (func (export "hs_init") (param i32 i32)))', True, False),
    ],
)
def test_whether_code_runs_is_known_before(text, main, library):
    """From the module's bytes alone."""
    outline = read(wat_to_wasm(text))

    assert (runs_code(outline, is_main=True), runs_code(outline, is_main=False)) == (main, library)
