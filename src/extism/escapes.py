"""
Text of foreign origin made harmless: what could act on a terminal, hide, or pose as a line is shown as an escape.

Names in modules, manifests and URLs, answers of servers and messages of guests all end up in errors and logs.
This is the one place that decides what of them is dangerous.
"""

from __future__ import annotations

from extism._cached import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

__all__ = ["MAX_TEXT", "harmless", "harmless_line", "shown", "shown_path"]

MAX_TEXT: Final = 64 << 10
"""Characters of one text; what is longer is cut, and says so."""

_MAX_NAME: Final = 100
_MAX_PATH: Final = 1000

_ACTIVE: Final = (
    (0x00, 0x08),  # control characters; tab and line feed may stay
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0x061C, 0x061C),  # marks that reverse the reading direction
    (0x200E, 0x200F),
    (0x2028, 0x2029),  # separators of lines and paragraphs
    (0x202A, 0x202E),
    (0x2066, 0x2069),
    (0xD800, 0xDFFF),  # halves of pairs, which no stream can write
)


def _escape(code: int) -> str:
    return chr(code).encode("unicode_escape", "surrogatepass").decode("ascii")


@cache
def _in_text() -> Mapping[int, str]:
    return {code: _escape(code) for first, last in _ACTIVE for code in range(first, last + 1)}


@cache
def _in_line() -> Mapping[int, str]:
    return {**_in_text(), 0x0A: "\\n"}


def harmless(text: str) -> str:
    """Return a text with its lines, everything in it that could act shown as an escape, cut at 64 Ki."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}… [cut: {len(text)} characters]"
    return text if text.isprintable() else text.translate(_in_text())


def harmless_line(text: str) -> str:
    """Return a text as one line, everything in it that could act shown as an escape."""
    return text if text.isprintable() else text.translate(_in_line())


def shown(name: object) -> str:
    """Return a name as it is shown in errors: one line, 100 characters at most."""
    return _cut(str(name), _MAX_NAME)


def shown_path(path: object) -> str:
    """Return a path as it is shown in errors: one line, 1,000 characters at most."""
    return _cut(str(path), _MAX_PATH)


def _cut(text: str, limit: int) -> str:
    return harmless_line(text if len(text) <= limit else f"{text[:limit]}…")
