"""
The licence texts of all that ends up in the built interpreter, for those who hand it on.

One file for each origin. Where a project keeps its licence in the head of its source, that head is
the file. PROVENANCE.md says which part is from where.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from extism._compiler.interpreter.libraries import LIBRARIES, TABLE
from extism._compiler.interpreter.steps import RECIPE, Site, Step
from extism._compiler.interpreter.timezones import TZDATA_FACTS, tzdata_licence
from extism._compiler.interpreter.toolchain import ZIG_VERSION
from extism._compiler.interpreter.tree import TREE
from extism.errors import BuildError

__all__ = ["LICENCES", "head_comment"]

_WHOLE_FILES: Final = {
    "cpython.txt": "LICENSE",
    "cpython-incorporated.rst": "Doc/license.rst",
    "expat.txt": "Modules/expat/COPYING",
}

_HEADS: Final = {
    "hacl-star.txt": "Modules/_hacl/Hacl_Hash_SHA2.c",
    "libmpdec.txt": "Modules/_decimal/libmpdec/mpdecimal.h",
    "blake2.txt": "Modules/_blake2/impl/blake2.h",
}

_ZIG_FILES: Final = {
    "wasi-libc.txt": "libc/wasi/LICENSE",
    "wasi-libc-mit.txt": "libc/wasi/LICENSE-MIT",
    "wasi-libc-apache.txt": "libc/wasi/LICENSE-APACHE",
    "wasi-libc-apache-llvm.txt": "libc/wasi/LICENSE-APACHE-LLVM",
    "wasi-libc-cloudlibc.txt": "libc/wasi/libc-bottom-half/cloudlibc/LICENSE",
    "wasi-libc-musl.txt": "libc/wasi/libc-top-half/musl/COPYRIGHT",
    "compiler-rt-zig.txt": "../LICENSE",
    "compiler-rt-llvm.txt": "libunwind/LICENSE.TXT",
}

_TZDATA_FILES: Final = {
    "tzdata.txt": "LICENSE",
    "tzdata-apache.txt": "licenses/LICENSE_APACHE",
}


def _make(site: Site, _step: Step, result: Path) -> None:
    tree = site.part(TREE) / "python"
    for name, file in _WHOLE_FILES.items():
        shutil.copyfile(tree / file, result / name)
    for name, file in _HEADS.items():
        (result / name).write_text(head_comment(tree / file), encoding="utf-8")
    for name, file in _ZIG_FILES.items():
        shutil.copyfile(site.tools.library / file, result / name)
    for library, made in zip(TABLE, LIBRARIES, strict=True):
        text = licence_text(site.part(made) / Path(library.licence).name)
        (result / f"{library.name}.txt").write_text(text, encoding="utf-8")
    for name, file in _TZDATA_FILES.items():
        (result / name).write_text(tzdata_licence(file), encoding="utf-8")
    shutil.copyfile(RECIPE / "PROVENANCE.md", result / "PROVENANCE.md")


def licence_text(path: Path) -> str:
    """Return the text of a licence's file, or of the licence in the head of a C header."""
    return head_comment(path) if path.suffix == ".h" else path.read_text(encoding="utf-8")


def head_comment(path: Path) -> str:
    """Return the text of the comment with which a C file begins."""
    match = re.match(r"\s*/\*(.*?)\*/", path.read_text(encoding="utf-8"), re.DOTALL)
    if match is None:
        raise BuildError(f"{path.name} does not begin with its licence", path=str(path))
    lines = (re.sub(r"^\s*\*? ?", "", line).rstrip() for line in match[1].strip().splitlines())
    return "\n".join(lines) + "\n"


LICENCES: Final = Step(
    name="licences",
    title="collect the licence texts",
    make=_make,
    files=("licences.py", "PROVENANCE.md"),
    facts=(ZIG_VERSION, *TZDATA_FACTS),
    needs=(TREE, *LIBRARIES),
)
