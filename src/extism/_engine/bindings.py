"""
The C functions and structs of wasmtime that this house uses, declared over the wheel's own library.

Nothing here decides anything. The public bindings are passed by: they mix up errors and even functions
between threads, and cost several times a call (RATIONALE.md, "Why own bindings?"). A test compares every
signature and struct below with what the installed wheel declares itself.

Every pointer is a plain address (`c_void_p`): the classes of the other files know what theirs mean.
"""

from __future__ import annotations

import sys

from extism._engine.foreign import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    Union,
    c_bool,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
    pythonapi,
)
from extism._engine.wheel import library_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = [
    "EXTERN_FUNC",
    "EXTERN_GLOBAL",
    "EXTERN_MEMORY",
    "EXTERN_SIZE",
    "EXTERN_TABLE",
    "SIGNATURES",
    "VALUE_KINDS",
    "ByteVec",
    "EpochCallback",
    "ExceptionRef",
    "Extern",
    "Func",
    "FuncCallback",
    "Global",
    "Handle",
    "Instance",
    "Memory",
    "PointerVec",
    "Value",
    "WriteCallback",
    "call_unchecked",
    "lib",
]


class ByteVec(Structure):
    """`wasm_byte_vec_t`: bytes that the engine allocated; `size` at 0, `data` at 8."""

    _fields_ = (("size", c_size_t), ("data", c_void_p))


class PointerVec(Structure):
    """`wasm_valtype_vec_t` and its likes: `size` at 0, an array of pointers at 8."""

    _fields_ = (("size", c_size_t), ("data", c_void_p))


class Func(Structure):
    """`wasmtime_func_t`, 16 bytes: which store, and an address inside it."""

    _fields_ = (("store_id", c_uint64), ("private", c_void_p))


class Instance(Structure):
    """`wasmtime_instance_t`, 16 bytes."""

    _fields_ = (("store_id", c_uint64), ("private", c_size_t))


class _MemoryHead(Structure):
    _fields_ = (("store_id", c_uint64), ("private1", c_uint32))


class Memory(Structure):
    """`wasmtime_memory_t`, 24 bytes: the head is a struct of its own, padded to 16."""

    _fields_ = (("head", _MemoryHead), ("private2", c_uint32))


class Global(Structure):
    """`wasmtime_global_t`, 24 bytes."""

    _fields_ = (
        ("store_id", c_uint64),
        ("private1", c_uint32),
        ("private2", c_uint32),
        ("private3", c_uint32),
    )


class ExceptionRef(Structure):
    """`wasmtime_exnref_t`, 24 bytes."""

    _fields_ = (
        ("store_id", c_uint64),
        ("private1", c_uint32),
        ("private2", c_uint32),
        ("private3", c_void_p),
    )


class _ExternUnion(Union):
    _fields_ = (("func", Func), ("global_", Global), ("memory", Memory))


class Extern(Structure):
    """`wasmtime_extern_t`, 32 bytes: the kind at 0, what it is at 8."""

    _fields_ = (("kind", c_uint8), ("of", _ExternUnion))


class _ValueUnion(Union):
    _fields_ = (
        ("i32", c_int32),
        ("i64", c_int64),
        ("f32", c_float),
        ("f64", c_double),
        ("v128", c_uint8 * 16),
        ("reference", c_uint64 * 3),
    )


class Value(Structure):
    """`wasmtime_val_t`, 32 bytes: the kind at 0, the value at 8."""

    _fields_ = (("kind", c_uint8), ("of", _ValueUnion))


EXTERN_SIZE: Final = 32
EXTERN_FUNC: Final = 0
EXTERN_GLOBAL: Final = 1
EXTERN_TABLE: Final = 2
EXTERN_MEMORY: Final = 3

VALUE_KINDS: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}
"""`wasm_valkind_t` of the number types, those that a host function may have."""

FuncCallback = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)
"""(env, caller, values: 16 bytes each, count) -> trap or NULL. Results overwrite the arguments."""

EpochCallback = CFUNCTYPE(c_void_p, c_void_p, c_void_p, POINTER(c_uint64), POINTER(c_uint8))
"""(context, data, delta out, kind out) -> error or NULL."""

WriteCallback = CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_size_t)
"""(data, bytes, count) -> count written, or -errno."""

_P: Final = c_void_p
_CONFIG_FLAGS: Final = (
    "consume_fuel",
    "epoch_interruption",
    "memory_init_cow",
    "memory_may_move",
    "parallel_compilation",
    "shared_memory",
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_relaxed_simd",
    "wasm_stack_switching",
    "wasm_tail_call",
    "wasm_threads",
    "wasm_wide_arithmetic",
)

