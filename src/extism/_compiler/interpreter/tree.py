"""
The source tree of CPython, unpacked, with the few lines that differ for us.

Each change names the file, the text that must be in it exactly once, and what replaces it; another
version of CPython would stop here, not miscompile.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism._compiler.interpreter.sources import PYTHON, obtain
from extism._compiler.interpreter.steps import Site, Step
from extism.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TREE", "Change", "apply", "unpack"]


@dataclass(frozen=True)
class Change:
    """One replacement in one file of the tree."""

    file: str
    before: str
    after: str


CHANGES: Final = (
    # Each rule of the parser takes some 200 bytes of native stack, uncounted. So the parser may go
    # the less deep, the more of the stack is taken already (glue.c, C_RECURSION_LIMIT).
    Change(
        "Parser/parser.c",
        "#    define MAXSTACK 4000",
        "#    define MAXSTACK (100 + 3 * PyThreadState_GetUnchecked()->c_recursion_remaining)",
    ),
    # The form matters: `platform` reads sys.version by it.
    Change("Modules/getbuildinfo.c", "#define DATE __DATE__", '#define DATE "Jun 11 2025"'),
    Change("Modules/getbuildinfo.c", "#define TIME __TIME__", '#define TIME "00:00:00"'),
)


def _make(site: Site, _step: Step, result: Path) -> None:
    archive = obtain(PYTHON, site.folder / "sources", site.journal.note)
    unpack(archive, result / "python")
    for change in CHANGES:
        apply(change, result / "python")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive whose bytes were verified; its one top folder becomes `folder`."""
    inside = folder.with_name(folder.name + ".unpacked")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(inside, filter="data")
        else:  # Python 3.11 before 3.11.4
            tar.extractall(inside)  # noqa: S202  the archive's hash is pinned
    (top,) = inside.iterdir()
    top.rename(folder)
    inside.rmdir()


def apply(change: Change, tree: Path) -> None:
    """Make one change, in a file that holds its text exactly once."""
    path = tree / change.file
    text = path.read_text(encoding="utf-8")
    if text.count(change.before) != 1:
        raise BuildError(
            f"{change.file} holds {change.before!r} {text.count(change.before)} times, not once: "
            f"this is not the source of CPython {PYTHON.version} that the recipe was written for",
            path=str(path),
        )
    path.write_text(text.replace(change.before, change.after), encoding="utf-8")


TREE: Final = Step(
    name="tree",
    title="fetch and unpack the source of CPython",
    make=_make,
    files=("tree.py",),
    facts=PYTHON.facts,
)
