"""
CPython's library for wasm32-wasip1, with all its extension modules inside.

CPython's own makefile ends at the archive: its last step links a program, with options that zig's
linker does not know. `linking` makes what is wanted instead.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from extism._compiler.interpreter.helper import HELPER, configure, jobs, link
from extism._compiler.interpreter.libraries import LIBRARIES, TABLE, configure_options
from extism._compiler.interpreter.steps import Site, Step
from extism._compiler.interpreter.toolchain import GUEST_FLAGS, ZIG_VERSION
from extism._compiler.interpreter.tree import TREE

__all__ = ["ARCHIVES", "LIBRARY"]

_OPTIONS: Final = (
    "--host=wasm32-unknown-wasip1",
    "--with-build-python=../helper/build/python.exe",
    "--without-ensurepip",
    "--disable-test-modules",
    "--with-pymalloc",
    "--without-doc-strings",
    "CC=wcc",
    "CPP=wcc -E",
    "AR=zar",
    "RANLIB=zranlib",
    f"CFLAGS={GUEST_FLAGS}",
    *(option for library in TABLE for option in configure_options(library)),
    "PKG_CONFIG=false",
    "HOSTRUNNER=true",
    # wasi-libc declares these and does not define them; configure's checks only compile.
    "ac_cv_func_memfd_create=no",
    "ac_cv_func_timerfd_create=no",
    "ac_cv_func_setgroups=no",
    "ac_cv_func_epoll_create=no",
    "ac_cv_func_epoll_create1=no",
    "ac_cv_header_sys_epoll_h=no",
    "ac_cv_header_libintl_h=no",
)

# socket's getaddrinfo wants the name of a kind of socket that WASI has not.
_MAKE_OPTIONS: Final = ("MODULE__SOCKET_CFLAGS=-DSOCK_RAW=3",)

ARCHIVES: Final = (
    "libpython3.13.a",
    "Modules/_hacl/libHacl_Hash_SHA2.a",
    "Modules/expat/libexpat.a",
    "Modules/_decimal/libmpdec/libmpdec.a",
)


def _make(site: Site, step: Step, result: Path) -> None:
    bench = site.bench(step)
    link(bench / "python", site.part(TREE) / "python")
    link(bench / "helper", site.part(HELPER))
    for library, made in zip(TABLE, LIBRARIES, strict=True):
        link(bench / library.name, site.part(made))
    build = bench / "build"
    # Named, or configure would try to run what it compiles.
    here = f"--build={_this_machine(site, bench)}"
    site_file = "CONFIG_SITE=../python/Tools/wasm/config.site-wasm32-wasi"
    configure(site, build, (*_OPTIONS, here, site_file))
    site.run(site.tools.make, jobs(), *_MAKE_OPTIONS, ARCHIVES[0], folder=build)
    _collect(build, {"include": ("pyconfig.h",), "lib": ARCHIVES}, result)
    headers = site.part(TREE) / "python" / "Include"
    shutil.copytree(headers, result / "include", dirs_exist_ok=True)


def _this_machine(site: Site, bench: Path) -> str:
    """Return configure's name for this machine."""
    name = bench / "machine"
    command = '"$0" ../python/config.guess > ../machine'
    build = bench / "build"
    build.mkdir(exist_ok=True)
    site.run(site.tools.shell, "-c", command, site.tools.shell, folder=build)
    return name.read_text(encoding="utf-8").strip()


def _collect(source: Path, files: dict[str, tuple[str, ...]], result: Path) -> None:
    """Copy files into the folders of the result, each under its bare name."""
    for folder, names in files.items():
        (result / folder).mkdir(exist_ok=True)
        for name in names:
            shutil.copyfile(source / name, result / folder / Path(name).name)


LIBRARY: Final = Step(
    name="library",
    title="compile CPython for wasm",
    make=_make,
    files=("library.py",),
    facts=(ZIG_VERSION, *_OPTIONS),
    needs=(TREE, HELPER, *LIBRARIES),
)
