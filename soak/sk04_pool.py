"""
SK4: a pool of 4 under 64 threads for five minutes; 1 % trap, 1 % time out, 1 % run out of memory.

The last fifth of the time has the copies in processes of their own, of which one is killed in 0.1 % of calls.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import extism
from extism.errors import CallTimeout, Error, OutOfMemory, Trap, WorkerDied
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

COPIES, CLIENTS = 4, 64
MANIFEST = {"wasm": [{"data": WORKER.encode()}], "memory": {"max_pages": 64}}
FAULTS: tuple[tuple[str, str, type[Error], float | None], ...] = (
    ("trap", "trap", Trap, None),
    ("time-out", "loop", CallTimeout, 0.005),
    ("out of memory", "grow", OutOfMemory, None),
)
SHARE, KILLS = 0.01, 0.001


def soak(run: Run) -> None:
    """No wrong answer, nobody waits for ever, the pool has its size again, and faults cost little."""
    seconds = run.seconds(300, 3)
    apart = Phase(run, share=SHARE, kills=KILLS, isolation="process").lasts(seconds * 0.2)
    plain = Phase(run).lasts(seconds * 0.2)
    faulty = Phase(run, share=SHARE).lasts(seconds * 0.6)
    run.figures["good calls a second"] = (
        f"{plain:.0f} without faults, {faulty:.0f} with, {apart:.0f} in processes"
    )
    run.expect_in_time(
        faulty > plain * 0.8, f"faults cost {1 - faulty / plain:.0%} of the throughput"
    )


@dataclass
class Phase:
    """
    Clients that call for some time.

    Attributes:
        run: Where it is counted.
        share: How many of a client's calls have each of the faults.
        kills: Before how many of them a process is killed.
        isolation: Where the copies live.
    """

    run: Run
    share: float = 0.0
    kills: float = 0.0
    isolation: Literal["process"] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    good: list[int] = field(default_factory=lambda: [0] * CLIENTS)
    longest: float = 0.0

    def lasts(self, seconds: float) -> float:
        """Let the clients call for so long; give how many good calls there were a second."""
        with extism.Pool(MANIFEST, COPIES, functions=[], isolation=self.isolation) as pool:
            clients = [
                threading.Thread(target=self.client, args=(pool, number))
                for number in range(CLIENTS)
            ]
            started = time.monotonic()
            for each in clients:
                each.start()
            for _ in self.run.until(seconds):
                time.sleep(0.05)
            self.stop.set()
            for each in clients:
                each.join(60)
            self.judge(pool, sum(each.is_alive() for each in clients))
            return sum(self.good) / (time.monotonic() - started)

    def judge(self, pool: extism.Pool, lost: int) -> None:
        """Look at what is left when the clients have gone."""
        run, seen = self.run, pool.statistics
        run.expect(lost == 0, f"{lost} clients still wait")
        run.expect(seen.busy == 0 and seen.idle <= COPIES and not seen.waiting, f"{seen}")
        run.expect(self.longest < 15, f"somebody waited {self.longest:.1f} s")
        for number in range(2 * COPIES):
            nonce = bytes((number,))
            with contextlib.suppress(WorkerDied):
                pool.call("echo", nonce)  # it may have been killed after its last call
            run.expect(pool.call("echo", nonce) == nonce, "a wrong answer after the storm")

    def client(self, pool: extism.Pool, number: int) -> None:
        """Call until told to stop."""
        dice = random.Random(number)
        while not self.stop.is_set():
            pick = int(dice.random() / self.share) if self.share else len(FAULTS)
            if dice.random() < self.kills:
                kill_a_child(dice)
                self.run.faults["killed process"] += 1
            started = time.monotonic()
            try:
                if pick < len(FAULTS):
                    self.fault(pool, *FAULTS[pick])
                else:
                    self.work(pool, dice.randbytes(16), number)
            except Error as exc:
                right = self.kills > 0 and was_killed(exc)
                self.run.expect(right, f"a call ended in {exc!r}"[:300])
            self.longest = max(self.longest, time.monotonic() - started)

    def work(self, pool: extism.Pool, nonce: bytes, number: int) -> None:
        """Call for an answer."""
        answer = pool.call("work", nonce)
        self.run.expect(answer == nonce, f"{nonce!r} came back as {answer!r}")
        self.run.called()
        self.good[number] += 1

    def fault(
        self, pool: extism.Pool, kind: str, name: str, wanted: type[Error], limit: float | None
    ) -> None:
        """Call for an error."""
        try:
            pool.call(name, b"", timeout=limit)
        except Error as exc:
            if was_killed(exc):
                raise
            self.run.expect(type(exc) is wanted, f"{kind} ended in {exc!r}"[:300])
        self.run.called(kind)


def was_killed(error: Error) -> bool:
    """Tell whether a call ended because its process did: in the call, or while the plug-in was made anew."""
    return isinstance(error, WorkerDied) or isinstance(error.__cause__, WorkerDied)


def kill_a_child(dice: random.Random) -> None:
    """Kill one of the processes that this one has started."""
    listed = Path("/proc/self/task").glob("*/children")
    children: list[str] = []
    for each in listed:
        with contextlib.suppress(OSError):
            children += each.read_text(encoding="ascii").split()
    if children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(dice.choice(children)), signal.SIGKILL)
