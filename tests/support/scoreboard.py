"""
The scoreboard of `tests/attack`: which attacks were contained, by group, at the end of a run.

An attack is a row of `tests/attack/rows/*.txt`, `C01 An endless loop ends at its deadline`. A test belongs to
a row by its name, `test_c01_...`, or to one or more by the id of its parameters, `test_...[M10-M20-...]`; a row is contained
when all of its tests pass, their controls (legal use beside the attack) included.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["ROWS", "Crashed", "Group", "groups", "rows_of"]

ROWS = Path(__file__).parent.parent / "attack" / "rows"

_NAME = re.compile(r"::test_([a-z]\d\d)_")
_PARAMETERS = re.compile(r"(?<=[\[-])[A-Z]\d\d(?=[-\]])")
_CRASHED = ("attack", "crashed")
_STATES = ("contained", "not contained", "crashed", "not run")


class Crashed(AssertionError):
    """The process under attack died of a signal or had to be killed."""


@dataclass(frozen=True)
class Group:
    """
    The rows of one file.

    Attributes:
        letter: What their ids begin with.
        title: What they have in common.
        rows: Id to what must hold.
    """

    letter: str
    title: str
    rows: dict[str, str]


def groups() -> list[Group]:
    """Every group, as the files have them: a line `# C cpu and time`, then the rows."""
    return [_group(path.read_text(encoding="utf-8")) for path in sorted(ROWS.glob("*.txt"))]


def _group(text: str) -> Group:
    head, *lines = text.splitlines()
    letter, title = head.removeprefix("# ").split(" ", 1)
    rows = dict(line.split(" ", 1) for line in lines if line.strip())
    return Group(letter, title, rows)


def rows_of(nodeid: str) -> set[str]:
    """The ids that a test belongs to: that of its name, else those of its parameters."""
    named = {name.upper() for name in _NAME.findall(nodeid)}
    return named or set(_PARAMETERS.findall(nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    """Note on the report that the process under attack crashed, so that xdist carries it along."""
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(Crashed):
        report.user_properties.append(_CRASHED)
    return report


def _state(reports) -> str:
    crashed = [
        _CRASHED in map(tuple, each.user_properties) or each.when == "???" for each in reports
    ]
    if any(crashed):
        return "crashed"
    if any(each.failed for each in reports):
        return "not contained"
    return "not run" if any(each.skipped for each in reports) else "contained"


def pytest_terminal_summary(terminalreporter):
    """Print the scoreboard if any row was run."""
    reports: dict[str, list] = {}
    for kind in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(kind, ()):
            if "tests/attack/" in report.nodeid:
                for row in rows_of(report.nodeid):
                    reports.setdefault(row, []).append(report)
    if not reports:
        return
    states = {row: _state(found) for row, found in reports.items()}
    terminalreporter.section("attacks, by group")
    terminalreporter.line(f"{'':26}" + "".join(f"{state:>15}" for state in _STATES))
    for group in groups():
        counts = Counter(states.get(row, "not run") for row in group.rows)
        figures = "".join(f"{counts[state]:15}" for state in _STATES)
        terminalreporter.line(f"{group.letter}  {group.title:23}{figures}")
        for row, title in group.rows.items():
            if states.get(row) in ("not contained", "crashed"):
                terminalreporter.line(f"   {row} {states[row]}: {title}")
