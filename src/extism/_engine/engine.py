"""
Engines and the modules that they compile.

An engine is a set of compilation settings with a clock of its own; all stores and modules of one setting
share one engine, so that modules compiled once serve every plugin of the process.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from extism._dataclass import dataclass
from extism._engine.bindings import ByteVec, Handle, lib
from extism._engine.faults import cause_first, error_text
from extism._engine.foreign import byref, c_void_p, string_at
from extism._engine.interrupts import Clock
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from extism._engine.slots import Slots

__all__ = ["Engine", "Module", "Settings", "shared_engine", "wat_to_wasm"]

_ON: Final = (
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_multi_memory",
    "wasm_relaxed_simd",
    "wasm_tail_call",
    "wasm_wide_arithmetic",
    "parallel_compilation",
    "memory_init_cow",
)
_OFF: Final = (
    "wasm_threads",
    "shared_memory",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "memory_may_move",  # views of a memory stay right when it grows (`memory.py`)
)

_OPTIMIZE_NONE: Final = 0
_OPTIMIZE_SPEED: Final = 1


@dataclass(frozen=True)
class Settings:
    """
    What changes the native code that an engine makes.

    Attributes:
        is_interruptible: Code can be ended from outside; without it CPU-bound code is up to a third faster.
        has_fuel: Code counts what it executes.
        has_gc: The garbage collection proposal.
        has_memory64: Memories with 64-bit offsets.
        is_optimized: False compiles several times faster, for code that is run once.
        has_slots: Instances live in places that are kept ready (`slots.py`), if the process can have any.
        is_for_one: A single instance lives there, so that nothing is laid out for others. Neither of the two
            changes the code.
    """

    is_interruptible: bool = True
    has_fuel: bool = False
    has_gc: bool = False
    has_memory64: bool = False
    is_optimized: bool = True
    has_slots: bool = False
    is_for_one: bool = False


_AS_COMPILED: Final = {
    "component passed to module validation": (
        "expected a WebAssembly module but was given a WebAssembly component"
    ),
}
"""What compiling says where validating says less."""


class Engine:
    """
    Compiles modules under one `Settings`, and counts the epochs of the stores made from it.

    Attributes:
        settings: What was asked for.
        recipe: Everything that changes the native code, as text: part of the key of cached code.
        clock: Owns the engine of C, so that it does not end while epochs are counted.
        slots: What its instances live in; None where every one is mapped for itself.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        switches = _switches(settings)
        self.recipe = " ".join(f"{name}={value}" for name, value in sorted(switches.items()))
        config = _configure(switches)
        self.slots = _laid_out(config) if settings.has_slots else None
        if self.slots is None and settings.is_interruptible and not settings.is_for_one:
            from extism._engine.fiber_stacks import configure_stacks

            configure_stacks(config)
        self.pointer: int = lib.wasm_engine_new_with_config(config)
        self.clock = Clock(self.pointer)

    def compile(self, wasm: bytes, name: str = "") -> Module:
        """
        Return native code for the binary module `wasm`.

        Raises:
            CompileError: The bytes are not a valid module; the text is the engine's, what is wrong first.
        """
        out = c_void_p()
        error = lib.wasmtime_module_new(self.pointer, wasm, len(wasm), byref(out))
        if error:
            raise CompileError(cause_first(error_text(error)), module=name)
        return Module(self, out.value or 0)

    def validate(self, wasm: bytes, name: str = "") -> None:
        """
        Check the binary module `wasm`, without compiling it.

        Raises:
            CompileError: The bytes are not a valid module; the text is the engine's, what is wrong first.
        """
        error = lib.wasmtime_module_validate(self.pointer, wasm, len(wasm))
        if error:
            text = cause_first(error_text(error))
            raise CompileError(_AS_COMPILED.get(text, text), module=name)

    def load(self, path: str, name: str = "") -> Module:
        """
        Return the module whose native code is in the file at `path`, mapped and not copied.

        The file is trusted: whoever can write it can run any code in this process.

        Raises:
            CompileError: Another engine version or other settings made the file.
        """
        out = c_void_p()
        error = lib.wasmtime_module_deserialize_file(self.pointer, os.fsencode(path), byref(out))
        if error:
            raise CompileError(error_text(error), module=name)
        return Module(self, out.value or 0)


class Module:
    """A compiled module; any number of stores of its engine may instantiate it at once."""

    __slots__ = ("__weakref__", "_handle", "engine", "pointer")

    def __init__(self, engine: Engine, pointer: int) -> None:
        self.engine = engine
        self.pointer = pointer
        self._handle = Handle(pointer, lib.wasmtime_module_delete)

    def serialize(self) -> bytes:
        """
        Return the native code in the form that `Engine.load` maps.

        Raises:
            CompileError: The engine cannot write it.
        """
        vec = ByteVec()
        error = lib.wasmtime_module_serialize(self.pointer, byref(vec))
        if error:
            raise CompileError(error_text(error))
        code = string_at(vec.data, vec.size)
        lib.wasm_byte_vec_delete(byref(vec))
        return code


_lock = allocate_lock()
_engines: dict[Settings, Engine] = {}


def shared_engine(settings: Settings | None = None) -> Engine:
    """Return the process's engine for `settings`, the default ones when None."""
    settings = settings or Settings()
    engine = _engines.get(settings)
    if engine is None:
        with _lock:
            engine = _engines.setdefault(settings, Engine(settings))
    return engine


def wat_to_wasm(text: str | bytes, name: str = "") -> bytes:
    """
    Return the binary form of a module in the text format.

    Raises:
        CompileError: The text is malformed; the message shows the place.
    """
    source = text.encode() if isinstance(text, str) else text
    vec = ByteVec()
    error = lib.wasmtime_wat2wasm(source, len(source), byref(vec))
    if error:
        raise CompileError(error_text(error), module=name)
    wasm = string_at(vec.data, vec.size)
    lib.wasm_byte_vec_delete(byref(vec))
    return wasm


def _laid_out(config: int) -> Slots | None:
    """Have an engine that is made with `config` keep as many slots as there can be."""
    from extism._engine.slots import Slots, available, configure

    count = available()
    if not count:
        return None
    configure(config, count)
    return Slots(count)


def _switches(settings: Settings) -> dict[str, int]:
    """Return every switch of the configuration by name; nothing is left to the engine's defaults."""
    return {
        **dict.fromkeys(_ON, True),
        **dict.fromkeys(_OFF, False),
        "epoch_interruption": settings.is_interruptible,
        "consume_fuel": settings.has_fuel,
        "wasm_gc": settings.has_gc,
        "wasm_memory64": settings.has_memory64,
        "cranelift_opt_level": _OPTIMIZE_SPEED if settings.is_optimized else _OPTIMIZE_NONE,
    }


def _configure(switches: Mapping[str, int]) -> int:
    """Return a new configuration, which `wasm_engine_new_with_config` takes over."""
    config: int = lib.wasm_config_new()
    for name, value in switches.items():
        getattr(lib, f"wasmtime_config_{name}_set")(config, value)
    return config
