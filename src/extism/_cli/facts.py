"""
What the bytes of a module tell about it as a plug-in: facts, ready for JSON.

They come from the outline alone; nothing is compiled or run. How they look on paper is in `inspect.py`. What
other modules of the same manifest offer is not known here.

Layout of `facts`::

    size, sha256         of the bytes as supplied, which is what a manifest's `hash` is compared with
    format               "binary" or "text"
    name                 what the module calls itself, or null
    exports              [{name, kind, type, callable, role}]; role: "initialiser", "program" or null
    imports              {kernel, wasi, host_functions, modules}: [{module, name, kind, type}]
    memories, tables     [{type, min, max, imported}], memories with page_size; in pages and elements
    start                whether code runs while the module is instantiated
    custom_sections      [{name, size}]
    packages             [{name, version}]: of others, in a plug-in that was compiled from Python
    producers            {field: {tool: version}}
    runtime              {name, sha256, package} of the runtime that a small Python plug-in is linked with, or null
    needs                {wasi, host_functions, modules}: without these it does not start
    may                  what it can do where that is granted: "http", "config", "variables", "paths", "log"
    warnings             [text]
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from extism import abi
from extism._wasm.externs import FuncType
from extism._wasm.model import SectionId
from extism._wasm.names import module_name, producers
from extism._wasm.reader import read
from extism.errors import WasmError
from extism.manifest import sniff
from extism.runtimes import need_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from extism._wasm.externs import Export, Import, Limits
    from extism._wasm.reader import Module

__all__ = ["callable_names", "facts", "outline"]

_ROLES: Final = {
    "_initialize": "initialiser",
    "__wasm_call_ctors": "initialiser",
    "hs_init": "initialiser",
    "_start": "program",
}
"""Exports that toolchains leave, and that are not there to be called by name."""

_MAY: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "http": frozenset({(abi.ENV, "http_request")}),
    "config": frozenset({(abi.ENV, "config_get")}),
    "variables": frozenset({(abi.ENV, "var_get"), (abi.ENV, "var_set")}),
    "paths": frozenset({(abi.WASI, "path_open"), (abi.WASI, "path_create_directory")}),
    "log": frozenset({(abi.ENV, name) for name in abi.FUNCTIONS if name.startswith("log_")}),
}
"""What a module can do that has one of these imports."""


def outline(content: bytes) -> Module:
    """
    Return the outline of a module in binary or text format.

    Raises:
        WasmError: It is no module.
        CompileError: The text is no module.
    """
    if sniff(content) == "wat":
        from extism._engine.engine import wat_to_wasm

        content = wat_to_wasm(content, "main")
    return read(content)


def callable_names(module: Module) -> tuple[str, ...]:
    """Return the exports that `call` can run and that are there for it, in the order of the module."""
    return tuple(
        export.name
        for export in module.exports
        if _is_callable(module, export) and export.name not in _ROLES
    )


def facts(content: bytes) -> dict[str, Any]:
    """
    Return what is known about a module, in the layout above.

    Raises:
        WasmError: It is no module, or a section of it is malformed.
        CompileError: The text is no module, or what it says of its runtime cannot be read.
    """
    module = outline(content)
    imports, runtime = _imports(module), _runtime(module)
    return {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "format": "text" if sniff(content) == "wat" else "binary",
        "name": _decoration(lambda: module_name(module), None),
        "exports": [_export(module, export) for export in module.exports],
        "imports": imports,
        "memories": [
            _limits(memory, memory.limits, place < module.imported_count("memory"))
            | {"page_size": memory.page_size}
            for place, memory in enumerate(module.memories)
        ],
        "tables": [
            _limits(table, table.limits, place < module.imported_count("table"))
            for place, table in enumerate(module.tables)
        ],
        "start": module.start is not None,
        "custom_sections": [
            {"name": section.name, "size": section.end - section.start}
            for section in module.sections
            if section.id == SectionId.CUSTOM
        ],
        "packages": _packages(module),
        "producers": _decoration(lambda: producers(module), {}),
        "runtime": runtime,
        "needs": _needs(imports, runtime),
        "may": [word for word, names in _MAY.items() if names & _names(module.imports)],
        "warnings": list(_warnings(module)),
    }


def _packages(module: Module) -> list[dict[str, str]]:
    """Return the packages that the compiler notes; whatever else the section says is no fault of the module."""
    section = module.custom.get(abi.PACKAGES_SECTION)
    try:
        rows = json.loads(bytes(section.payload)) if section else []
        return [{"name": str(row["name"]), "version": str(row["version"])} for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _decoration(ask: Callable[[], Any], otherwise: Any) -> Any:
    """Return what a custom section says; a malformed one is no fault of the module."""
    try:
        return ask()
    except WasmError:
        return otherwise


def _is_callable(module: Module, export: Export) -> bool:
    if export.kind != "func":
        return False
    kind = module.func_type(export.index)
    return not kind.params and kind.results in abi.CALLABLE_RESULTS


def _export(module: Module, export: Export) -> dict[str, Any]:
    return {
        "name": export.name,
        "kind": export.kind,
        "type": str(module.type_of(export)),
        "callable": _is_callable(module, export),
        "role": _ROLES.get(export.name) if export.kind == "func" else None,
    }


def _imports(module: Module) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = {
        "kernel": [],
        "wasi": [],
        "host_functions": [],
        "modules": [],
    }
    namespaces = {abi.ENV: "kernel", abi.WASI: "wasi", abi.USER: "host_functions"}
    for item in module.imports:
        group = groups[namespaces.get(item.module, "modules")]
        found = {"module": item.module, "name": item.name, "kind": item.kind}
        group.append(found | {"type": str(item.type)})
    return groups


def _limits(of: object, limits: Limits, imported: bool) -> dict[str, Any]:  # noqa: FBT001
    return {"type": str(of), "min": limits.min, "max": limits.max, "imported": imported}


def _runtime(module: Module) -> dict[str, str] | None:
    section = module.custom.get(abi.RUNTIME_SECTION)
    if section is None:
        return None
    need = need_of(bytes(section.payload))
    return {"name": need.name, "sha256": need.digest, "package": need.package}


def _needs(
    imports: Mapping[str, Sequence[Mapping[str, str]]], runtime: Mapping[str, str] | None
) -> dict[str, Any]:
    modules = dict.fromkeys(item["module"] for item in imports["modules"])
    if runtime:
        modules.pop(runtime["name"], None)
    return {
        "wasi": bool(imports["wasi"] or runtime),  # Python itself runs on WASI
        "host_functions": [item["name"] for item in imports["host_functions"]],
        "modules": list(modules),
    }


def _names(imports: Sequence[Import]) -> set[tuple[str, str]]:
    return {(item.module, item.name) for item in imports}


def _warnings(module: Module) -> Iterator[str]:
    if not callable_names(module):
        yield "nothing to call: no exported function has no parameters, and an i32 or no result"
    for item in module.imports:
        if item.module == abi.ENV:
            yield from _wrong_in_kernel(item)
    if any(memory.limits.is_64 for memory in module.memories):
        yield "a memory with 64-bit addresses: the engine has them switched off"


def _wrong_in_kernel(item: Import) -> Iterator[str]:
    row = abi.FUNCTIONS.get(item.name)
    if row is None:
        yield f"{abi.ENV} has no {item.name}"
    elif item.type != FuncType(row.params, row.results):
        yield f"{abi.ENV} {item.name} is {FuncType(row.params, row.results)}, not {item.type}"
