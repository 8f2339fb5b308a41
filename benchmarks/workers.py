"""
Workers driven side by side, and rounds in which each of them runs once, in random order.

One process for each side (`worker.py`), so that no side finds the other's heap, caches or threads. A round
is short: what else the machine does while it lasts hits all sides.
"""

from __future__ import annotations

import json
import random
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from plan import ROOT, UPSTREAM, Plan, Side
from rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Worker", "agreed", "compared", "interleaved", "probed"]

LEAST_SECONDS = 0.01
"""A sample is as many runs as take this long."""


class Worker:
    """A process of one side that answers lines of JSON."""

    def __init__(self, side: Side, script: str, *arguments: str | Path, home: Path) -> None:
        self.side = side
        self.process = subprocess.Popen(
            [side.python, ROOT / "benchmarks" / f"{script}.py", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=side.variables(home),
            text=True,
        )
        self.counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of {self.side.name} died; it said why above")
        return json.loads(line)

    def ask(self, *question: Any) -> Any:
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def sample(self, case: str) -> float:
        """The seconds of one run, out of as many as take `LEAST_SECONDS`."""
        count = self.counts.get(case) or self._calibrate(case)
        return self.ask(case, count) / count

    def _calibrate(self, case: str) -> int:
        count = 1
        while (seconds := self.ask(case, count)) < LEAST_SECONDS:
            count = max(count + 1, int(count * min(10, 1.3 * LEAST_SECONDS / max(seconds, 1e-6))))
        self.counts[case] = count
        return count


def interleaved(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Run everything once a round, in random order; return the results by name, round by round."""
    found: dict[str, list[Any]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            found[name].append(runs[name]())
    return found


def agreed(case: str, answers: dict[str, Any]) -> None:
    """
    Check that all sides answer the same.

    Raises:
        AssertionError: They do not, so that their times mean nothing.
    """
    if len({json.dumps(each) for each in answers.values()}) > 1:
        shown = ", ".join(f"{name}: {str(each)[:80]}" for name, each in answers.items())
        raise AssertionError(f"{case}: the sides answer differently: {shown}")


def compared(plan: Plan, cases: str, folder: Path, base: str = UPSTREAM) -> Iterator[Row]:
    """Measure the cases of a module on all sides, beside `base`; one that a side does not offer is left out."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(side, "worker", cases, folder, home=plan.folder / "homes" / side.name)
            )
            for side in plan.sides
        ]
        offers = [worker.answer() for worker in workers]
        for case in offers[0]:
            if not plan.wants(case) or not all(case in offer for offer in offers):
                continue
            agreed(case, {worker.side.name: worker.ask(case, None) for worker in workers})
            runs = {
                worker.side.name: (lambda worker=worker, case=case: worker.sample(case))
                for worker in workers
            }
            yield Row(case, interleaved(runs, plan.rounds), base=base)


def probed(side: Side, script: str, *arguments: str | Path, home: Path) -> Any:
    """Run a script in a fresh process of a side and return the JSON that it prints."""
    done = subprocess.run(
        [side.python, ROOT / "benchmarks" / f"{script}.py", *map(str, arguments)],
        env=side.variables(home),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
