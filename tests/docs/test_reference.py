"""The reference cannot go stale: its generated parts are what the code says (BLESS=1 rewrites them)."""

from __future__ import annotations

import os
import re

import pytest
import reference_abi
import reference_api
import reference_commands
import reference_errors
import reference_manifest
from pages import ROOT

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)

GENERATORS = {
    "host_api": reference_api.host_api,
    "guest_api": reference_api.guest_api,
    "manifest": reference_manifest.manifest_keys,
    "abi": reference_abi.functions,
    "limits": reference_abi.limits,
    "errors": reference_errors.classes,
    "tree": reference_errors.tree,
    "commands": reference_commands.commands,
    "exit_codes": reference_commands.exit_codes,
    "sources": reference_commands.sources,
}
"""What each generated part of a page is made by."""


def fresh(found: re.Match[str]) -> str:
    return f"{found[1]}\n{GENERATORS[found[2]]()}\n\n{found[3]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_generated_part_is_what_the_code_says(page):
    """The text between the marks of a page is what its generator makes of the code now."""
    text = page.read_text(encoding="utf-8")
    wanted = PART.sub(fresh, text)
    if os.environ.get("BLESS"):
        page.write_text(wanted, encoding="utf-8")
        text = wanted

    assert text == wanted, "BLESS=1 pytest tests/docs/test_reference.py rewrites the page"


def test_every_generator_has_its_place():
    """Nothing that can be generated is left out of the reference, or is in it twice."""
    marks = [
        mark for page in PAGES for _, mark, _ in PART.findall(page.read_text(encoding="utf-8"))
    ]

    assert sorted(marks) == sorted(GENERATORS)
