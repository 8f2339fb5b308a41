"""
What a command line names: files and URLs of modules and manifests.

Files are opened by `sources.py` and `compiled.py` later; here is what only the command can know: that a pipe is
read but once, that a manifest was taken for a module, and which file may have been meant.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from extism.errors import ManifestError, SourceError
from extism.manifest import Manifest, WasmData, WasmFile, WasmSource, WasmUrl, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_url", "module_at", "plugin_at", "read_file"]

T = TypeVar("T")

_URL: Final = re.compile(r"https?://", re.IGNORECASE)


def is_url(place: str) -> bool:
    """Tell whether a place is a URL, and no path."""
    return _URL.match(place) is not None


def module_at(place: str, name: str | None = None) -> WasmSource:
    """
    Return the source of a manifest for a path or an http(s) URL.

    What comes through a pipe is read here and now: it comes only once.

    Raises:
        SourceError: There is no such file.
    """
    if is_url(place):
        return WasmUrl(place, name=name)
    mode = _opened(place, lambda: Path(place).stat().st_mode)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return WasmData(read_file(place), name=name)
    return WasmFile(place, name=name)


def plugin_at(place: str, *, is_manifest: bool) -> Manifest:
    """
    Return the manifest that is at `place`, or whose only module is there.

    Raises:
        UsageError: The other of the two is there.
        SourceError: The file cannot be read.
        ManifestError: It is no manifest; the text names the file.
    """
    if is_manifest:
        return _manifest_at(place)
    source = module_at(place)
    if _is_manifest(source):
        raise click.UsageError(f"{place} is a manifest, no module; add --manifest.")
    return Manifest(wasm=(source,))


def _manifest_at(path: str) -> Manifest:
    if is_url(path):
        raise click.UsageError("A manifest is read from a file, not from a URL.")
    content = read_file(path)
    if sniff(content) != "manifest":
        raise click.UsageError(f"{path} is a module, no manifest; leave --manifest out.")
    try:
        return Manifest.parse(content)
    except ManifestError as error:
        error.args = (f"{path}: {error}",)
        raise


def _is_manifest(source: WasmSource) -> bool:
    """Tell whether what was taken for a module is a manifest."""
    match source:
        case WasmData():
            content = source.data
        case WasmFile():
            if source.path.lower().endswith((".toml", ".json")):
                return True
            content = read_file(source.path, unless=b"\0asm")
        case _:
            return False
    try:
        Manifest.parse(content)
    except ManifestError:
        return False
    return True


def read_file(path: str, *, unless: bytes = b"") -> bytes:
    """
    Return the content of a file.

    Args:
        path: Where it is.
        unless: What begins like this is not read further; by default everything is read.

    Raises:
        SourceError: It cannot be read.
    """

    def read() -> bytes:
        with Path(path).open("rb") as file:
            start = file.read(len(unless))
            return start if unless and start == unless else start + file.read()

    return _opened(path, read)


def _opened(path: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = f"open {path}: {reason.lower()}{_instead(path, error)}"
        raise SourceError(text, source=path) from error


def _instead(path: str, error: Exception) -> str:
    """Return what else may have been meant by the path of a file that does not exist."""
    if not isinstance(error, FileNotFoundError):
        return ""
    import difflib

    folder = Path(path).parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(Path(path).name, names, n=1)
    if near:
        return f"\nDid you mean {folder / near[0]}?"
    return "" if Path(path).is_absolute() else f"\nRelative paths start at {Path.cwd()}"
