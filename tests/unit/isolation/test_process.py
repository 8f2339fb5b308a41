"""`process`: one worker, as its parent has it in hand."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from extism._isolation.process import Worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no workers")


def test_who_cancels_never_waits_for_a_worker():
    """One that reads nothing at all holds up nobody, however often it is told to end a call."""
    worker = Worker({}, max_bytes=1 << 20)
    os.kill(worker.pid, signal.SIGSTOP)
    thread = threading.Thread(
        target=lambda: [worker.cancel(number) for number in range(20_000)], daemon=True
    )
    thread.start()
    thread.join(20)
    has_ended = not thread.is_alive()
    worker.end()

    assert has_ended
