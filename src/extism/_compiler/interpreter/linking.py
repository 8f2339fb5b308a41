"""
The raw runtime: the glue and CPython's library linked into one WebAssembly reactor.

It exports `_initialize`, `py_init`, `py_load`, `py_invoke`, `py_frame`, `memory`,
`__indirect_function_table` and `__stack_pointer`, and imports `extism:host/env` and WASI preview 1 only.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from extism._compiler.interpreter.helper import link
from extism._compiler.interpreter.libraries import LIBRARIES, TABLE
from extism._compiler.interpreter.library import ARCHIVES, LIBRARY
from extism._compiler.interpreter.steps import RECIPE, Site, Step
from extism._compiler.interpreter.toolchain import GUEST_FLAGS, ZIG_VERSION

__all__ = ["RUNTIME", "RUNTIME_FILE"]

RUNTIME_FILE: Final = "runtime.wasm"

_C_FILES: Final = ("glue.c", "host.c", "malloc.c", "scrub.c", "stubs.c")
_HEADERS: Final = ("glue.h", "blocks.h")

# Of the stack that C uses inside the memory; the engine's own stack has a limit of its own. No
# --initial-memory: the heap would begin after a hole, and the engine could not map the image.
_STACK_BYTES: Final = 2 << 20

_LINK: Final = (
    "-Os",
    "-mexec-model=reactor",
    f"-Wl,-z,stack-size={_STACK_BYTES}",
    "-Wl,--export=__stack_pointer",
    "-Wl,--export-table",
    "-Wl,-s",
)

_LIBRARIES: Final = (
    *(f"library/lib/{Path(archive).name}" for archive in ARCHIVES),
    *(f"{library.name}/lib/lib{library.archive}.a" for library in TABLE),
    "-lm",
    "-ldl",
    "-lwasi-emulated-signal",
    "-lwasi-emulated-getpid",
    "-lwasi-emulated-process-clocks",
)


def _make(site: Site, step: Step, result: Path) -> None:
    bench = site.bench(step)
    link(bench / "library", site.part(LIBRARY))
    for library, made in zip(TABLE, LIBRARIES, strict=True):
        link(bench / library.name, site.part(made))
    flags = (*GUEST_FLAGS.split(), "-Wall", "-Wextra", "-Werror", "-Ilibrary/include")
    for name in (*_HEADERS, *_C_FILES):
        shutil.copyfile(RECIPE / name, bench / name)
    for name in _C_FILES:
        site.run("wcc", *flags, "-c", name, folder=bench)
    objects = [name.replace(".c", ".o") for name in _C_FILES]
    site.run("wcc", *_LINK, "-o", RUNTIME_FILE, *objects, *_LIBRARIES, folder=bench)
    shutil.copyfile(bench / RUNTIME_FILE, result / RUNTIME_FILE)


RUNTIME: Final = Step(
    name="runtime",
    title="link the runtime",
    make=_make,
    files=("linking.py", *_HEADERS, *_C_FILES),
    facts=(ZIG_VERSION, GUEST_FLAGS),
    needs=(LIBRARY, *LIBRARIES),
)