_POOL_NUMBERS: Final = {
    c_uint32: (
        "max_memories_per_module",
        "max_tables_per_module",
        "total_component_instances",
        "total_core_instances",
        "total_gc_heaps",
        "total_memories",
        "total_stacks",
        "total_tables",
    ),
    c_size_t: (
        "linear_memory_keep_resident",
        "table_elements",
        "table_keep_resident",
    ),
}

SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    # configuration and engine
    "wasm_config_new": (_P, ()),
    **{f"wasmtime_config_{flag}_set": (None, (_P, c_bool)) for flag in _CONFIG_FLAGS},
    "wasmtime_config_cranelift_opt_level_set": (None, (_P, c_uint8)),
    "wasmtime_config_max_wasm_stack_set": (None, (_P, c_size_t)),
    "wasmtime_config_host_stack_creator_set": (None, (_P, _P)),
    "wasmtime_pooling_allocation_config_new": (_P, ()),
    "wasmtime_pooling_allocation_config_delete": (None, (_P,)),
    **{
        f"wasmtime_pooling_allocation_config_{name}_set": (None, (_P, kind))
        for kind, names in _POOL_NUMBERS.items()
        for name in names
    },
    "wasmtime_pooling_allocation_strategy_set": (None, (_P, _P)),
    "wasm_engine_new_with_config": (_P, (_P,)),
    "wasm_engine_delete": (None, (_P,)),
    "wasmtime_engine_increment_epoch": (None, (_P,)),
    # modules
    "wasmtime_module_new": (_P, (_P, _P, c_size_t, _P)),
    "wasmtime_module_validate": (_P, (_P, _P, c_size_t)),
    "wasmtime_module_delete": (None, (_P,)),
    "wasmtime_module_serialize": (_P, (_P, _P)),
    "wasmtime_module_deserialize_file": (_P, (_P, c_char_p, _P)),
    "wasmtime_wat2wasm": (_P, (c_char_p, c_size_t, _P)),
    # stores
    "wasmtime_store_new": (_P, (_P, _P, _P)),
    "wasmtime_store_delete": (None, (_P,)),
    "wasmtime_store_context": (_P, (_P,)),
    "wasmtime_store_limiter": (None, (_P, c_int64, c_int64, c_int64, c_int64, c_int64)),
    "wasmtime_store_epoch_deadline_callback": (None, (_P, EpochCallback, _P, _P)),
    "wasmtime_context_set_epoch_deadline": (None, (_P, c_uint64)),
    "wasmtime_context_set_fuel": (_P, (_P, c_uint64)),
    "wasmtime_context_get_fuel": (_P, (_P, _P)),
    "wasmtime_context_set_wasi": (_P, (_P, _P)),
    "wasmtime_context_take_exception": (c_bool, (_P, _P)),
    "wasmtime_exnref_unroot": (None, (_P,)),
    # WASI preview 1
    "wasi_config_new": (_P, ()),
    "wasi_config_delete": (None, (_P,)),
    "wasi_config_set_argv": (c_bool, (_P, c_size_t, _P)),
    "wasi_config_set_env": (c_bool, (_P, c_size_t, _P, _P)),
    "wasi_config_set_stdin_bytes": (None, (_P, _P)),
    "wasi_config_inherit_stdout": (None, (_P,)),
    "wasi_config_inherit_stderr": (None, (_P,)),
    "wasi_config_set_stdout_custom": (None, (_P, WriteCallback, _P, _P)),
    "wasi_config_set_stderr_custom": (None, (_P, WriteCallback, _P, _P)),
    "wasi_config_preopen_dir": (c_bool, (_P, c_char_p, c_char_p, c_bool)),
    # linking and instances
    "wasmtime_caller_context": (_P, (_P,)),
    "wasmtime_caller_export_get": (c_bool, (_P, c_char_p, c_size_t, _P)),
    "wasmtime_linker_new": (_P, (_P,)),
    "wasmtime_linker_clone": (_P, (_P,)),
    "wasmtime_linker_delete": (None, (_P,)),
    "wasmtime_linker_allow_shadowing": (None, (_P, c_bool)),
    "wasmtime_linker_define": (
        _P,
        (_P, _P, c_char_p, c_size_t, c_char_p, c_size_t, _P),
    ),
    "wasmtime_linker_define_func_unchecked": (
        _P,
        (_P, c_char_p, c_size_t, c_char_p, c_size_t, _P, FuncCallback, _P, _P),
    ),
    "wasmtime_linker_define_wasi": (_P, (_P,)),
    "wasmtime_linker_define_instance": (_P, (_P, _P, c_char_p, c_size_t, _P)),
    "wasmtime_linker_module": (_P, (_P, _P, c_char_p, c_size_t, _P)),
    "wasmtime_linker_instantiate": (_P, (_P, _P, _P, _P, _P)),
    "wasmtime_linker_instantiate_pre": (_P, (_P, _P, _P)),
    "wasmtime_instance_pre_delete": (None, (_P,)),
    "wasmtime_instance_pre_instantiate": (_P, (_P, _P, _P, _P)),
    "wasmtime_instance_export_get": (c_bool, (_P, _P, c_char_p, c_size_t, _P)),
    # what instances hold
    "wasmtime_func_call_unchecked": (_P, (_P, _P, _P, c_size_t, _P)),
    "wasmtime_func_call_async": (_P, (_P, _P, _P, c_size_t, _P, c_size_t, _P, _P)),
    "wasmtime_call_future_poll": (c_bool, (_P,)),
    "wasmtime_call_future_delete": (None, (_P,)),
    "wasmtime_memory_data": (_P, (_P, _P)),
    "wasmtime_memory_data_size": (c_size_t, (_P, _P)),
    "wasmtime_memory_grow": (_P, (_P, _P, c_uint64, _P)),
    "wasmtime_global_get": (None, (_P, _P, _P)),
    "wasmtime_global_set": (_P, (_P, _P, _P)),
    # types
    "wasm_valtype_new": (_P, (c_uint8,)),
    "wasm_valtype_vec_new": (None, (_P, c_size_t, _P)),
    "wasm_functype_new": (_P, (_P, _P)),
    "wasm_functype_delete": (None, (_P,)),
    # ends
    "wasm_byte_vec_new": (None, (_P, c_size_t, c_char_p)),
    "wasm_byte_vec_delete": (None, (_P,)),
    "wasmtime_trap_new": (_P, (c_char_p, c_size_t)),
    "wasmtime_trap_code": (c_bool, (_P, _P)),
    "wasm_frame_vec_delete": (None, (_P,)),
    "wasm_trap_message": (None, (_P, _P)),
    "wasm_trap_trace": (None, (_P, _P)),
    "wasmtime_error_wasm_trace": (None, (_P, _P)),
    "wasmtime_frame_func_name": (_P, (_P,)),
    "wasm_trap_delete": (None, (_P,)),
    "wasmtime_error_new": (_P, (c_char_p,)),
    "wasmtime_error_message": (None, (_P, _P)),
    "wasmtime_error_delete": (None, (_P,)),
}
"""Result and parameters of every C function that is used, by name."""


