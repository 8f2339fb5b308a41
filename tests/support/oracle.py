"""The engine itself, as judge of the toolkit: assemble text, validate and run what was rewritten."""

from __future__ import annotations

from typing import Any

import wasmtime

FEATURES = (
    "wasm_bulk_memory",
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_multi_value",
    "wasm_reference_types",
    "wasm_relaxed_simd",
    "wasm_simd",
    "wasm_stack_switching",
    "wasm_tail_call",
    "wasm_threads",
    "wasm_wide_arithmetic",
)


def everything_on() -> wasmtime.Engine:
    config = wasmtime.Config()
    for feature in FEATURES:
        setattr(config, feature, True)
    return wasmtime.Engine(config)


ENGINE = everything_on()


def wat(text: str) -> bytes:
    """Return the module that the text is."""
    return bytes(wasmtime.wat2wasm(text))


def validate(wasm: bytes) -> None:
    """Raise `wasmtime.WasmtimeError` if the engine finds the module invalid."""
    wasmtime.Module.validate(ENGINE, wasm)


class Live:
    """An instance of `wasm`; its imports are functions of i32 and i64 given by (module, name)."""

    def __init__(self, wasm: bytes, imports: dict[tuple[str, str], Any] | None = None) -> None:
        self.store = wasmtime.Store(ENGINE)
        module = wasmtime.Module(ENGINE, wasm)
        externs = [
            wasmtime.Func(self.store, item.type, (imports or {})[item.module, item.name or ""])
            for item in module.imports
            if isinstance(item.type, wasmtime.FuncType)
        ]
        self.exports = wasmtime.Instance(self.store, module, externs).exports(self.store)

    def call(self, name: str, *args: float) -> Any:
        return self.exports[name](self.store, *args)

    def memory(self, name: str) -> bytes:
        memory = self.exports[name]
        return bytes(memory.read(self.store, 0, memory.data_len(self.store)))

    def value(self, name: str) -> Any:
        return self.exports[name].value(self.store)
