"""One program in this process: `python -m soak.child SK1 10` prints what came of it as JSON, in its last line."""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback

from soak.plan import PROGRAMS
from soak.run import Run


def main(name: str, size: float, *, is_shown: bool) -> None:
    """Run a program and print its result."""
    program = next(each for each in PROGRAMS if each.id == name)
    run = Run(size, program.bytes_per_step, is_shown=is_shown)
    started = time.monotonic()
    try:
        importlib.import_module(f"soak.{program.module}").soak(run)
        run.judge()
    except Exception as exc:  # noqa: BLE001 - what leaves a program is its result
        traceback.print_exc()
        run.complaints.append(f"{type(exc).__name__}: {str(exc)[:300]}")
    result = {
        "id": program.id,
        "title": program.title,
        "size": size,
        "seconds": round(time.monotonic() - started, 2),
        "calls": run.calls,
        "faults": dict(run.faults),
        "slopes": run.slopes,
        "figures": run.figures,
        "complaints": run.complaints,
    }
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), is_shown=sys.argv[3:] == ["--shown"])
