"""shim: a loaded interpreter gets the names of its exports and the functions of its host."""

from __future__ import annotations

import struct

import pytest
import wasmtime

from extism._compiler.doors import SPARE_SLOTS
from extism._compiler.interface import Exported, HostFunction
from extism._compiler.shim import shim
from extism._wasm.externs import FuncType
from extism._wasm.reader import read
from extism.errors import BuildError

# An interpreter whose export number n calls slot 1 + n of its table on the frame at 16; export 300 fails. Slots from 2 on
# are spare.
INTERPRETER = """
(module
  (type $slot (func (param i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (table 258 258 funcref)
  (elem (i32.const 1) func $own)
  (memory 1)
  (global $sp (mut i32) (i32.const 1024))
  (func $own (type $slot) (i64.store (local.get 0) (i64.const 77)))
  (func $py_invoke (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 300)) (then (return (i32.const 1))))
    (call_indirect (type $slot) (i32.const 16) (i32.add (i32.const 1) (local.get 0)))
    (i32.const 0))
  (func $py_frame (param i32) (result i32) (i32.const 16))
  (func $py_load (result i32) (drop (call $alloc (i64.const 1))) (i32.const 0))
  (export "memory" (memory 0))
  (export "__indirect_function_table" (table 0))
  (export "__stack_pointer" (global $sp))
  (export "py_load" (func $py_load))
  (export "py_frame" (func $py_frame))
  (export "py_invoke" (func $py_invoke)))
"""

EAT = HostFunction("extism:host/user", "eat", FuncType(("i64", "i32"), ("i64",)), "a.py", 1)
DRINK = HostFunction("bar", "drink", FuncType(("f64", "f32")), "a.py", 2)
REST = HostFunction("bar", "rest", FuncType((), ("i32", "f64")), "a.py", 3)


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
        return lambda name, *given: exports[name](store, *given)

    return run


def surface(wasm):
    module = read(wasm)
    return (
        [f"{item.module}/{item.name} {item.type}" for item in module.imports],
        [f"{item.name} {module.type_of(item)}" for item in module.exports],
    )


def test_exports_have_their_names_and_numbers(core, run):
    """Each is a function of no parameters that calls the interpreter with its number."""
    wasm = shim(core, [Exported("greet")], [])

    assert surface(wasm) == (
        [
            "extism:host/env/alloc (func (param i64) (result i64))",
            "wasi_snapshot_preview1/sched_yield (func (result i32))",
        ],
        ["memory (memory 1)", "greet (func (result i32))"],
    )
    assert run(wasm)("greet") == 0


def test_host_functions_stand_in_their_slots(core, run):
    """Through the table each takes its parameters out of the frame, and leaves its results there."""
    calls = []
    names = ("own", "first", "second", "third")
    shared = [
        Exported(name, FuncType(("i64", "i64"), ("i64", "i64")), is_shared=True) for name in names
    ]
    wasm = shim(core, shared, [EAT, DRINK, REST])
    call = run(
        wasm,
        {
            "eat": lambda *given: calls.append(given) or 7,
            "drink": lambda *given: calls.append(given),
            "rest": lambda *given: calls.append(given) or [9, 0.5],
        },
    )
    half = int.from_bytes(struct.pack("<d", 0.5), "little")
    quarter = int.from_bytes(struct.pack("<f", 0.25), "little")

    assert surface(wasm)[0][2:] == [
        "extism:host/user/eat (func (param i64 i32) (result i64))",
        "bar/drink (func (param f64 f32))",
        "bar/rest (func (result i32 f64))",
    ]
    assert call("own", 1, 2) == [77, 2]
    assert call("first", -1, 2) == [7, 2]
    assert call("second", half, quarter) == [half, quarter]
    assert call("third", 0, 0) == [9, half]
    assert calls == [(-1, 2), (0.5, 0.25), ()]


def test_a_shared_function_of_every_number_type(core, run):
    """Each parameter stands in its own cell of the frame, and each result is read from one."""
    every = FuncType(("i32", "f32", "f64"), ("i64", "f32", "f64"))
    wasm = shim(core, [Exported("mix", every, is_shared=True)], [])

    assert surface(wasm)[1][1] == "mix (func (param i32 f32 f64) (result i64 f32 f64))"
    assert run(wasm)("mix", 1, 0.25, 0.5) == [77, 0.25, 0.5]


def test_a_shared_function_that_fails_ends_the_call(core, run):
    """A return code other than 0 cannot reach the caller, who must not go on."""
    many = [Exported(f"f{number}", FuncType(), is_shared=True) for number in range(301)]
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        run(shim(core, many, []))("f300")


def test_more_host_functions_than_spare_slots(core, run):
    """The table grows by what is missing."""
    many = [
        HostFunction("bar", f"f{n}", FuncType((), ("i32",)), "a.py", n)
        for n in range(SPARE_SLOTS + 2)
    ]
    one = FuncType((), ("i32",))
    exports = [Exported(f"e{n}", one, is_shared=True) for n in range(SPARE_SLOTS + 3)]
    wasm = shim(core, exports, many)
    call = run(wasm, {row.name: lambda n=n: n for n, row in enumerate(many)})

    assert str(read(wasm).tables[0]) == "(table 260 260 funcref)"
    assert call(f"e{SPARE_SLOTS + 2}") == SPARE_SLOTS + 1


def test_a_name_that_the_interpreter_had_is_free(core, run):
    """A plug-in may call a function what the interpreter called its own."""
    assert run(shim(core, [Exported("py_invoke"), Exported("py_load")], []))("py_invoke") == 0


def test_names_are_any_text(core):
    """Names of functions are UTF-8."""
    assert surface(shim(core, [Exported("été")], []))[1][1] == "été (func (result i32))"


def test_equal_arguments_give_equal_bytes(core):
    """Nothing of the machine or the moment is in the module."""
    assert shim(core, [Exported("a")], [EAT]) == shim(core, [Exported("a")], [EAT])


@pytest.mark.parametrize(
    ("module", "name"),
    [("env", "alloc"), ("extism:host/env", "nonsense"), ("extism:host/user", "x")],
)
def test_an_import_that_no_host_gives_is_refused(module, name):
    """A module that no host could link never ships."""
    text = INTERPRETER.replace('"extism:host/env" "alloc"', f'"{module}" "{name}"')
    with pytest.raises(BuildError) as caught:
        shim(bytes(wasmtime.wat2wasm(text)), [Exported("greet")], [])

    assert (
        str(caught.value) == f"the module would import {module}/{name}, which no Extism host gives"
    )


def test_a_module_without_memory_is_refused():
    """WASI needs the memory under its name: an interpreter without it is not one."""
    text = INTERPRETER.replace('(export "memory" (memory 0))', "")
    with pytest.raises(BuildError) as caught:
        shim(bytes(wasmtime.wat2wasm(text)), [Exported("greet")], [])

    assert str(caught.value) == "the module would export greet"
