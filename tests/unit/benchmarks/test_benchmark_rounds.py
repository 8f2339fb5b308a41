"""Rounds, agreement of the sides, and what the runner finds."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from bench import NAMES, options_from
from plan import Plan, Side
from workers import agreed, interleaved


def test_every_round_runs_everything_once():
    """In any order, but never one of them twice before the others ran."""
    seen = []
    runs = {name: lambda name=name: seen.append(name) or len(seen) for name in "abc"}
    found = interleaved(runs, 5)

    assert [sorted(seen[start : start + 3]) for start in range(0, 15, 3)] == [["a", "b", "c"]] * 5
    assert {name: len(each) for name, each in found.items()} == {"a": 5, "b": 5, "c": 5}
    assert [[(found[name][turn] - 1) // 3 for name in "abc"] for turn in range(5)] == [
        [turn] * 3 for turn in range(5)
    ]


def test_the_order_of_a_round_is_random():
    """Else the same side would always run into what the other left behind."""
    seen = []
    interleaved({name: lambda name=name: seen.append(name) for name in "ab"}, 60)

    assert {tuple(seen[start : start + 2]) for start in range(0, 120, 2)} == {
        ("a", "b"), ("b", "a"),
    }  # fmt: skip


def test_sides_that_agree_may_be_timed():
    """Lists and dicts are compared by what is in them."""
    agreed("echo", {"ours": [1, "a"], "upstream": [1, "a"]})


def test_sides_that_differ_may_not_be_timed():
    """The error shows what each said."""
    with pytest.raises(
        AssertionError, match="echo: the sides answer differently: ours: 1, upstream: 2"
    ):
        agreed("echo", {"ours": 1, "upstream": 2})


@pytest.mark.parametrize(
    ("only", "is_wanted"),
    [(("",), True), (("16",), True), (("noop", "echo"), True), (("x",), False)],
)
def test_a_case_is_wanted_by_a_part_of_its_name(only, is_wanted, tmp_path):
    """Everything contains the empty text."""
    assert Plan((), tmp_path, only=only).wants("echo 16 B") == is_wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_offers_what_the_runner_needs(name):
    """A question, and a function that measures with a plan."""
    module = import_module(f"bench_{name}")

    assert inspect.cleandoc(module.__doc__).splitlines()[0].endswith("?")
    assert list(inspect.signature(module.measure).parameters) == ["plan"]


def test_a_benchmark_that_is_not_there_is_refused(capsys):
    """The error lists those that are."""
    with pytest.raises(SystemExit):
        options_from(["--only", "cal"])

    assert "there is no benchmark cal; say async, backtrace, call," in capsys.readouterr().err


def test_a_quick_run_keeps_its_figures_apart():
    """Rough figures never overwrite good ones."""
    quick, full = options_from(["--quick"]), options_from([])

    assert quick.output == full.output / "quick"
    assert quick.rounds < 21 <= full.rounds


def test_a_workers_environment_holds_no_switch_that_is_set_here(monkeypatch, tmp_path):
    """What happens to be set here would be what is measured; what a side asks for stays."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("EXTISM_ENABLE_WASI_OUTPUT", "1")
    monkeypatch.setenv("RUST_BACKTRACE", "1")
    monkeypatch.setenv("TZ", "UTC")
    side = Side("ours", tmp_path / "python", {"EXTISM_FUSE": "1"})
    found = side.variables(tmp_path)

    switches = {"PYTHONDONTWRITEBYTECODE", "EXTISM_ENABLE_WASI_OUTPUT", "RUST_BACKTRACE"}
    assert switches.isdisjoint(found)
    assert (found["EXTISM_FUSE"], found["TZ"], found["HOME"]) == ("1", "UTC", str(tmp_path))
