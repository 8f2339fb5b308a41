"""
The source tree of CPython, unpacked, with the few lines that differ for us.

Each change names the file, the text that must be in it exactly once, and what replaces it; another
version of CPython would stop here, not miscompile.
"""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter.sources import PYTHON, obtain
from extism._compiler.interpreter.steps import Site, Step
from extism.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TREE", "Change", "apply", "unpack"]


@dataclass(frozen=True)
class Change:
    """One replacement in one file of the tree."""

    file: str
    before: str
    after: str


_DEADLOCK: Final = (
    '"this would wait for ever: a plug-in has no other thread that could release the lock"'
)
_SLEEP: Final = "nanosleep(&(struct timespec){{{0} / 1000000000, {0} % 1000000000}}, NULL);"

CHANGES: Final = (
    # Each rule of the parser takes some 200 bytes of native stack, uncounted. So the parser may go
    # the less deep, the more of the stack is taken already (glue.c, C_RECURSION_LIMIT).
    Change(
        "Parser/parser.c",
        "#    define MAXSTACK 4000",
        "#    define MAXSTACK (100 + 3 * PyThreadState_GetUnchecked()->c_recursion_remaining)",
    ),
    # The form matters: `platform` reads sys.version by it.
    Change("Modules/getbuildinfo.c", "#define DATE __DATE__", '#define DATE "Jun 11 2025"'),
    Change("Modules/getbuildinfo.c", "#define TIME __TIME__", '#define TIME "00:00:00"'),
    # The compiler's libm is inexact for the logarithms of subnormal numbers.
    Change(
        "Modules/mathmodule.c",
        "return log2(x);",
        "return x < DBL_MIN ? log2(x * 0x1p54) - 54.0 : log2(x);",
    ),
    Change(
        "Modules/mathmodule.c",
        "return log10(x);",
        "return x < DBL_MIN ? log10(x * 1e16) - 16.0 : log10(x);",
    ),
    # What cannot work says so, in the words of wasi_limits.py.
    Change(
        "Lib/importlib/_bootstrap.py",
        "        raise ModuleNotFoundError(f'{_ERR_MSG_PREFIX}{name!r}', name=name)",
        "        raise ModuleNotFoundError(\n"
        "            f'{_ERR_MSG_PREFIX}{name!r}{_why_missing(name)}', name=name\n"
        "        )",
    ),
    Change(
        "Lib/importlib/_bootstrap.py",
        "def _find_and_load_unlocked(name, import_):",
        "def _why_missing(name):\n"
        "    if sys.platform != 'wasi' or name == '_wasi_limits':\n"
        "        return ''\n"
        "    from _wasi_limits import why_no_module\n"
        "    return why_no_module(name)\n"
        "\n\n"
        "def _find_and_load_unlocked(name, import_):",
    ),
    Change(
        "Lib/os.py",
        "    process_cpu_count = cpu_count\n",
        "    process_cpu_count = cpu_count\n"
        "\n\n"
        "if sys.platform == 'wasi':\n"
        "    def __getattr__(name):\n"
        "        from _wasi_limits import no_attribute\n"
        "        raise no_attribute(__name__, name)\n",
    ),
    Change(
        "Modules/_threadmodule.c",
        '"can\'t start new thread"',
        '"can\'t start new thread: a plug-in runs in one thread; use asyncio, or several instances of "\n'
        '            "the plug-in on the host"',
    ),
    # Names are looked up by functions of stubs.c, which find none; numeric addresses need no look-up.
    Change(
        "Modules/socketmodule.c",
        '"getaddrinfo failed"',
        '"a plug-in has no sockets; use extism.Http for requests that the host allows"',
    ),
    # Who waits in the only thread there is waits for ever, or till the time is up.
    Change(
        "Python/lock.c",
        "    Py_ssize_t spin_count = 0;\n",
        "#ifdef __wasi__\n"
        "    if (flags & _PY_LOCK_HANDLE_SIGNALS) {\n"
        "        if (timeout > 0) {\n"
        f"            {_SLEEP.format('timeout')}\n"
        "            return PY_LOCK_FAILURE;\n"
        "        }\n"
        f"        PyErr_SetString(PyExc_RuntimeError, {_DEADLOCK});\n"
        "        return PY_LOCK_INTR;\n"
        "    }\n"
        "#endif\n"
        "    Py_ssize_t spin_count = 0;\n",
    ),
    Change(
        "Modules/_queuemodule.c",
        "        bool waiting = 1;\n",
        "#ifdef __wasi__\n"
        "        if (endtime != 0) {\n"
        f"            {_SLEEP.format('timeout_ns')}\n"
        "            return empty_error(cls);\n"
        "        }\n"
        f"        PyErr_SetString(PyExc_RuntimeError, {_DEADLOCK});\n"
        "        return NULL;\n"
        "#endif\n"
        "        bool waiting = 1;\n",
    ),
)


def _make(site: Site, _step: Step, result: Path) -> None:
    archive = obtain(PYTHON, site.sources, site.journal.note)
    unpack(archive, result / "python")
    for change in CHANGES:
        apply(change, result / "python")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive whose bytes were verified; its one top folder becomes `folder`."""
    inside = folder.with_name(folder.name + ".unpacked")
    _extract(archive, inside)
    (top,) = inside.iterdir()
    top.rename(folder)
    inside.rmdir()


def _extract(archive: Path, folder: Path) -> None:
    """Unpack a tarball or a zip as it is."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202  as below
        return
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:  # Python 3.11 before 3.11.4
            tar.extractall(folder)  # noqa: S202  the archive's hash is pinned


def apply(change: Change, tree: Path) -> None:
    """Make one change, in a file that holds its text exactly once."""
    path = tree / change.file
    text = path.read_text(encoding="utf-8")
    if text.count(change.before) != 1:
        raise BuildError(
            f"{change.file} holds {change.before!r} {text.count(change.before)} times, not once: "
            f"this is not the source of CPython {PYTHON.version} that the recipe was written for",
            path=str(path),
        )
    path.write_text(text.replace(change.before, change.after), encoding="utf-8")


TREE: Final = Step(
    name="tree",
    title="fetch and unpack the source of CPython",
    make=_make,
    files=("tree.py",),
    facts=PYTHON.facts,
)
