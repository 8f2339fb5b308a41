"""
Compiled code, found again: in this process, then on disk, else compiled.

On disk an entry is two files: the pure artefact, which the engine maps, and a note with its digest (`_vault.py`).
Native code is trusted blindly by whoever maps it, so nothing is mapped before it is checked, and nothing at all is
read from a directory that others may write to.

::

    <directory>/<key>.cwasm  the artefact
    <directory>/<key>.mac    note: SHA-256 of the artefact
    <directory>/<key>.seen   note: identity of the file that was checked
    key                      SHA-256 of this layout, engine version, its recipe, platform, what is done to the
                             module before it is compiled, and the module's digest

Reading 25 MB to check them takes longer than all the rest of a start. So what was checked is noted, as device,
inode, size and times of the file: as long as these are the same, nothing is read again.

What can go wrong: a full, read-only, foreign or broken directory costs a compilation and one warning, never a call.
A mismatch of artefact and digest is a miss.
"""

from __future__ import annotations

import os
import sys
import time
from _weakref import ref

from extism._cached import cache
from extism._dataclass import dataclass
from extism._digest import is_same, sha256
from extism._engine.wheel import engine_version
from extism._kept import Kept
from extism._vault import (
    TEMPORARY,
    Vault,
    detail,
    files,
    identity,
    least_used,
    log,
    plain_file,
    remove,
)
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._engine.engine import Engine, Module, Settings

__all__ = ["MAX_BYTES", "ModuleCache", "Rewrite"]

MAX_BYTES: Final = 2 << 30
"""The artefacts used least recently are deleted when all of them together exceed this."""

_SEEN_FOR: Final = 86400.0
"""Seconds after which an artefact is read and checked again, and its time of use noted."""

_TEMPORARY_FOR: Final = 3600.0
"""Seconds after which a temporary file belongs to nobody any more."""

_KNOWN_FOR: Final = 30 * 86400.0
"""Seconds after which what was noted of a module is let go."""

_LAYOUT: Final = 4
"""Changes with what lies beside an artefact: entries of other versions are left alone."""

_KEPT: Final = 32
_KEPT_BYTES: Final = 64 << 20
"""How many modules stay when no plugin uses them any more, and how large their binaries may be together."""


@dataclass(frozen=True)
class Rewrite:
    """What is done to a module before it is compiled; other functions need another `label`."""

    label: str
    function: Callable[[bytes], bytes]


