"""
What is done a million times, and under faults: `python -m soak`, or `make soak`.

Each `skNN_*.py` is one program; `plan.py` lists them, `__main__.py` runs each in a process of its own and
prints the table. `README.md` says what passes, and what came of the last run.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The guests in text and the small HTTP server of the test suite. At the end: no name of theirs may stand before another.
sys.path.append(str(ROOT / "tests" / "support"))
