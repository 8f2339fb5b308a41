"""
The one compiler: `zig cc` of the pinned package `ziglang`, for the helper as for the guest.

It appears to configure and make as the commands `ncc` (this machine), `wcc` (wasm32-wasip1), `zar`
and `zranlib`, found through PATH: no path of the machine enters a makefile. Nothing else of the
user's environment reaches the build.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from extism.errors import BuildError

__all__ = ["GUEST_FLAGS", "HELPER_FLAGS", "ZIG_VERSION", "Toolchain", "find_toolchain"]

ZIG_VERSION: Final = "0.17.1"

# zig adds checks for undefined behaviour to code that is not optimised, and warns of __DATE__.
_PLAIN = "-g0 -fno-sanitize=undefined -Wno-date-time"

HELPER_FLAGS: Final = f"-O0 {_PLAIN}"

# Sources are found at ../python; what __FILE__ says must not depend on where that is.
GUEST_FLAGS: Final = (
    f"-Os {_PLAIN} -ffile-prefix-map=../python/= -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID "
    "-D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN"
)

_COMMANDS = {
    "ncc": "cc",
    "wcc": "cc -target wasm32-wasi",
    "zar": "ar",
    "zranlib": "ranlib",
}

# The day of CPython 3.13.5's release.
_EPOCH = "1749600000"

# What a build needs of the user's environment: tools, a home, and where macOS keeps its SDK.
_INHERITED = ("PATH", "HOME", "TMPDIR", "DEVELOPER_DIR", "SDKROOT")

_HINT = "install extism-guest-python, which holds the built interpreter, or extism[build]"


@dataclass(frozen=True)
class Toolchain:
    """The tools that a build uses, found and checked."""

    zig: Path
    make: Path
    shell: Path

    @property
    def library(self) -> Path:
        """The folder of zig's own sources, wasi-libc's among them."""
        return self.zig.parent / "lib"

    def environment(self, work: Path) -> dict[str, str]:
        """Return the variables of a command, and see to it that the compiler's commands exist."""
        commands = work / "bin"
        commands.mkdir(parents=True, exist_ok=True)
        for name, words in _COMMANDS.items():
            script = f'#!/bin/sh\nexec {shlex.quote(str(self.zig))} {words} "$@"\n'
            (commands / name).write_text(script, encoding="utf-8")
            (commands / name).chmod(0o755)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **inherited,
            "PATH": f"{commands}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "LC_ALL": "C",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": _EPOCH,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
        }


def find_toolchain() -> Toolchain:
    """
    Return the tools of this machine.

    Raises:
        BuildError: The machine cannot build the interpreter; the text says what it lacks.
    """
    if sys.platform not in ("linux", "darwin"):
        raise BuildError(
            f"the interpreter is built on Linux and macOS only, not on {sys.platform}",
            hint="install extism-guest-python, which holds the built interpreter",
        )
    make = shutil.which("gmake") or shutil.which("make")
    shell = shutil.which("sh")
    if make is None or shell is None:
        missing = "make" if make is None else "a POSIX shell (sh)"
        raise BuildError(f"building the interpreter needs {missing}", hint=_HINT)
    return Toolchain(_find_zig(), Path(make), Path(shell))


def _find_zig() -> Path:
    """Return the path of the pinned compiler."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise BuildError("building the interpreter needs the package ziglang", hint=_HINT)
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        version = "another one"
    if version != ZIG_VERSION:
        raise BuildError(
            f"building the interpreter needs ziglang {ZIG_VERSION}, and {version} is installed",
            hint=_HINT,
        )
    return Path(spec.origin).parent / "zig"
