"""
Extism in Python: load WebAssembly plug-ins, call them, and decide what they may do.

    with extism.Plugin({"wasm": [{"path": "plugin.wasm"}]}) as plugin:
        print(plugin.call("greet", "Ada").decode())

Everything public is here; `errors.py` shows what can go wrong. What a plug-in itself imports is another
library of the same name, `extism.pdk` on this side.
"""

from __future__ import annotations

from extism.errors import Error
from extism.plugin import CancelHandle, Plugin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from extism import errors
    from extism import extism as extism
    from extism._capabilities.log_sinks import CustomLogger, LogLevel, set_log_custom, set_log_file
    from extism._isolation.limits import WorkerLimits
    from extism.codecs import Codec, Json, Pickle, Raw
    from extism.compiled import CompiledPlugin
    from extism.current import CurrentPlugin, Memory
    from extism.functions import HOST_FN_REGISTRY, Function, host_fn
    from extism.limits import CompileLimits
    from extism.listing import ExportInfo, ImportInfo
    from extism.manifest import Manifest, MemoryOptions, WasmData, WasmFile, WasmUrl

    # A type checker that reads a plug-in takes its `extism` for this package.
    from extism.pdk import F32 as F32
    from extism.pdk import F64 as F64
    from extism.pdk import I32 as I32
    from extism.pdk import I64 as I64
    from extism.pdk import Config as Config
    from extism.pdk import Http as Http
    from extism.pdk import HttpError as HttpError
    from extism.pdk import HttpRequest as HttpRequest
    from extism.pdk import HttpResponse as HttpResponse
    from extism.pdk import InputError as InputError
    from extism.pdk import MemoryHandle as MemoryHandle
    from extism.pdk import PluginError as PluginError
    from extism.pdk import ReturnCode as ReturnCode
    from extism.pdk import Var as Var
    from extism.pdk import import_fn as import_fn
    from extism.pdk import input as input  # noqa: A004
    from extism.pdk import input_bytes as input_bytes
    from extism.pdk import input_json as input_json
    from extism.pdk import input_str as input_str
    from extism.pdk import log as log
    from extism.pdk import memory as memory
    from extism.pdk import output as output
    from extism.pdk import output_bytes as output_bytes
    from extism.pdk import output_json as output_json
    from extism.pdk import output_str as output_str
    from extism.pdk import plugin_fn as plugin_fn
    from extism.pdk import set_error as set_error
    from extism.pdk import set_error_format as set_error_format
    from extism.pdk import shared_fn as shared_fn
    from extism.pool import Pool
    from extism.secret import Secret
    from extism.sources import SourcePolicy
    from extism.spec import PluginSpec
    from extism.values import Val, ValType
    from extism.vars import Vars
    from extism.version import extism_version
    from extism.world import WasiOptions

    __version__: str

# Without `extism`: `import *` would put the module in the package's place.
__all__ = [
    "HOST_FN_REGISTRY",
    "CancelHandle",
    "Codec",
    "CompileLimits",
    "CompiledPlugin",
    "CurrentPlugin",
    "CustomLogger",
    "Error",
    "ExportInfo",
    "Function",
    "ImportInfo",
    "Json",
    "LogLevel",
    "Manifest",
    "Memory",
    "MemoryOptions",
    "Pickle",
    "Plugin",
    "PluginSpec",
    "Pool",
    "Raw",
    "Secret",
    "SourcePolicy",
    "Val",
    "ValType",
    "Vars",
    "WasiOptions",
    "WasmData",
    "WasmFile",
    "WasmUrl",
    "WorkerLimits",
    "errors",
    "extism_version",
    "host_fn",
    "set_log_custom",
    "set_log_file",
]

_GUEST_NAMES: Final = frozenset(
    {
        "F32",
        "F64",
        "I32",
        "I64",
        "Config",
        "Http",
        "HttpError",
        "HttpRequest",
        "HttpResponse",
        "InputError",
        "MemoryHandle",
        "PluginError",
        "ReturnCode",
        "Var",
        "import_fn",
        "input",
        "input_bytes",
        "input_json",
        "input_str",
        "log",
        "memory",
        "output",
        "output_bytes",
        "output_json",
        "output_str",
        "plugin_fn",
        "set_error",
        "set_error_format",
        "shared_fn",
    }
)
"""What `extism` has inside a plug-in, and a type checker is told that it has: it sees plug-ins from here."""


_HOMES: Final = {
    "HOST_FN_REGISTRY": "functions",
    "Codec": "codecs",
    "CompileLimits": "limits",
    "CompiledPlugin": "compiled",
    "CurrentPlugin": "current",
    "CustomLogger": "_capabilities.log_sinks",
    "ExportInfo": "listing",
    "Function": "functions",
    "ImportInfo": "listing",
    "Json": "codecs",
    "LogLevel": "_capabilities.log_sinks",
    "Manifest": "manifest",
    "Memory": "current",
    "MemoryOptions": "manifest",
    "Pickle": "codecs",
    "PluginSpec": "spec",
    "Pool": "pool",
    "Raw": "codecs",
    "Secret": "secret",
    "SourcePolicy": "sources",
    "Val": "values",
    "ValType": "values",
    "Vars": "vars",
    "WasiOptions": "world",
    "WasmData": "manifest",
    "WasmFile": "manifest",
    "WasmUrl": "manifest",
    "WorkerLimits": "_isolation.limits",
    "extism_version": "version",
    "host_fn": "functions",
    "set_log_custom": "_capabilities.log_sinks",
    "set_log_file": "_capabilities.log_sinks",
}
"""The module of each public name that is not needed to load and call a plugin: loaded when somebody asks for it."""

_MODULES: Final = frozenset({"errors", "extism"})
"""Modules that are there without being imported, as upstream's is."""

if not TYPE_CHECKING:
    # Hidden from type checkers, which would take every name for one of ours.
    def __getattr__(name: str) -> Any:
        home = name if name in _MODULES else _HOMES.get(name)
        if home is not None:
            module = __import__(f"extism.{home}", fromlist=["*"])
            found = globals()[name] = module if name in _MODULES else getattr(module, name)
            return found
        if name in _GUEST_NAMES:
            raise AttributeError(
                f"{name!r} belongs to the guest; compile with extism-py, or 'import extism.pdk' to test it here"
            )
        if name == "__version__":
            return __getattr__("extism_version")()
        raise AttributeError(f"module 'extism' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
