"""The summary of a suite that ran on another engine."""

from __future__ import annotations

from broken_by_file import Broken, summary


def test_what_broke_is_told_by_file():
    """Files and tests in order, with the first line of the reason."""
    broken = [
        Broken("tests/b.py::test_two", "AssertionError: 2"),
        Broken("tests/b.py::test_one[x::y]", "AssertionError: 1"),
        Broken("tests/a.py", "ImportError: no"),
    ]

    assert summary(broken, 7) == [
        "7 passed, 3 broke in 2 files",
        "tests/a.py: 1",
        "    (the file itself): ImportError: no",
        "tests/b.py: 2",
        "    test_one[x::y]: AssertionError: 1",
        "    test_two: AssertionError: 2",
    ]


def test_a_long_reason_is_cut():
    """A diff of two modules is not what a summary is for."""
    assert summary([Broken("a.py::t", "x" * 1000)], 0)[-1] == f"    t: {'x' * 160}"


def test_nothing_broken_is_one_line():
    """That is what one hopes to read."""
    assert summary([], 12) == ["12 passed, 0 broke in 0 files"]
