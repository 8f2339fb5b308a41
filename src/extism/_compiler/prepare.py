"""
What the interpreter needs of each file, made once: its code and its text, compiled and compressed in the guest.

Compiling is slow inside, and leaves a memory full of holes, which would be shipped. So a copy of the interpreter
that is thrown away does it, only for files that no build has seen before; what it made is kept by content.

Layout of a note: length of the code as u32 little-endian, the code, the text; both compressed by the guest.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from extism._compiler.notes import Notes

__all__ = ["Shelf", "prepare"]


class Shelf:
    """
    Prepared files of builds before.

    Args:
        notes: Where they are kept.
        interpreter: Names the interpreter that prepares them: another makes other code.
    """

    def __init__(self, notes: Notes, interpreter: str) -> None:
        self._notes = notes
        self._interpreter = interpreter

    def find(self, file: str, data: bytes) -> Prepared | None:
        """Return a file as it was prepared, None where that is not known."""
        note = self._notes.find(self._name(file, data))
        if note is None:
            return None
        end = 4 + int.from_bytes(note[:4], "little")
        return Prepared(note[4:end], note[end:])

    def keep(self, file: str, data: bytes, made: Prepared) -> None:
        """Keep a prepared file; where that cannot be, it is prepared again next time."""
        note = len(made.code).to_bytes(4, "little") + made.code + made.text
        self._notes.keep(self._name(file, data), note)

    def _name(self, file: str, data: bytes) -> str:
        hasher = hashlib.sha256(f"{self._interpreter}\0{file}\0".encode())
        hasher.update(data)
        return f"file-{hasher.hexdigest()[:40]}"


class Prepared(NamedTuple):
    """A file for the guest: its code, empty for what is no module or cannot be compiled, and its text."""

    code: bytes
    text: bytes


def prepare(app: Path, shelf: Shelf, run: Callable[[], Mapping[str, Any]]) -> None:
    """
    Write kept.bin and kept.json into the folder `app`, for all files that its bundle.json names.

    Args:
        app: The folder of this build, with bundle.json and src/.
        shelf: What was prepared before.
        run: Runs the guest, which prepares the files of prepare.json; returns what it has left in result.json.
    """
    files = {file: (app / "src" / file).read_bytes() for file in _names(app)}
    found = {file: shelf.find(file, data) for file, data in files.items()}
    missing = [file for file, known in found.items() if known is None]
    if missing:
        wanted = app / "prepare.json"
        wanted.write_text(json.dumps(missing), encoding="utf-8")
        for file, made in _made(app, run()["lengths"]):
            shelf.keep(file, files[file], made)
            found[file] = made
        wanted.unlink()
    ready = {file: made for file, made in found.items() if made is not None}
    lengths = {file: [len(made.code), len(made.text)] for file, made in ready.items()}
    (app / "kept.json").write_text(json.dumps(lengths), encoding="utf-8")
    (app / "kept.bin").write_bytes(b"".join(made.code + made.text for made in ready.values()))


def _names(app: Path) -> list[str]:
    """Return the files of a bundle, in the order of their names, each once."""
    bundle = json.loads((app / "bundle.json").read_text(encoding="utf-8"))
    modules = [bundle["main"], *bundle.get("modules", {}).values()]
    return sorted({*bundle.get("data", ()), *(module["file"] for module in modules)})


def _made(app: Path, lengths: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Prepared]]:
    """Give what the guest has prepared: it lies end to end, in the order of the files."""
    with (app / "prepared.bin").open("rb") as stream:
        for file, (code, text) in lengths.items():
            yield file, Prepared(stream.read(code), stream.read(text))
