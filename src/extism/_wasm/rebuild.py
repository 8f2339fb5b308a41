"""
Make the sections of a new module out of an old one and a note of what changes.

The note is taken by `builder.py`. Each section goes one of three ways: verbatim if nothing in it
changes; old entries verbatim and new ones behind them; or entry by entry, where entries are edited or
name something in an index space that moves.

What can go wrong:
    Custom sections that speak of code by its offset (debug information, branch hints, source maps)
    would lie once code moves; they are left out then. A malformed name section is left out where it
    would have to change, since engines ignore it as well.
"""

from __future__ import annotations

from itertools import chain

from extism._dataclass import dataclass, field, replace
from extism._wasm.cursor import Cursor
from extism._wasm.entries import (
    read_data,
    read_element,
    read_export,
    read_global,
    read_table,
)
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import SectionId
from extism._wasm.names import NAME, renumber_names
from extism._wasm.reader import SECTION_ORDER
from extism._wasm.relocate import Renumbering, renumber_code, renumber_expression
from extism._wasm.valtypes import read_memorytype, write_memorytype
from extism._wasm.writer import (
    new_section,
    write_data,
    write_element,
    write_export,
    write_global,
    write_table,
)
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import defaultdict
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Final, TypeAlias

    from extism._wasm.instructions import Space
    from extism._wasm.model import Section
    from extism._wasm.reader import Module
    from extism._wasm.writer import Chunk
else:
    from _collections import defaultdict  # as in `collections`, which takes 1 ms to import

__all__ = ["Changes", "rebuild"]

Edit: TypeAlias = "Callable[[bytes], bytes] | None"


