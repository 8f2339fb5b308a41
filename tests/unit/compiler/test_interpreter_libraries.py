"""The C libraries of the interpreter: which files are compiled, and how CPython is told of them."""

from __future__ import annotations

import pytest

from extism._compiler.interpreter import libraries
from extism._compiler.interpreter.libraries import TABLE, CLibrary, configure_options
from extism._compiler.interpreter.sources import ZLIB


def test_files_are_those_of_the_patterns_but_for_what_is_left_out(tmp_path):
    """Programs and other variants beside a library's files stay out, whatever their folder."""
    for name in ("b.c", "a.c", "program.c", "a.h", "sub/c.c", "sub/program.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    library = CLibrary(
        name="thing",
        archive="t",
        variable="THING",
        source=ZLIB,
        files=("*.c", "sub/*.c"),
        headers=("a.h",),
        licence="LICENSE",
        left_out=frozenset({"program.c"}),
    )

    assert libraries._files(library, tmp_path) == ["a.c", "b.c", "sub/c.c"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("zlib", ("ZLIB_CFLAGS=-I../zlib/include", "ZLIB_LIBS=-L../zlib/lib -lz")),
        ("bzip2", ("BZIP2_CFLAGS=-I../bzip2/include", "BZIP2_LIBS=-L../bzip2/lib -lbz2")),
        ("xz", ("LIBLZMA_CFLAGS=-I../xz/include", "LIBLZMA_LIBS=-L../xz/lib -llzma")),
        (
            "sqlite",
            ("LIBSQLITE3_CFLAGS=-I../sqlite/include", "LIBSQLITE3_LIBS=-L../sqlite/lib -lsqlite3"),
        ),
    ],
)
def test_configure_is_told_where_each_library_is(name, options):
    """Every row of the table reaches CPython's configure, under relative paths only."""
    (library,) = (one for one in TABLE if one.name == name)

    assert configure_options(library) == options
