"""
What the files of libraries say, remembered between builds by their content: to parse them takes longer than all else.

Only files that neither export nor import functions of plug-ins are remembered, which is to say their imports. The
author's own files are read anew each time: what is wrong in them is told with their paths and lines.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from extism._compiler import analyze, conditions, references
from extism._compiler.references import Reference

if TYPE_CHECKING:
    from extism._compiler.notes import Notes

__all__ = ["Memory"]


class Memory:
    """
    Facts about files, by their content.

    Args:
        notes: Where they are kept.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def facts(self, source: bytes) -> analyze.ModuleFacts | None:
        """Return what a file says, None where that is not known."""
        note = self._notes.find(_name(source))
        if note is None:
            return None
        rows = [
            Reference(module, level, tuple(names), *rest)
            for module, level, names, *rest in json.loads(note)
        ]
        return analyze.ModuleFacts((), (), (), tuple(rows))

    def keep(self, source: bytes, facts: analyze.ModuleFacts) -> None:
        """Remember what a file says; where that cannot be, it is read again next time."""
        if facts.exports or facts.hidden or facts.imports or facts.may_export_more:
            return
        rows = [
            [row.module, row.level, row.names, row.line, row.is_optional, row.is_deferred]
            for row in facts.references
        ]
        self._notes.keep(_name(source), json.dumps(rows).encode())


def _name(source: bytes) -> str:
    return f"facts-{hashlib.sha256(_reader() + source).hexdigest()[:40]}"


@functools.cache
def _reader() -> bytes:
    """Return the digest of the code that reads files: another version may see more."""
    hasher = hashlib.sha256()
    for module in (analyze, references, conditions):
        hasher.update(Path(str(module.__file__)).read_bytes())
    return hasher.digest()
