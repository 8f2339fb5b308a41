"""SK1: a million calls of one plug-in, 1 KB in and out, a host function in every tenth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wat_guests import wat

import extism

if TYPE_CHECKING:
    from soak.run import Run

WINDOWS = 20
GUEST = wat(
    """(func (export "echo") (call $give (call $input_offset)))
    (func (export "shout") (call $give (call $shout (call $copy_input))))""",
    before='(import "extism:host/user" "shout" (func $shout (param i64) (result i64)))',
)


@extism.host_fn(name="shout")
def upper(text: str) -> str:
    """Give the text in capitals."""
    return text.upper()


def soak(run: Run) -> None:
    """Every answer is right, memory stays, and the slowest calls do not get slower."""
    plugin = extism.Plugin(GUEST, functions=[upper])
    data = b"x" * 1024
    count = run.count(1_000_000, 2000)
    times: list[list[float]] = [[] for _ in range(WINDOWS)]
    for step in run.steps(count):
        name, right = ("shout", data.upper()) if step % 10 == 0 else ("echo", data)
        started = time.perf_counter()
        answer = plugin.call(name, data)
        passed = time.perf_counter() - started
        window = times[step * WINDOWS // count]
        if len(window) < 5000:
            window.append(passed)
        run.calls += 1
        run.expect(answer == right, f"call {step} gave {answer[:60]!r}")
    slow = [sorted(window)[int(len(window) * 0.99)] for window in times]
    early, late = _median(slow[2:8]), _median(slow[-6:])
    run.figures["p99"] = f"{early * 1e6:.0f} us early, {late * 1e6:.0f} us late"
    run.expect_in_time(late < 3 * early + 100e-6, f"p99 grew from {early:.6f} to {late:.6f} s")


def _median(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]
