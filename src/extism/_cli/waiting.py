"""
`wait_for`: work that takes seconds inside the engine, with a sign of life, and an end at Ctrl-C.

The engine compiles in one long C call, during which the main thread would hear no signal. So the work runs
on a thread of its own, and the main thread waits, which signals do interrupt.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from extism._cli.voice import Voice

__all__ = ["wait_for"]

T = TypeVar("T")

PATIENCE: Final = 0.4
"""Seconds of waiting that need no explanation."""


def wait_for(work: Callable[[], T], text: str, voice: Voice) -> T:
    """
    Return what `work` returns, or raise what it raises.

    Args:
        work: Called once, on another thread; at Ctrl-C it is left alone and ends with the process.
        text: Shown on a terminal once it takes long.
        voice: Whether and where to show it.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    outcome: Future[T] = Future()
    thread = threading.Thread(target=_run, args=(work, outcome), name="extism-work", daemon=True)
    thread.start()
    if not wait([outcome], timeout=PATIENCE).done:
        with voice.status(text):
            wait([outcome])
    return outcome.result()


def _run(work: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        outcome.set_exception(error)
