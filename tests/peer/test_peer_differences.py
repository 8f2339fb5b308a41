"""The table of differences and docs/differences.md are one: what is listed is documented, and is about a case."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from peer_differences import DIFFERENT

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
FILES = sorted(Path(__file__).parent.glob("test_peer_*.py"))


def cases() -> list[str]:
    """The names of all cases of the suite that stand in tables."""
    found = []
    for file in FILES:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [case.name for case in getattr(module, "CASES", ())]
    return found


@pytest.mark.parametrize("line", sorted({each.line for each in DIFFERENT.values()}))
def test_each_difference_is_documented(line):
    """Each row of the table begins a row of docs/differences.md, which says what ours does instead."""
    assert f"\n| {line}" in DOCUMENT


def test_each_difference_is_about_a_case():
    """No name of the table is left over from a case that is gone."""
    assert sorted(set(DIFFERENT) - set(cases())) == []


def test_cases_have_names_of_their_own():
    """Each name is one case, so that a listed difference covers one case only; there are more than 200."""
    names = cases()

    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert len(names) >= 200
