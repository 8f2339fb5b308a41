"""
Run the programs, one process each, and print what came of them.

    python -m soak [SK1 SK4 ...] [--size PERCENT] [--json FILE]
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from soak import ROOT
from soak.plan import PROGRAMS, Program
from soak.table import table

LEAST_SECONDS = 120.0
"""What a program may take however small it is asked to be."""


def played(program: Program, size: float, folder: str, *, is_shown: bool) -> dict[str, Any]:
    """Return what came of a program in a process of its own, with a cache of its own."""
    command = [sys.executable, "-X", "faulthandler", "-m", "soak.child", program.id, str(size)]
    source = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [*command, "--shown"] if is_shown else command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source, "EXTISM_NATIVE_CACHE_DIR": f"{folder}/native"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=max(LEAST_SECONDS, program.seconds * size / 100))
    except BaseException as exc:
        # It has a session of its own: nothing that it started outlives it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(exc, subprocess.TimeoutExpired):
            raise
        return _failed(program, size, f"still running after {exc.timeout:.0f} s")
    line = out.strip().rpartition("\n")[2]
    if process.returncode or not line.startswith("{"):
        return _failed(program, size, f"the process ended with {process.returncode}")
    found: dict[str, Any] = json.loads(line)
    return found


def _failed(program: Program, size: float, why: str) -> dict[str, Any]:
    return {
        "id": program.id,
        "title": program.title,
        "size": size,
        "seconds": 0.0,
        "calls": 0,
        "faults": {},
        "slopes": {},
        "figures": {},
        "complaints": [why],
    }


def options_from(arguments: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    names = [program.id for program in PROGRAMS]
    parser = argparse.ArgumentParser("soak", description=inspect.cleandoc(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="SK1", help=f"some of {', '.join(names)}")
    parser.add_argument("--size", type=float, default=100.0, help="per cent of the full plan")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "soak" / "results.json")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no program {', '.join(sorted(unknown))}; say {', '.join(names)}")
    if options.size <= 0:
        parser.error("--size must be more than 0")
    return options


def main(arguments: list[str]) -> int:
    """Return 1 if any program complained."""
    options = options_from(arguments)
    is_shown = sys.stderr.isatty()
    results = []
    for program in PROGRAMS:
        if options.names and program.id not in options.names:
            continue
        print(f"{program.id}: {program.title}", flush=True)
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            result = played(program, options.size, folder, is_shown=is_shown)
        if is_shown:
            sys.stderr.write("\r\033[K")
        print(f"  {result['seconds']:.0f} s, {result['calls']:,} calls", flush=True)
        for complaint in result["complaints"]:
            print(f"  FAILED: {complaint}", flush=True)
        results.append(result)
        _write(options.json, options.size, results)
    print(f"\n{table(results)}\n\nJSON: {options.json}")
    return int(any(result["complaints"] for result in results))


def _write(path: Path, size: float, results: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "size": size,
        "programs": results,
    }
    path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
