"""
The Python to compare with: the interpreter's own source, compiled for this machine at -O2.

Made with the recipe's steps and compiler, from the archives that the interpreter is made of, and kept
in a folder beside it: by `make conformance` and `make bench`, never by a user's build. Nothing of the
source is changed.

Layout of the result:
    build/python.exe    the interpreter, beside the folder with its extension modules
    python/Lib          the standard library with CPython's tests, compiled
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import sys
from pathlib import Path

from extism._compiler.interpreter.helper import configure, jobs, link
from extism._compiler.interpreter.libraries import TABLE, compile_library, configure_options
from extism._compiler.interpreter.shell import Journal
from extism._compiler.interpreter.sources import PYTHON, obtain
from extism._compiler.interpreter.steps import Site, Step, exclusive, missing
from extism._compiler.interpreter.toolchain import ZIG_VERSION, find_toolchain
from extism._compiler.interpreter.tree import unpack
from extism.caches import interpreter_directory

FLAGS = "-O2 -g0 -fno-sanitize=undefined -Wno-date-time -fPIC"

# What a machine may happen to have, and no plug-in has: nothing is compared there.
_ABSENT = (
    *("_ssl", "_hashlib", "_tkinter", "_curses", "_curses_panel", "_dbm", "_gdbm", "readline"),
    *("_uuid", "_ctypes", "nis"),
)

_OPTIONS = (
    *("CC=ncc", "AR=zar", "RANLIB=zranlib"),
    f"CFLAGS={FLAGS}",
    "PKG_CONFIG=false",
    "ac_cv_header_libintl_h=no",
    "--without-ensurepip",
    *(f"py_cv_module_{name}=n/a" for name in _ABSENT),
    *(option for library in TABLE for option in configure_options(library)),
)

_FACTS = (ZIG_VERSION, *_OPTIONS, hashlib.sha256(Path(__file__).read_bytes()).hexdigest())


def _make_tree(site, _step, result) -> None:
    unpack(obtain(PYTHON, site.sources, site.journal.note), result / "python")


def _make_library(library, site, step, result) -> None:
    command = ("ncc", *FLAGS.split())
    compile_library(site, site.bench(step), library, command, result)


def _make_python(site, step, result) -> None:
    bench = site.bench(step)
    link(bench / "python", site.part(TREE) / "python")
    for library, made in zip(TABLE, LIBRARIES, strict=True):
        link(bench / library.name, site.part(made))
    build = bench / "build"
    configure(site, build, _OPTIONS)
    site.run(site.tools.make, jobs(), "BUILDEXE=.exe", "python.exe", "sharedmods", folder=build)
    _keep(build, result / "build")
    shutil.copytree(site.part(TREE) / "python" / "Lib", result / "python" / "Lib")
    compile_all = ("-m", "compileall", "-q", jobs(), ".")
    # Some of the tests' files are no Python on purpose: they fail to compile, and so does the command.
    site.run(
        *(site.tools.shell, "-c", '"$0" "$@" || true', result / "build" / "python.exe"),
        *compile_all,
        folder=result / "python" / "Lib",
    )


def _keep(build: Path, result: Path) -> None:
    """Keep what runs of a build folder: Python finds its modules through pybuilddir.txt."""
    modules = (build / "pybuilddir.txt").read_text(encoding="utf-8").strip()
    (result / "Modules").mkdir(parents=True)
    (result / "Modules" / "Setup.local").touch()
    for name in ("python.exe", "pybuilddir.txt"):
        shutil.copy2(build / name, result / name)
    shutil.copytree(build / modules, result / modules)


TREE = Step("pristine", "unpack the source of CPython", _make_tree, (), (*PYTHON.facts,))

LIBRARIES = tuple(
    Step(
        f"native-{library.name}",
        f"compile {library.source.name} for this machine",
        functools.partial(_make_library, library),
        ("libraries.py",),
        (*_FACTS, *library.facts),
    )
    for library in TABLE
)

NATIVE = Step(
    "native", "compile CPython for this machine", _make_python, (), _FACTS, (TREE, *LIBRARIES)
)


class _Beside(Site):
    """A site whose archives are those of the interpreter's own."""

    @property
    def sources(self) -> Path:
        return interpreter_directory() / "sources"


def native(say=print) -> tuple[Path, Path]:
    """Return the native Python and the folder of its library; built now if they are not there."""
    folder = interpreter_directory() / "native"
    with exclusive(folder, say):
        site = _Beside(folder, find_toolchain(), Journal(folder / "build.log", say))
        steps = missing(NATIVE, site)
        for number, step in enumerate(steps, 1):
            site.do(step, number, len(steps))
        if steps:
            site.sweep((NATIVE,))
        result = site.part(NATIVE)
    return result / "build" / "python.exe", result / "python" / "Lib"


if __name__ == "__main__":
    print(*native(lambda text: print(text, file=sys.stderr)), sep="\n")
