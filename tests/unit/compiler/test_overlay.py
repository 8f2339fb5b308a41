"""overlay: a small module that turns the memory of the base image into that of the loaded interpreter."""

from __future__ import annotations

import hashlib

import pytest
import wasmtime

from extism._compiler.doors import SPARE_SLOTS, opened
from extism._compiler.interface import Exported, HostFunction
from extism._compiler.overlay import overlay
from extism._wasm.externs import FuncType
from extism._wasm.patch import initial_memory
from extism._wasm.reader import read
from extism.errors import BuildError
from extism.version import extism_version

PAGE = 65536

# An interpreter whose export number n calls slot 2 + n of its table on the frame at 16.
SNAPSHOT = bytes(
    wasmtime.wat2wasm("""
(module
  (type $slot (func (param i32)))
  (table 2 2 funcref)
  (memory 2)
  (global $sp (mut i32) (i32.const 4096))
  (data (i32.const 5000) "once")
  (data (i32.const 70000) "upon a time")
  (func $py_invoke (param i32) (result i32)
    (call_indirect (type $slot) (i32.const 16) (i32.add (i32.const 2) (local.get 0)))
    (i32.const 0))
  (func $py_frame (param i32) (result i32) (i32.const 16))
  (export "memory" (memory 0))
  (export "__indirect_function_table" (table 0))
  (export "__stack_pointer" (global $sp))
  (export "py_load" (func $py_invoke))
  (export "py_frame" (func $py_frame))
  (export "py_invoke" (func $py_invoke)))
""")
)


@pytest.fixture(scope="module")
def base():
    return opened(SNAPSHOT)


@pytest.fixture
def link():
    """Instantiate the base image and small modules over it; return the first's memory and the last's exports."""

    def link(base, *small, functions=()):
        engine = wasmtime.Engine()
        store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
        instance = linker.instantiate(store, wasmtime.Module(engine, base))
        linker.define_instance(store, "python", instance)
        i64 = wasmtime.ValType.i64()
        for name, params, body in functions:
            type_ = wasmtime.FuncType([i64] * params, [i64])
            linker.define_func("host", name, type_, body)
        for wasm in small:
            exports = linker.instantiate(store, wasmtime.Module(engine, wasm)).exports(store)
        memory = instance.exports(store)["memory"]
        return bytes(memory.read(store)), lambda name, *given: exports[name](store, *given)

    return link


def test_the_memory_becomes_that_of_the_loaded_interpreter(base, link):
    """What was added, changed and wiped is so afterwards, and nothing else is changed."""
    image = initial_memory(read(base)) + bytes(PAGE)
    image[5001:5003] = b"\0\0"
    image[6000:6004] = b"more"
    image[-8:] = b"the end."
    memory, _ = link(base, overlay(base, bytes(image), [], []))

    assert memory == image


def test_a_module_that_is_instantiated_twice(base, link):
    """As some hosts do: the second time changes nothing."""
    image = bytes(initial_memory(read(base))) + b"x" * PAGE
    small = overlay(base, image, [], [])
    memory, _ = link(base, small, small)

    assert memory == image


def test_exports_and_host_functions(base, link):
    """Exports call the interpreter with their number, which finds host functions in its spare slots."""
    type_ = FuncType(("i64", "i64"), ("i64",))
    rows = [HostFunction("host", name, type_, "a.py", 1) for name in ("add", "take")]
    exports = [Exported(name, type_, is_shared=True) for name in ("first", "second")]
    small = overlay(base, bytes(initial_memory(read(base))), exports, rows)
    functions = [("add", 2, lambda a, b: 10 + a + b), ("take", 2, lambda a, b: 10 - a - b)]
    _, call = link(base, small, functions=functions)

    assert [call("first", 1, 2), call("second", 1, 2)] == [13, 7]


def test_what_it_needs_is_in_a_section(base):
    """Name, digest and package of the base image; and that a trap ends an instance."""
    custom = read(overlay(base, bytes(initial_memory(read(base))), [], [])).custom

    digest = hashlib.sha256(base).hexdigest()
    expected = f"python {digest} extism-guest-python=={extism_version()}"
    assert bytes(custom["extism.runtime"].payload).decode() == expected
    assert "extism.frail" in custom


def test_another_image_cannot_be_linked(base, link):
    """Also on hosts that know nothing of the section: the one import that only its own image offers is missing."""
    small = overlay(base, bytes(initial_memory(read(base))), [], [])
    other = opened(SNAPSHOT.replace(b"once", b"ones"))

    with pytest.raises(wasmtime.WasmtimeError, match="unknown import: `python::py_invoke "):
        link(other, small)


def test_more_host_functions_than_spare_slots(base):
    """A table that is shared cannot grow."""
    rows = [HostFunction("host", f"f{n}", FuncType(), "a.py", 1) for n in range(SPARE_SLOTS + 1)]

    with pytest.raises(
        BuildError, match="imports 257 host functions, and a shared runtime has"
    ) as e:
        overlay(base, bytes(initial_memory(read(base))), [], rows)
    assert e.value.hint == "build it as a single file, without --shared"
