"""
The guest library: inside a plug-in this package is called `extism`.

What a plug-in author uses: `plugin_fn` exports a function, `input_*` and `output_*` are its argument and its
result, `Config`, `Var`, `Http`, `log` and `memory` reach what the host grants, `import_fn` declares a function
that the host adds. The host's own package of the same name is another thing; here it is `extism.pdk`, which
imports nothing of it.
"""

from __future__ import annotations

from . import ffi, memory
from .config import Config
from .errors import InputError, PluginError
from .exports import plugin_fn, shared_fn
from .http import Http, HttpError, HttpRequest, HttpResponse
from .imports import import_fn
from .invoke import set_error_format
from .io import (
    input,  # noqa: A004  upstream's name
    input_bytes,
    input_json,
    input_str,
    output,
    output_bytes,
    output_json,
    output_str,
    set_error,
)
from .log import LogLevel, log
from .memory import MemoryHandle
from .typed import ReturnCode
from .var import Var
from .wires import F32, F64, I32, I64

__all__ = [
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
    "LogLevel",
    "MemoryHandle",
    "PluginError",
    "ReturnCode",
    "Var",
    "ffi",
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
]

_HOST_NAMES = frozenset(
    {"CompiledPlugin", "CurrentPlugin", "Function", "Plugin", "Pool", "host_fn"}
)


def __getattr__(name: str) -> object:
    if name in _HOST_NAMES:
        raise AttributeError(f"{name!r} belongs to the host, this is the library inside a plug-in")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
