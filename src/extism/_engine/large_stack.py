"""A thread of ours for what does not fit on the caller's stack; how it is found that it does not: `stacks.py`."""

from __future__ import annotations

import threading
from contextvars import copy_context
from threading import get_ident

from extism._engine.stacks import LARGE_BYTES, MAX_DEPTH, enrol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeVar

    T = TypeVar("T")

__all__ = ["on_a_large_stack", "start"]

_starting: Final = threading.Lock()
"""The size of new stacks is one for the whole process."""


def on_a_large_stack(run: Callable[[], T], stop: Callable[[], object]) -> T:
    """
    Return what `run` returns on a thread of ours that has stack for all spans, or raise what it raises.

    It sees a copy of the caller's context variables.

    Args:
        run: What to do.
        stop: Makes `run` end soon; called when the handler of a signal raises here meanwhile.
    """
    caller = get_ident()
    results: list[T] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def body() -> None:
        try:
            enrol(get_ident(), MAX_DEPTH, caller)
            results.append(run())
        except BaseException as exc:  # noqa: BLE001 - raised again where it belongs
            raised.append(exc)
        finally:
            done.set()

    start(threading.Thread(target=copy_context().run, args=(body,), name="extism-stack"))
    try:
        done.wait()
    except BaseException:  # of a signal's handler: what runs there is nobody's any more
        stop()
        done.wait()
        raise
    if raised:
        raise raised[0]
    return results[0]


def start(thread: threading.Thread) -> None:
    """Start a thread with stack for all spans; it has to `enrol` itself."""
    thread.daemon = True
    with _starting:
        before = threading.stack_size(LARGE_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
