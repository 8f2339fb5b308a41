"""
What each copy of a plugin must have of its own: module `_extism_renewals`, which runs inside the interpreter only.

Whatever modules have drawn from chance or measured while the plugin was built would be the same in all copies, and known
to whoever has the file. `os.urandom`, and what asks it anew each time (`secrets`, `uuid4`), needs nothing of this.
"""

# What is renewed is private to the modules that have it.
# ruff: noqa: SLF001

import os
import sys
import time
import weakref
from typing import Any

# Generators of random numbers that took their seed from chance, and what has to be undone when nobody is watched any more.
chancy: weakref.WeakSet[Any] = weakref.WeakSet()
watched: list[tuple[Any, Any]] = []


def watch(_name: str) -> None:
    """Note, from the moment that `random` is imported, which of its generators nobody gives a seed."""
    kind = sys.modules["random"].Random
    given = kind.seed

    def seed(self: Any, a: Any = None, version: int = 2) -> None:
        given(self, a, version)
        (chancy.add if a is None else chancy.discard)(self)

    watched.append((kind, given))
    kind.seed = seed


def end_watch() -> None:
    """Give `random` back what it had: who is made in a call has a seed of its own."""
    for kind, given in watched:
        kind.seed = given
    watched.clear()


def renew_random(random: Any) -> None:
    """Draw the state of generators: as their `seed()`, but of 32 bytes; 2500 would be most of a first call."""
    for generator in (random._inst, *chancy):
        generator.gauss_next = None
        super(random.Random, generator).seed(int.from_bytes(os.urandom(32)))
    chancy.clear()


def renew_uuid(uuid: Any) -> None:
    """Let `uuid1` make up a machine and a time."""
    if uuid._node is not None:
        uuid._node = uuid._last_timestamp = None


def renew_tempfile(tempfile: Any) -> None:
    """Let `tempfile` seed what it takes its names from, when it is next asked."""
    tempfile._name_sequence = None


def renew_logging(logging: Any) -> None:
    """Let `relativeCreated` count from now on."""
    logging._startTime = time.time_ns()


RENEWALS = {
    "random": renew_random,
    "tempfile": renew_tempfile,
    "logging": renew_logging,
    "uuid": renew_uuid,
}


def renew() -> None:
    """Renew what modules hold that were imported while the plugin was built."""
    for name, renew_module in RENEWALS.items():
        module = sys.modules.get(name)
        if module is not None:
            renew_module(module)
