"""
The steps from a Python file to a plug-in, in order and timed.

::

    analyze       read the file and what it imports: exports, host functions, modules   syntax, analyze,
                                                                                        bundle, interface
    interpreter   find the base image, or have it built                                 runtime
    preinit       run the module level inside the interpreter, keep its memory          preinit
    snapshot      the interpreter with that memory as its data                          _wasm/snapshot
    shim          names for the exports, slots for the host functions                   shim

For a plug-in on a shared runtime the last two are one, `overlay`: a module with what that memory has beyond the
interpreter's own.

Each step is one function of its own file, with its own error. Nothing is written but a temporary folder; the
result is bytes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from extism import abi
from extism._compiler import doors, interface, overlay, preinit, runtime, shim, syntax
from extism._compiler.notes import notes_of_builds
from extism._compiler.prepare import Shelf
from extism._wasm.builder import Builder
from extism._wasm.reader import read
from extism._wasm.snapshot import snapshot
from extism.errors import BuildError

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from extism._compiler.bundle import Bundle
    from extism._compiler.interface import Export, HostFunction, Interface, Origin
    from extism._compiler.material import Material
    from extism._compiler.syntax import Source

__all__ = ["Built", "Progress", "compile_file"]


@dataclass(frozen=True, slots=True)
class Built:
    """
    A plug-in, and how it came about.

    Attributes:
        wasm: The module.
        exports: Names of the functions that a host can call.
        imports: The functions that a host must give.
        modules: Dotted names of what comes along beside the plug-in's own file, sorted.
        runtime: SHA-256 of the runtime that it needs beside it; an empty text for a single file.
        packages: Name and version of the packages of others that are in it.
        seconds: What each step took, in the order of the steps.
    """

    wasm: bytes
    exports: tuple[str, ...]
    imports: tuple[HostFunction, ...]
    modules: tuple[str, ...]
    runtime: str
    packages: tuple[tuple[str, str], ...]
    seconds: Mapping[str, float]


@dataclass
class Progress:
    """
    Whoever watches a build.

    Attributes:
        say: Called with a line of text when something begins that takes a while.
        show: Called with what the plug-in prints while its module level runs.
        begin: Called with the name of each step when it begins.
        seconds: Filled with what each step took.
    """

    say: Callable[[str], None] = lambda _text: None
    show: Callable[[bytes], None] | None = None
    begin: Callable[[str], None] = lambda _step: None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Tell of a step, and time it."""
        self.begin(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


def compile_file(
    material: Material,
    progress: Progress,
    timeout: float | None = None,
    *,
    is_shared: bool = False,
) -> Built:
    """
    Return the plug-in made of a Python file, or of a folder with several.

    Args:
        material: The file, and what else is given.
        progress: Who watches.
        timeout: Seconds that the module level may run.
        is_shared: Whether the plug-in is to need the runtime beside it, instead of holding it.

    Raises:
        BuildError: The source cannot become a plug-in, or there is no interpreter and none can be built.
        SourceError: The interpreter's sources could not be had.
    """
    interpreter = _Interpreter(progress.say)
    project = material.open()
    libraries = material.libraries(project, progress.say)
    with progress.step("analyze"):
        files = material.bundle(project, libraries, interpreter.parse)
        promised = _interface(files)
    with progress.step("interpreter"):
        base = interpreter.base
    with progress.step("preinit"):
        loaded = _load(base, files, promised, progress, timeout)
        names = tuple(row.name for row in loaded.exports)
        interface.check_registered(promised, _hidden(files), _origins(files, loaded))
        imports = interface.typed(promised.imports, loaded.imports)
    shape = _small if is_shared else _whole
    wasm = shape(base, loaded, imports, progress)
    packages = tuple((row.name, row.version) for row in files.distributions)
    return Built(
        _labelled(wasm, packages),
        names,
        imports,
        tuple(module.name for module in files.modules if module is not files.main),
        hashlib.sha256(base).hexdigest() if is_shared else "",
        packages,
        dict(progress.seconds),
    )


def _labelled(wasm: bytes, packages: Sequence[tuple[str, str]]) -> bytes:
    """Return the module with the list of the packages in it."""
    if not packages:
        return wasm
    builder = Builder(read(wasm))
    rows = [{"name": name, "version": version} for name, version in packages]
    builder.set_custom(abi.PACKAGES_SECTION, json.dumps(rows).encode())
    return builder.build()


def _whole(
    base: bytes, loaded: preinit.Loaded, imports: tuple[HostFunction, ...], progress: Progress
) -> bytes:
    with progress.step("snapshot"):
        core = snapshot(base, {0: loaded.image})
    with progress.step("shim"):
        return shim.shim(core, loaded.exports, imports)


def _small(
    base: bytes, loaded: preinit.Loaded, imports: tuple[HostFunction, ...], progress: Progress
) -> bytes:
    with progress.step("overlay"):
        return overlay.overlay(base, loaded.image, loaded.exports, imports)


class _Interpreter:
    """The guest interpreter, found or built when it is first needed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    @cached_property
    def base(self) -> bytes:
        return runtime.base_image(self.say)

    def parse(self, source: Source) -> ast.Module:
        """Return a syntax tree, with the help of the guest's parser where this Python's is too old."""
        return syntax.parse(
            source, lambda source: syntax.parse_in_guest(source, self.base, runtime.native_cache())
        )


def _interface(files: Bundle) -> Interface:
    exports = [row for facts in files.facts for row in facts.exports]
    imports = [row for facts in files.facts for row in facts.imports]
    more = any(facts.may_export_more for facts in files.facts)
    try:
        return interface.combine(exports, imports, _hidden(files), may_be_more=more)
    except BuildError as error:
        error.path = error.path or files.main.path
        raise


def _hidden(files: Bundle) -> list[Export]:
    return [row for facts in files.facts for row in facts.hidden]


def _origins(files: Bundle, loaded: preinit.Loaded) -> dict[str, Origin]:
    """Return where the functions stand in the author's terms."""
    return {
        name: replace(origin, path=files.paths.get(origin.path, ""))
        for name, origin in loaded.origins.items()
    }


def _load(
    base: bytes, files: Bundle, promised: Interface, progress: Progress, timeout: float | None
) -> preinit.Loaded:
    """Lay the files out in a folder for the interpreter, and run them there."""
    with tempfile.TemporaryDirectory(prefix="extism-") as folder:
        for name, data in files.files(promised, doors.first_slot(read(base))).items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        try:
            return preinit.load(
                base,
                Path(folder),
                runtime.native_cache(),
                shelf=Shelf(notes_of_builds(), runtime.base_key()),
                advise=files.advise,
                show=progress.show,
                timeout=timeout,
            )
        except BuildError as error:
            # The guest knows files by their names in the plug-in; the author, by where they are.
            error.path = files.paths.get(error.path, error.path)
            raise
