"""What a parent tells a worker about a plugin: its modules as bytes, what it is granted, and what the host offers."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from extism import abi
from extism._engine.slots import ENVIRONMENT
from extism._isolation.limits import memory_for
from extism._isolation.program import IsolatedProgram, Setup
from extism._isolation.services import Services
from extism.caches import NATIVE_CACHE_DIR, native_directory
from extism.recipe import FUSE, inherited_output
from extism.secret import reveal
from extism.world import WasiOptions, Worlds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from extism._isolation.limits import WorkerLimits
    from extism.functions import Function
    from extism.limits import CompileLimits
    from extism.manifest import Manifest
    from extism.sources import KnownModule, ResolvedModule

__all__ = ["isolated_program"]

_STREAMS: Final = {"stdout": 1, "stderr": 2}

_KEPT_BYTES: Final = 16 << 20
_SPARE_FILES: Final = 64
"""Descriptors of a worker's own: its sockets, the clock, what Python opens while it imports."""


def isolated_program(
    manifest: Manifest,
    modules: Sequence[ResolvedModule | KnownModule],
    functions: Sequence[Function],
    wasi: bool | WasiOptions,  # noqa: FBT001 - the caller's own
    limits: WorkerLimits,
    options: Mapping[str, Any],
    compile_limits: CompileLimits | None,
    *,
    is_ambient: bool,
) -> IsolatedProgram:
    """
    Return a program that lives in workers, and start the first of them.

    Args:
        manifest: What the plugin is granted.
        modules: What it is made of.
        functions: What the host offers.
        wasi: The world of its program.
        limits: What a worker may use up.
        options: Those of `CompiledPlugin` that are left to the worker.
        compile_limits: What a module may weigh.
        is_ambient: Whether `functions` are those that happen to be there, of which only some may be used.

    Raises:
        Error: As `CompiledPlugin` says.
    """
    host = [function.host_import() for function in functions]
    pages, max_growth = manifest.memory.max_pages, options["max_memory"]
    memory_bytes = memory_for(limits, max_growth if pages is None else pages * abi.PAGE)
    world = _world(wasi)
    stdin = world.stdin.encode() if isinstance(world.stdin, str) else world.stdin
    blobs = (*(module.data for module in modules), stdin)
    head = {
        "names": [module.name for module in modules],
        "sizes": [len(blob) for blob in blobs],
        "max_pages": pages,
        "allowed_paths": dict(manifest.allowed_paths),
        "wasi": None if wasi is False else _words(world),
        "functions": [[item.namespace, item.name, item.params, item.results] for item in host],
        "is_ambient": is_ambient,
        "options": dict(options),
        "compile_limits": None if compile_limits is None else asdict(compile_limits),
        "limits": {
            "memory_bytes": memory_bytes,
            "cpu_seconds": limits.cpu_seconds,
            "open_files": limits.open_files or world.max_open_files + _SPARE_FILES,
            "file_bytes": limits.file_bytes,
        },
    }
    inherits = {place for name, place in _STREAMS.items() if getattr(world, name) == "inherit"}
    setup = Setup(head, blobs, _environment(), frozenset(inherits), limits, memory_bytes)
    return IsolatedProgram(setup, Services(host), None if wasi is False else Worlds(world, ()))


def _world(wasi: bool | WasiOptions) -> WasiOptions:  # noqa: FBT001 - the caller's own
    if isinstance(wasi, WasiOptions):
        return wasi
    return WasiOptions(stdout=inherited_output(), stderr=inherited_output())


def _words(world: WasiOptions) -> dict[str, Any]:
    """Return a world in words; what takes its output stays here, and is spoken of as the parent."""
    outputs = {name: getattr(world, name) for name in _STREAMS}
    told = {name: each if each in (None, "inherit") else "parent" for name, each in outputs.items()}
    return {
        "argv": list(world.argv),
        "env": {name: reveal(value) for name, value in world.env.items()},
        "max_open_files": world.max_open_files,
        "max_disk_bytes": world.max_disk_bytes,
        "max_new_files": world.max_new_files,
        **told,
    }


def _environment() -> dict[str, str]:
    """Return what the library in a worker has to find in its environment."""
    directory = native_directory()
    return {
        NATIVE_CACHE_DIR: "" if directory is None else os.path.abspath(directory),  # noqa: PTH100 - no links resolved
        ENVIRONMENT: "0",
        FUSE: os.environ.get(FUSE, "1"),
        # glibc: what a call took is kept for the next one, instead of given back and faulted in again.
        "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),
        "MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES),
    }
