"""
`Run`: what a program is handed. It says how much to do, counts what was done, and watches what is left behind.

    for step in run.steps(run.count(20_000)):
        ... one step ...
        run.calls += 1
    run.expect(answer == right, "the call after the storm was wrong")

What a program finds is a complaint; without one it passed. An exception that leaves it is one too.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from soak.readings import Reading, read, slope

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Run"]

SAMPLES = 60
WARM_UP = 0.1
"""What part of the steps is not judged: caches fill, pools grow to their size."""

NOISE = {"bytes": 3 << 20, "descriptors": 2, "threads": 2, "mappings": 64}
"""What may be more at the end than at the beginning, however few the steps."""

MOST_COMPLAINTS = 10

TIMED_FROM = 10
"""Per cent of the full plan from which on a clock may decide."""


class Run:
    """
    One run of one program.

    Args:
        size: Per cent of the full plan.
        bytes_per_step: By how many bytes memory may grow with each step.
        is_shown: Whether progress goes to standard error.

    Attributes:
        calls: How often a plug-in was called, as the program counts it.
        faults: What was injected, by kind.
        figures: What else is worth a look, by name.
        complaints: What was not as it should be.
    """

    def __init__(self, size: float, bytes_per_step: float, *, is_shown: bool = False) -> None:
        self.size = size
        self.calls = 0
        self.faults: Counter[str] = Counter()
        self.figures: dict[str, Any] = {}
        self.complaints: list[str] = []
        self._bytes_per_step = bytes_per_step
        self._is_shown = is_shown
        self._lock = threading.Lock()
        self._samples: list[tuple[int, Reading]] = []
        self._started = time.monotonic()

    def count(self, full: int, least: int = 1) -> int:
        """Return how many of `full` this size asks for."""
        return max(least, round(full * self.size / 100))

    def seconds(self, full: float, least: float) -> float:
        """Return how long this size asks for."""
        return max(least, full * self.size / 100)

    def steps(self, count: int) -> Iterator[int]:
        """Count, and look at what the process holds now and then; only the last such loop is judged."""
        self._samples.clear()
        every = max(1, count // SAMPLES)
        for step in range(count):
            if step % every == 0:
                self.sample(step, step / count)
            yield step
        self.sample(count, 1.0)

    def until(self, seconds: float) -> Iterator[float]:
        """Give the time that has passed, until `seconds` have, and look at what the process holds as `steps` does."""
        self._samples.clear()
        started = time.monotonic()
        shown = 0
        while (passed := time.monotonic() - started) < seconds:
            if passed >= shown * seconds / SAMPLES:
                shown += 1
                self.sample(self.calls, passed / seconds)
            yield passed
        self.sample(self.calls, 1.0)

    def sample(self, step: int, part: float) -> None:
        """Note what the process holds after `step` steps, and show how far the program is."""
        gc.collect()
        self._samples.append((step, read()))
        if self._is_shown:
            passed = time.monotonic() - self._started
            sys.stderr.write(f"\r  {part:4.0%}  {passed:5.0f} s  {self.calls:>9,} calls ")
            sys.stderr.flush()

    def called(self, fault: str | None = None) -> None:
        """Count a call, and the fault in it; from any thread."""
        with self._lock:
            self.calls += 1
            if fault is not None:
                self.faults[fault] += 1

    def expect(self, is_so: bool, complaint: str) -> None:  # noqa: FBT001 - reads as `assert` does
        """Note a complaint unless it is so; from any thread."""
        if not is_so:
            with self._lock:
                if len(self.complaints) < MOST_COMPLAINTS:
                    self.complaints.append(complaint)

    def expect_in_time(self, is_so: bool, complaint: str) -> None:  # noqa: FBT001 - as `expect`
        """Note a complaint about what a clock decides; a small run beside other work says nothing about that."""
        if self.size >= TIMED_FROM:
            self.expect(is_so, complaint)

    @property
    def slopes(self) -> dict[str, float]:
        """By how much each thing grows with a step, after the first tenth."""
        judged = self._judged()
        return {
            name: slope([(step, getattr(reading, name)) for step, reading in judged])
            for name in Reading._fields
        }

    def judge(self) -> None:
        """Complain of what grows."""
        judged = self._judged()
        if len(judged) < 2:
            return
        steps = judged[-1][0] - judged[0][0]
        allowed = dict.fromkeys(Reading._fields, 0.0) | {"bytes": self._bytes_per_step}
        for name, each in self.slopes.items():
            growth = each * steps
            self.expect(
                growth <= max(NOISE[name], allowed[name] * steps),
                f"{name} grew by {growth:,.0f} in {steps:,} steps ({each:.3g} a step)",
            )

    def _judged(self) -> list[tuple[int, Reading]]:
        if not self._samples:
            return []
        last = self._samples[-1][0]
        return [sample for sample in self._samples if sample[0] >= last * WARM_UP]
