"""The benchmarks are scripts in a folder of their own: their parts are imported from there."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

# At the end: no name of theirs may stand before another.
sys.path.append(str(BENCHMARKS))
