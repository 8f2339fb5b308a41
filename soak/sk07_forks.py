"""SK7: 200 forks while calls run in other threads, then pools of processes that were forked and spawned."""

from __future__ import annotations

import multiprocessing
import random
import threading
from typing import TYPE_CHECKING

import extism
from extism.errors import CallTimeout
from soak.forks import Ended, forked
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

THREADS = 3
PROCESSES = 2


def soak(run: Run) -> None:
    """Every child can call, time out and make plug-ins; the parent is unharmed."""
    compiled = extism.CompiledPlugin(WORKER, functions=[])
    own = extism.Plugin(compiled)
    stop = threading.Event()
    threads = [
        threading.Thread(target=call, args=(run, extism.Plugin(compiled), stop))
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        for step in run.steps(run.count(200, 8)):
            try:
                found = forked(lambda: in_the_child(own, compiled))
            except Ended as exc:
                found = str(exc)
            run.faults["fork"] += 1
            run.expect(found == ["own", "timeout", "new"], f"fork {step}: {found}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    run.expect(own.call("echo", b"parent") == b"parent", "the parent's plug-in was harmed")
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(PROCESSES) as pool:
            answers = pool.map(in_a_pool, range(run.count(200, 8)))
        run.calls += len(answers)
        run.expect(answers == [str(n) for n in range(len(answers))], f"{method}: {answers[:5]}")


def call(run: Run, plugin: extism.Plugin, stop: threading.Event) -> None:
    """Call until told to stop."""
    while not stop.is_set():
        nonce = random.randbytes(8)
        run.expect(plugin.call("work", nonce) == nonce, "a call of the parent was disturbed")
        run.called()


def in_the_child(own: extism.Plugin, compiled: extism.CompiledPlugin) -> list[str]:
    """Use the parent's plug-in, run into a deadline, make a plug-in."""
    found = [own.call("echo", b"own").decode()]
    try:
        own.call("loop", b"", timeout=0.05)
    except CallTimeout as exc:
        found.append(str(exc).partition("\n")[0])
    with extism.Plugin(compiled) as plugin:
        found.append(plugin.call("echo", b"new").decode())
    return found


def in_a_pool(number: int) -> str:
    """Make a plug-in in a process of a pool."""
    with extism.Plugin(WORKER, functions=[]) as plugin:
        return plugin.call("echo", str(number)).decode()
