"""
A plug-in of pytest: after the suite ran on another engine, say which engine, and what broke, by test file.

Loaded with `-p broken_by_file` by `make test ENGINE=...` only.
"""

from __future__ import annotations

from collections import defaultdict
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_REASON = 160


class Broken(NamedTuple):
    """A test that failed, or a file that could not be collected."""

    nodeid: str
    reason: str


def summary(broken: Iterable[Broken], passed: int) -> list[str]:
    """Return lines: how many passed and broke, then each file with its tests and why they broke."""
    by_file: dict[str, list[Broken]] = defaultdict(list)
    for each in broken:
        by_file[each.nodeid.partition("::")[0]].append(each)
    total = sum(map(len, by_file.values()))
    lines = [f"{passed} passed, {total} broke in {len(by_file)} files"]
    for file, tests in sorted(by_file.items()):
        lines.append(f"{file}: {len(tests)}")
        for nodeid, reason in sorted(tests):
            name = nodeid.partition("::")[2] or "(the file itself)"
            lines.append(f"    {name}: {reason[:LONGEST_REASON]}")
    return lines


def first_line(report) -> str:
    """Return the line of a report that pytest would put into its short summary."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return next((line for line in text.splitlines() if line.strip()), "")


def pytest_report_header() -> str:
    pinned = [name for name in metadata.requires("extism") or () if name.startswith("wasmtime")]
    return f"engine: wasmtime {metadata.version('wasmtime')}, pinned is {', '.join(pinned)}"


def pytest_terminal_summary(terminalreporter) -> None:
    stats = terminalreporter.stats
    reports = [*stats.get("failed", []), *stats.get("error", [])]
    broken = {Broken(report.nodeid, first_line(report)) for report in reports}
    terminalreporter.section(f"wasmtime {metadata.version('wasmtime')}")
    for line in summary(broken, len(stats.get("passed", []))):
        terminalreporter.write_line(line)
