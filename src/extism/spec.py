"""
`PluginSpec`: a plugin as a description that can be pickled: where it comes from and its digests, never code.

Process pools and task queues carry descriptions; each process makes its own plugins of them, and compiles
each description once. A digest that no longer fits is an error there, not another plugin.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extism.compiled import CompiledPlugin
from extism.errors import ManifestError
from extism.manifest import Manifest, WasmData, WasmFile
from extism.plugin import Plugin
from extism.secret import Secret
from extism.sources import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from extism.functions import Function
    from extism.manifest import WasmSource

__all__ = ["PluginSpec"]


@dataclass(frozen=True)
class PluginSpec:
    """
    A description of a plugin; make one with `of`.

    Attributes:
        manifest: With absolute paths and a digest for every module; no module in itself.
        wasi: As for `Plugin`.
        fuel_limit: As for `Plugin`.
    """

    manifest: Manifest
    wasi: bool = False
    fuel_limit: int | None = None

    def __post_init__(self) -> None:
        for index, source in enumerate(self.manifest.wasm):
            if isinstance(source, WasmData):
                raise ManifestError(
                    "a PluginSpec carries no code: save the module to a file and name its path",
                    where=f"wasm[{index}].data",
                )
            if source.hash is None:
                raise ManifestError(
                    "a PluginSpec needs the digest of every module: PluginSpec.of reads them off",
                    where=f"wasm[{index}].hash",
                )
        for key, value in self.manifest.config.items():
            if isinstance(value, Secret):
                raise ManifestError(
                    "a PluginSpec carries no secret: hand it over where the plugin is made, with config=",
                    where=f"config.{key}",
                )

    @classmethod
    def of(
        cls,
        plugin: Mapping[str, Any] | Manifest | str | os.PathLike[str],
        *,
        wasi: bool = False,
        fuel_limit: int | None = None,
    ) -> PluginSpec:
        """
        Return the description of a plugin, with the digests that its modules have now.

        Args:
            plugin: A manifest, or the path of a module.
            wasi: Let the modules use WASI preview 1.
            fuel_limit: How much a call may execute.

        Raises:
            ManifestError: The manifest is wrong, holds a module in itself, or a secret.
            SourceError: A module could not be had, or is not the promised one.
        """
        if isinstance(plugin, Manifest):
            manifest = plugin
        elif isinstance(plugin, str | os.PathLike):
            manifest = Manifest(wasm=(WasmFile(os.fspath(plugin)),))
        else:
            manifest = Manifest.parse(plugin)
        modules = resolve(manifest)
        pinned = tuple(
            _pinned(source, hashlib.sha256(module.data).hexdigest())
            for source, module in zip(manifest.wasm, modules, strict=True)
        )
        return cls(dataclasses.replace(manifest, wasm=pinned), wasi, fuel_limit)

    def compiled(self, functions: Sequence[Function] = ()) -> CompiledPlugin:
        """
        Return the plugin compiled, once in each process for each description and set of functions.

        Raises:
            Error: As for `CompiledPlugin`.
        """
        return _compiled(repr(self), tuple(functions), _Box(self))

    def plugin(
        self,
        functions: Sequence[Function] = (),
        config: Mapping[str, str | Secret | None] | None = None,
    ) -> Plugin:
        """
        Return a new living plugin.

        Raises:
            Error: As for `Plugin`.
        """
        return Plugin(self.compiled(functions), config=config)


class _Box:
    """Carries a spec past the cache's key: manifests hold dicts, which have no hash."""

    def __init__(self, spec: PluginSpec) -> None:
        self.spec = spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Box)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _compiled(_key: str, functions: tuple[Function, ...], box: _Box) -> CompiledPlugin:
    spec = box.spec
    return CompiledPlugin(spec.manifest, spec.wasi, functions, fuel_limit=spec.fuel_limit)


def _pinned(source: WasmSource, digest: str) -> WasmSource:
    if isinstance(source, WasmFile):
        path = str(Path(source.path).resolve())
        return dataclasses.replace(source, path=path, hash=source.hash or digest)
    return dataclasses.replace(source, hash=source.hash or digest)
