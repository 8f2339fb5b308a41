"""Targets: what is met, what is missed, and how that reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import targets
from rows import Row
from table import verdict
from targets import TARGETS, Target, target_of


@pytest.mark.parametrize(
    ("target", "figure", "is_met"),
    [
        (Target("x", 0.5), 0.5, True),
        (Target("x", 0.5), 0.51, False),
        (Target("x", 1.9, is_least=True), 1.9, True),
        (Target("x", 1.9, is_least=True), 1.89, False),
    ],
)
def test_a_target_is_met_at_its_limit_and_not_past_it(target, figure, is_met):
    """Ratios must not be higher, scaling must not be lower."""
    assert target.is_met_by(figure) == is_met


def test_a_target_reads_as_limit_and_reach():
    """The reach in brackets, where there is one."""
    targets = [
        Target("x", 0.13, 0.08),
        Target("x", 0.6),
        Target("x", 1.9, None, is_least=True),
        Target("x", 0.3, 0.4, is_least=True),
    ]

    assert [str(target) for target in targets] == [
        "0.13 (0.08)",
        "0.60",
        "at least 1.9",
        "at least 0.3 (0.40)",
    ]


def test_every_case_has_one_target():
    """Names are looked up: a second one would never be found."""
    assert len({target.case for target in TARGETS}) == len(TARGETS)
    assert [target_of(target.case) for target in TARGETS] == list(TARGETS)


def test_the_last_results_have_a_figure_for_every_target():
    """A case that was given another name would go unjudged."""
    results = (Path(targets.__file__).parent / "README.md").read_text(encoding="utf-8")

    assert [target.case for target in TARGETS if f"| {target.case} | " not in results] == []
    assert "| not measured |" not in results


def test_a_case_without_a_promise_has_no_target():
    """It is measured all the same."""
    assert target_of("noop") is None


@pytest.mark.parametrize(
    ("case", "theirs", "ours", "expected"),
    [
        ("echo 16 B", 10.0, 1.2, ("0.13 (0.08)", "met")),
        ("echo 16 B", 10.0, 2.6, ("0.13 (0.08)", "**missed** by 100 %")),
        ("burn", 1000.0, 1055.0, ("1.05", "**missed** by 0.5 %")),
        ("noop", 10.0, 2.6, ("", "")),
    ],
)
def test_a_verdict_says_by_how_much(case, theirs, ours, expected):
    """As a share of the limit."""
    row = Row(case, {"upstream": [theirs], "ours": [ours]})

    assert verdict(row, "ours") == expected


def test_scaling_is_judged_by_itself():
    """Being better than upstream is not enough there."""
    row = Row("two threads, 1 ms guest", {"upstream": [1.1], "ours": [1.71]}, "times")

    assert verdict(row, "ours") == ("at least 1.9", "**missed** by 10 %")


def test_what_is_promised_in_seconds_or_bytes_is_judged_by_itself():
    """Whatever upstream does, and where it cannot do it at all."""
    beside = Row(
        "small plug-in, build", {"upstream": [9.0], "ours": [1.5, 1.2]} | {"upstream": [9.0, 9.0]}
    )
    alone = Row("small plug-in of three lines, size", {"ours": [99e3]}, "B", base="ours")

    assert verdict(beside, "ours") == ("1000 ms", "**missed** by 20 %")
    assert verdict(alone, "ours") == ("100 KB", "met")


def test_what_is_not_compared_with_upstream_has_no_verdict():
    """`echo 64 KB` over memcpy promises nothing."""
    row = Row("echo 64 KB", {"C": [1.0], "ours": [9.0]}, base="C")

    assert verdict(row, "ours") == ("", "")


def test_guest_speed_is_judged_beside_a_native_python():
    """The share of native speed counts, and more of it is better."""
    row = Row(
        "guest speed, geometric mean",
        {"native": [1.0], "ours": [0.37]},
        unit="times",
        base="native",
    )

    assert verdict(row, "ours") == ("at least 0.3 (0.40)", "met")
