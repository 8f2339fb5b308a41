"""shim: a loaded interpreter gets the names of its exports and the functions of its host."""

from __future__ import annotations

import pytest
import wasmtime

from extism._compiler.doors import SPARE_SLOTS
from extism._compiler.interface import HostFunction
from extism._compiler.shim import shim
from extism._wasm.reader import read
from extism.errors import BuildError

# An interpreter whose export number n calls slot 1 + n of its table with 1, 2, 3, 4, 5; slots from 2 on are spare.
INTERPRETER = """
(module
  (type $slot (func (param i64 i64 i64 i64 i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (table 258 258 funcref)
  (elem (i32.const 1) func $own)
  (memory 1)
  (global $sp (mut i32) (i32.const 1024))
  (func $own (type $slot) (i64.const 77))
  (func $py_invoke (param i32) (result i32)
    (i32.wrap_i64
      (call_indirect (type $slot)
        (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
        (i32.add (i32.const 1) (local.get 0)))))
  (func $py_load (result i32) (drop (call $alloc (i64.const 1))) (i32.const 0))
  (export "memory" (memory 0))
  (export "__indirect_function_table" (table 0))
  (export "__stack_pointer" (global $sp))
  (export "py_load" (func $py_load))
  (export "py_invoke" (func $py_invoke)))
"""

EAT = HostFunction("extism:host/user", "eat", 2, True, "a.py", 1)
DRINK = HostFunction("bar", "drink", 5, False, "a.py", 2)
REST = HostFunction("bar", "rest", 0, True, "a.py", 3)


@pytest.fixture(scope="module")
def core():
    return bytes(wasmtime.wat2wasm(INTERPRETER))


@pytest.fixture
def run():
    """Instantiate a module with host functions by name; return a function that calls an export."""

    def run(wasm, functions=()):
        engine = wasmtime.Engine()
        module = wasmtime.Module(engine, wasm)
        linker, store = wasmtime.Linker(engine), wasmtime.Store(engine)
        given = {"alloc": lambda _: 0, "sched_yield": lambda: 0} | dict(functions)
        for item in module.imports:
            linker.define_func(item.module, item.name, item.type, given[item.name])
        exports = linker.instantiate(store, module).exports(store)
        return lambda name: exports[name](store)

    return run


def surface(wasm):
    module = read(wasm)
    return (
        [f"{item.module}/{item.name} {item.type}" for item in module.imports],
        [f"{item.name} {module.type_of(item)}" for item in module.exports],
    )


def test_exports_have_their_names_and_numbers(core, run):
    """Each is a function of no parameters that calls the interpreter with its number."""
    wasm = shim(core, ["greet"], [])

    assert surface(wasm) == (
        [
            "extism:host/env/alloc (func (param i64) (result i64))",
            "wasi_snapshot_preview1/sched_yield (func (result i32))",
        ],
        ["memory (memory 1)", "greet (func (result i32))"],
    )
    assert run(wasm)("greet") == 77


def test_host_functions_stand_in_their_slots(core, run):
    """Through the table each gets the parameters that it has; without a result the caller sees 0."""
    calls = []
    wasm = shim(core, ["own", "first", "second", "third"], [EAT, DRINK, REST])
    call = run(
        wasm,
        {
            "eat": lambda *given: calls.append(given) or 7,
            "drink": lambda *given: calls.append(given),
            "rest": lambda *given: calls.append(given) or 9,
        },
    )

    assert surface(wasm)[0][2:] == [
        "extism:host/user/eat (func (param i64 i64) (result i64))",
        "bar/drink (func (param i64 i64 i64 i64 i64))",
        "bar/rest (func (result i64))",
    ]
    assert [call(name) for name in ("own", "first", "second", "third")] == [77, 7, 0, 9]
    assert calls == [(1, 2), (1, 2, 3, 4, 5), ()]


def test_more_host_functions_than_spare_slots(core, run):
    """The table grows by what is missing."""
    many = [
        HostFunction("bar", f"f{n}", 0, has_result=True, path="a.py", line=n)
        for n in range(SPARE_SLOTS + 2)
    ]
    wasm = shim(core, [f"e{n}" for n in range(SPARE_SLOTS + 3)], many)
    call = run(wasm, {row.name: lambda n=n: n for n, row in enumerate(many)})

    assert str(read(wasm).tables[0]) == "(table 260 260 funcref)"
    assert call(f"e{SPARE_SLOTS + 2}") == SPARE_SLOTS + 1


def test_a_name_that_the_interpreter_had_is_free(core, run):
    """A plug-in may call a function what the interpreter called its own."""
    assert run(shim(core, ["py_invoke", "py_load"], []))("py_invoke") == 77


def test_names_are_any_text(core):
    """Names of functions are UTF-8."""
    assert surface(shim(core, ["été"], []))[1][1] == "été (func (result i32))"


def test_equal_arguments_give_equal_bytes(core):
    """Nothing of the machine or the moment is in the module."""
    assert shim(core, ["a"], [EAT]) == shim(core, ["a"], [EAT])


@pytest.mark.parametrize(
    ("module", "name"),
    [("env", "alloc"), ("extism:host/env", "nonsense"), ("extism:host/user", "x")],
)
def test_an_import_that_no_host_gives_is_refused(module, name):
    """A module that no host could link never ships."""
    text = INTERPRETER.replace('"extism:host/env" "alloc"', f'"{module}" "{name}"')
    with pytest.raises(BuildError) as caught:
        shim(bytes(wasmtime.wat2wasm(text)), ["greet"], [])

    assert (
        str(caught.value) == f"the module would import {module}/{name}, which no Extism host gives"
    )


def test_a_module_without_memory_is_refused():
    """WASI needs the memory under its name: an interpreter without it is not one."""
    text = INTERPRETER.replace('(export "memory" (memory 0))', "")
    with pytest.raises(BuildError) as caught:
        shim(bytes(wasmtime.wat2wasm(text)), ["greet"], [])

    assert str(caught.value) == "the module would export greet"
