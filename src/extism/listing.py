"""`ExportInfo` and `ImportInfo`: what a plugin offers and what it wants, for people to read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ExportInfo", "ImportInfo"]


class ExportInfo(NamedTuple):
    """An export: its type in the text format, and whether `Plugin.call` can run it."""

    name: str
    type: str
    is_callable: bool


class ImportInfo(NamedTuple):
    """An import: from where, as what, and its type in the text format."""

    module: str
    name: str
    type: str
