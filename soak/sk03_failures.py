"""SK3: 100,000 calls that fail: trap, out of memory, time-out, exception, denied HTTP, missing import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wat_guests import SHOUT

import extism
from extism.errors import (
    CallTimeout,
    CapabilityDenied,
    Error,
    HostFunctionError,
    LinkError,
    OutOfMemory,
    Trap,
)
from soak.guests import NEEDS, WORKER, fetcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.run import Run


@extism.host_fn(name="shout")
def refuse(text: str) -> str:
    """Fail, always."""
    raise ValueError(text)


def soak(run: Run) -> None:
    """Each fails as it should, no thread is left, and the next good call is right."""
    limited = {"wasm": [{"data": WORKER.encode()}], "memory": {"max_pages": 64}}
    worker = extism.Plugin(limited, functions=[])
    shout = extism.Plugin(SHOUT, functions=[refuse])
    fetch = extism.Plugin(fetcher(), functions=[])
    request = json.dumps({"url": "http://127.0.0.1:9/", "method": "GET"})
    ways: list[tuple[str, type[Error], Callable[[], object]]] = [
        ("trap", Trap, lambda: worker.call("trap", "")),
        ("out of memory", OutOfMemory, lambda: worker.call("grow", "")),
        ("time-out", CallTimeout, lambda: worker.call("loop", "", timeout=0.005)),
        ("exception", HostFunctionError, lambda: shout.call("run", "x")),
        ("denied HTTP", CapabilityDenied, lambda: fetch.call("fetch", request)),
        ("missing import", LinkError, lambda: extism.Plugin(NEEDS, functions=[])),
    ]
    for step in run.steps(run.count(100_000, 120)):
        kind, wanted, fail = ways[step % len(ways)]
        try:
            fail()
        except Error as exc:
            run.expect(type(exc) is wanted, f"{kind} ended in {exc!r}"[:300])
        else:
            run.expect(False, f"{kind} did not fail")  # noqa: FBT003
        run.called(kind)
        answer = worker.call("echo", step.to_bytes(8, "little"))
        run.expect(answer == step.to_bytes(8, "little"), f"after {kind}: {answer!r}")
        run.calls += 1
