"""
Upstream's module of the same name: the old names, for applications that import them from here.

What has a place of its own is handed on. Defined here is only what applications and upstream's own tests reach
for below the surface: the conversions at the border to C, which this library has elsewhere (`codecs.py`,
`functions.py`, `sources.py`).
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from extism._capabilities.log_sinks import CustomLogger, set_log_custom, set_log_file
from extism.codecs import Codec, Json, Pickle, parameter_wire, result_wires
from extism.compiled import CompiledPlugin
from extism.current import CurrentPlugin, Memory
from extism.errors import Error
from extism.functions import (
    HOST_FN_REGISTRY,
    ExplicitFunction,
    Function,
    TypeInferredFunction,
    host_fn,
)
from extism.plugin import CancelHandle, Plugin
from extism.values import WASM_TYPES, Val, ValType
from extism.version import extism_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from extism.abi import HostImport, ValueType
    from extism.codecs import Wire

__all__ = [
    "HOST_FN_REGISTRY",
    "CancelHandle",
    "Codec",
    "CompiledPlugin",
    "CurrentPlugin",
    "CustomLogger",
    "Error",
    "ExplicitFunction",
    "Function",
    "Json",
    "Memory",
    "Pickle",
    "Plugin",
    "TypeInferredFunction",
    "Val",
    "ValType",
    "extism_version",
    "host_fn",
    "set_log_custom",
    "set_log_file",
]

_FIELDS: Final = {0: "i32", 1: "i64", 2: "f32", 3: "f64"}
"""Where C's union keeps a number, by the tag beside it."""

_OF_THE_LIBRARY: Final = frozenset({"_ffi", "_lib", "handle_args"})


class _ExtismFunctionMetadata:
    """A host function as the runtime takes it, in `pointer`; None once it was let go."""

    def __init__(self, f: Function) -> None:
        self.pointer: HostImport | None = f.host_import()

    def __del__(self) -> None:
        self.pointer = None


class _Base64Encoder(json.JSONEncoder):
    """Writes bytes as base64, anywhere in a manifest."""

    def default(self, o: Any) -> Any:
        return base64.b64encode(o).decode() if isinstance(o, bytes) else super().default(o)


def _wasm(plugin: Any) -> Any:
    """Return the bytes behind the first argument of `Plugin`: a file's, a text's, a manifest's as JSON."""
    if isinstance(plugin, str):
        is_path = os.path.exists(plugin)  # noqa: PTH110 - a Path refuses what is no name of a file
        return Path(plugin).read_bytes() if is_path else plugin.encode()
    return json.dumps(plugin, cls=_Base64Encoder).encode() if isinstance(plugin, dict) else plugin


def _convert_value(x: Any) -> Val | None:
    """Return the number in a struct of upstream's C interface; None where it holds no number."""
    field = _FIELDS.get(x.t)
    return None if field is None else Val(ValType(x.t), getattr(x.v, field))


def _convert_output(x: Any, v: Val) -> None:
    """Put a number into a struct of upstream's C interface."""
    if v.t.value != x.t:
        raise Error(f"Output type mismatch, got {v.t} but expected {x.t}")
    field = _FIELDS.get(x.t)
    if field is None:
        raise Error(f"Unsupported return type: {x.t}")
    number = float if field.startswith("f") else int
    setattr(x.v, field, number(v.value))


def _map_arg(arg_name: str, xs: Any) -> tuple[ValType, Callable[[CurrentPlugin, Val], Any]]:
    """Return the type of a parameter with the annotation `xs`, and what reads it."""
    try:
        wire = parameter_wire(xs)
    except TypeError as exc:
        text = f"Could not infer input type for argument {arg_name}: {exc}"
        raise TypeError(text) from exc
    return _type_of(wire.type), lambda plugin, slot: wire.read(plugin, slot.value)


def _map_ret(xs: Any) -> list[tuple[ValType, Callable[[CurrentPlugin, Val, Any], None]]]:
    """Return the type of each result of the annotation `xs`, and what writes it."""
    try:
        wires = result_wires(xs)
    except TypeError as exc:
        text = f"Could not infer return type: {exc}"
        raise TypeError(text) from exc
    return [(_type_of(wire.type), _emplace(wire)) for wire in wires]


def _emplace(wire: Wire) -> Callable[[CurrentPlugin, Val, Any], None]:
    def emplace(plugin: CurrentPlugin, slot: Val, value: Any) -> None:
        slot.value = wire.write(plugin, value)

    return emplace


def _type_of(wasm: ValueType) -> ValType:
    return next(kind for kind, each in WASM_TYPES.items() if each == wasm)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        if name in _OF_THE_LIBRARY:
            raise AttributeError(
                f"{name!r} reached into upstream's C library (extism_sys); there is none here, "
                "and docs/differences.md says what to use instead"
            )
        raise AttributeError(f"module 'extism.extism' has no attribute {name!r}")
