"""
Compiled code, found again: in this process, then on disk, else compiled.

On disk an entry is two files: the pure artefact, which the engine maps, and a sidecar with its MAC.
Native code is trusted blindly by whoever maps it, so nothing is mapped before its MAC is checked, and
nothing at all is read from a directory that others may write to.

::

    <directory>/secret       32 random bytes, mode 0600, made once
    <directory>/<key>.cwasm  the artefact
    <directory>/<key>.mac    HMAC-SHA256(secret, key + SHA-256(artefact)), 32 bytes
    <directory>/<key>.seen   HMAC-SHA256(secret, key + identity of the file that was checked), 32 bytes
    key                      SHA-256 of engine version, its recipe, platform, what is done to the
                             module before it is compiled, and the module's bytes

Reading 25 MB to check them takes longer than all the rest of a start. So what was checked is noted, as device,
inode, size and times of the file: as long as these are the same, nothing is read again.

What can go wrong: a full, read-only, foreign or broken directory costs a compilation and one warning,
never a call. Files are written beside their place and moved there; of two writers the later wins, both
being right. A mismatch of artefact and MAC is a miss.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import os
import secrets
import sys
import tempfile
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, NamedTuple

from extism._engine.bindings import engine_version
from extism.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from extism._engine.engine import Engine, Module, Settings

__all__ = ["MAX_BYTES", "ModuleCache", "Rewrite"]

MAX_BYTES: Final = 2 << 30
"""The artefacts used least recently are deleted when all of them together exceed this."""

_SEEN_FOR: Final = 86400.0
"""Seconds after which an artefact is read and checked again, and its time of use noted."""

_STALE_AFTER: Final = 3600.0
"""Seconds after which a temporary file belongs to nobody any more."""

_TEMPORARY: Final = "tmp-"

_log = logging.getLogger("extism.cache")


class Rewrite(NamedTuple):
    """What is done to a module before it is compiled; other functions need another `label`."""

    label: str
    function: Callable[[bytes], bytes]


class ModuleCache:
    """
    Compiled modules by what was compiled; safe to share between threads and processes.

    Args:
        directory: Where the artefacts are kept, made if need be; None keeps nothing on disk.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._memo: weakref.WeakValueDictionary[tuple[Settings, str], Module] = (
            weakref.WeakValueDictionary()
        )
        self._secret: bytes | None = None
        self._is_opened = False
        self._is_writable = True

    def module(
        self, engine: Engine, wasm: bytes, name: str = "", rewrite: Rewrite | None = None
    ) -> Module:
        """
        Return native code for the binary module `wasm`, or for what `rewrite` makes of it.

        What was rewritten is found again by the bytes that it was made of.

        Raises:
            CompileError: The bytes are not a valid module.
        """
        key = _key(engine, wasm, rewrite.label if rewrite else "")
        place = engine.settings, key
        found = self._memo.get(place) or self._load(engine, key)
        if found is None:
            started = time.monotonic()
            found = engine.compile(rewrite.function(wasm) if rewrite else wasm, name)
            _log.debug("compiled %s in %.2f s", name or key[:12], time.monotonic() - started)
            self._save(key, found)
        self._memo[place] = found
        return found

    def _load(self, engine: Engine, key: str) -> Module | None:
        secret = self._open()
        if secret is None or self._directory is None:
            return None
        path = self._directory / f"{key}.cwasm"
        try:
            if not _is_seen(path, secret, key):
                expected = (self._directory / f"{key}.mac").read_bytes()
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").digest()
                if not hmac.compare_digest(expected, _mac(secret, key, digest)):
                    _log.warning(
                        "the cached code %s was changed by somebody; compiling again", path
                    )
                    return None
                self._mark_seen(path, secret, key)
            return engine.load(path)
        except FileNotFoundError:
            return None
        except (OSError, CompileError) as exc:
            _log.warning("the cached code %s is of no use (%s); compiling again", path, exc)
            return None

    @staticmethod
    def _mark_seen(path: Path, secret: bytes, key: str) -> None:
        """Note that the artefact is right as it is, and that it was used."""
        try:
            os.utime(path)
            _write(path.with_suffix(".seen"), _mac(secret, key, _identity(path.stat())))
        except OSError as exc:
            _log.debug("%s will be checked again next time: %s", path, exc)

    def _save(self, key: str, module: Module) -> None:
        secret = self._open()
        if secret is None or self._directory is None or not self._is_writable:
            return
        try:
            code = module.serialize()
            mac = _mac(secret, key, hashlib.sha256(code).digest())
            _write(self._directory / f"{key}.cwasm", code)
            _write(self._directory / f"{key}.mac", mac)
            _prune(self._directory)
        except OSError as exc:
            self._is_writable = False
            _log.warning("native code is not kept on disk from now on: %s", exc)

    def _open(self) -> bytes | None:
        """Return the secret of the directory, looking only once; None where there is no cache."""
        with self._lock:
            if not self._is_opened:
                self._is_opened = True
                if self._directory is not None:
                    self._secret = _open_directory(self._directory)
            return self._secret


