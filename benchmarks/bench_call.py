"""
How much does a call cost, next to upstream? `benchmarks/README.md` tells the method and the last table.

    .venv/bin/python benchmarks/bench_call.py [--rounds 21] [--only TEXT] [--json FILE]

One worker process per virtual environment does the same work (`call_worker.py`). After the outputs were
found equal, each round runs every side once, in random order, and gives one ratio; so what else the
machine does hits both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

from call_guests import GUESTS  # noqa: E402

from extism._engine.engine import wat_to_wasm  # noqa: E402

WORKER = ROOT / "benchmarks" / "call_worker.py"
LEAST_SECONDS = 0.01
DIFFERS = {"log_off_x1000"}


class Side:
    """A worker, driven by lines."""

    def __init__(self, name, python, source, guests, environment):
        self.name = name
        variables = {**os.environ, **environment, "PYTHONPATH": str(source) if source else ""}
        self.process = subprocess.Popen(
            [str(python), str(WORKER), guests],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            text=True,
        )
        self.cases = self.process.stdout.readline().split()[1:]

    def ask(self, case, what):
        self.process.stdin.write(f"{case} {what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def seconds(self, case, count):
        return float(self.ask(case, count))

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def calibrated(side, case):
    count = 1
    while (seconds := side.seconds(case, count)) < LEAST_SECONDS:
        count = max(count + 1, int(count * min(10, 1.3 * LEAST_SECONDS / max(seconds, 1e-6))))
    return count


def measured(sides, case, rounds):
    """The seconds of one run for each side, round by round."""
    counts = {side.name: calibrated(side, case) for side in sides}
    times = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in random.sample(sides, len(sides)):
            count = counts[side.name]
            times[side.name].append(side.seconds(case, count) / count)
    return times


def shown(seconds):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1 or unit == "us":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def row(case, times, base):
    cells = [case.replace("_", " "), f"{shown(min(times[base]))}"]
    facts = {"case": case, "base": base, "best": {name: min(each) for name, each in times.items()}}
    facts["median"] = {name: statistics.median(each) for name, each in times.items()}
    facts["ratios"] = {}
    for name, each in times.items():
        if name == base:
            continue
        ratios = [mine / theirs for mine, theirs in zip(each, times[base], strict=True)]
        best = min(each) / min(times[base])
        facts["ratios"][name] = {"median": statistics.median(ratios), "best": best}
        cells += [shown(min(each)), f"{best:.3f}", f"{statistics.median(ratios):.3f}"]
    return cells, facts


def sides_from(options, guests, cache):
    mine = {"EXTISM_NATIVE_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": ""}
    yield Side("upstream", options.peer, None, guests, {})
    for spec in options.ours:
        name, _, rest = spec.partition("=")
        source, *settings = rest.split(",")
        environment = mine | dict(item.split("=", 1) for item in settings)
        yield Side(name, sys.executable, source or ROOT / "src", guests, environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--only", default="", help="cases that contain one of these, comma separated"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv-peer" / "bin" / "python")
    parser.add_argument(
        "--ours",
        action="append",
        metavar="NAME=SOURCE[,VARIABLE=VALUE...]",
        help="another version of ours to measure, by its src folder (default: this one)",
    )
    options = parser.parse_args()
    options.ours = options.ours or ["ours="]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in GUESTS.items():
            Path(folder, f"{name}.wasm").write_bytes(wat_to_wasm(text()))
        cache = Path(folder, "native")
        sides = list(sides_from(options, folder, str(cache)))
        cells = [f"| {name} | best/best | median" for name in (s.name for s in sides[1:])]
        print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds\n")
        print("| case | upstream " + " ".join(cells) + " |")
        print("|---|---|" + "---|---|---|" * (len(sides) - 1))
        facts = []
        for case in sides[0].cases:
            wanted = options.only.replace(" ", "_").split(",")
            if not any(part in case for part in wanted):
                continue
            outputs = {side.name: side.ask(case, "check") for side in sides}
            if len(set(outputs.values())) != 1:
                raise SystemExit(
                    f"{case}: outputs differ: { {k: v[:80] for k, v in outputs.items()} }"
                )
            line, found = row(case, measured(sides, case, options.rounds), "upstream")
            facts.append(found)
            print("| " + " | ".join(line) + " |", flush=True)
        print(f"\nload {os.getloadavg()[0]:.1f}")
        for side in sides:
            side.close()
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1))


main()
