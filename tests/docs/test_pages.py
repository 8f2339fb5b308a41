"""The pages below docs/ cannot lie: what they show is run, and begins with what they say."""

from __future__ import annotations

import os
import re

import pytest
from pages import ROOT, blocks, documents, needs_interpreter, run_page

from extism import caches

PAGES = list(documents())


def named(page):
    return page.relative_to(ROOT / "docs").as_posix()


def runnable():
    for page in PAGES:
        if any(block.language != "text" for block in blocks(page)):
            marks = [pytest.mark.guest_python] if needs_interpreter(page) else []
            yield pytest.param(page, marks=marks, id=named(page))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.skipif(os.name == "nt", reason="the commands are written for a POSIX shell")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", list(runnable()))
def test_a_page_runs_as_it_is_printed(page, request, tmp_path, cache):
    """Every command of a page prints exactly what the page says."""
    is_python = request.node.get_closest_marker("guest_python")
    text = page.read_text(encoding="utf-8")
    own = {} if is_python else {"EXTISM_CACHE_DIR": str(cache)}
    if is_python and caches.NATIVE_CACHE_DIR not in text:
        # Some show an empty cache: to compile the interpreter for each of these again takes half a minute.
        own[caches.NATIVE_CACHE_DIR] = caches.native_directory() or ""
    if is_python and "dependencies = [" in text:
        request.getfixturevalue("package_cache")

    said, ran = run_page(page, tmp_path, **own)

    assert ran == said


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_opens_with_what_it_says(page):
    """A page is a title and then a sentence, before anything else."""
    title, opening, *_ = page.read_text(encoding="utf-8").split("\n\n")

    assert re.fullmatch(r"# .+", title)
    assert re.match(r"(?!```|[#|<*-]).*[.:]\Z", opening, re.DOTALL), opening
