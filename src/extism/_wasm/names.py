"""
The custom sections `name` (what things are called) and `producers` (which tools made the module).

A custom section never makes a module invalid. So the readers here raise `WasmError` on a malformed one,
and whoever only wants it for decoration may go on without.

Source:
    https://webassembly.github.io/spec/core/appendix/custom.html and
    https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
"""

from __future__ import annotations

from extism._wasm.cursor import Cursor
from extism._wasm.leb128 import write_unsigned
from extism._wasm.writer import new_custom, write_list, write_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

    from extism._wasm.instructions import Space
    from extism._wasm.model import Section
    from extism._wasm.reader import Module
    from extism._wasm.relocate import Renumbering
    from extism._wasm.writer import Chunk

__all__ = [
    "NAME",
    "PRODUCERS",
    "module_name",
    "names_of",
    "producers",
    "renumber_names",
    "write_names",
    "write_producers",
]

NAME: Final = "name"
PRODUCERS: Final = "producers"

_MODULE: Final = 0
_FLAT: Final[Mapping[int, Space]] = {
    1: "func",
    4: "type",
    5: "table",
    6: "memory",
    7: "global",
    8: "elem",
    9: "data",
    11: "tag",
}
"""Subsections that give each index of a space a name."""

_NESTED: Final[Mapping[int, Space]] = {2: "func", 3: "func", 10: "type"}
"""Locals, labels and fields: subsections that give each index a list of names of its own."""


def module_name(module: Module) -> str | None:
    """Return what the module calls itself."""
    for id_, cursor in _subsections(module.custom.get(NAME)):
        if id_ == _MODULE:
            return cursor.name()
    return None


def names_of(module: Module, space: Space = "func") -> dict[int, str]:
    """Return the names that the module gives the entries of an index space, by index."""
    names: dict[int, str] = {}
    for id_, cursor in _subsections(module.custom.get(NAME)):
        if _FLAT.get(id_) == space:
            names |= {cursor.u32(): cursor.name() for _ in range(cursor.count(2))}
    return names


def write_names(names: Mapping[Space, Mapping[int, str]], module: str | None = None) -> Section:
    """Return a name section that names the module and entries of index spaces."""
    head = [] if module is None else _subsection(_MODULE, [write_name(module)])
    return new_custom(NAME, b"".join([*head, *_new_subsections(names)]))


def renumber_names(
    section: Section | None,
    renumbering: Renumbering,
    added: Mapping[Space, Mapping[int, str]],
) -> Section:
    """
    Return the name section with its indices renumbered and further names.

    Args:
        section: The old one, None if there is none.
        renumbering: Applied to every subsection whose index space moves.
        added: Names by new index, for entries that have none yet.
    """
    chunks: list[Chunk] = []
    left = dict(added)
    for id_, cursor in _subsections(section):
        space = _FLAT.get(id_) or _NESTED.get(id_)
        more = left.pop(space, {}) if space and id_ in _FLAT else {}
        if space is None or (space not in renumbering.moves and not more):
            chunks += _subsection(id_, [cursor.take(cursor.remaining)])
            continue
        entries = {renumbering.index(space, old): raw for old, raw in _entries(cursor, id_)}
        entries |= {index: write_name(name) for index, name in more.items()}
        chunks += _subsection(id_, _numbered(entries))
    return new_custom(NAME, b"".join([*chunks, *_new_subsections(left)]))


def _new_subsections(names: Mapping[Space, Mapping[int, str]]) -> Iterator[Chunk]:
    for id_, space in _FLAT.items():
        if names.get(space):
            raw = {index: write_name(name) for index, name in names[space].items()}
            yield from _subsection(id_, _numbered(raw))


def _numbered(raw_by_index: Mapping[int, bytes]) -> list[Chunk]:
    return write_list([write_unsigned(index) + raw for index, raw in sorted(raw_by_index.items())])


def _subsection(id_: int, chunks: list[Chunk]) -> list[Chunk]:
    return [bytes((id_,)), write_unsigned(sum(map(len, chunks))), *chunks]


def _subsections(section: Section | None) -> Iterator[tuple[int, Cursor]]:
    if section is None:
        return
    cursor = Cursor.over(section)
    while cursor.remaining:
        yield cursor.byte(), cursor.inner()


def _entries(cursor: Cursor, id_: int) -> Iterator[tuple[int, bytes]]:
    """Read a subsection and give each index with the bytes behind it."""
    for _ in range(cursor.count(2)):
        index, start = cursor.u32(), cursor.offset
        if id_ in _FLAT:
            cursor.skip(cursor.u32())
        else:
            for _ in range(cursor.count(2)):
                cursor.u32()
                cursor.skip(cursor.u32())
        yield index, cursor.data[start : cursor.offset]


def producers(module: Module) -> dict[str, dict[str, str]]:
    """Return which tools made the module: by field (`language`, `processed-by`), version by name."""
    section = module.custom.get(PRODUCERS)
    if section is None:
        return {}
    cursor = Cursor.over(section)
    fields: dict[str, dict[str, str]] = {}
    for _ in range(cursor.count(2)):
        field = cursor.name()
        fields[field] = {cursor.name(): cursor.name() for _ in range(cursor.count(2))}
    cursor.finish()
    return fields


def write_producers(fields: Mapping[str, Mapping[str, str]]) -> Section:
    """Return a producers section."""
    entries = [
        write_name(field)
        + b"".join(write_list([write_name(n) + write_name(v) for n, v in tools.items()]))
        for field, tools in fields.items()
    ]
    return new_custom(PRODUCERS, b"".join(write_list(entries)))
