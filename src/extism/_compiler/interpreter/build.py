"""
The whole recipe: one call that returns the built interpreter, from the cache or by building it.

A finished interpreter is the folder `<cache>/interpreter/<key>/`, the key being the digest of the
recipe's files, the sources' hashes and the compiler's version. It appears in one instant; two
processes do not build at once; what an interrupted build finished is not repeated.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter.helper import HELPER
from extism._compiler.interpreter.libraries import LIBRARIES
from extism._compiler.interpreter.library import LIBRARY
from extism._compiler.interpreter.licences import LICENCES
from extism._compiler.interpreter.linking import RUNTIME, RUNTIME_FILE
from extism._compiler.interpreter.shell import Journal
from extism._compiler.interpreter.stdlib import STDLIB, STDLIB_FILE
from extism._compiler.interpreter.steps import (
    RECIPE,
    Site,
    Step,
    digest,
    exclusive,
    missing,
    place,
    prune,
)
from extism._compiler.interpreter.toolchain import find_toolchain
from extism.caches import CACHE_DIR, interpreter_directory
from extism.errors import BuildError, Error

if TYPE_CHECKING:
    from pathlib import Path

    from extism._compiler.interpreter.shell import Say

__all__ = ["Interpreter", "build", "find", "key"]

# Kept after a success: what a change of the glue or of the licences needs, a few megabytes each.
_LASTING: Final = (HELPER, *LIBRARIES, LIBRARY, RUNTIME, STDLIB, LICENCES)


_KEPT_VERSIONS: Final = 3


@dataclass(frozen=True)
class Interpreter:
    """
    A built interpreter in its folder.

    Layout:
        runtime.wasm    the raw runtime, not yet started
        python313.zip   the standard library
        licences/       texts, and PROVENANCE.md
    """

    folder: Path
    key: str

    @property
    def runtime(self) -> Path:
        """The module whose `py_init` starts Python."""
        return self.folder / RUNTIME_FILE

    @property
    def stdlib(self) -> Path:
        """The zip that `py_init` reads."""
        return self.folder / STDLIB_FILE

    @property
    def licences(self) -> Path:
        """The folder of licence texts."""
        return self.folder / "licences"


def _make(site: Site, _step: Step, result: Path) -> None:
    shutil.copyfile(site.part(RUNTIME) / RUNTIME_FILE, result / RUNTIME_FILE)
    shutil.copyfile(site.part(STDLIB) / STDLIB_FILE, result / STDLIB_FILE)
    shutil.copytree(site.part(LICENCES), result / "licences")


INTERPRETER: Final = Step(
    name="interpreter",
    title="put the interpreter together",
    make=_make,
    files=(),
    needs=(RUNTIME, STDLIB, LICENCES),
)


def key(recipe: Path = RECIPE) -> str:
    """Return the digest of all that decides the interpreter's bytes."""
    return digest(INTERPRETER, recipe)


def find(folder: Path | None = None) -> Interpreter | None:
    """Return the interpreter of this recipe if it is built already."""
    built = Interpreter((folder or interpreter_directory()) / key(), key())
    return built if built.folder.exists() else None


def build(say: Say = print, folder: Path | None = None) -> Interpreter:
    """
    Return the interpreter of this recipe, built now if it is not there; that takes minutes.

    Args:
        say: Called with each line of progress.
        folder: Where interpreters are kept; by default the user's cache.

    Raises:
        BuildError: A tool is missing, or a step failed; the text names the log.
        SourceError: A source archive could not be had, or was not the pinned one.
    """
    folder = folder or interpreter_directory()
    found = find(folder)
    if found is not None:
        return found
    tools = find_toolchain()
    try:
        with exclusive(folder, say):
            return find(folder) or _build(Site(folder, tools, Journal(folder / "build.log", say)))
    except OSError as error:
        if isinstance(error, Error):
            raise
        raise BuildError(
            f"the guest interpreter cannot be built in {folder}: {error}",
            path=str(folder),
            hint=f"it takes 600 MB for a while; {CACHE_DIR} can name another folder",
        ) from error


def _build(site: Site) -> Interpreter:
    """Do what is missing, under the lock."""
    journal = site.journal
    steps = missing(INTERPRETER, site)
    journal.path.write_text(f"{sys.version} on {sys.platform}\n", encoding="utf-8")
    journal.note(f"building the guest interpreter, {len(steps)} steps; log: {journal.path}")
    for number, step in enumerate(steps, 1):
        site.do(step, number, len(steps))
    built = Interpreter(site.folder / key(), key())
    place(site.part(INTERPRETER), built.folder)
    site.sweep(_LASTING)
    prune(site.folder, "[0-9a-f]" * len(built.key), _KEPT_VERSIONS)
    journal.note(f"the guest interpreter is built, in {journal.elapsed}: {built.folder}")
    return built
