"""SK13: processes whose address space ends at random while they make plug-ins and let them grow."""

from __future__ import annotations

import contextlib
import random
import resource
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import extism
import extism.errors
from soak.forks import Ended, forked
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

PLUGINS = 400
"""More than have their place ready (`EXTISM_SLOTS`): for the others, memory has to be mapped."""
MANIFEST = {"wasm": [{"data": WORKER.encode()}], "memory": {"max_pages": 64}}
MB = 1 << 20
HEADROOM = (16 * MB, 32 * MB, 64 * MB, 256 * MB, 1024 * MB, 9000 * MB)
"""Less than 16 MB, and the interpreter itself has nothing left."""


def soak(run: Run) -> None:
    """The end is an error that says memory, never an abort; what lived before still answers."""
    compiled = extism.CompiledPlugin(MANIFEST, functions=[])
    first = extism.Plugin(compiled)
    dice = random.Random(13)
    for step in run.steps(run.count(300, 6)):
        room = dice.choice(HEADROOM) + dice.randrange(8 * MB)
        try:
            made, ends = forked(partial(squeezed, compiled, first, room))
        except Ended as exc:
            run.expect(False, f"step {step}, {room // MB} MB of room: {exc}")  # noqa: FBT003
            continue
        run.calls += made
        for end in ends:
            run.faults[end] += 1
            run.expect(end in {"OutOfMemory", "MemoryError"}, f"{room // MB} MB of room: {end}")


def squeezed(
    compiled: extism.CompiledPlugin, first: extism.Plugin, room: int
) -> tuple[int, list[str]]:
    """Make plug-ins in the room that is left, and say how that ended."""
    status = Path("/proc/self/statm").read_text(encoding="ascii")
    limit = int(status.split()[0]) * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    plugins: list[extism.Plugin] = []
    ends: list[str] = []
    try:
        for _ in range(PLUGINS):
            plugins.append(extism.Plugin(compiled))
            _grow(plugins[-1])
    except MemoryError as exc:
        ends.append(type(exc).__name__)
    except extism.Error as exc:
        ends.append(f"{type(exc).__name__}: {str(exc)[:150]}")
    made = len(plugins)
    plugins.clear()
    answer = first.call("echo", b"still here")
    if answer != b"still here":
        ends.append(f"the first one answered {answer!r}")
    return made + 1, ends


def _grow(plugin: extism.Plugin) -> None:
    """Let the guest take what its limit grants."""
    with contextlib.suppress(extism.errors.OutOfMemory):
        plugin.call("grow", b"")
