"""The drawing: where numbers lie, what is drawn, and that it is XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from bars import MET, MISSED
from chart import drawn
from curves import by_series
from results import Section
from rows import Row
from svg import LogScale

SVG = "{http://www.w3.org/2000/svg}"


def sections(*rows):
    return {"call": Section("How?", "", "2026-01-02", "box", 1, rows=list(rows))}


def row(case, ratio, **more):
    return Row(case, {"upstream": [1.0], "ours": [ratio]}, **more)


def shapes(text, name):
    return list(ET.fromstring(text).iter(f"{SVG}{name}"))


def words(text):
    return [each.text for each in shapes(text, "text")]


@pytest.mark.parametrize(("number", "place"), [(0.01, 100), (0.1, 150), (1, 200), (100, 300)])
def test_a_decade_is_as_long_as_any_other(number, place):
    """Half way on paper is the geometric mean."""
    assert LogScale(0.01, 100, 100, 300)(number) == place


def test_powers_include_both_ends():
    """Where the ends are powers themselves; else what lies between them."""
    assert LogScale(0.01, 10, 0, 1).powers(10) == [0.01, 0.1, 1.0, 10.0]
    assert LogScale(3, 70, 0, 1).powers(2) == [4.0, 8.0, 16.0, 32.0, 64.0]


def test_a_scale_of_one_number_has_a_place_for_it():
    """A curve may be flat."""
    assert LogScale(5, 5, 10, 20)(5) == 10


def test_a_bar_shows_whether_the_target_is_met():
    """By its colour; its end is where the ratio lies, the mark where the target lies."""
    text = drawn(sections(row("echo 16 B", 0.12), row("burn", 1.2), row("noop", 0.5)))
    colours = [each.get("fill") for each in shapes(text, "rect")]

    assert colours == ["#fff", MET, MISSED]
    assert [each for each in words(text) if each in {"echo 16 B", "burn", "noop"}] == [
        "echo 16 B", "burn",
    ]  # fmt: skip


def test_rows_of_a_series_are_one_curve_from_left_to_right():
    """In the order of where they are, not of how they were measured."""
    right, left = row("b", 3.0, series="growth", at=100), row("a", 2.0, series="growth", at=1)
    single = row("c", 2.0, series="alone", at=1)

    assert by_series([right, left, single, row("d", 1.0)]) == {"growth": [left, right]}


def test_a_curve_has_a_line_for_each_side():
    """And says how far along it is measured."""
    points = [row(f"load {at}", at / 100, series="by size", at=at) for at in (1024, 4096)]
    text = drawn(sections(*points))

    assert len(shapes(text, "polyline")) == 2
    assert {"by size", "1 KB", "4 KB", "upstream", "ours"} <= set(words(text))


def test_without_results_there_is_an_empty_drawing():
    """A run that failed at once still writes its files."""
    assert words(drawn({})) == []


def test_names_are_escaped():
    """They may hold what means something in XML."""
    points = [row("x", 1.0, series="a < b & c", at=at) for at in (1, 2)]

    assert "a < b & c" in words(drawn(sections(*points)))


def test_another_version_of_ours_is_drawn_under_its_name():
    """Sections may have been measured with other sides."""
    fused = Row("burn", {"upstream": [2.0], "fused": [1.0], "apart": [4.0]})

    assert "0.50" in words(drawn(sections(row("echo 16 B", 0.12), fused)))
