"""The programs in order: what each does, and by how many bytes a step of it may grow."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PROGRAMS", "Program"]


class Program(NamedTuple):
    """
    One program.

    Attributes:
        id: As the plan of the project has it.
        module: Its file; what runs is the function `soak` in it.
        title: What it does.
        bytes_per_step: By how much memory may grow with each step.
        seconds: At most so long at full size; a program that takes longer is stuck.
    """

    id: str
    module: str
    title: str
    bytes_per_step: float
    seconds: float


PROGRAMS = (
    Program("SK1", "sk01_calls", "a million calls of one plug-in", 100, 600),
    Program("SK2", "sk02_plugins", "20,000 plug-ins made, called, closed", 200, 900),
    Program("SK3", "sk03_failures", "100,000 calls that fail in six ways", 200, 1200),
    Program("SK4", "sk04_pool", "a pool of 4 under 64 threads, with faults", 20, 900),
    Program("SK5", "sk05_cancels", "8 threads cancel 10,000 calls at random", 200, 600),
    Program("SK6", "sk06_tasks", "10,000 tasks of asyncio, half of them cancelled", 400, 600),
    Program("SK7", "sk07_forks", "200 forks while calls run, and pools of processes", 20_000, 900),
    Program("SK8", "sk08_kills", "500 processes killed while they write the cache", 20_000, 2400),
    Program("SK9", "sk09_disks", "disks that are full, read-only, gone or broken", 20_000, 900),
    Program("SK10", "sk10_clocks", "clocks that step, and processes that are stopped", 20_000, 300),
    Program("SK11", "sk11_reloads", "1,000 new versions under load, every 7th broken", 2_000, 900),
    Program("SK12", "sk12_requests", "50,000 requests to a server with faults", 200, 1800),
    Program("SK13", "sk13_pressure", "address space that ends at random", 20_000, 900),
    Program("SK14", "sk14_interpreters", "interpreters inside the interpreter", 20_000, 300),
)
