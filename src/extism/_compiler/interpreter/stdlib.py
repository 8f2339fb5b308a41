"""
The standard library as one zip of bytecode, which the guest reads once, when it is started.

Level 1: asserts dropped, docstrings kept. Stored, not deflated: what matters is the base image, and
that compresses as a whole. Left out is what cannot work in a plugin: other processes' and windows'
business, and whatever needs a C library that is not there.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter.helper import HELPER
from extism._compiler.interpreter.steps import RECIPE, Site, Step
from extism._compiler.interpreter.tree import TREE, Change, apply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["STDLIB", "STDLIB_FILE", "library_files", "pack"]

STDLIB_FILE: Final = "python313.zip"

_PREFIX: Final = "/lib/python3.13/"
_LEVEL: Final = "1"

_LEFT_OUT: Final = frozenset(
    {
        "__phello__",
        "_aix_support.py",
        "_android_support.py",
        "_apple_support.py",
        "_ios_support.py",
        "_osx_support.py",
        "ctypes",
        "curses",
        "ensurepip",
        "idlelib",
        "pydoc_data",
        "site-packages",
        "sqlite3",
        "test",
        "tkinter",
        "turtle.py",
        "turtledemo",
        "venv",
    }
)


# The event loop of Unix wakes itself through a socket; asyncio_wasi.py brings one that need not.
_ASYNCIO: Final = Change(
    "asyncio/__init__.py",
    "else:\n    from .unix_events import *",
    "elif sys.platform == 'wasi':\n    from .wasi_events import *\n"
    "    __all__ += wasi_events.__all__\nelse:\n    from .unix_events import *",
)
_EVENT_LOOP: Final = "asyncio/wasi_events.py"


def _make(site: Site, step: Step, result: Path) -> None:
    library = site.part(TREE) / "python" / "Lib"
    ours = site.bench(step) / "ours"
    _write_ours(library, ours)
    bytecode = site.bench(step) / "bytecode"
    for source in (library, ours):
        _compile(site, step, source, bytecode)
    names = sorted({*library_files(library), *library_files(ours)})
    files = {f"{name}c": (bytecode / f"{name}c").read_bytes() for name in names}
    (result / STDLIB_FILE).write_bytes(pack(files))


def _write_ours(library: Path, ours: Path) -> None:
    """Write the files that stand in the place of CPython's, or beside them."""
    (ours / "asyncio").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(RECIPE / "asyncio_wasi.py", ours / _EVENT_LOOP)
    shutil.copyfile(library / _ASYNCIO.file, ours / _ASYNCIO.file)
    apply(_ASYNCIO, ours)


def _compile(site: Site, step: Step, source: Path, bytecode: Path) -> None:
    """Let the helper compile the files of a folder."""
    listing = site.bench(step) / "files"
    names = (f"{name}\n" for name in library_files(source))
    listing.write_text("".join(names), encoding="utf-8")
    helper = site.part(HELPER) / "build" / "python.exe"
    # A shell for the redirection; every path is an argument of it, none is part of its text.
    command = '"$1" -S "$2" "$3" "$4" "$5" "$6" < "$7"'
    site.run(
        site.tools.shell,
        *("-c", command, "sh", helper, RECIPE / "bytecode.py"),
        *(source, bytecode, _PREFIX, _LEVEL, listing),
        folder=site.bench(step),
    )


def library_files(library: Path) -> list[str]:
    """Return the `.py` files of the stdlib that are kept, relative, in the order of their names."""
    found = (path.relative_to(library) for path in library.rglob("*.py"))
    kept = (path for path in found if path.parts[0] not in _LEFT_OUT)
    return sorted(path.as_posix() for path in kept if path.parent.name != "__pycache__")


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a zip, not deflated, whose bytes depend on the names, their order and contents only."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # ZipInfo's own time is 1980
    return stream.getvalue()


STDLIB: Final = Step(
    name="stdlib",
    title="compile the standard library",
    make=_make,
    files=("stdlib.py", "bytecode.py", "asyncio_wasi.py"),
    needs=(TREE, HELPER),
)
