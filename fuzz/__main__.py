"""
Fuzz, and print what came of it.

    python -m fuzz [modules urls ...] [--size PERCENT] [--seed N] [--case N] [--json FILE]
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fuzz import ROOT
from fuzz.plan import TARGETS, Entry
from fuzz.watch import Watched


def options_from(arguments: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser("fuzz", description=inspect.cleandoc(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="TARGET", help=f"some of {', '.join(names)}")
    parser.add_argument("--size", type=float, default=100.0, help="per cent of the full plan")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other cases")
    parser.add_argument("--case", type=int, help="this one alone, as it is told with a finding")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "fuzz" / "results.json")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; say {', '.join(names)}")
    if options.size <= 0:
        parser.error("--size must be more than 0")
    if options.case is not None and len(options.names) != 1:
        parser.error("--case is about one target: name it")
    return options


def fuzzed(target: Entry, options: argparse.Namespace) -> dict[str, Any]:
    """Run one target and return what came of it."""
    first, last = 0, max(1, round(target.cases * options.size / 100))
    if options.case is not None:
        first, last = options.case, options.case + 1
    started = time.monotonic()

    def show(at: int) -> None:
        if sys.stderr.isatty():
            part, passed = (at - first) / (last - first), time.monotonic() - started
            sys.stderr.write(f"\r\033[K  {part:4.0%}  {passed:5.0f} s")
            sys.stderr.flush()

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        watched = Watched(target.name, options.seed, Path(folder))
        cases = watched.run(first, last, show)
    show(last)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return {
        "target": target.name,
        "title": target.title,
        "seed": options.seed,
        "cases": cases,
        "crashes": watched.crashes,
        "findings": watched.findings,
        "seconds": round(time.monotonic() - started, 2),
    }


def main(arguments: list[str]) -> int:
    """Return 1 if anything was found."""
    options = options_from(arguments)
    results = []
    for target in TARGETS:
        if options.names and target.name not in options.names:
            continue
        print(f"{target.name}: {target.title}", flush=True)
        result = fuzzed(target, options)
        print(f"  {result['seconds']:.0f} s, {result['cases']:,} cases", flush=True)
        for finding in result["findings"]:
            path = _saved(options.json.parent, result, finding)
            print(f"  FOUND in case {finding['case']}: {finding['text'][:300]}\n    {path}")
        results.append(result)
        _write(options.json, options, results)
    print(f"\n{table(results)}\n\nJSON: {options.json}")
    return int(any(result["findings"] for result in results))


def _saved(folder: Path, result: dict[str, Any], finding: dict[str, Any]) -> Path:
    """Keep a finding, with the command that shows it again."""
    name, seed, case = result["target"], result["seed"], finding["case"]
    command = f"python -m fuzz {name} --seed {seed} --case {case}"
    path = folder / f"{name}-{seed}-{case}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"again": command, **finding}, indent=2) + "\n", encoding="utf-8")
    return path


def _write(path: Path, options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "size": options.size,
        "targets": results,
    }
    path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def table(results: list[dict[str, Any]]) -> str:
    """Return a line of Markdown for each target."""
    rows = [("target", "cases", "crashes", "differences", "s")]
    rows += [
        (
            each["target"],
            f"{each['cases']:,}",
            f"{each['crashes']:,}",
            f"{len(each['findings']) - each['crashes']:,}",
            f"{each['seconds']:.0f}",
        )
        for each in results
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
