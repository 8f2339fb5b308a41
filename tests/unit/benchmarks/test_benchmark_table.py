"""Results as Markdown, and through JSON and back."""

from __future__ import annotations

import pytest
from results import Section, read, write
from rows import Row
from sizes import label
from table import document, line, shown
from targets import TARGETS

ROW = Row("noop", {"upstream": [2e-5, 4e-5], "ours": [5e-6, 4e-6]})


def section(*rows, **changes):
    about = {"question": "How long?", "about": "Details.", "when": "2026-01-02", "machine": "box"}
    return Section(**about, rounds=2, load=(0.5, 1.25), rows=list(rows), **changes)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5, "s", "2.5 s"),
        (0.0123456, "s", "12.3 ms"),
        (3.664e-6, "s", "3.66 us"),
        (2.1e-8, "s", "21 ns"),
        (1536, "B", "1.5 KB"),
        (1.987, "times", "1.99 times"),
    ],
)
def test_a_figure_has_three_digits_and_the_unit_that_suits_it(value, unit, text):
    """Whatever its order of magnitude."""
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("size", "text"), [(16, "16 B"), (1024, "1 KB"), (15 << 20, "15 MB"), (3 << 30, "3 GB")]
)
def test_a_size_has_the_unit_that_suits_it(size, text):
    """In steps of 1024."""
    assert label(size) == text


def test_a_line_compares_a_side_with_the_base():
    """Bests, ratio of the bests, median and spread of the rounds'."""
    cells = ("noop", "20 us", "4 us", "0.200", "0.175", "0.115 to 0.235", "", "")

    assert line(ROW, "ours") == cells


@pytest.mark.parametrize(
    ("seconds", "cells"),
    [(62e-6, ("60 us more", "met")), (65e-6, ("60 us more", "**missed** by 5 %"))],
)
def test_a_case_that_may_cost_so_much_more_says_whether_it_does(seconds, cells):
    """It needs no upstream beside it: what counts is our best less the other's."""
    row = Row("isolation: echo 16 B", {"here": [2e-6], "apart": [seconds]}, base="here")

    assert line(row, "apart")[-2:] == cells


def test_a_second_version_of_ours_is_named():
    """The first is what the column says."""
    row = Row("noop", {"upstream": [4.0], "ours": [2.0], "apart": [3.0]})

    assert [line(row, side)[0] for side in row.others] == ["noop", "noop (apart)"]


def test_what_has_no_counterpart_is_shown_alone():
    """There is no ratio to show."""
    row = Row("build", {"ours": [2.0]}, base="ours")

    assert line(row, "ours") == ("build", "", "2 s", "", "", "", "", "")


def test_every_target_is_listed_measured_or_not():
    """What is missing must be seen."""
    table = document({"call": section(ROW)}).partition("### call")[0].splitlines()

    assert len([each for each in table if each.endswith("| not measured |")]) == len(TARGETS)


def test_a_section_says_how_it_was_measured():
    """Question, details, day, machine, rounds, load; then its table."""
    text = document({"call": section(ROW)}).partition("### call")[2]

    assert text.splitlines() == [
        ": How long?",
        "",
        "Details.",
        "",
        "2026-01-02, box; 2 rounds, load 0.5 to 1.2.",
        "",
        "| case | compared with | ours | best/best | median | p10 to p90 |",
        "|---|--:|--:|--:|--:|--:|",
        "| noop | 20 us | 4 us | 0.200 | 0.175 | 0.115 to 0.235 |",
    ]


def test_a_section_that_ended_early_says_why():
    """Its other rows are shown all the same."""
    text = document({"call": section(ROW, fault="OSError: gone")})

    assert "**Ended early:** OSError: gone\n\n| case" in text
    assert "| noop |" in text


def test_results_come_back_as_they_were_written(tmp_path):
    """So that one benchmark can be measured anew and the others kept."""
    path = tmp_path / "new" / "results.json"
    curve = Row("echo 16 B", {"upstream": [2.0], "ours": [1.0]}, series="by size", at=16)
    sections = {"call": section(ROW, curve), "load": section()}
    write(path, sections)

    assert read(path) == sections


def test_without_a_file_there_are_no_results(tmp_path):
    """The first run begins with nothing."""
    assert read(tmp_path / "results.json") == {}
