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
from extism._compiler.interpreter.timezones import (
    TZDATA_FACTS,
    find_tzdata,
    read_zones,
    zones_module,
)
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
        "test",
        "tkinter",
        "turtle.py",
        "turtledemo",
        "venv",
    }
)


_CHANGES: Final = (
    # The event loop of Unix wakes itself through a socket; asyncio_wasi.py brings one that need not.
    Change(
        "asyncio/__init__.py",
        "else:\n    from .unix_events import *",
        "elif sys.platform == 'wasi':\n    from .wasi_events import *\n"
        "    __all__ += wasi_events.__all__\nelse:\n    from .unix_events import *",
    ),
    # What cannot work says so, in the words of wasi_limits.py.
    Change(
        "asyncio/base_events.py",
        "raise OSError('could not bind on any address out of %r'\n"
        "                                  % ([info[4] for info in infos],))",
        "raise OSError('could not bind on any address out of %r: %s'\n"
        "                                  % ([info[4] for info in infos],\n"
        "                                     __import__('_wasi_limits').NO_SOCKETS))",
    ),
    Change(
        "subprocess.py",
        'f"{sys.platform} does not support processes."',
        "__import__('_wasi_limits').NO_PROCESSES",
    ),
    Change(
        "multiprocessing/process.py",
        "        self._check_closed()\n        assert self._popen is None, 'cannot start",
        "        import _wasi_limits, errno\n"
        "        raise OSError(errno.ENOTSUP, _wasi_limits.NO_PROCESSES)\n"
        "        assert self._popen is None, 'cannot start",
    ),
    Change(
        "socket.py",
        "        if fileno is None:\n            if family == -1:",
        "        if fileno is None:\n"
        "            import _wasi_limits, errno\n"
        "            raise OSError(errno.ENOTSUP, _wasi_limits.NO_SOCKETS)\n"
        "            if family == -1:",
    ),
    Change(
        "concurrent/futures/process.py",
        '            "This Python build lacks multiprocessing.synchronize, usually due "\n'
        '            "to named semaphores being unavailable on this platform."\n',
        "            __import__('_wasi_limits').NO_PROCESSES\n",
    ),
    # The name of a machine is asked for by who has no use for a socket: mailbox, uuid, urllib.
    Change(
        "socket.py",
        "def getaddrinfo(host, port,",
        "def gethostname():\n"
        '    """Return the name of this machine: a plug-in is none, and all are alike."""\n'
        "    return 'localhost'\n"
        "\n\n"
        "__all__.append('gethostname')\n"
        "\n\n"
        "def getaddrinfo(host, port,",
    ),
    Change(
        "signal.py",
        "del _globals, _wraps",
        "del _globals, _wraps\n\n\n"
        "def __getattr__(name):\n"
        "    from _wasi_limits import no_attribute\n"
        "    raise no_attribute(__name__, name)",
    ),
    # timezones.py puts the world's zones beside it; a package `tzdata` of the plug-in goes before.
    Change(
        "zoneinfo/_common.py",
        '        raise ZoneInfoNotFoundError(f"No time zone found with key {key}")',
        "        import io\n"
        "        from zoneinfo import _zones\n"
        "        data = _zones.find(key)\n"
        "        if data is not None:\n"
        "            return io.BytesIO(data)\n"
        '        raise ZoneInfoNotFoundError(f"No time zone found with key {key}")',
    ),
    Change(
        "zoneinfo/_tzpath.py",
        "    except (ImportError, FileNotFoundError):\n        pass\n",
        "    except (ImportError, FileNotFoundError):\n"
        "        from zoneinfo import _zones\n"
        "        valid_zones.update(_zones.names())\n",
    ),
)

_OURS: Final = {
    "asyncio_wasi.py": "asyncio/wasi_events.py",
    "wasi_limits.py": "_wasi_limits.py",
}
"""Files of the recipe that are modules inside."""


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
    shutil.rmtree(ours, ignore_errors=True)
    for file in {change.file for change in _CHANGES}:
        (ours / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library / file, ours / file)
    for change in _CHANGES:
        apply(change, ours)
    for name, file in _OURS.items():
        shutil.copyfile(RECIPE / name, ours / file)
    zones = zones_module(read_zones(find_tzdata()))
    (ours / "zoneinfo" / "_zones.py").write_text(zones, encoding="utf-8")


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
    files=("stdlib.py", "timezones.py", "bytecode.py", *_OURS),
    facts=TZDATA_FACTS,
    needs=(TREE, HELPER),
)
