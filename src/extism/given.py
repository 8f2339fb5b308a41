"""
What `Plugin` may be given: a manifest, or a module, as a value, as text or as a path; here it becomes a manifest.

Files of manifests are read here, modules by `sources.py`.
"""

from __future__ import annotations

import os

from extism.errors import ManifestError, SourceError
from extism.escapes import shown_path
from extism.manifest import Manifest, WasmData, WasmFile, sniff
from extism.sources import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, TypeAlias, TypeGuard

__all__ = ["PluginSource", "manifest_of"]

PluginSource: TypeAlias = (
    "str | bytes | bytearray | memoryview | os.PathLike[str] | Mapping[str, Any] | Manifest"
)
"""What a plugin can be made of: a manifest, or a module, as a value, as text, or as a path."""

_VALUES_AND_PATHS: Final = (str, bytes, bytearray, memoryview, os.PathLike)
_FILE_ENDINGS: Final = (".wasm", ".wat", ".toml", ".json")
_LONGEST_PATH: Final = 4096


def manifest_of(plugin: object) -> Manifest:
    """Return the manifest that `plugin` is, names by its path, or is the only module of."""
    if isinstance(plugin, Manifest):
        return plugin
    if isinstance(plugin, _VALUES_AND_PATHS):
        path = _path(plugin)
        if path is not None and _holds_a_module(path):
            return Manifest(wasm=(WasmFile(path),))
        content = _file_content(path) if path is not None else _inline_content(plugin)
        if sniff(content) == "manifest":
            return _parsed(plugin, content)
        return Manifest(wasm=(WasmData(content),))
    if isinstance(plugin, dict) or _is_mapping(plugin):
        return Manifest.parse(plugin)
    kind = type(plugin).__name__
    raise TypeError(
        f"no plugin is made of {kind}; allowed: a manifest, a module, the path of either"
    )


def _is_mapping(plugin: object) -> TypeGuard[Mapping[str, Any]]:
    from collections.abc import Mapping

    return isinstance(plugin, Mapping)


def _path(plugin: str | bytes | bytearray | memoryview | os.PathLike[str]) -> str | None:
    """Return the path that `plugin` is or names; None for text and bytes."""
    if isinstance(plugin, str):
        return plugin if _names_a_file(plugin) else None
    return os.fsdecode(plugin) if isinstance(plugin, os.PathLike) else None


def _inline_content(plugin: Any) -> bytes:
    return plugin.encode() if isinstance(plugin, str) else bytes(plugin)


def _holds_a_module(path: str) -> bool:
    """Tell whether a regular file is a module and no manifest; one that cannot be read is neither."""
    try:
        if not os.path.isfile(path):  # what a pipe gave would be gone
            return False
        with open(path, "rb") as file:
            start = file.read(4)
            return start == b"\0asm" or sniff(start + bounded(file, path)) != "manifest"
    except OSError:
        return False


def _file_content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return bounded(file, path)
    except OSError as exc:
        if isinstance(exc, SourceError):
            raise
        raise SourceError(
            f'Unable to load Wasm file "{shown_path(path)}": {exc.strerror or exc}', source=path
        ) from exc


def _names_a_file(text: str) -> bool:
    """Tell whether a str is the path of something that exists; text of a manifest or module is not."""
    try:
        return 0 < len(text) < _LONGEST_PATH and "\n" not in text and os.path.exists(text)
    except (OSError, ValueError):
        return False


def _parsed(plugin: object, content: bytes) -> Manifest:
    try:
        return Manifest.parse(content)
    except ManifestError as exc:
        if (
            isinstance(plugin, str)
            and plugin.lower().endswith(_FILE_ENDINGS)
            and not _names_a_file(plugin)
        ):
            raise SourceError(
                f'Unknown manifest format: there is no file "{shown_path(plugin)}" in {os.getcwd()}',
                source=plugin,
            ) from exc
        raise
