"""The engine's C interface, as it is declared here and as the wheel itself declares it."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import wasmtime
from wasmtime import _bindings as wheel
from wasmtime import _ffi as constants

from extism import _engine
from extism._engine import bindings
from extism._engine.faults import TRAP_KINDS
from extism._engine.trampoline import SLOT

NOT_OF_CORE_MODULES = {
    # stack switching and the engine's own interpreter are off
    "UNHANDLED_TAG", "CONTINUATION_ALREADY_CONSUMED", "DISABLED_OPCODE",
    # components are refused
    "CANNOT_ENTER_COMPONENT", "NO_ASYNC_RESULT", "ASYNC_DEADLOCK", "CANNOT_LEAVE_COMPONENT",
    "CANNOT_BLOCK_SYNC_TASK", "INVALID_CHAR", "DEBUG_ASSERT_STRING_ENCODING_FINISHED",
    "DEBUG_ASSERT_EQUAL_CODE_UNITS", "DEBUG_ASSERT_POINTER_ALIGNED", "DEBUG_ASSERT_UPPER_BITS_UNSET",
    "STRING_OUT_OF_BOUNDS", "LIST_OUT_OF_BOUNDS", "INVALID_DISCRIMINANT", "UNALIGNED_POINTER",
    "TASK_CANCEL_NOT_CANCELLED", "TASK_CANCEL_OR_RETURN_TWICE", "SUBTASK_CANCEL_AFTER_TERMINAL",
    "TASK_RETURN_INVALID", "WAITABLE_SET_DROP_HAS_WAITERS", "SUBTASK_DROP_NOT_RESOLVED",
    "THREAD_NEW_INDIRECT_INVALID_TYPE", "THREAD_NEW_INDIRECT_UNINITIALIZED", "BACKPRESSURE_OVERFLOW",
    "UNSUPPORTED_CALLBACK_CODE", "CANNOT_RESUME_THREAD", "CONCURRENT_FUTURE_STREAM_OP",
    "STREAM_OP_TOO_BIG", "WAITABLE_SYNC_AND_ASYNC",
}  # fmt: skip

STRUCTS = {
    "wasm_byte_vec_t": bindings.ByteVec,
    "wasm_valtype_vec_t": bindings.PointerVec,
    "wasmtime_func": bindings.Func,
    "wasmtime_instance": bindings.Instance,
    "wasmtime_memory": bindings.Memory,
    "wasmtime_global": bindings.Global,
    "wasmtime_exnref": bindings.ExceptionRef,
    "wasmtime_extern": bindings.Extern,
    "wasmtime_val": bindings.Value,
}


def width(kind) -> tuple[int, bool]:
    """How a C type is passed: in how many bytes, and whether as a float. (0, False) is void."""
    if kind is None:
        return 0, False
    return ctypes.sizeof(kind), getattr(kind, "_type_", None) in ("f", "d")


@pytest.mark.parametrize("name", bindings.SIGNATURES)
def test_a_function_has_the_wheels_signature(name):
    """As many parameters, each as wide as there; the result too."""
    theirs = getattr(wheel, f"_{name}")
    result, params = bindings.SIGNATURES[name]

    assert [width(kind) for kind in params] == [width(kind) for kind in theirs.argtypes]
    assert width(result) == width(theirs.restype)


def test_every_function_that_is_called_is_declared():
    """One that is not would take and give C's int, whatever the wheel says."""
    folder = Path(_engine.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    called = set(re.findall(r"\blib\.(?:undeclared\(\")?((?:wasm|wasi)\w+)", code))

    assert called > {"wasmtime_store_new", "wasmtime_func_call_unchecked"}
    assert called <= set(bindings.SIGNATURES)


CALLBACKS = {
    bindings.FuncCallback: ("wasmtime_linker_define_func_unchecked", 6),
    bindings.EpochCallback: ("wasmtime_store_epoch_deadline_callback", 1),
    bindings.WriteCallback: ("wasi_config_set_stdout_custom", 1),
}


@pytest.mark.parametrize("ours", CALLBACKS, ids=["function", "epoch", "write"])
def test_a_callback_has_the_wheels_signature(ours):
    """What C calls takes and gives what C hands it and wants back."""
    function, position = CALLBACKS[ours]
    theirs = getattr(wheel, f"_{function}").argtypes[position]

    assert [width(kind) for kind in ours._argtypes_] == [width(kind) for kind in theirs._argtypes_]
    assert width(ours._restype_) == width(theirs._restype_)


def test_every_callback_and_every_struct_is_compared():
    """What is declared here is in one of the tables above; unions are compared below."""
    kinds = [each for each in vars(bindings).values() if isinstance(each, type)]
    pointers = {
        each for each in kinds if issubclass(each, ctypes._CFuncPtr) and each.__name__ != "_FuncPtr"
    }
    structs = {each for each in kinds if issubclass(each, ctypes.Structure)} - {ctypes.Structure}

    assert pointers == set(CALLBACKS)
    assert structs == {*STRUCTS.values(), bindings._MemoryHead}


def layout(struct, start=0):
    """Offsets and sizes of all fields, those of inner structs in the place of these."""
    for name, kind, *_ in struct._fields_:
        field = getattr(struct, name)
        if issubclass(kind, ctypes.Structure):
            yield from layout(kind, start + field.offset)
        else:
            yield start + field.offset, field.size


@pytest.mark.parametrize("name", STRUCTS)
def test_a_struct_is_as_large_as_the_wheels(name):
    """A struct that C writes to needs all of its bytes, at the same alignment."""
    ours, theirs = STRUCTS[name], getattr(wheel, name)

    assert (ctypes.sizeof(ours), ctypes.alignment(ours)) == (
        ctypes.sizeof(theirs),
        ctypes.alignment(theirs),
    )


@pytest.mark.parametrize("name", STRUCTS)
def test_the_fields_of_a_struct_lie_where_the_wheels_do(name):
    """Each field has the offset and the size that the wheel declares."""
    assert list(layout(STRUCTS[name])) == list(layout(getattr(wheel, name)))


def sizes(union):
    return {name: ctypes.sizeof(kind) for name, kind in union._fields_}


def test_what_an_export_is_has_the_wheels_members():
    """Each member of the union in `wasmtime_extern_t` is as large as there."""
    theirs = sizes(wheel.wasmtime_extern_union)

    assert sizes(bindings._ExternUnion).items() <= theirs.items()
    assert ctypes.sizeof(bindings.Extern) == bindings.EXTERN_SIZE


def test_a_value_has_the_wheels_members():
    """Numbers and vectors are as large as there, and a reference has room for the largest."""
    ours, theirs = sizes(bindings._ValueUnion), sizes(wheel.wasmtime_valunion)
    references = {theirs.pop(name) for name in ("anyref", "externref", "exnref", "funcref")}

    assert ours.pop("reference") == max(references)
    assert ours == theirs


def test_a_slot_is_as_large_as_the_wheels_raw_value():
    """Arguments and results of unchecked calls lie that far apart."""
    assert ctypes.sizeof(wheel.wasmtime_val_raw) == SLOT


@pytest.mark.parametrize("name", ["i32", "i64", "f32", "f64"])
def test_numbers_have_the_wheels_kinds(name):
    """The bytes that stand for the number types."""
    assert bindings.VALUE_KINDS[name] == getattr(constants, f"WASMTIME_{name.upper()}").value


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (bindings.EXTERN_FUNC, "WASMTIME_EXTERN_FUNC"),
        (bindings.EXTERN_GLOBAL, "WASMTIME_EXTERN_GLOBAL"),
        (bindings.EXTERN_TABLE, "WASMTIME_EXTERN_TABLE"),
        (bindings.EXTERN_MEMORY, "WASMTIME_EXTERN_MEMORY"),
    ],
)
def test_exports_have_the_wheels_kinds(ours, theirs):
    """The bytes that stand for what an export is."""
    assert ours == getattr(constants, theirs).value


