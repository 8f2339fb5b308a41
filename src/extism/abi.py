"""
The Extism ABI as data: every function that a plug-in may import, its type, and who owns which handle.

The kernel's exports (`_runtime/kernel.wat`), the host's bodies (`_runtime/env.py`), what the compiler
lets a plug-in import, and the reference page are all checked against these tables.

A *handle* is the i64 offset of a live block in the kernel's data memory; 0 is none. *Takes* lists the
parameters whose block the callee frees; the guest must not use those handles again.
"""

from __future__ import annotations

from extism._dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "CALLABLE_RESULTS",
    "DEFAULT_MAX_HTTP_RESPONSE_BYTES",
    "DEFAULT_MAX_MEMORY",
    "DEFAULT_MAX_PAGES",
    "DEFAULT_MAX_VAR_BYTES",
    "ENV",
    "FRAIL_SECTION",
    "FUNCTIONS",
    "INITIALISERS",
    "LEVELS",
    "LOGGER",
    "LOGGING_OFF",
    "MAX_MESSAGE_BYTES",
    "PACKAGES_SECTION",
    "PAGE",
    "RUNTIME_SECTION",
    "USER",
    "VAR_OVERHEAD_BYTES",
    "WASI",
    "Function",
    "HostImport",
    "ValueType",
]

ValueType: TypeAlias = "Literal['i32', 'i64', 'f32', 'f64', 'v128', 'funcref', 'externref']"

ENV: Final = "extism:host/env"
"""The namespace of everything in `FUNCTIONS`."""

USER: Final = "extism:host/user"
"""The namespace of host functions that name none."""

WASI: Final = "wasi_snapshot_preview1"

FRAIL_SECTION: Final = "extism.frail"
"""
An empty custom section of this name marks code that must not be called again after a trap.

An extension of ours: `extism-py` marks its plug-ins, whose interpreter a trap leaves in the middle of
something; our host then goes on with a fresh instance. Other hosts pass it by.
"""

PACKAGES_SECTION: Final = "extism.packages"
"""
A custom section of this name says which packages of others are in a plug-in.

An extension of ours, and for people and their tools only: JSON, `[{"name": ..., "version": ...}]`, by name.
"""

RUNTIME_SECTION: Final = "extism.runtime"
"""
A custom section of this name says which module a small plug-in has to be linked with.

An extension of ours: three words in UTF-8, the name that it imports the module by, the SHA-256 of its bytes in
hexadecimal digits, and the package that has it, as pip takes it. A host that does not know it needs a manifest
with both modules.
"""

PAGE: Final = 65536
"""Bytes in a WebAssembly page."""

DEFAULT_MAX_VAR_BYTES: Final = 1 << 20
DEFAULT_MAX_HTTP_RESPONSE_BYTES: Final = 50 << 20
DEFAULT_MAX_PAGES: Final = 8192
"""512 MiB: what all memories of a plug-in may grow by together when the manifest names no `max_pages`."""

DEFAULT_MAX_MEMORY: Final = DEFAULT_MAX_PAGES * PAGE
"""The same in bytes."""

VAR_OVERHEAD_BYTES: Final = 48
"""Counted for each variable beside key and value: upstream's two 24-byte string headers."""

LOGGER: Final = "extism.plugin"
"""The logger of the guests; a plug-in may have a child of it."""

LEVELS: Final = ("trace", "debug", "info", "warn", "error")
"""How loud a message is, from 0 on; people see a `log_sinks.LogLevel`."""

LOGGING_OFF: Final = 0x7FFFFFFF
"""What `get_log_level` answers when no level is wanted: the largest i32."""

MAX_MESSAGE_BYTES: Final = 16 << 10
"""Of one message that is logged; what is longer is cut."""

INITIALISERS: Final = frozenset({"hs_init", "__wasm_call_ctors", "_initialize"})
"""Exports that toolchains leave in a module to be run before the first call (`_runtime/startup.py`)."""

