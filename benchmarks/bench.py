"""
Measure beside upstream's package, and write what came of it as Markdown, JSON and a chart.

    python benchmarks/bench.py [--only call,start] [--cases TEXT,...] [--rounds N] [--quick]

Runs the `bench_*.py` of this folder; `README.md` says what they have in common and how to read the tables.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parent / "src"), str(FOLDER)]

from chart import drawn  # noqa: E402
from plan import ROOT, UPSTREAM, Plan, Side  # noqa: E402
from results import Section, read, write  # noqa: E402
from table import document, line  # noqa: E402

NAMES = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
QUICK_ROUNDS = 4


def sides(options) -> tuple[Side, ...]:
    """Upstream's package and ours: this checkout, or those versions of it that were asked for."""
    found = [Side(UPSTREAM, options.peer)]
    for spec in options.ours or ["ours="]:
        name, _, rest = spec.partition("=")
        source, *settings = rest.split(",")
        environment = dict(setting.split("=", 1) for setting in settings)
        environment["PYTHONPATH"] = source or str(ROOT / "src")
        found.append(Side(name, Path(sys.executable), environment))
    return tuple(found)


def machine(peer: Path) -> str:
    """What was measured with, in a line."""
    ask = "from importlib.metadata import version; print(version('extism'))"
    theirs = subprocess.run([peer, "-c", ask], stdout=subprocess.PIPE, text=True, check=True)
    from extism._engine.wheel import engine_version

    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"wasmtime {engine_version()}, upstream {theirs.stdout.strip()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def measured(name: str, plan: Plan, about: str) -> Section:
    """Run one benchmark, row by row; a failure ends it, not the others."""
    module = importlib.import_module(f"bench_{name}")
    question, _, rest = inspect.cleandoc(module.__doc__).partition("\n")
    section = Section(question, rest.strip(), time.strftime("%Y-%m-%d"), about, plan.rounds)
    before = os.getloadavg()[0]
    print(f"\n{name}: {question} (load {before:.1f})", flush=True)
    try:
        for row in module.measure(plan):
            section.rows.append(row)
            for side in row.others or (row.base,):
                cells = line(row, side)
                print("  " + "  ".join(cell for cell in cells if cell), flush=True)
    except Exception as exc:  # noqa: BLE001 - the others shall still run
        traceback.print_exc()
        section.fault = f"{type(exc).__name__}: {exc}"
    section.load = (before, os.getloadavg()[0])
    return section


def options_from(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__).splitlines()[0])
    parser.add_argument("--only", default="", help=f"some of: {', '.join(NAMES)}; all if left out")
    parser.add_argument("--cases", default="", help="cases that contain one of these texts")
    parser.add_argument("--rounds", type=int, default=21, help="more are better than longer ones")
    parser.add_argument("--quick", action="store_true", help="roughly: few rounds, no large module")
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv-peer" / "bin" / "python")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--write-readme", action="store_true", help="measure nothing")
    parser.add_argument(
        "--ours",
        action="append",
        metavar="NAME=SOURCE[,VARIABLE=VALUE...]",
        help="a version of ours to measure, by its src folder (default: this one)",
    )
    options = parser.parse_args(arguments)
    options.names = [name for name in options.only.split(",") if name] or NAMES
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; say {', '.join(NAMES)}")
    if options.quick:
        options.rounds, options.output = QUICK_ROUNDS, options.output / "quick"
    return options


def written(folder: Path, sections: dict[str, Section]) -> None:
    write(folder / "results.json", sections)
    (folder / "results.md").write_text(document(sections), encoding="utf-8")
    (folder / "chart.svg").write_text(drawn(sections), encoding="utf-8")


def write_readme(folder: Path) -> None:
    """Put the tables and the chart of the last full run where people look for them."""
    readme = FOLDER / "README.md"
    head, mark, _ = readme.read_text(encoding="utf-8").partition("<!-- results -->\n")
    tables = (folder / "results.md").read_text(encoding="utf-8")
    readme.write_text(f"{head}{mark}\n{tables}", encoding="utf-8")
    (FOLDER / "chart.svg").write_bytes((folder / "chart.svg").read_bytes())


def main(arguments: list[str]) -> int:
    options = options_from(arguments)
    if options.write_readme:
        write_readme(options.output)
        return 0
    about = machine(options.peer)
    sections = read(options.output / "results.json")
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(
                sides(options),
                Path(folder),
                options.rounds,
                is_quick=options.quick,
                only=tuple(options.cases.split(",")),
            )
            sections[name] = measured(name, plan, about)
        written(options.output, sections)
    print(f"\nload {os.getloadavg()[0]:.1f}; tables and chart: {options.output}")
    return int(any(sections[name].fault for name in options.names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
