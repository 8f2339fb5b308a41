"""The targets of fuzz/, each a hundredth of its size; `make fuzz` runs all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in (ROOT / "fuzz").glob("fuzz_*.py"))

pytestmark = pytest.mark.skipif(os.name == "nt", reason="faults of files are POSIX's")


def run(tmp_path, *arguments):
    """How `python -m fuzz` ends, and its results."""
    results = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments, "--json", results],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return done, json.loads(results.read_text())["targets"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[pytest.mark.peer] * (each == "upstream")) for each in TARGETS],
)
def test_a_hundredth_of_it_finds_nothing(name, tmp_path):
    """No crash, no difference, and cases were run."""
    done, (found,) = run(tmp_path, name, "--size", "1", "--seed", "2")

    assert (found["findings"], found["crashes"], done.returncode) == ([], 0, 0), done.stdout
    assert found["cases"] > 0


BROKEN = """
import os
from fuzz.case import Finding, Target

class Fuzz(Target):
    def case(self, dice):
        if dice.random() < 0.2:
            raise Finding("something", [1, 2])
        if dice.random() < 0.05:
            os.abort()
"""


def test_what_is_found_can_be_run_again(tmp_path):
    """A difference and a crash are counted, kept, and found again by their seed and number."""
    (tmp_path / "fuzz").mkdir()
    for path in (ROOT / "fuzz").glob("*.py"):
        (tmp_path / "fuzz" / path.name).write_text(path.read_text())
    (tmp_path / "fuzz" / "fuzz_texts.py").write_text(BROKEN)
    command = [sys.executable, "-m", "fuzz", "texts", "--json", "results.json"]

    def found(*arguments):
        subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, check=False, timeout=100
        )
        return json.loads((tmp_path / "results.json").read_text())["targets"][0]

    everything = found("--size", "0.1")
    crash = next(each for each in everything["findings"] if "ended the process" in each["text"])
    difference = next(each for each in everything["findings"] if each["text"] == "something")

    assert everything["crashes"] >= 1
    assert (tmp_path / f"texts-1-{crash['case']}.json").exists()
    for each in (crash, difference):
        again = found("--case", str(each["case"]))["findings"]
        assert [one["text"] for one in again] == [each["text"]]
