"""
The compiler `extism-py` as a function: a Python file in, a plug-in out.

The plug-in's module level runs here, at build time, inside the sandboxed interpreter; nothing of it runs in
this process. How it is done is in `_compiler/pipeline.py`.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from extism._compiler import runtime
from extism._compiler.material import Material
from extism._compiler.pipeline import Progress, compile_file
from extism._digest import sha256
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["DEFAULT_TIMEOUT", "BuildReport", "RuntimeReport", "build", "write_runtime"]

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that the module level of a plug-in may run while it is built."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """
    What a build made.

    Attributes:
        exports: Names of the functions that a host can call.
        imports: The functions that a host must give, as `namespace/name`.
        modules: Dotted names of the modules that came along beside the plug-in's own file.
        runtime: SHA-256 of the runtime that it needs beside it; an empty text for a single file.
        size: Of the module, in bytes.
        sha256: Of the module, in hexadecimal digits.
        seconds: What each step took, in the order of the steps.
        packages: The packages of others that are in it, as `name==version`.
    """

    exports: tuple[str, ...]
    imports: tuple[str, ...]
    modules: tuple[str, ...]
    runtime: str
    size: int
    sha256: str
    seconds: Mapping[str, float]
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """
    What is to be known of a runtime that was written.

    Attributes:
        size: Of the module, in bytes.
        sha256: Of the module, in hexadecimal digits.
    """

    size: int
    sha256: str


def build(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    shared: bool = False,
    paths: Iterable[str | os.PathLike[str]] | None = None,
    sites: Iterable[str | os.PathLike[str]] = (),
    requirements: Iterable[str | os.PathLike[str]] = (),
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    fresh: bool = False,
    timeout: float | None = DEFAULT_TIMEOUT,
    report: Callable[[BuildReport], None] | None = None,
    say: Callable[[str], None] | None = None,
    show: Callable[[bytes], None] | None = None,
    begin: Callable[[str], None] | None = None,
) -> bytes:
    """
    Return the plug-in made of a Python file or folder, and write it where `output` says.

    Args:
        source: The file with the plug-in's functions, or a folder: a package, or a project with a pyproject.toml.
            Modules beside it come along as they are imported.
        output: Where to write the module. It appears whole or not at all.
        shared: Leave the interpreter out: the module then needs the runtime beside it, which this library supplies
            where it has it, and `write_runtime` writes for other hosts.
        paths: Folders of other modules; by default those of the environment's PYTHONPATH.
        sites: Folders with installed packages, such as the site-packages of an environment.
        requirements: Requirements files, whose packages are installed into a cache, besides those that the
            plug-in itself names.
        include: Modules to take along that no import statement names.
        exclude: Modules to leave out.
        fresh: Install packages anew, instead of taking those that were installed for the same requirements.
        timeout: Seconds that the module level may run; None lets it run for ever.
        report: Called with what the build made, at its end.
        say: Called with a line of text when something begins that takes a while.
        show: Called with what the module level prints; by default that is dropped.
        begin: Called with the name of each step when it begins.

    Raises:
        BuildError: The source cannot become a plug-in, the output cannot be written, or there is no guest
            interpreter and none can be built.
        SourceError: The sources of the guest interpreter could not be had.
    """
    place = None if output is None else _Output(Path(output), source=Path(source))
    search = _python_path() if paths is None else [Path(path) for path in paths]
    progress = Progress(say or (lambda _text: None), show, begin or (lambda _step: None))
    material = Material(
        Path(source),
        tuple(search),
        tuple(map(Path, sites)),
        tuple(map(Path, requirements)),
        tuple(include),
        tuple(exclude),
        fresh,
    )
    built = compile_file(material, progress, timeout, is_shared=shared)
    if place is not None:
        place.write(built.wasm)
    if report is not None:
        imports = tuple(f"{row.module}/{row.name}" for row in built.imports)
        report(
            BuildReport(
                built.exports,
                imports,
                built.modules,
                built.runtime,
                len(built.wasm),
                sha256(built.wasm).hex(),
                built.seconds,
                tuple(f"{name}=={version}" for name, version in built.packages),
            )
        )
    return built.wasm


def write_runtime(
    output: str | os.PathLike[str], *, say: Callable[[str], None] | None = None
) -> RuntimeReport:
    """
    Write the runtime that plug-ins built with `shared=True` are linked with, and return what it is.

    Other hosts than this library take both files, in a manifest that calls this one `python`.

    Args:
        output: Where to write the module. It appears whole or not at all.
        say: Called with a line of text when something begins that takes a while.

    Raises:
        BuildError: The output cannot be written, or there is no guest interpreter and none can be built.
        SourceError: The sources of the guest interpreter could not be had.
    """
    place = _Output(Path(output))
    base = runtime.base_image(say or (lambda _text: None))
    place.write(base)
    return RuntimeReport(len(base), sha256(base).hex())


def _python_path() -> list[Path]:
    return [Path(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


class _Output:
    """Where a module will be written; what would go wrong then is found before anything is built."""

    def __init__(self, path: Path, source: Path | None = None) -> None:
        self.path = path
        if path.is_dir():
            raise self._fault("it is a directory")
        if not path.parent.is_dir():
            raise self._fault("its directory does not exist")
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise self._fault("it is the source")

    def write(self, wasm: bytes) -> None:
        """Write the module: beside its place first, so that nobody ever sees half of it."""
        try:
            if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
                self.path.write_bytes(wasm)  # a pipe or device is written to, not replaced
            else:
                self._replace(self.path.resolve(), wasm)
        except OSError as error:
            raise self._fault(error.strerror or str(error)) from error

    def _replace(self, path: Path, wasm: bytes) -> None:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with beside.open("xb") as file:  # never through a link that somebody has laid there
                file.write(wasm)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _fault(self, reason: str) -> BuildError:
        return BuildError(f"cannot write {self.path}: {reason}", path=str(self.path))
