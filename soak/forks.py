"""A function in a forked child: its result as JSON, or how the child ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ended", "begun", "ended", "forked"]

SECONDS = 60.0


class Ended(Exception):
    """The child did not come to its end: it died of a signal, or raised."""


def begun(function: Callable[[], Any]) -> tuple[int, int]:
    """Run a function in a child, and return its process id and where its result comes from."""
    out, into = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(into)
        return child, out
    code = 1
    try:
        os.close(out)
        signal.alarm(int(SECONDS))
        data = json.dumps(function()).encode()
        while data:
            data = data[os.write(into, data) :]
        code = 0
    except BaseException:  # noqa: BLE001 - the parent is told by the code
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int, out: int) -> Any:
    """
    Wait for a child and return what its function gave.

    Raises:
        Ended: It gave nothing.
    """
    with os.fdopen(out, "rb") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        why = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise Ended(f"the child {why}")
    return json.loads(data)


def forked(function: Callable[[], Any], kill_after: float | None = None) -> Any:
    """
    Return what a function gives in a forked child.

    Args:
        function: Its result is JSON.
        kill_after: Seconds after which the child is killed, if it still runs.

    Raises:
        Ended: The child died, or the function raised.
    """
    child, out = begun(function)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return ended(child, out)
