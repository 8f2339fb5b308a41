"""
CPython's regression tests, natively and inside a plug-in: how much of what passes there passes here.

Usage: conformance.py [MODULE ...] [--jobs N] [--output FOLDER] [--at-least PERCENT] [--at-most PERCENT]

Each test module runs in a process of its own on each side; what it did is kept in the output folder, so
an interrupted run goes on where it was. left_out.toml says what is left out, and why. Exit code 1:
less than 97 % pass inside, or more than 15 % are left out.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from judgement import Count, judge
from left_out import Table, read_table
from native import native

from extism import compiler
from extism._compiler import runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SIDES = ("native", "inside")
# Of one test; natively the slowest takes 20 s.
SECONDS = {"native": 120, "inside": 240}


def main() -> int:
    options = parse()
    python, library = native(say)
    table = read_table()
    wasm = build_plugin(options.output)
    programs = {"native": python, "inside": wasm}
    folders = {side: options.output / f"{side}-{identity(programs[side], side)}" for side in SIDES}
    chosen = modules(library, table, options.modules)
    say(f"{len(chosen)} test modules, {options.jobs} at a time; results in {options.output}")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        work = [
            pool.submit(run, side, programs[side], library, module, folders[side], table)
            for module in chosen
            for side in SIDES
            if side == "native" or not table.is_left_out_whole(module)
        ]
        watch(work)
    counts = {module: judge(module, folders, table) for module in chosen}
    return report(counts, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("modules", nargs="*", help="names such as test_json; by default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=HERE.parent / "build" / "conformance")
    parser.add_argument("--at-least", type=float, default=97, help="per cent that must pass inside")
    parser.add_argument("--at-most", type=float, default=15, help="per cent that may be left out")
    options = parser.parse_args()
    options.output = options.output.resolve()
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build_plugin(output: Path) -> Path:
    """Return the plug-in that runs tests, built if its parts have changed."""
    output.mkdir(parents=True, exist_ok=True)
    parts = b"".join((HERE / name).read_bytes() for name in ("plugin.py", "inside.py"))
    path = output / f"tests-{runtime.base_key()}-{hashlib.sha256(parts).hexdigest()[:8]}.wasm"
    if not path.exists():
        path.write_bytes(compiler.build(HERE / "plugin.py"))
    return path


def identity(program: Path, side: str) -> str:
    """Return what results of a program are kept under: they are of no use for another one."""
    return program.stem if side == "inside" else program.parents[1].name


def modules(library: Path, table: Table, wanted: list[str]) -> list[str]:
    """Return the test modules, those that take longest to read first."""
    found = dict(sizes(library / "test", table.apart))
    unknown = [name for name in wanted if not any(is_of(name, each) for each in found)]
    if unknown:
        raise SystemExit(f"no such test module: {', '.join(sorted(unknown))}")
    left = [each for each in found if not any(is_of(name, each) for name in table.not_shipped)]
    chosen = [each for each in found if any(is_of(name, each) for name in wanted)] or left
    return sorted(chosen, key=lambda name: (-found[name], name))


def sizes(folder: Path, apart: frozenset[str], package: str = "") -> Iterator[tuple[str, int]]:
    """Give the test modules of a folder, and how much there is to read; of packages `apart`, their modules."""
    for path in folder.glob("test_*"):
        name = f"{package}{path.stem}"
        if name in apart:
            yield from sizes(path, apart, f"{name}.")
        elif path.suffix == ".py":
            yield name, path.stat().st_size
        elif (path / "__init__.py").exists():
            yield name, sum(file.stat().st_size for file in path.rglob("*.py"))


def is_of(name: str, each: str) -> bool:
    """Tell whether a test module is the one of that name, or in the package of that name."""
    return each == name or each.startswith(f"{name}.")


def run(
    side: str, program: Path, library: Path, module: str, folder: Path, table: Table
) -> tuple[str, str, float]:
    """Run one module on one side, unless its results are there."""
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / f"{module}.jsonl"
    began = time.monotonic()
    if not results.exists():
        order = {"module": module, "library": str(library)}
        if side == "inside":
            order |= table.adjustments(module)
        arriving = folder / f".{module}.new"
        command = [
            sys.executable,
            HERE / "one_module.py",
            side,
            program,
            json.dumps(order),
            arriving,
        ]
        subprocess.run([*command, str(SECONDS[side])], check=True, stdout=subprocess.DEVNULL)
        arriving.rename(results)
    return side, module, time.monotonic() - began


def watch(work: list[concurrent.futures.Future[tuple[str, str, float]]]) -> None:
    """Show what is done, as it is done."""
    for number, done in enumerate(concurrent.futures.as_completed(work), 1):
        side, module, seconds = done.result()
        if seconds > 0.1:
            say(f"[{number}/{len(work)}] {module} {side}, {seconds:.0f} s")


def report(counts: dict[str, Count], options: argparse.Namespace) -> int:
    """Print the table, write it as JSON, and return the exit code."""
    total = Count()
    for count in counts.values():
        total.add(count)
    facts = {
        "native": total.native,
        "passed": total.passed,
        "left_out": dict(total.left_out.most_common()),
        "failed": dict(total.failed),
        "modules": {
            module: [one.native, one.passed, one.left_out.total(), len(one.failed)]
            for module, one in sorted(counts.items())
        },
    }
    path = options.output / "result.json"
    path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for test, text in total.failed:
        last = text.strip().splitlines()[-1:] or [""]
        print(f"failed inside: {test}: {last[0][:150]}")
    print(f"\n{total.native:7} tests pass natively, in {len(counts)} modules")
    for reason, number in total.left_out.most_common():
        print(f"{number:7} left out: {reason}")
    print(f"{total.left_out.total():7} left out in all, {total.share_left_out:.1%}")
    print(f"{len(total.failed):7} failed inside")
    print(f"{total.passed:7} passed inside, {total.share_passed:.2%} of the others")
    print(f"all of it: {path}")
    good = total.share_passed * 100 >= options.at_least
    return 0 if good and total.share_left_out * 100 <= options.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