@dataclass
class Changes:
    """
    What shall be different in the new module. All indices in it are new ones.

    Attributes:
        renumbering: Where old entries of the index spaces go.
        appended: Further entries of a section, each as the chunks of its bytes.
        edited: What an entry's renumbered bytes become, by its place in the old section; None
            removes it.
        replaced: Whole sections; None removes one (entries may still be appended).
        names: Names of new entries.
        customs: Custom sections that are new, replaced, or (None) removed.
    """

    renumbering: Renumbering = field(default_factory=lambda: Renumbering({}))
    appended: defaultdict[int, list[list[Chunk]]] = field(default_factory=lambda: defaultdict(list))
    edited: defaultdict[int, dict[int, Edit]] = field(default_factory=lambda: defaultdict(dict))
    replaced: dict[int, Section | None] = field(default_factory=dict)
    names: defaultdict[Space, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    customs: dict[str, Section | None] = field(default_factory=dict)


def rebuild(module: Module, changes: Changes) -> list[Section]:
    """
    Return the sections of the new module.

    Raises:
        WasmError: A section that has to change is malformed.
    """
    new = {id_: _section(module, changes, id_) for id_ in SECTION_ORDER}
    code_moves = _code_moves(module, new[SectionId.CODE])
    customs = _customs(module, changes, code_moves=code_moves)
    return [section for section in _in_order(module, new, customs) if section is not None]


def _in_order(
    module: Module, new: dict[int, Section | None], customs: dict[int, Section | None]
) -> Iterator[Section | None]:
    """Give all sections: custom ones where they stood, the others in the order of the spec."""
    waiting = list(SECTION_ORDER)
    standard = [at for at, old in enumerate(module.sections) if old.id != SectionId.CUSTOM]
    last = standard[-1] if standard else -1
    for at, old in enumerate(module.sections):
        if at > last:
            break
        if old.id == SectionId.CUSTOM:
            yield customs.pop(at)
            continue
        while waiting[0] != old.id:
            yield new[waiting.pop(0)]
        yield new[waiting.pop(0)]
    yield from (new[id_] for id_ in waiting)
    yield from customs.values()


def _section(module: Module, changes: Changes, id_: int) -> Section | None:
    old = changes.replaced[id_] if id_ in changes.replaced else module.section(id_)
    appended = changes.appended.get(id_, [])
    if old is not None and id_ not in changes.replaced:
        old = _changed(old, changes)
    if not appended:
        return old
    if old is None:
        return new_section(id_, [write_unsigned(len(appended)), *chain(*appended)])
    cursor = Cursor.over(old)
    count = cursor.count() + len(appended)
    kept = old.payload[cursor.offset - old.body :]
    return new_section(id_, [write_unsigned(count), kept, *chain(*appended)])


def _changed(old: Section, changes: Changes) -> Section:
    """Return the section with its old entries renumbered, edited and removed."""
    moving = _DEPENDS_ON.get(old.id, frozenset()) & changes.renumbering.moves.keys()
    edits = changes.edited.get(old.id, {})
    if not moving and not edits:
        return old
    if old.id == SectionId.CODE:
        return renumber_code(old, changes.renumbering)
    cursor = Cursor.over(old)
    if old.id == SectionId.START:
        return new_section(
            old.id, [write_unsigned(changes.renumbering.index("func", cursor.u32()))]
        )
    entries: list[Chunk] = []
    for place in range(cursor.count()):
        start = cursor.offset
        entry = _ENTRIES[old.id](cursor, changes.renumbering)
        if not moving:
            entry = [memoryview(old.data)[start : cursor.offset]]
        edit = edits.get(place, bytes)
        if edit is not None:
            entries.append(edit(b"".join(entry)))
    cursor.finish()
    return new_section(old.id, [write_unsigned(len(entries)), *entries])


def _export(cursor: Cursor, renumbering: Renumbering) -> list[Chunk]:
    export = read_export(cursor)
    index = renumbering.index(export.kind, export.index)
    return [write_export(export.name, export.kind, index)]


def _table(cursor: Cursor, renumbering: Renumbering) -> list[Chunk]:
    type_, init = read_table(cursor)
    return [write_table(type_, renumber_expression(init, renumbering))]


def _global(cursor: Cursor, renumbering: Renumbering) -> list[Chunk]:
    item = read_global(cursor)
    return [write_global(replace(item, init=renumber_expression(item.init, renumbering)))]


def _memory(cursor: Cursor, _renumbering: Renumbering) -> list[Chunk]:
    return [write_memorytype(read_memorytype(cursor))]


def _element(cursor: Cursor, renumbering: Renumbering) -> list[Chunk]:
    segment = read_element(cursor)
    items: Any = [
        renumber_expression(item, renumbering)
        if isinstance(item, bytes)
        else renumbering.index("func", item)
        for item in segment.items
    ]
    moved = replace(
        segment,
        table=renumbering.index("table", segment.table),
        offset=renumber_expression(segment.offset, renumbering),
        items=tuple(items),
    )
    return [write_element(moved)]


def _data(cursor: Cursor, renumbering: Renumbering) -> list[Chunk]:
    segment = read_data(cursor)
    if segment.memory is None:
        return write_data(segment)
    memory = renumbering.index("memory", segment.memory)
    offset = renumber_expression(segment.offset, renumbering)
    return write_data(replace(segment, memory=memory, offset=offset))


_ENTRIES: Final[Mapping[int, Callable[[Cursor, Renumbering], list[Chunk]]]] = {
    SectionId.TABLE: _table,
    SectionId.MEMORY: _memory,
    SectionId.GLOBAL: _global,
    SectionId.EXPORT: _export,
    SectionId.ELEMENT: _element,
    SectionId.DATA: _data,
}
"""Read an entry and give it back with its indices renumbered."""

_DEPENDS_ON: Final[Mapping[int, frozenset[Space]]] = {
    SectionId.TABLE: frozenset({"func", "global"}),
    SectionId.GLOBAL: frozenset({"func", "global"}),
    SectionId.EXPORT: frozenset({"func", "table", "memory", "global", "tag"}),
    SectionId.START: frozenset({"func"}),
    SectionId.ELEMENT: frozenset({"func", "table", "global"}),
    SectionId.CODE: frozenset({"func", "table", "memory", "global", "tag"}),
    SectionId.DATA: frozenset({"memory", "global"}),
}
"""The index spaces that a section mentions, of those that can move."""

_NAMES_CODE_OFFSETS: Final = (
    ".debug_",
    "external_debug_info",
    "sourceMappingURL",
    "metadata.code.",
    "reloc.",
    "linking",
)


def _code_moves(module: Module, new: Section | None) -> bool:
    """Return whether an offset into the old code means something else in the new code."""
    old = module.section(SectionId.CODE)
    if old is new:
        return False
    if old is None or new is None:
        return True
    bodies, new_bodies = _behind_count(old), _behind_count(new)
    is_shifted = len(old.payload) - len(bodies) != len(new.payload) - len(new_bodies)
    return is_shifted or new_bodies[: len(bodies)] != bodies


def _behind_count(section: Section) -> memoryview:
    cursor = Cursor.over(section)
    cursor.u32()
    return section.payload[cursor.offset - section.body :]


def _customs(module: Module, changes: Changes, *, code_moves: bool) -> dict[int, Section | None]:
    """Return the custom sections by their place among the old sections; new ones stand behind."""
    wanted = dict(changes.customs)
    found: dict[int, Section | None] = {}
    for at, old in enumerate(module.sections):
        if old.id != SectionId.CUSTOM:
            continue
        if old.name in changes.customs:
            found[at] = wanted.pop(old.name, None)
        elif old.name == NAME:
            found[at] = _names(old, changes)
        elif not (code_moves and old.name.startswith(_NAMES_CODE_OFFSETS)):
            found[at] = old
        else:
            found[at] = None
    if NAME not in changes.customs and NAME not in module.custom:
        wanted[NAME] = _names(None, changes)
    end = len(module.sections)
    return found | dict(enumerate(wanted.values(), start=end))


def _names(old: Section | None, changes: Changes) -> Section | None:
    if not changes.renumbering.moves and not any(changes.names.values()):
        return old
    if old is None and not any(changes.names.values()):
        return None
    try:
        return renumber_names(old, changes.renumbering, changes.names)
    except WasmError:
        return None
