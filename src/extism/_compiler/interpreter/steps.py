"""
How a step of the recipe is done once: its result is a folder named after the digest of its inputs.

A `Step` declares what decides its result: files of the recipe, facts (versions, hashes), and the
steps that it needs. A step whose folder exists is not repeated; one whose inputs changed has another
digest, hence another folder. A result is built in the work folder and moved to its place when it is
whole, so a folder that exists is finished. What was interrupted stays in the work folder, where
`make` finds its objects again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from extism._compiler.interpreter.shell import Journal, Say, clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._compiler.interpreter.toolchain import Toolchain

__all__ = ["RECIPE", "Site", "Step", "digest", "exclusive", "missing", "place", "prune"]

RECIPE: Final = Path(__file__).parent

_DIGEST_LENGTH = 16

# configure and make split words at blanks, and make reads $ and #.
_SAFE_PATH = re.compile(r"[\w./+@-]+", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One piece of work with one folder as its result."""

    name: str
    title: str
    make: Action
    files: tuple[str, ...]
    facts: tuple[str, ...] = ()
    needs: tuple[Step, ...] = ()


def digest(step: Step, recipe: Path = RECIPE) -> str:
    """Return the digest of all that decides the step's result."""
    hasher = hashlib.sha256(step.name.encode())
    for file in step.files:
        hasher.update(hashlib.sha256((recipe / file).read_bytes()).digest())
    for fact in (*step.facts, *(digest(need, recipe) for need in step.needs)):
        hasher.update(b"\0" + fact.encode())
    return hasher.hexdigest()[:_DIGEST_LENGTH]


class Site:
    """
    The place where steps are done: the cache folder, the tools, and the journal.

    Layout:
        sources/           verified archives
        parts/NAME-DIGEST  results that later steps use
        work/              what is being built, and the compiler's cache; gone after a success
        build.log          the newest build's log
        lock               held by the process that builds
    """

    def __init__(self, folder: Path, tools: Toolchain, journal: Journal) -> None:
        self.folder = folder
        self.tools = tools
        self.journal = journal
        self.work = _work_folder(folder)
        self.environment = tools.environment(self.work)
        self._names: dict[str, str] = {}

    @property
    def sources(self) -> Path:
        """The folder of verified archives."""
        return self.folder / "sources"

    def part(self, step: Step) -> Path:
        """Return the folder of the step's result, whether it exists or not."""
        return self.folder / "parts" / self._name(step)

    def _name(self, step: Step) -> str:
        """Return the step's name with its digest, read once: a file may be edited meanwhile."""
        if step.name not in self._names:
            self._names[step.name] = f"{step.name}-{digest(step)}"
        return self._names[step.name]

    def run(self, *command: str | Path, folder: Path) -> None:
        """Run a command with the build's environment, in `folder`."""
        self.journal.run(command, folder, self.environment)

    def bench(self, step: Step) -> Path:
        """Return the step's own folder in the work folder, kept if the step is interrupted."""
        bench = self.work / self._name(step)
        bench.mkdir(parents=True, exist_ok=True)
        return bench

    def do(self, step: Step, number: int, count: int) -> None:
        """Do a step whose needs are done, and give its result its place."""
        began = time.monotonic()
        self.journal.note(f"[{number}/{count}] {step.title}")
        result = self.bench(step) / "result"
        shutil.rmtree(result, ignore_errors=True)
        result.mkdir()
        step.make(self, step, result)
        place(result, self.part(step))
        self.journal.note(f"[{number}/{count}] done in {clock(time.monotonic() - began)}")

    def sweep(self, keep: tuple[Step, ...]) -> None:
        """Remove the work folder, and every part that is not one of `keep`."""
        shutil.rmtree(self.work, ignore_errors=True)
        if (self.folder / "work").is_symlink():
            (self.folder / "work").unlink()
        kept = {self.part(step) for step in keep}
        for part in (self.folder / "parts").iterdir():
            if part not in kept:
                shutil.rmtree(part, ignore_errors=True)


Action: TypeAlias = Callable[[Site, Step, Path], None]
"""What a step does: fill the folder that is its third argument."""


def missing(step: Step, site: Site) -> list[Step]:
    """Return the steps that are still to be done before `step` is, each after those it needs."""
    found: list[Step] = []

    def visit(one: Step) -> None:
        if one in found or site.part(one).exists():
            return
        for need in one.needs:
            visit(need)
        found.append(one)

    visit(step)
    return found


def place(result: Path, target: Path) -> None:
    """Move a folder to its place in one instant, from another disk too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f".{target.name}.new")
    shutil.rmtree(arriving, ignore_errors=True)
    shutil.move(result, arriving)
    arriving.rename(target)


def prune(folder: Path, pattern: str, keep: int) -> None:
    """Remove all but the `keep` newest of the folders that match: results of other versions."""
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[keep:]:
        shutil.rmtree(path, ignore_errors=True)


def _work_folder(folder: Path) -> Path:
    """Return a folder for building, elsewhere if the cache's path is one that make cannot bear."""
    folder.mkdir(parents=True, exist_ok=True)
    work = folder.resolve() / "work"
    if not work.is_dir():
        work.unlink(missing_ok=True)  # a link to a folder that the system has tidied away
        if _SAFE_PATH.fullmatch(str(work)):
            work.mkdir()
        else:
            work.symlink_to(tempfile.mkdtemp(prefix="extism-interpreter-"))
    return work.resolve()


@contextlib.contextmanager
def exclusive(folder: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock, after waiting for a process that builds there already."""
    import fcntl  # there is none on Windows, where nothing is built

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building in {folder}; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
