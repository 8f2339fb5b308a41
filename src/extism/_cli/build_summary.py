"""
How `extism-py` tells what it has built: in a few lines for people, as JSON for programs.

What is told is a `BuildReport`; when it is told, and to whom, is `compile.py`'s to decide.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from extism.compiler import BuildReport, RuntimeReport

__all__ = ["as_json", "lines", "runtime_line", "size"]


def lines(place: Path, report: BuildReport, *, is_verbose: bool) -> Iterator[str]:
    """Give the lines of the summary, the first of which stands for all."""
    noun = "export" if len(report.exports) == 1 else "exports"
    exports = f"{len(report.exports)} {noun} ({', '.join(report.exports)})"
    seconds = sum(report.seconds.values())
    yield f"{place}: {exports}, {size(report.size)}, {seconds:.1f} s"
    if report.modules:
        yield f"  bundles {_packages(report.modules)}"
    if report.packages:
        yield f"  with {', '.join(report.packages)}"
    if report.imports:
        yield f"  needs from its host: {', '.join(report.imports)}"
    if report.runtime and is_verbose:
        yield f"  needs the runtime with SHA-256 {report.runtime}"
    if is_verbose:
        for step, taken in report.seconds.items():
            yield f"  {step:<12} {taken:7.3f} s"


def runtime_line(place: Path, report: RuntimeReport) -> str:
    """Return what is said of a runtime that was written."""
    return (
        f"{place}: the runtime of --shared plug-ins, {size(report.size)}, SHA-256 {report.sha256}"
    )


def as_json(place: Path, report: BuildReport | RuntimeReport) -> dict[str, Any]:
    """Return all that a report says, and where the module is."""
    fields = {name: getattr(report, name) for name in report.__dataclass_fields__}
    return {"output": str(place), **fields}


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def _packages(modules: tuple[str, ...]) -> str:
    """Return the modules by the package that they belong to, with the number of those that have several."""
    counts = Counter(name.partition(".")[0] for name in modules)
    named = [f"{name} ({count} modules)" if count > 1 else name for name, count in counts.items()]
    return ", ".join(named)
