"""SK11: a thousand new versions while threads call; every seventh is broken, and the old one stays."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import extism
from extism.errors import Error, PluginClosed
from soak.guests import NEEDS, versioned

if TYPE_CHECKING:
    from soak.run import Run

CLIENTS = 4
FIRST = 45
"""What was made of the last 32 versions stays in the process: so many come before anything is judged."""
BROKEN = (b"\0asm\1\0\0\0\x05\x01", NEEDS, "(module (start $f) (func $f unreachable))")
"""Cut off, impossible to link, impossible to start."""


class Service:
    """What an application does that swaps plug-ins under load."""

    def __init__(self) -> None:
        self.version = 0
        self.pool = made(versioned(0))

    def reload(self, module: str | bytes, version: int) -> bool:
        """Tell whether the new version is fit and has taken over; calls in flight end on the old one."""
        try:
            fresh = made(module)
        except Error:
            return False
        old, self.pool = self.pool, fresh
        self.version = version
        old.close()
        return True


def made(module: str | bytes) -> extism.Pool:
    """Return a pool that has shown that it works."""
    pool = extism.Pool(module, 2, functions=[])
    try:
        with pool.plugin():
            return pool
    except Error:
        pool.close()
        raise


def soak(run: Run) -> None:
    """Every call is answered by a version that was there while it ran."""
    service, stop = Service(), threading.Event()
    clients = [threading.Thread(target=client, args=(run, service, stop)) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    for version in range(1, FIRST):
        service.reload(versioned(version), version)
    for step in run.steps(run.count(1000, 14)):
        version = FIRST + step
        is_broken = version % 7 == 0
        module = BROKEN[step % len(BROKEN)] if is_broken else versioned(version)
        run.expect(service.reload(module, version) is not is_broken, f"version {version}")
        run.faults["broken version"] += is_broken
        time.sleep(0.002)
    stop.set()
    for each in clients:
        each.join(30)
    run.expect(not any(each.is_alive() for each in clients), "a client still waits")


def client(run: Run, service: Service, stop: threading.Event) -> None:
    """Ask for the version until told to stop; who waits for a pool that is closed asks the new one."""
    while not stop.is_set():
        before = service.version
        try:
            answer = int.from_bytes(service.pool.call("version", b"", timeout=30), "little")
        except PluginClosed:
            continue
        # The version is told after the pool has changed: so an answer may be one ahead.
        run.expect(before <= answer <= service.version + 7, f"{answer} in {before}")
        run.called()
