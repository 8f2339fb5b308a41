"""
Do two threads, each with a plug-in of its own, do twice the work of one?

Windows of a quarter of a second with one thread and with two, in turns. `two threads` is how many times the calls of
the best window with one thread the best with two did: on shared cores only the best windows say what is possible.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from guest_texts import written
from rows import Row
from workers import Worker, agreed, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan import Plan

WINDOW_SECONDS = 0.25
GUESTS = {"1 ms guest": "burn", "empty guest": "noop"}


def measure(plan: Plan) -> Iterator[Row]:
    written(plan.folder, "small")
    for name, function in GUESTS.items():
        if plan.wants(f"two threads, {name}"):
            yield from compared(plan, name, function)


def compared(plan: Plan, name: str, function: str) -> Iterator[Row]:
    wasm = plan.folder / "small.wasm"
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(side, "thread_probe", wasm, function, home=plan.folder / "homes" / side.name)
            )
            for side in plan.sides
        ]
        agreed(name, {worker.side.name: worker.answer() for worker in workers})
        runs = {
            (worker.side.name, threads): partial(worker.ask, threads, WINDOW_SECONDS)
            for worker in workers
            for threads in (1, 2)
        }
        found = interleaved(runs, plan.rounds)
    yield from rows(name, found)


def rows(name: str, found: dict[tuple[str, int], list[tuple[int, float, float]]]) -> Iterator[Row]:
    """What the windows of all sides say: `[calls, seconds, 99th percentile]` by side and threads."""
    sides = list(dict.fromkeys(side for side, _ in found))
    rates = {key: [calls / seconds for calls, seconds, _ in each] for key, each in found.items()}
    scaling = {side: [max(rates[side, 2]) / max(rates[side, 1])] for side in sides}
    yield Row(f"two threads, {name}", scaling, "times")
    for threads, words in ((1, "1 thread"), (2, "2 threads")):
        each = {side: [1 / rate for rate in rates[side, threads]] for side in sides}
        yield Row(f"{name}, seconds a call, {words}", each)
        slow = {side: [worst for *_, worst in found[side, threads]] for side in sides}
        yield Row(f"{name}, 99th percentile, {words}", slow)