class ModuleCache:
    """
    Compiled modules by what was compiled; safe to share between threads and processes.

    Args:
        directory: Where the artefacts are kept, made if need be; None keeps nothing on disk.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self.vault = Vault(directory)
        self._alive: dict[tuple[Settings, str], ref[Module]] = {}
        self._kept = Kept(_KEPT, _KEPT_BYTES)

    def module(
        self,
        engine: Engine,
        wasm: bytes | Callable[[], bytes],
        name: str = "",
        rewrite: Rewrite | None = None,
        *,
        digest: bytes = b"",
        size: int = 0,
        check: Callable[[bytes], None] | None = None,
    ) -> Module:
        """
        Return native code for a binary module, or for what `rewrite` makes of it.

        What was rewritten is found again by the bytes that it was made of.

        Args:
            engine: Compiles it.
            wasm: The module, or what gives it where native code has to be made: then `digest` is needed.
            name: For people.
            rewrite: What is done to it first.
            digest: Its SHA-256, where that is known.
            size: Its bytes, where `wasm` does not say.
            check: Sees the module before it is compiled, and raises what the caller gets; not asked where
                native code is found.

        Raises:
            CompileError: The bytes are not a valid module.
        """
        size = size if callable(wasm) else len(wasm)
        digest = digest if callable(wasm) else digest or sha256(wasm)
        key = _key(engine, digest, rewrite.label if rewrite else "")
        place = engine.settings, key
        alive = self._alive.get(place)
        found = (alive and alive()) or self._load(engine, key)
        if found is None:
            started = time.monotonic()
            binary = wasm() if callable(wasm) else wasm
            if check is not None:
                check(binary)
            found = engine.compile(_rewritten(engine, binary, rewrite, name), name)
            detail("compiled %s in %.2f s", name or key[:12], time.monotonic() - started)
            self._save(key, found)
        self._alive[place] = ref(found, self._forgetting(place))
        self._kept.put(place, found, size)
        return found

    def _forgetting(self, place: tuple[Settings, str]) -> Callable[[ref[Module]], None]:
        """Return what takes a module out of the memo that has gone; a later one of its place stays."""
        alive = self._alive

        def forget(gone: ref[Module]) -> None:
            if alive.get(place) is gone:
                del alive[place]

        return forget

    @property
    def keeps(self) -> bool:
        """Whether native code is found on disk once it was made."""
        return self.vault.is_writable

    def forget(self) -> None:
        """Let go of the modules that no plugin uses."""
        self._kept.clear()

    def _load(self, engine: Engine, key: str) -> Module | None:
        if not self.vault.is_open:
            return None
        path = self.vault.path(f"{key}.cwasm")
        try:
            if not self._is_seen(path, key):
                if not self._is_right(path, key):
                    log().warning(
                        "the cached code %s was changed by somebody; compiling again", path
                    )
                    return None
                self._mark_seen(path, key)
            return engine.load(path)
        except FileNotFoundError:
            return None
        except (OSError, CompileError) as exc:
            log().warning("the cached code %s is of no use (%s); compiling again", path, exc)
            return None

    def _is_seen(self, path: str, key: str) -> bool:
        """Tell whether the file was checked before and not touched since; now and then it is checked anew."""
        status = os.stat(path)
        seen = self.vault.read(f"{key}.seen")
        return seen == identity(status) and time.time() - status.st_mtime < _SEEN_FOR

    def _is_right(self, path: str, key: str) -> bool:
        import hashlib

        with os.fdopen(plain_file(path), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        expected = self.vault.read(f"{key}.mac")
        return expected is not None and is_same(expected, digest)

    def _mark_seen(self, path: str, key: str) -> None:
        """Note that the artefact is right as it is, and that it was used."""
        try:
            os.utime(path)
            self.vault.write(f"{key}.seen", identity(os.stat(path)))
        except OSError as exc:
            detail("%s will be checked again next time: %s", path, exc)

    def _save(self, key: str, module: Module) -> None:
        if not self.vault.is_writable:
            return
        try:
            code = module.serialize()
            self.vault.put(f"{key}.cwasm", code)
            self.vault.write(f"{key}.mac", sha256(code))
            _prune(self.vault.path(""))
        except OSError as exc:
            self.vault.give_up(exc)


def _rewritten(engine: Engine, binary: bytes, rewrite: Rewrite | None, name: str) -> bytes:
    """
    Return what is compiled of a module that is valid by itself.

    What names an entry that it has not would get one that rewriting appends: the budget, the kernel's notes.
    """
    if rewrite is None:
        return binary
    engine.validate(binary, name)
    return rewrite.function(binary)


def _key(engine: Engine, digest: bytes, label: str = "") -> str:
    about = f"{_LAYOUT} {_version()} {engine.recipe} {sys.platform} {_machine()}"
    if label:
        about = f"{about} {label}"
    return sha256(about.encode() + digest).hex()


_version = cache(engine_version)
"""Looked up once: it reads folders, which no version changes under a process that has loaded the engine."""


@cache
def _machine() -> str:
    return (
        os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    )


def _prune(directory: str) -> None:
    """Delete the artefacts used least recently, and temporary files that a crash left."""
    from extism import _known
    from extism._wasm import outline

    found = files(directory)
    stale_after = {
        TEMPORARY: _TEMPORARY_FOR,
        _known.SUFFIX: _KNOWN_FOR,
        outline.SUFFIX: _KNOWN_FOR,
    }
    for entry, status in found:
        kind = TEMPORARY if entry.name.startswith(TEMPORARY) else os.path.splitext(entry.name)[1]
        if time.time() - status.st_mtime > stale_after.get(kind, float("inf")):
            remove(entry.path)
    artefacts = [pair for pair in found if pair[0].name.endswith(".cwasm")]
    for entry in least_used(artefacts, MAX_BYTES):
        stem = entry.path.removesuffix(".cwasm")
        for suffix in (".cwasm", ".mac", ".seen"):
            remove(stem + suffix)
