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


def forget() -> None:
    """Let modules draw again what they keep: `uuid1` a machine and a time, `tempfile` the seed of its names."""
    uuid: Any = sys.modules.get("uuid")
    tempfile: Any = sys.modules.get("tempfile")
    if uuid is not None and uuid._node is not None:
        uuid._node = uuid._last_timestamp = None
    if tempfile is not None:
        tempfile._name_sequence = None


def renew() -> None:
    """Renew in a copy what cannot be forgotten before; its first call waits for that, so it is little."""
    random: Any = sys.modules.get("random")
    logging: Any = sys.modules.get("logging")
    if random is not None:
        renew_random(random)
    if logging is not None:
        logging._startTime = time.time_ns()  # from which `relativeCreated` counts


def renew_random(random: Any) -> None:
    """Draw the state of generators: as their `seed()`, but of 32 bytes; 2500 would be most of a first call."""
    for generator in (random._inst, *chancy):
        generator.gauss_next = None
        super(random.Random, generator).seed(int.from_bytes(os.urandom(32)))
    chancy.clear()
