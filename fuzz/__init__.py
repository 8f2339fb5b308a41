"""
Everything that reads what strangers wrote, fed with what nobody would write: `python -m fuzz`, or `make fuzz`.

Each `fuzz_*.py` is one target; `plan.py` lists them, `__main__.py` runs each in a process of its own, in which
a case may crash or hang. `README.md` says what is looked for, and what came of the last run.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Guests, servers and models of the test suite. At the end: no name of theirs may stand before another.
for folder in ("tests/support", "tests/unit/runtime"):
    sys.path.append(str(ROOT / folder))
