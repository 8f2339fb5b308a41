"""The README cannot lie: its tutorial runs, and the commands that it begins with exist (`support/pages.py`)."""

from __future__ import annotations

import pytest
from pages import ROOT, blocks, run_page

README = ROOT / "README.md"


@pytest.mark.guest_python
@pytest.mark.timeout(300)
def test_the_tutorial_runs_as_it_is_printed(tmp_path):
    """Every command of the README's tutorial prints exactly what the README says."""
    said, ran = run_page(README, tmp_path)

    assert len(said) >= 5
    assert ran == said


def test_it_begins_with_two_commands():
    """All that is asked of a fresh machine are two commands."""
    setup = next(block.text for block in blocks(README) if block.language == "sh")

    assert [line.partition("#")[0].strip() for line in setup.splitlines()] == [
        "make demo",
        "make test",
    ]
