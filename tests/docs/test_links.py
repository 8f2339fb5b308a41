"""Links lead somewhere: every path exists, every anchor is a heading, every page can be reached."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
from pages import ROOT, documents

if TYPE_CHECKING:
    from pathlib import Path

INDEX = ROOT / "docs" / "README.md"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *documents("docs"), *documents("examples")]

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@cache
def prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def links(document: Path) -> list[tuple[Path, str]]:
    """Path and anchor of each link that stays in the repository."""
    found = [link for link in _LINK.findall(prose(document)) if not link.startswith("http")]
    parts = [link.partition("#") for link in found]
    return [
        ((document.parent / path).resolve() if path else document, anchor)
        for path, _, anchor in parts
    ]


@cache
def anchors(document: Path) -> set[str]:
    """What the headings of a document are called in links, as forges do it."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    plain = [re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document):
    """A link names a file or folder of the repository, and a heading in it if it names one."""
    broken = [
        f"{path.relative_to(ROOT)}#{anchor}"
        for path, anchor in links(document)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]

    assert broken == []


def test_every_page_can_be_reached():
    """Who begins at docs/README.md and follows links comes to every page below docs/."""
    reached: set[Path] = set()
    waiting = [INDEX]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        waiting += [path for path, _ in links(page) if path.suffix == ".md"]

    assert set(documents("docs")) <= reached
