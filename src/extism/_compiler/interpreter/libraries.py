"""
The C libraries that extension modules of the stdlib stand on: zlib, bzip2, liblzma, SQLite.

Each is a row of one table: which files of which source, with which settings. They are compiled
directly, without their own makefiles, which ask the machine for more than a compiler. CPython itself
is in `library`.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from extism._compiler.interpreter.sources import BZIP2, SQLITE, XZ, ZLIB, Source, obtain
from extism._compiler.interpreter.steps import Site, Step
from extism._compiler.interpreter.toolchain import GUEST_FLAGS, ZIG_VERSION
from extism._compiler.interpreter.tree import unpack

__all__ = ["LIBRARIES", "TABLE", "CLibrary", "compile_library", "configure_options"]


@dataclass(frozen=True)
class CLibrary:
    """
    One library.

    Attributes:
        name: Of its folder, wherever it is built or linked.
        archive: The name by which the linker knows it: `-lz` is `z`.
        variable: By which CPython's configure calls it: `ZLIB` for `ZLIB_CFLAGS` and `ZLIB_LIBS`.
        source: Where it is from.
        files: Patterns of its C files, relative to the source.
        left_out: Names among these that are no part of it: other variants, programs, threads.
        folders: In which its own headers are.
        headers: What others include: files or folders, relative to the source.
        settings: Macros that its own configure would have found out.
        licence: The file with its licence, or one that begins with it.
    """

    name: str
    archive: str
    variable: str
    source: Source
    files: tuple[str, ...]
    headers: tuple[str, ...]
    licence: str
    left_out: frozenset[str] = frozenset()
    folders: tuple[str, ...] = (".",)
    settings: tuple[str, ...] = ()

    @property
    def facts(self) -> tuple[str, ...]:
        """What decides its bytes, beside the compiler and its flags."""
        return (*self.source.facts, *self.files, *sorted(self.left_out), *self.settings)


_XZ_FILTERS: Final = (
    *("LZMA1", "LZMA2", "X86", "POWERPC", "IA64", "ARM", "ARMTHUMB", "ARM64", "SPARC", "RISCV"),
    "DELTA",
)

TABLE: Final = (
    CLibrary(
        name="zlib",
        archive="z",
        variable="ZLIB",
        source=ZLIB,
        files=("*.c",),
        # The gz functions: files through stdio, which no module of the stdlib uses.
        left_out=frozenset({"gzclose.c", "gzlib.c", "gzread.c", "gzwrite.c"}),
        headers=("zlib.h", "zconf.h"),
        licence="LICENSE",
    ),
    CLibrary(
        name="bzip2",
        archive="bz2",
        variable="BZIP2",
        source=BZIP2,
        files=("*.c",),
        left_out=frozenset(
            {"bzip2.c", "bzip2recover.c", "dlltest.c", "mk251.c", "spewG.c", "unzcrash.c"}
        ),
        headers=("bzlib.h",),
        licence="LICENSE",
    ),
    CLibrary(
        name="xz",
        archive="lzma",
        variable="LIBLZMA",
        source=XZ,
        files=("src/liblzma/*/*.c", "src/common/tuklib_physmem.c"),
        left_out=frozenset(
            {
                *("crc32_small.c", "crc64_small.c", "crc_clmul_consts_gen.c"),
                *("crc32_tablegen.c", "crc64_tablegen.c", "fastpos_tablegen.c", "price_tablegen.c"),
                *("stream_decoder_mt.c", "stream_encoder_mt.c", "outqueue.c"),
                "hardware_cputhreads.c",
            }
        ),
        folders=(
            *(f"src/liblzma/{name}" for name in ("api", "check", "common", "delta", "lz", "lzma")),
            *("src/liblzma/rangecoder", "src/liblzma/simple", "src/common"),
        ),
        headers=("src/liblzma/api/lzma.h", "src/liblzma/api/lzma"),
        settings=(
            *(f"HAVE_ENCODER_{name}" for name in _XZ_FILTERS),
            *(f"HAVE_DECODER_{name}" for name in _XZ_FILTERS),
            *(f"HAVE_MF_{name}" for name in ("HC3", "HC4", "BT2", "BT3", "BT4")),
            *(f"HAVE_CHECK_{name}" for name in ("CRC32", "CRC64", "SHA256")),
            *("HAVE_STDBOOL_H", "HAVE_STDINT_H", "HAVE_INTTYPES_H", "HAVE_LZIP_DECODER"),
            *("HAVE_VISIBILITY=0", "ASSUME_RAM=128", "TUKLIB_SYMBOL_PREFIX=lzma_"),
        ),
        licence="COPYING.0BSD",
    ),
    CLibrary(
        name="sqlite",
        archive="sqlite3",
        variable="LIBSQLITE3",
        source=SQLITE,
        files=("sqlite3.c",),
        headers=("sqlite3.h",),
        settings=(
            # One thread, no shared memory, no native code from files: what a plug-in is.
            *("SQLITE_THREADSAFE=0", "SQLITE_OMIT_WAL", "SQLITE_OMIT_LOAD_EXTENSION"),
            # There need not be a folder for temporary files.
            "SQLITE_TEMP_STORE=2",
            *("SQLITE_ENABLE_FTS5", "SQLITE_ENABLE_MATH_FUNCTIONS"),
        ),
        licence="sqlite3.h",
    ),
)


def compile_library(
    site: Site, bench: Path, library: CLibrary, flags: tuple[str, ...], result: Path
) -> None:
    """Compile a library with the compiler and flags given; leave include/, lib/ and its licence."""
    archive = obtain(library.source, site.sources, site.journal.note)
    source = bench / library.name
    shutil.rmtree(source, ignore_errors=True)
    unpack(archive, source)
    options = (
        *flags,
        *(f"-I{folder}" for folder in library.folders),
        *(f"-D{setting}" for setting in library.settings),
    )
    objects: list[str] = []
    for file in _files(library, source):
        objects.append(f"{len(objects)}-{Path(file).stem}.o")
        site.run(*options, "-c", file, "-o", objects[-1], folder=source)
    name = f"lib{library.archive}.a"
    site.run("zar", "rcs", name, *objects, folder=source)
    for folder in ("include", "lib"):
        (result / folder).mkdir(exist_ok=True)
    shutil.copyfile(source / name, result / "lib" / name)
    for header in library.headers:
        _copy(source / header, result / "include" / Path(header).name)
    shutil.copyfile(source / library.licence, result / Path(library.licence).name)


def _files(library: CLibrary, source: Path) -> list[str]:
    """Return the C files that belong to a library, relative, in an order that is always the same."""
    found = {path for pattern in library.files for path in source.glob(pattern)}
    kept = (path for path in found if path.name not in library.left_out)
    return sorted(path.relative_to(source).as_posix() for path in kept)


def _copy(origin: Path, target: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(origin, target)


def configure_options(library: CLibrary) -> tuple[str, str]:
    """Return what tells CPython's configure where a library is: beside its build folder."""
    return (
        f"{library.variable}_CFLAGS=-I../{library.name}/include",
        f"{library.variable}_LIBS=-L../{library.name}/lib -l{library.archive}",
    )


_COMPILER: Final = ("wcc", *GUEST_FLAGS.split())


def _make(library: CLibrary, site: Site, step: Step, result: Path) -> None:
    compile_library(site, site.bench(step), library, _COMPILER, result)


LIBRARIES: Final = tuple(
    Step(
        name=library.name,
        title=f"compile {library.source.name} for wasm",
        make=functools.partial(_make, library),
        files=("libraries.py",),
        facts=(ZIG_VERSION, *_COMPILER, *library.facts),
    )
    for library in TABLE
)
"""The step of each row, in the table's order."""
