"""Names to definitions to instances: what may be imported, and what an instance gives."""

from __future__ import annotations

import gc
import weakref

import pytest

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.faults import FaultKind
from extism._engine.linker import Instance, Linker
from extism._engine.store import Store
from extism.errors import LinkError

SEVEN = '(module (func (export "seven") (result i32) (i32.const 7)))'
USES = """(module (import "lib" "seven" (func $f (result i32)))
            (func (export "run") (result i32) (i32.add (call $f) (i32.const 1))))"""
COUNTER = """(module (global $n (mut i32) (i32.const 0))
    (func (export "_start"))
    (func (export "next") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""


def result(instance, name, results=("i32",)):
    function = instance.function(name, (), results)
    fault = function(None)
    return fault or function.results[0]


@pytest.fixture
def module(engine):
    return lambda text: engine.compile(wat_to_wasm(text))


def test_exports_of_an_instance_can_be_imported(engine, store, module):
    """All of them, under the name of the module."""
    linker = Linker(engine)
    linker.define_instance("lib", linker.instantiate(store, module(SEVEN)))

    assert result(linker.instantiate(store, module(USES)), "run") == 8


def test_one_export_can_be_imported_under_another_name(engine, store, module):
    """Name and namespace are free."""
    linker = Linker(engine)
    lib = linker.instantiate(store, module(SEVEN.replace('"seven"', '"sieben"')))
    linker.define_export("lib", "seven", lib, "sieben")

    assert result(linker.instantiate(store, module(USES)), "run") == 8


def test_a_later_definition_shadows(engine, store):
    """Of two functions of one name the last is called."""
    linker = Linker(engine)
    for number in (1, 2):
        linker.define_function("lib", "seven", (), ("i32",), lambda _data, n=number: (n,))
    instance = linker.instantiate(store, engine.compile(wat_to_wasm(USES)))

    assert result(instance, "run") == 3


def test_a_clone_has_the_definitions_and_keeps_its_own(engine, store, module):
    """What is added to a clone is not in the original."""
    linker = Linker(engine)
    linker.define_function("lib", "seven", (), ("i32",), lambda _data: (10,))
    clone = linker.clone()
    clone.define_instance("more", clone.instantiate(store, module(SEVEN)))

    assert result(clone.instantiate(store, module(USES)), "run") == 11
    with pytest.raises(LinkError, match="more::seven"):
        linker.prepare(module('(module (import "more" "seven" (func (result i32))))'))


def test_functions_live_as_long_as_who_may_call_them(engine, module):
    """The linker may go before the instance."""
    linker, store = Linker(engine), Store(engine)
    linker.define_function("lib", "seven", (), ("i32",), lambda _data: (41,))
    clone = linker.clone()
    instance = clone.instantiate(store, module(USES))
    del linker, clone, store
    gc.collect()

    assert result(instance, "run") == 42


def test_functions_go_when_nobody_may_call_them(engine, module):
    """A linker that is dropped takes its Python functions with it."""

    class Body:
        def __call__(self, _data):
            return (1,)

    body = Body()
    reference = weakref.ref(body)
    linker = Linker(engine)
    linker.define_function("lib", "seven", (), ("i32",), body)
    del body
    instance = linker.instantiate(Store(engine), module(USES))
    del linker
    gc.collect()
    alive = reference() is not None
    del instance
    gc.collect()

    assert (alive, reference()) == (True, None)


def test_a_missing_import_is_a_fault(engine, store, module):
    """The engine's text names it."""
    fault = Linker(engine).instantiate(store, module(USES))

    assert fault.kind is FaultKind.ERROR
    assert "unknown import: `lib::seven` has not been defined" in fault.text


def test_an_import_of_another_type_is_a_fault(engine, store, module):
    """The engine's text shows both types."""
    linker = Linker(engine)
    linker.define_function("lib", "seven", ("i32",), (), lambda _data, _n: ())
    fault = linker.instantiate(store, module(USES))

    assert fault.kind is FaultKind.ERROR
    assert "incompatible import type for `lib::seven`" in fault.text


