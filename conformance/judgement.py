"""
What two runs of one test module say together: passed inside, left out for a reason, or failed.

The runs were written down by `inside`; the reasons are those of `left_out`.
"""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from left_out import Table

__all__ = ["Count", "end_of", "judge", "read"]


@dataclass
class Count:
    """What became of the tests that pass natively."""

    native: int = 0
    passed: int = 0
    left_out: collections.Counter[str] = field(default_factory=collections.Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Count) -> None:
        self.native += other.native
        self.passed += other.passed
        self.left_out += other.left_out
        self.failed += other.failed

    @property
    def share_left_out(self) -> float:
        return self.left_out.total() / max(1, self.native)

    @property
    def share_passed(self) -> float:
        """The share of those that are not left out."""
        return self.passed / max(1, self.native - self.left_out.total())


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Return the end of each test of one module: its status, and what it said."""
    ends: dict[str, tuple[str, str]] = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # torn by the end of the interpreter
            continue
        if entry["status"] in ("passed", "failed", "skipped"):
            ends[entry["id"]] = (entry["status"], entry.get("text", ""))
    return ends


def judge(module: str, folders: dict[str, Path], table: Table) -> Count:
    """Compare the two sides of one module."""
    there = read(folders["native"] / f"{module}.jsonl")
    inside = folders["inside"] / f"{module}.jsonl"
    here = read(inside) if inside.exists() else {}
    count = Count()
    for test in (test for test, end in there.items() if end[0] == "passed"):
        count.native += 1
        status, text = end_of(test, here)
        reason = "" if status == "passed" else table.reason(module, test, text)
        if status == "passed":
            count.passed += 1
        elif reason:
            count.left_out[reason] += 1
        else:
            count.failed.append((test, text))
    return count


def end_of(test: str, ends: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Return a test's end, or that of what it is part of and would have run in: class, file, module."""
    if test in ends:
        return ends[test]
    for part, end in ends.items():
        if _holds(part, test):
            return end
    return ends.get("*", ("missing", "it was not there inside"))


def _holds(part: str, test: str) -> bool:
    """
    Tell whether an entry of unittest's stands for a group of tests that this one is in.

    Shapes: `setUpClass (test.test_x.Class)` and `unittest.loader.ModuleSkipped.test.test_x.test_y`.
    """
    if part.endswith(")"):
        return test.startswith(part[part.find("(") + 1 : -1] + ".")
    name = part.removeprefix("unittest.loader.").partition(".")[2]
    return part.startswith("unittest.loader.") and f".{name}." in f".{test}."
