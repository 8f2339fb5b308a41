"""The programs of soak/, each a hundredth of its size; `make soak` runs all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def programs():
    listed = subprocess.run(
        [sys.executable, "-c", "from soak.plan import PROGRAMS; print(*(p.id for p in PROGRAMS))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


@pytest.mark.parametrize("name", programs())
def test_a_hundredth_of_it_finishes_clean(name, tmp_path):
    """Nothing to complain of, and calls were made."""
    results = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "soak", name, "--size", "1", "--json", results],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    (found,) = json.loads(results.read_text())["programs"]

    assert (found["complaints"], done.returncode) == ([], 0), done.stderr
    assert found["calls"] > 0