def test_a_prepared_module_makes_instances_fast(engine, module):
    """Each in a store of its own."""
    linker = Linker(engine)
    linker.define_function("lib", "seven", (), ("i32",), lambda _data: (7,))
    prepared = linker.prepare(module(USES))
    del linker
    gc.collect()

    assert [result(prepared.instantiate(Store(engine)), "run") for _ in range(3)] == [8, 8, 8]


def test_a_module_cannot_be_prepared_without_its_imports(engine, module):
    """What is missing is named."""
    with pytest.raises(LinkError, match="lib::seven"):
        Linker(engine).prepare(module(USES))


def test_a_prepared_module_tells_how_its_start_ended(engine, module):
    """A trap is a fault."""
    prepared = Linker(engine).prepare(module("(module (func $f unreachable) (start $f))"))

    assert prepared.instantiate(Store(engine)).trap == "unreachable"


def test_a_command_is_fresh_for_each_call(engine, store, module):
    """Every call of an export runs in a new instance."""
    linker = Linker(engine)
    linker.define_command(store, "lib", module(COUNTER))
    uses = module("""(module (import "lib" "next" (func $f (result i32)))
        (func (export "run") (result i32) (drop (call $f)) (call $f)))""")

    assert result(linker.instantiate(store, uses), "run") == 1


def test_a_command_that_does_not_link_is_refused(engine, store, module):
    """Its own imports are looked at at once."""
    command = module('(module (import "x" "y" (func)) (func (export "_start")))')
    with pytest.raises(LinkError, match="x::y"):
        Linker(engine).define_command(store, "lib", command)


def test_names_of_any_script_are_names(engine, store, module):
    """They are counted UTF-8, and a NUL is a character."""
    linker = Linker(engine)
    linker.define_function("ä\0", "ö\0", (), ("i32",), lambda _data: (5,))
    uses = module("""(module (import "ä\\00" "ö\\00" (func $f (result i32)))
        (func (export "ü\\00") (result i32) (call $f)))""")

    assert result(linker.instantiate(store, uses), "ü\0") == 5


@pytest.mark.parametrize("name", ["nope", "", "seven\0"])
def test_an_export_that_is_not_there_is_a_key_error(instantiate, name):
    """Functions, memories and globals alike."""
    instance = instantiate(SEVEN)

    for get in (
        lambda n: instance.function(n, (), ()),
        instance.memory,
        instance.global_,
        instance.extern,
    ):
        with pytest.raises(KeyError):
            get(name)


def test_an_export_of_another_kind_is_a_key_error(instantiate):
    """A memory is no function."""
    instance = instantiate(
        '(module (memory (export "m") 1) (global (export "g") i32 (i32.const 1)))'
    )

    with pytest.raises(KeyError):
        instance.function("m", (), ())
    with pytest.raises(KeyError):
        instance.memory("g")
    with pytest.raises(KeyError):
        instance.global_("m")


@pytest.mark.parametrize(
    ("kind", "start", "value"),
    [("i32", "-5", -6), ("i64", "-5", -(2**63)), ("f32", "0.5", 1.5), ("f64", "0.1", 0.25)],
)
def test_globals_are_read_and_written(instantiate, kind, start, value):
    """As numbers, integers signed."""
    text = f'(module (global (export "g") (mut {kind}) ({kind}.const {start})))'
    cell = instantiate(text).global_("g")
    before = cell.value
    cell.value = value

    assert (before, cell.value) == (float(start) if "f" in kind else int(start), value)


def test_a_constant_is_not_written(instantiate):
    """The engine refuses, in words."""
    cell = instantiate('(module (global (export "g") i32 (i32.const 1)))').global_("g")
    with pytest.raises(ValueError, match="immutable"):
        cell.value = 2

    assert cell.value == 1


def test_an_instance_needs_no_store_variable():
    """It keeps its store."""
    engine = shared_engine()
    instance = Linker(engine).instantiate(Store(engine), engine.compile(wat_to_wasm(SEVEN)))
    gc.collect()

    assert isinstance(instance, Instance)
    assert result(instance, "seven") == 7
