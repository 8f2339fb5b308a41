"""
Docstrings as Markdown: what stands in Google sections becomes lists, literal blocks become fences.

The first paragraph is kept as it is; so is everything that is in no section.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["attributes", "first_sentence", "markdown"]

_SECTION = re.compile(r"^(\w+):\n((?:(?:    .*)?\n)+)", re.MULTILINE)
_ITEM = re.compile(r"^([\w*`, .|\[\]]+): +(.*)$")
_LITERAL = re.compile(r"^(.*)::\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_TABLE = re.compile(r"^=+(?: +=+)+\n(?:.+\n)+?=+(?: +=+)+\n", re.MULTILINE)


def first_sentence(text: str) -> str:
    """The first paragraph in one line."""
    return " ".join(text.strip().split("\n\n")[0].split())


def markdown(text: str) -> str:
    """A docstring as Markdown."""
    text = f"{text.strip()}\n"
    text = _LITERAL.sub(_fenced, text)
    text = _TABLE.sub(lambda found: f"```text\n{found[0]}```\n", text)
    text = _SECTION.sub(_section, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def attributes(text: str) -> dict[str, str]:
    """What the section `Attributes` says about each name."""
    for title, body in _SECTION.findall(f"{text.strip()}\n"):
        if title == "Attributes":
            return dict(_items(body))
    return {}


def _fenced(found: re.Match[str]) -> str:
    before = f"{found[1]}:\n\n" if found[1] else ""
    return f"{before}```text\n{textwrap.dedent(found[2]).strip()}\n```\n\n"


def _section(found: re.Match[str]) -> str:
    title, body = found.groups()
    items = list(_items(body))
    if not items:
        words = " ".join(textwrap.dedent(body).split())
        return f"\n**{title}**: {words}\n\n"
    lines = [f"- {_quoted(name)}: {said}\n" for name, said in items]
    return f"\n**{title}**\n\n{''.join(lines)}\n"


def _quoted(names: str) -> str:
    return ", ".join(f"`{name.strip('`')}`" for name in names.split(", "))


def _items(body: str) -> Iterator[tuple[str, str]]:
    """Name and text of each item; the lines of one are joined."""
    name = ""
    said: list[str] = []
    for line in textwrap.dedent(body).strip().splitlines():
        found = None if line.startswith(" ") else _ITEM.match(line)
        if found:
            if name:
                yield name, " ".join(said)
            name, said = found[1], [found[2]]
        elif name:
            said.append(line.strip())
    if name:
        yield name, " ".join(said)