class _Library:
    """The engine's functions as attributes, each declared when it is first used: most processes need a few."""

    def __init__(self, path: str) -> None:
        self._library = CDLL(path)

    def __getattr__(self, name: str) -> Any:
        if name not in SIGNATURES:
            raise AttributeError(f"no signature is declared for {name}")
        function = self.undeclared(name)
        function.restype, function.argtypes = SIGNATURES[name]
        setattr(self, name, function)
        return function

    def undeclared(self, name: str) -> Any:
        """Return a function by itself, without declared result and parameters."""
        return self._library[name]


def _check_interpreter() -> None:
    """
    Refuse to be loaded by any but the main interpreter.

    ctypes runs what C calls in the main one, whichever of them made it: host functions would find the
    wrong modules, and the clock's thread ends the process together with its sub-interpreter.

    Raises:
        ImportError: This is a sub-interpreter.
    """
    # Looked up by index, which gives functions of our own: those of `pythonapi` as attributes are everybody's.
    this, first = (pythonapi[f"PyInterpreterState_{name}"] for name in ("Get", "Main"))
    this.restype = first.restype = c_void_p
    if this() != first():
        raise ImportError(
            "extism does not run in a sub-interpreter of Python, because what plug-ins call would run in the "
            "main one; load it there, or in another process"
        )


_check_interpreter()

lib: Final = _Library(library_path())

call_unchecked: Final = lib.undeclared("wasmtime_func_call_unchecked")
"""
The same function without declared parameters, for callers that hand it ctypes objects made beforehand.

That saves the conversion of five arguments: 0.3 us of the 0.4 that the other takes.
"""
call_unchecked.restype = c_void_p


class Handle:
    """
    A pointer of C's, freed with this object.

    What is referred to weakly must hold one of these instead of having a `__del__` of its own: Python runs
    `__del__` before it clears weak references, and C runs without Python's lock, so another thread would
    get hold of what is just being freed. This class has no room for weak references.
    """

    __slots__ = ("_free", "pointer")

    def __init__(self, pointer: int, free: Callable[[int], None]) -> None:
        self.pointer = pointer
        self._free = free

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # When the interpreter ends, what C calls back goes in any order, perhaps before what calls it. What is C's
        # goes with the process then.
        if not is_finalizing():
            self._free(self.pointer)
