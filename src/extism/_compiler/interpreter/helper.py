"""
The helper: a bare CPython of the same version for this machine, which the guest's build runs.

It freezes modules for the guest and compiles the stdlib to bytecode; no other Python may do that, for
bytecode differs between versions. It is only the interpreter: without extension modules, so without
`struct` and `zlib`.

Layout:
    build/python.exe           its name everywhere: beside a folder Python/ it may not be `python`
    build/Modules/Setup.local  by which it knows that its library is at ../python/Lib
    python                     link to the source tree
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter.steps import Site, Step
from extism._compiler.interpreter.toolchain import HELPER_FLAGS, ZIG_VERSION
from extism._compiler.interpreter.tree import TREE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HELPER", "configure", "jobs", "link"]

_OPTIONS: Final = (
    "CC=ncc",
    "AR=zar",
    "RANLIB=zranlib",
    f"CFLAGS={HELPER_FLAGS}",
    # What else this machine has must not get in.
    "PKG_CONFIG=false",
    "ac_cv_header_libintl_h=no",
    "--without-ensurepip",
    "--disable-test-modules",
)


def _make(site: Site, step: Step, result: Path) -> None:
    bench = site.bench(step)
    link(bench / "python", site.part(TREE) / "python")
    configure(site, bench / "build", _OPTIONS)
    site.run(site.tools.make, jobs(), "BUILDEXE=.exe", "python.exe", folder=bench / "build")
    (result / "build" / "Modules").mkdir(parents=True)
    (result / "build" / "Modules" / "Setup.local").touch()
    shutil.copy2(bench / "build" / "python.exe", result / "build" / "python.exe")
    (result / "python").symlink_to(f"../{site.part(TREE).name}/python")


def configure(site: Site, build: Path, options: tuple[str, ...]) -> None:
    """Configure the tree at ../python once for the folder `build`, also over several runs."""
    configured = build / "configured"
    if not configured.exists():
        build.mkdir(exist_ok=True)
        site.run(site.tools.shell, "../python/configure", *options, folder=build)
        configured.touch()


def link(name: Path, target: Path) -> None:
    """Give a folder a name in the bench, so that commands need no path of this machine."""
    name.unlink(missing_ok=True)
    name.symlink_to(target.resolve(), target_is_directory=True)


def jobs() -> str:
    """Return make's option for as many jobs as this process may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return f"-j{len(os.sched_getaffinity(0))}"
    return f"-j{os.cpu_count() or 1}"


HELPER: Final = Step(
    name="helper",
    title="compile the helper, a bare Python for this machine",
    make=_make,
    files=("helper.py",),
    facts=(ZIG_VERSION, *_OPTIONS),
    needs=(TREE,),
)