def _key(engine: Engine, wasm: bytes, label: str = "") -> str:
    about = f"{_version()} {engine.recipe} {sys.platform} {_machine()}"
    if label:
        about = f"{about} {label}"
    digest = hashlib.sha256(about.encode())
    digest.update(hashlib.sha256(wasm).digest())
    return digest.hexdigest()


_version = functools.cache(engine_version)
"""Looked up once: it reads folders, which no version changes under a process that has loaded the engine."""


def _machine() -> str:
    return (
        os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    )


def _is_seen(path: Path, secret: bytes, key: str) -> bool:
    """Tell whether the file was checked before and not touched since; now and then it is checked anew."""
    status = path.stat()
    try:
        seen = path.with_suffix(".seen").read_bytes()
    except FileNotFoundError:
        return False
    is_same = hmac.compare_digest(seen, _mac(secret, key, _identity(status)))
    return is_same and time.time() - status.st_mtime < _SEEN_FOR


def _identity(status: os.stat_result) -> bytes:
    """Return what changes when anybody changes or replaces a file."""
    numbers = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    return repr(numbers).encode()


def _mac(secret: bytes, key: str, digest: bytes) -> bytes:
    return hmac.new(secret, key.encode() + digest, hashlib.sha256).digest()


def _open_directory(directory: Path) -> bytes | None:
    """Make the directory if need be, check that it is private, and return its secret."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            _log.warning(
                "native code is not cached: %s must belong to this user alone (chmod 700)",
                directory,
            )
            return None
        path = directory / "secret"
        if not path.exists():
            _write_once(path, secrets.token_bytes(32))
        secret = path.read_bytes()
    except OSError as exc:
        _log.warning("native code is not cached: %s", exc)
        return None
    if len(secret) != 32:
        _log.warning("native code is not cached: %s is damaged; delete it", path)
        return None
    return secret


def _write(path: Path, data: bytes) -> None:
    """Put `data` at `path` at once and whole, readable by this user alone."""
    temporary = _temporary(path.parent, data)
    try:
        os.replace(temporary, path)  # noqa: PTH105 - both are plain strings of one folder
    except BaseException:
        _remove(temporary)
        raise


def _write_once(path: Path, data: bytes) -> None:
    """Put `data` at `path` unless another process was faster; then what that one wrote stands."""
    temporary = _temporary(path.parent, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        _log.debug("%s was made by another process at the same time", path)
    finally:
        _remove(temporary)


def _temporary(directory: Path, data: bytes) -> str:
    """Return the path of a new file that holds `data`, on the disk and not only on its way there."""
    handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _remove(temporary)
        raise
    return temporary


def _prune(directory: Path) -> None:
    """Delete the artefacts used least recently, and temporary files that a crash left."""
    files = list(_files(directory))
    for path, status in files:
        if path.name.startswith(_TEMPORARY) and time.time() - status.st_mtime > _STALE_AFTER:
            _remove(str(path))
    artefacts = sorted(
        ((path, status) for path, status in files if path.suffix == ".cwasm"),
        key=lambda pair: pair[1].st_mtime,
    )
    total = sum(status.st_size for _, status in artefacts)
    for path, status in artefacts:
        if total <= MAX_BYTES:
            break
        _remove(str(path))
        _remove(str(path.with_suffix(".mac")))
        _remove(str(path.with_suffix(".seen")))
        total -= status.st_size


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in directory.iterdir():
        try:
            yield path, path.stat()
        except FileNotFoundError:
            continue  # another process prunes too


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - a plain string
    except OSError as exc:
        _log.debug("%s cannot be deleted: %s", path, exc)