CALLABLE_RESULTS: Final[tuple[tuple[ValueType, ...], ...]] = ((), ("i32",))
"""The results that a callable export may have; it has no parameters."""


@dataclass(frozen=True)
class Function:
    """
    One function of `extism:host/env`.

    Attributes:
        name: As imported.
        params: WebAssembly types.
        results: WebAssembly types.
        by: Who implements it.
        takes: Indices of the parameters that are handles which the callee frees.
        gives: Whether the result is a handle that the guest owns from then on.
    """

    name: str
    params: tuple[ValueType, ...]
    results: tuple[ValueType, ...]
    by: Literal["kernel", "host"]
    takes: tuple[int, ...] = ()
    gives: bool = False


@dataclass(frozen=True)
class HostImport:
    """
    A function that the host gives to a plug-in, ready to be linked.

    Attributes:
        namespace: The module name that the plug-in imports it from.
        name: The imported name.
        params: WebAssembly types.
        results: WebAssembly types.
        body: Called with the running call (`_runtime.call.Call`) and one Python number for each
            parameter; gives one number for each result. Integers come signed; either sign is taken.
        may_wait: Whether the body may give what is to be waited for instead (`_engine.waiting.Awaited`).
    """

    namespace: str
    name: str
    params: tuple[ValueType, ...]
    results: tuple[ValueType, ...]
    body: Callable[..., Any]
    may_wait: bool = False


_KERNEL: Final = (
    Function("alloc", ("i64",), ("i64",), "kernel", gives=True),
    Function("free", ("i64",), (), "kernel", takes=(0,)),
    Function("length", ("i64",), ("i64",), "kernel"),
    Function("length_unsafe", ("i64",), ("i64",), "kernel"),
    Function("load_u8", ("i64",), ("i32",), "kernel"),
    Function("load_u64", ("i64",), ("i64",), "kernel"),
    Function("store_u8", ("i64", "i32"), (), "kernel"),
    Function("store_u64", ("i64", "i64"), (), "kernel"),
    Function("input_load_u8", ("i64",), ("i32",), "kernel"),
    Function("input_load_u64", ("i64",), ("i64",), "kernel"),
    Function("input_length", (), ("i64",), "kernel"),
    Function("input_offset", (), ("i64",), "kernel"),
    Function("input_set", ("i64", "i64"), (), "kernel"),
    Function("output_set", ("i64", "i64"), (), "kernel"),
    Function("output_offset", (), ("i64",), "kernel"),
    Function("output_length", (), ("i64",), "kernel"),
    Function("error_set", ("i64",), (), "kernel"),
    Function("error_get", (), ("i64",), "kernel"),
    Function("reset", (), (), "kernel"),
    Function("memory_bytes", (), ("i64",), "kernel"),
)

_HOST: Final = (
    Function("config_get", ("i64",), ("i64",), "host", takes=(0,), gives=True),
    Function("var_get", ("i64",), ("i64",), "host", takes=(0,), gives=True),
    Function("var_set", ("i64", "i64"), (), "host", takes=(0, 1)),
    Function("http_request", ("i64", "i64"), ("i64",), "host", takes=(0, 1), gives=True),
    Function("http_status_code", (), ("i32",), "host"),
    Function("http_headers", (), ("i64",), "host", gives=True),
    Function("log_trace", ("i64",), (), "host", takes=(0,)),
    Function("log_debug", ("i64",), (), "host", takes=(0,)),
    Function("log_info", ("i64",), (), "host", takes=(0,)),
    Function("log_warn", ("i64",), (), "host", takes=(0,)),
    Function("log_error", ("i64",), (), "host", takes=(0,)),
    Function("get_log_level", (), ("i32",), "host"),
)

FUNCTIONS: Final[dict[str, Function]] = {row.name: row for row in _KERNEL + _HOST}
"""Every function of `extism:host/env` by name: first the kernel's twenty, then the host's twelve."""
