"""What is read off samples: best, ratios round by round, percentiles."""

from __future__ import annotations

import pytest
from rows import Row, quantile


def row(**changes):
    given = {"case": "echo", "samples": {"upstream": [4.0, 8.0, 2.0], "ours": [1.0, 4.0, 2.0]}}
    return Row(**{**given, **changes})


def test_the_best_sample_is_the_least():
    """Times and bytes: less is better."""
    assert (row().best("upstream"), row().best("ours")) == (2.0, 1.0)


def test_the_best_of_how_many_times_is_the_most():
    """Scaling: more is better."""
    assert row(unit="times").best("upstream") == 8.0


def test_ratios_pair_the_samples_of_a_round():
    """The first with the first: they were taken next to each other."""
    assert row().ratios("ours") == [0.25, 0.5, 1.0]


def test_the_best_ratio_is_of_the_bests_not_of_a_round():
    """1 over 2, though no round has that ratio of those two."""
    assert row().best_ratio("ours") == 0.5


def test_the_median_is_that_of_the_rounds_ratios():
    """Not the ratio of the medians, which would be 2 over 4 too, but is not for these."""
    uneven = {"upstream": [1.0, 10.0, 100.0], "ours": [1.0, 1.0, 400.0]}

    assert row(samples=uneven).median_ratio("ours") == 1.0


def test_the_spread_goes_from_the_tenth_to_the_ninetieth_percentile():
    """Of eleven ratios these are the second and the tenth."""
    samples = {"upstream": [1.0] * 11, "ours": [float(each) for each in range(11)]}

    assert row(samples=samples).spread("ours") == (1.0, 9.0)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.875, 4.5), (1.0, 5.0)]
)
def test_a_quantile_lies_between_neighbours_in_proportion(share, expected):
    """Of 1 to 5, in any order."""
    assert quantile([3.0, 1.0, 5.0, 2.0, 4.0], share) == expected


def test_a_quantile_of_one_value_is_that_value():
    """However far up one looks."""
    assert quantile([7.0], 0.99) == 7.0


def test_the_base_is_not_one_of_the_others():
    """They are what is compared with it."""
    assert row(base="ours").others == ("upstream",)


@pytest.mark.parametrize(
    "samples",
    [{"ours": [1.0]}, {"upstream": [], "ours": []}, {"upstream": [1.0, 2.0], "ours": [1.0]}],
    ids=["no base", "no samples", "uneven"],
)
def test_samples_that_cannot_be_compared_are_refused(samples):
    """A ratio of what was not measured together would look like any other."""
    with pytest.raises(ValueError, match="echo: each side, upstream too, needs as many samples"):
        row(samples=samples)
