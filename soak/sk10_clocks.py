"""SK10: a clock of the day that jumps about, and a process that is stopped for five seconds and goes on."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import extism
from extism.errors import CallTimeout
from soak.forks import Ended, begun, ended
from soak.guests import WORKER, sleeper

if TYPE_CHECKING:
    from soak.run import Run

SHORT, LONG = 0.1, 600.0


def soak(run: Run) -> None:
    """Nobody with time left is cut off, everybody without is, and nothing hangs."""
    pause = run.seconds(5, 0.3)
    for step in run.steps(run.count(6, 2)):
        child, out = begun(lambda: calls(pause + 1.5))
        if step % 2 == 0:
            time.sleep(0.7)
            os.kill(child, signal.SIGSTOP)
            time.sleep(pause)
            os.kill(child, signal.SIGCONT)
            run.faults["stopped"] += 1
        try:
            found: dict[str, Any] = ended(child, out)
        except Ended as exc:
            run.expect(False, str(exc))  # noqa: FBT003
            continue
        run.calls += found["calls"]
        run.faults["clock jumps"] += found["jumps"]
        run.expect(not found["wrong"], f"{found['wrong']}")
        run.expect(found["late"] < pause + 2, f"a deadline came {found['late']:.1f} s late")


class Odd:
    """The clock of the day, jumping about."""

    def __init__(self) -> None:
        self.jumps = 0
        self._honest, self._dice = time.time, random.Random(10)

    def __call__(self) -> float:
        """Give the time, or another one."""
        self.jumps += 1
        return self._honest() + self._dice.choice((-1e9, -3600, 0, 3600, 1e9))


class Callers:
    """Threads that call for some seconds; what was cut off wrongly, and how late the rest was."""

    def __init__(self, seconds: float) -> None:
        self.count, self.late = 0, 0.0
        self.wrong: list[str] = []
        self._end = time.monotonic() + seconds

    def patient(self, plugin: extism.Plugin, name: str) -> None:
        """Call with time enough."""
        while time.monotonic() < self._end:
            try:
                plugin.call(name, b"x", timeout=LONG)
            except extism.Error as exc:
                self.wrong.append(repr(exc)[:200])
            self.count += 1

    def hasty(self, plugin: extism.Plugin) -> None:
        """Run into a deadline, again and again."""
        while time.monotonic() < self._end:
            started = time.monotonic()
            try:
                plugin.call("loop", b"", timeout=SHORT)
            except CallTimeout:
                self.late = max(self.late, time.monotonic() - started - SHORT)
            self.count += 1


def calls(seconds: float) -> dict[str, Any]:
    """Call with short and long limits for so long, in a process whose clock jumps."""
    time.time = odd = Odd()
    compiled = extism.CompiledPlugin(WORKER, functions=[])
    asleep = extism.Plugin(sleeper(50), wasi=True, functions=[])
    callers = Callers(seconds)
    threads = [
        threading.Thread(target=callers.patient, args=(extism.Plugin(compiled), "work")),
        threading.Thread(target=callers.patient, args=(asleep, "sleep")),
        threading.Thread(target=callers.hasty, args=(extism.Plugin(compiled),)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "calls": callers.count,
        "late": callers.late,
        "wrong": callers.wrong[:3],
        "jumps": odd.jumps,
    }