def test_every_trap_of_a_core_module_has_a_name():
    """Each code of the wheel is in the table, but those that no module of ours can cause."""
    codes = {code.value: code.name for code in wasmtime.TrapCode}
    missing = {name for value, name in codes.items() if value not in TRAP_KINDS}

    assert missing == NOT_OF_CORE_MODULES
    assert set(TRAP_KINDS) <= set(codes)


def test_the_wheels_package_is_not_imported():
    """The library is loaded without it, which saves most of the time to start."""
    script = "import extism._engine.linker, sys; print('wasmtime' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "False\n"


def test_what_has_an_end_cannot_be_referred_to_weakly():
    """Else another thread could get hold of what is being freed: C runs without Python's lock."""
    modules = [
        import_module(f"extism._engine.{info.name}") for info in iter_modules(_engine.__path__)
    ]
    classes = {
        each for module in modules for each in vars(module).values() if isinstance(each, type)
    }
    ended = {
        each.__name__: hasattr(each, "__weakref__") for each in classes if hasattr(each, "__del__")
    }

    assert ended == {"Fiber": False, "Handle": False, "_Leaving": False}


def test_a_handle_is_freed_once_with_its_last_reference():
    """Its pointer goes to the function that frees it."""
    freed = []
    handle = bindings.Handle(7, freed.append)
    before = list(freed)
    del handle

    assert (before, freed) == ([], [7])


def in_a_sub_interpreter(script):
    """What a script prints there; each version of Python has another name for it."""
    program = f"""
try:
    import _interpreters as module
    made = module.create("legacy")
except ImportError:
    import _xxsubinterpreters as module
    made = module.create(isolated=False)
module.run_string(made, {script!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_a_sub_interpreter_is_refused():
    """It would run host functions in the wrong interpreter, and end the process when it ends."""
    script = f"""
import sys
sys.path[:] = {sys.path!r}
try:
    import extism
    extism.Plugin
except ImportError as exc:
    print(exc)
"""
    said = in_a_sub_interpreter(script)

    assert said.startswith("extism does not run in a sub-interpreter of Python")
