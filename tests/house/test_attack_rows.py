"""Every row of `tests/attack/rows` has its test, and every attack its row."""

from __future__ import annotations

import re
from pathlib import Path

from scoreboard import groups

ATTACK = Path(__file__).parents[1] / "attack"
ROWS = {row: group for group in groups() for row in group.rows}

# By name, or by the id of a case: `test_c01_...`, `pytest.param(..., id="M10-M20-...")`.
_NAME = re.compile(r"def test_([a-z]\d\d)_")
_CASE = re.compile(r'\bid="((?:[A-Z]\d\d\b-?)+)')


def in_tests() -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in ATTACK.glob("test_*.py"))
    cases = [row for rows in _CASE.findall(text) for row in rows.split("-")]
    return {name.upper() for name in _NAME.findall(text)} | {row for row in cases if row}


def test_every_row_has_its_test():
    """No promise of the table is left without a program that tries to break it."""
    assert sorted(ROWS.keys() - in_tests()) == []


def test_every_attack_has_its_row():
    """What an attack tries is said in the table."""
    assert sorted(in_tests() - ROWS.keys()) == []


def test_rows_are_in_their_group():
    """An id begins with the letter of its group."""
    assert [row for row, group in ROWS.items() if not row.startswith(group.letter)] == []
