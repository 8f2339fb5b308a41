"""
The interpreter that plug-ins are built on: found in the cache or in a data wheel, else built.

The *base image* is one WebAssembly module: CPython, already started, with its standard library and the
guest library in memory. Its key is the digest of all that decides its bytes. Here is where it comes
from; how it is made is in `interpreter` (compiling) and `preinit` (starting). The licence texts of what
is in it lie beside it, for those who hand it on.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import lzma
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism import caches
from extism._bases import DIGEST, IMAGE, PREFIX
from extism._compiler import doors, preinit
from extism._compiler.interpreter import build
from extism._compiler.interpreter.linking import RUNTIME
from extism._compiler.interpreter.stdlib import STDLIB
from extism._compiler.interpreter.steps import digest, prune
from extism._compiler.interpreter.toolchain import find_toolchain
from extism._compiler.interpreter.wheel import IMAGE as PACKED_IMAGE
from extism._compiler.interpreter.wheel import MODULE, PROJECT, STATEMENT
from extism._engine.cache import ModuleCache
from extism.errors import BuildError

if TYPE_CHECKING:
    from extism._compiler.interpreter.build import Interpreter
    from extism._compiler.interpreter.shell import Say

__all__ = ["base_image", "base_key", "find_base", "licences", "native_cache", "unpack"]

_KEPT_VERSIONS: Final = 8
_LICENCES: Final = "licences"


def base_image(say: Say = print) -> bytes:
    """
    Return the base image, from the cache, from an installed data wheel, or built now.

    Args:
        say: Called with each line of progress if it has to be built.

    Raises:
        BuildError: There is none, and none can be built here; the hint says what to install.
        SourceError: It has to be built, and its sources could not be had.
    """
    found = find_base(say)
    if found is not None:
        return found
    interpreter = build.find() or _build(say)
    say("starting Python once, to keep it started")
    base = preinit.start(interpreter.runtime.read_bytes(), interpreter.folder)
    _keep(base, base_key(), interpreter.licences, say)
    return base


def licences(say: Say = print) -> dict[str, bytes]:
    """
    Return the licence texts of what is in the base image, by file name.

    Args:
        say: Called with each line of progress if the interpreter has to be built for them: none lie beside the image.

    Raises:
        BuildError: There are none, and the interpreter cannot be built here.
        SourceError: It has to be built, and its sources could not be had.
    """
    interpreter = build.find()
    folder = interpreter.licences if interpreter else _folder(base_key()) / _LICENCES
    if not folder.is_dir():
        folder = build.build(say).licences
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def base_key() -> str:
    """Return the digest of all that decides the base image: interpreter, stdlib, guest library, start."""
    hasher = hashlib.sha256(f"{digest(RUNTIME)} {digest(STDLIB)}".encode())
    files = preinit.guest_files()
    for module in (preinit, doors):
        path = Path(str(module.__file__))
        files[path.name] = path.read_bytes()
    for name, data in files.items():
        hasher.update(f"\0{name}\0".encode() + hashlib.sha256(data).digest())
    return hasher.hexdigest()[:16]


def find_base(say: Say = print) -> bytes | None:
    """Return the base image if the cache or an installed data wheel has it."""
    kept = _kept(say)
    if kept is not None:
        return kept
    return _from_wheel("key", base_key(), say)


def unpack(digest: str) -> bytes | None:
    """
    Return the base image of the installed data wheel if it is the one with that SHA-256, and keep it.

    Raises:
        BuildError: The wheel is damaged.
    """
    return _from_wheel("sha256", digest, lambda _text: None)


@functools.cache
def native_cache() -> ModuleCache:
    """Return the cache in which the base image's native code is kept."""
    return ModuleCache(caches.native_directory())


def _folder(key: str) -> Path:
    return caches.interpreter_directory() / f"{PREFIX}{key}"


def _kept(say: Say) -> bytes | None:
    """Return the base image in the cache; one that is damaged is removed."""
    folder = _folder(base_key())
    try:
        expected = (folder / DIGEST).read_text(encoding="utf-8").strip()
        base = (folder / IMAGE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if hashlib.sha256(base).hexdigest() == expected:
        with contextlib.suppress(OSError):  # a cache of others, that may only be read
            os.utime(folder)  # the images used last are kept
        return base
    say(f"{folder / IMAGE} is damaged and is made anew")
    shutil.rmtree(folder)
    return None


def _keep(base: bytes, key: str, licences: Path, say: Say) -> None:
    """Put the base image into the cache, if it can be written; it is of use without that too."""
    try:
        _write(base, key, licences)
    except OSError as error:
        say(f"the interpreter is not kept in {caches.interpreter_directory()}: {error}")


def _write(base: bytes, key: str, licences: Path) -> None:
    """Put the base image into the cache; of two processes that do so at once, the first has done it."""
    cache = caches.interpreter_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".base-") as scratch:
        fresh = Path(scratch) / "base"
        fresh.mkdir()
        (fresh / IMAGE).write_bytes(base)
        digest_line = f"{hashlib.sha256(base).hexdigest()}\n"
        (fresh / DIGEST).write_text(digest_line, encoding="utf-8")
        if licences.is_dir():
            shutil.copytree(licences, fresh / _LICENCES)
        try:
            fresh.rename(_folder(key))
        except OSError:
            if not _folder(key).exists():
                raise
    prune(cache, f"{PREFIX}*", _KEPT_VERSIONS)


def _from_wheel(field: str, wanted: str, say: Say) -> bytes | None:
    """Return the base image of the installed data wheel, and keep it, if `field` of its statement is as wanted."""
    package = _wheel_folder()
    if package is None:
        return None
    statement = json.loads((package / STATEMENT).read_text(encoding="utf-8"))
    if statement[field] != wanted:
        return None
    base = lzma.decompress((package / PACKED_IMAGE).read_bytes())
    if hashlib.sha256(base).hexdigest() != statement["sha256"]:
        raise BuildError(
            f"{package / PACKED_IMAGE} is damaged: its hash is not the one in {STATEMENT}",
            path=str(package / PACKED_IMAGE),
            hint=f"pip install --force-reinstall {PROJECT}",
        )
    _keep(base, statement["key"], _wheel_licences(package), say)
    return base


def _wheel_licences(package: Path) -> Path:
    """Return where the licence texts of the data wheel are, if it was installed with its metadata."""
    metadata = next(package.parent.glob(f"{MODULE}-*.dist-info"), package)
    return metadata / "licenses"


def _wheel_folder() -> Path | None:
    """Return the folder of the data wheel's package."""
    spec = importlib.util.find_spec(MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _build(say: Say) -> Interpreter:
    """Build the interpreter, after saying so; where that cannot be, say what to install."""
    try:
        find_toolchain()
    except BuildError as lacking:
        raise BuildError(
            f"there is no built guest interpreter: none in {caches.interpreter_directory()}, "
            f"{_wheel_excuse()}; {lacking}",
            hint=lacking.hint,
        ) from lacking
    say(
        "the guest interpreter (CPython for WebAssembly) is not there yet; it is built now, once: "
        "4 to 8 minutes on two cores"
    )
    return build.build(say)


def _wheel_excuse() -> str:
    """Say why the data wheel was of no use."""
    if _wheel_folder() is None:
        return f"{PROJECT} is not installed"
    version = importlib.metadata.version(PROJECT)
    return f"the installed {PROJECT} {version} is for another version of extism"
