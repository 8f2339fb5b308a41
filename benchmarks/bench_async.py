"""
What does it cost to await a plug-in, alone and with a thousand others, and does the loop go on meanwhile?

Calls that wait 5 ms in a function of the host, 1, 10, 100 and 1,000 at once: ours are awaited, upstream's run in an
executor with a thread for each. Then ours alone: an awaited call that does not wait beside a plain one, ten thousand
plug-ins that wait 0.2 s at once, and a heartbeat of 1 ms while four plug-ins compute.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from guest_texts import written
from rows import Row
from workers import Worker, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

AT_ONCE = {1: 100, 10: 40, 100: 10, 1000: 3}
"""Calls at once, and how often each is made."""

MANY = 10_000


def measure(plan: Plan) -> Iterator[Row]:
    written(plan.folder, "asking")
    wasm = plan.folder / "asking.wasm"
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(side, "async_probe", wasm, home=plan.folder / "homes" / side.name)
            )
            for side in plan.sides
        ]
        ours = next(worker for worker in workers if not worker.side.is_upstream)
        for count, often in AT_ONCE.items():
            if plan.wants(f"awaited, {count} at once"):
                runs = {worker.side.name: partial(worker.ask, count, often) for worker in workers}
                yield from rows(count, interleaved(runs, plan.processes))
        yield from alone(plan, ours)


def rows(count: int, found: dict[str, list[tuple[int, float, float, float]]]) -> Iterator[Row]:
    """What the rounds of all sides say: `[calls, seconds, median, 99th percentile]` by side."""
    name = f"awaited, {count} at once"
    series = {"series": "calls at once", "at": count}
    each = {
        side: [seconds / calls for calls, seconds, _, _ in all_] for side, all_ in found.items()
    }
    yield Row(f"{name}, seconds a call", each, **series)
    for place, words in ((2, "median"), (3, "99th percentile")):
        yield Row(
            f"{name}, {words}", {side: [a[place] for a in all_] for side, all_ in found.items()}
        )


def alone(plan: Plan, ours: Worker) -> Iterator[Row]:
    """What upstream has nothing to be compared with for: ours beside what cannot be less."""
    name = ours.side.name
    rounds = range(1 if plan.is_quick else 3)
    if plan.wants("awaited call that does not wait"):
        found = [ours.ask("beside", 500) for _ in rounds]
        samples = {"call": [plain for plain, _ in found], name: [waited for _, waited in found]}
        yield Row("awaited call that does not wait", samples, base="call")
    if plan.wants("ten thousand wait 0.2 s"):
        found = [ours.ask("waiting", 1000 if plan.is_quick else MANY) for _ in rounds]
        samples = {"the wait": [0.2] * len(found), name: [seconds for seconds, _, _ in found]}
        yield Row("ten thousand wait 0.2 s", samples, base="the wait")
        yield Row(
            "memory of a plug-in that waits", {name: [each for _, each, _ in found]}, "B", name
        )
        threads = {name: [float(count) for _, _, count in found]}
        yield Row("threads while ten thousand wait", threads, "times", name)
    if plan.wants("heartbeat of 1 ms beside four that compute"):
        late = [ours.ask("heartbeat", 4) for _ in rounds]
        samples = {"the beat": [0.001] * len(late), name: [0.001 + each for each in late]}
        yield Row("heartbeat of 1 ms beside four that compute", samples, base="the beat")
