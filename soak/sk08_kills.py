"""SK8: 500 processes that are killed while they write the compile cache, each followed by one that reads it."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import extism
from soak.forks import Ended, forked
from soak.guests import versioned

if TYPE_CHECKING:
    from soak.run import Run

VERSIONS = 6
LONG_AGO = 1_000_000_000
LONGEST = 0.08
"""Seconds after which all of a round's modules are surely written."""


def soak(run: Run) -> None:
    """Never a crash, never a wrong module, at most one temporary file for each kill, and those are swept."""
    cache = Path(os.environ["EXTISM_NATIVE_CACHE_DIR"])
    dice = random.Random(8)
    for step in run.steps(run.count(500, 6)):
        versions = range(step * VERSIONS, (step + 1) * VERSIONS)
        try:
            forked(partial(answers, versions), dice.random() * LONGEST)
        except Ended:
            run.faults["killed"] += 1
        try:
            found = forked(partial(answers, versions))
        except Ended as exc:
            found = str(exc)
        run.calls += VERSIONS
        run.expect(found == list(versions), f"round {step}: {found}")
    left = list(cache.glob("tmp-*"))
    run.figures["temporary files"] = f"{len(left)} left by {run.faults['killed']} kills"
    run.expect(len(left) <= run.faults["killed"], f"{len(left)} temporary files")
    for path in left:
        os.utime(path, (LONG_AGO, LONG_AGO))
    forked(lambda: answers(range(-1, 0)))
    run.expect(not list(cache.glob("tmp-*")), "old temporary files were not swept")


def answers(versions: range) -> list[int]:
    """What plug-ins say that give their number, made from text or from the cache."""
    found = []
    for version in versions:
        with extism.Plugin(versioned(version), functions=[]) as plugin:
            found.append(int.from_bytes(plugin.call("version", b""), "little", signed=True))
    return found
