"""The worker processes of this process, as the system sees them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_alive", "new_worker", "workers"]


def workers(parent: int | None = None) -> set[int]:
    """The numbers of the worker processes of a process, this one if none is named; zombies count."""
    owner = os.getpid() if parent is None else parent
    return {process for process in _processes() if _facts(process)[1:] == (owner, True)}


def is_alive(process: int) -> bool:
    """Whether there is such a process, and it is more than a zombie."""
    return _facts(process)[0] not in {"", "Z", "X"}


@contextmanager
def new_worker():
    """The numbers of the workers that the block has started, filled in at its end."""
    before, found = workers(), []
    yield found
    found += sorted(workers() - before)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _facts(process: int) -> tuple[str, int, bool]:
    """State, parent, and whether it is a worker; a zombie has no command line, and counts as one."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return "", 0, False
    return stat[0], int(stat[1]), b"extism._isolation.worker" in command or stat[0] == "Z"
