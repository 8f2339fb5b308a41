"""The conformance run is made of scripts in a folder of their own: their parts are imported from there."""

from __future__ import annotations

import sys
from pathlib import Path

CONFORMANCE = Path(__file__).parents[3] / "conformance"

sys.path.append(str(CONFORMANCE))
