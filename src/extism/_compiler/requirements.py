"""
Requirements in pip's words: those of the plug-in and those of requirements files, put together for one run of pip.

`extism` is taken out: in a plug-in it is the guest library. All else is left to pip, hashes and indices included;
only the files that a file names (`-r`, `-c`) are read, so that what decides the result is known.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism._compiler.distributions import normal
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Requirements", "gather"]

_LIBRARY: Final = "extism"
_NESTED: Final = re.compile(r"(?:-r|--requirement|(?P<c>-c|--constraint))(?:\s+|=|(?<=-[rc]))(\S+)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LOCAL: Final = re.compile(r"-e\b|--editable\b|.*\bfile:|(?!-)(?!.*://).*[/\\]")


@dataclass(frozen=True, slots=True)
class Requirements:
    """
    What pip is asked for.

    Attributes:
        lines: As in a requirements file.
        constraints: As in a constraints file.
    """

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether something is on this machine, and may change under the same name."""
        return any(_LOCAL.match(line) for line in self.lines)


def gather(dependencies: Iterable[str], files: Iterable[Path]) -> Requirements:
    """
    Return what a plug-in depends on, and what requirements files say.

    Raises:
        BuildError: A file cannot be read.
    """
    lines = [line for line in dependencies if not _is_library(line)]
    constraints: list[str] = []
    for file in files:
        _read(file, lines, constraints, ())
    return Requirements(tuple(lines), tuple(constraints))


def _read(file: Path, lines: list[str], constraints: list[str], around: tuple[Path, ...]) -> None:
    if file.resolve() in around:
        return
    for line in _logical_lines(file):
        nested = _NESTED.match(line)
        if nested:
            inner = file.parent / shlex.split(nested[2])[0]
            _read(
                inner, constraints if nested["c"] else lines, constraints, (*around, file.resolve())
            )
        elif not _is_library(line):
            lines.append(line)


def _logical_lines(file: Path) -> Iterator[str]:
    """Give the lines that say something, without comments; one that ends in a backslash goes on."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"cannot read {file}: {error}", path=str(file)) from error
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        said = re.sub(r"(^|\s)#.*$", "", line).strip()
        if said:
            yield said


def _is_library(line: str) -> bool:
    """Tell whether a requirement is the guest library, which every plug-in has."""
    name = _NAME.match(line.strip())
    return name is not None and normal(name[0]) == _LIBRARY
