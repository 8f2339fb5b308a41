"""
A module as readable text: what it needs, what it offers, what it is made of.

Lines for people and for comparing in tests, in the words of the text format, made from the outline
alone: however large the code, it is not decoded.

::

    module "demo", 1,234 bytes
    imports
      (func (param i64) (result i64))  "extism:host/env" "alloc"
    exports
      (func (result i32))  "count_vowels"
      (memory 2)           "memory"
    sections (offset, bytes, entries)
      type    8  12  2
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from extism._wasm.cursor import Cursor
from extism._wasm.model import SectionId
from extism._wasm.names import module_name, producers
from extism.errors import WasmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from extism._wasm.model import Section
    from extism._wasm.reader import Module

__all__ = ["dump", "quoted"]

_UNPRINTABLE = re.compile(
    r'["\\\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]'
)


def dump(module: Module) -> str:
    """
    Return the listing of a module, without a newline at its end.

    Names come from the module and are shown quoted, with control characters escaped, so that a
    listing cannot play tricks on a terminal.

    Raises:
        WasmError: A section that the listing needs is malformed.
    """
    return "\n".join(_lines(module))


def quoted(text: str) -> str:
    """Return a name as a string of the text format, safe to print."""
    return '"' + _UNPRINTABLE.sub(lambda found: rf"\u{{{ord(found[0]):x}}}", text) + '"'


def _lines(module: Module) -> Iterator[str]:
    yield _title(module)
    imports = [
        (str(item.type), f"{quoted(item.module)} {quoted(item.name)}") for item in module.imports
    ]
    exports = [(str(module.type_of(item)), quoted(item.name)) for item in module.exports]
    yield from _table("imports", imports)
    yield from _table("exports", exports)
    yield from _table("memories", [(str(memory),) for memory in module.memories])
    yield from _table("tables", [(str(table),) for table in module.tables])
    yield from _table("producers", _producers(module))
    if module.start is not None:
        yield f"start function {module.start}"
    yield from _table("sections (offset, bytes, entries)", list(_sections(module)), numbers=True)


def _title(module: Module) -> str:
    try:
        name = module_name(module)
    except WasmError:
        name = None  # A malformed name section is no fault of the module: engines ignore it.
    label = f" {quoted(name)}" if name else ""
    return f"module{label}, {len(module.data):,} bytes"


def _producers(module: Module) -> list[tuple[str, ...]]:
    try:
        fields = producers(module)
    except WasmError as error:
        return [("malformed", str(error))]
    return [
        (field, f"{quoted(tool)} {quoted(version)}")
        for field, tools in fields.items()
        for tool, version in tools.items()
    ]


def _sections(module: Module) -> Iterator[tuple[str, ...]]:
    for section in module.sections:
        is_custom = section.id == SectionId.CUSTOM
        name = f"custom {quoted(section.name)}" if is_custom else section.name
        yield name, str(section.start), str(section.end - section.start), _entries(section)


def _entries(section: Section) -> str:
    if section.id in {SectionId.CUSTOM, SectionId.START}:
        return ""
    return str(Cursor.over(section).u32())


def _table(title: str, rows: Sequence[tuple[str, ...]], *, numbers: bool = False) -> Iterator[str]:
    """Give a title and its rows in columns; with `numbers`, all columns but the first end flush."""
    if not rows:
        return
    yield title
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = (
            cell.rjust(width) if numbers and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(["", first, *rest]).rstrip()
