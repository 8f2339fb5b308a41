"""SK5: eight threads cancel at random while 10,000 calls run; a cancellation hits the call that runs, or none."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import extism
from extism.errors import Cancelled
from soak.guests import WORKER

if TYPE_CHECKING:
    from soak.run import Run

CALLERS, CANCELLERS = 2, 8


def soak(run: Run) -> None:
    """Each call is right or cancelled; when the storm is over, none is cancelled."""
    compiled = extism.CompiledPlugin(WORKER, functions=[])
    plugins = [extism.Plugin(compiled) for _ in range(CALLERS)]
    sibling = extism.Plugin(compiled)
    stop = threading.Event()
    threads = [
        threading.Thread(target=cancel, args=(plugins, stop, number))
        for number in range(CANCELLERS)
    ]
    each = run.count(10_000, 100) // CALLERS
    threads += [threading.Thread(target=call, args=(run, plugin, each)) for plugin in plugins[1:]]
    for thread in threads:
        thread.start()
    for _ in run.steps(each // 10):
        call(run, plugins[0], 10)
        nonce = random.randbytes(8)
        run.expect(sibling.call("echo", nonce) == nonce, "a call that nobody cancelled was cut off")
        run.calls += 1
    for thread in threads[CANCELLERS:]:
        thread.join()
    stop.set()
    for thread in threads[:CANCELLERS]:
        thread.join()
    for plugin in plugins:
        answers = [plugin.call("work", bytes((n,))) for n in range(20)]
        run.expect(answers == [bytes((n,)) for n in range(20)], "a cancellation came too late")
        run.calls += 20


def cancel(plugins: list[extism.Plugin], stop: threading.Event, number: int) -> None:
    """Cancel one or the other, now and then."""
    dice = random.Random(number)
    handles = [plugin.cancel_handle() for plugin in plugins]
    while not stop.is_set():
        time.sleep(dice.random() * 0.02)
        dice.choice(handles).cancel()


def call(run: Run, plugin: extism.Plugin, count: int) -> None:
    """Call with a nonce, short and long; an endless loop ends by cancellation alone."""
    dice = random.Random()
    for _ in range(count):
        nonce = dice.randbytes(16)
        name = dice.choice(("echo", "work", "work", "work", "loop"))
        try:
            answer = plugin.call(name, nonce, timeout=30)
            run.expect(answer == nonce and name != "loop", f"{name}: {answer!r}, not {nonce!r}")
            run.called()
        except Cancelled:
            run.called("cancelled")
