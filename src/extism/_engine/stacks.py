"""
How many spans the stack of a thread holds.

Compiled code that runs over its stack ends in a trap only where the operating system's stack is larger than what
the engine grants it: 512 KiB for each span, one span inside the host functions of the other. Where it is not, the
process dies. So each thread is measured, once, when it opens its first span, and asked for
room for each: the usual 8 MiB hold 12 spans, the smallest stacks none. What does not fit goes to `large_stack.py`.

::

    | the caller | span: 512 KiB | host function | span: 512 KiB | ...
                 | LEVEL_BYTES: 640 KiB          |
"""

from __future__ import annotations

import os
import sys
from _thread import _local, get_ident, get_native_id, stack_size

from extism._engine.foreign import CDLL, byref, c_char, c_size_t, c_uint64, c_void_p
from extism._engine.interrupts import depth
from extism.errors import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = [
    "LARGE_BYTES",
    "MAX_DEPTH",
    "UNMEASURED",
    "StackTooSmall",
    "admit",
    "call_on",
    "calls",
    "enrol",
    "first_caller",
    "inherited",
    "levels",
    "stack_bytes",
    "stand_in",
]

MAX_DEPTH: Final = 16
"""Spans that may be open inside each other."""

LEVEL_BYTES: Final = 640 << 10
"""What a span may use: the 512 KiB that the engine grants compiled code by default, and host functions."""

_CALLER_BYTES: Final = 128 << 10
"""What whoever opens the first span has used already, and the guard page."""

LARGE_BYTES: Final = MAX_DEPTH * LEVEL_BYTES + 2 * _CALLER_BYTES
"""A stack that holds as many spans as there may be."""

_RLIMIT_STACK: Final = 3
_RLIM_INFINITY: Final = (1 << 64) - 1
"""Linux's own numbers, the same on every machine that the engine serves."""

_ATTRIBUTES_BYTES: Final = 128
"""More than `pthread_attr_t` has on any system."""

levels: Final[dict[int, int]] = {}
"""How many spans may be open on a thread, by its identifier; who is not in it was not measured yet."""

calls: Final[dict[int, Any]] = {}
"""
Whose code runs on each thread that holds a span: the data of the innermost call into a guest, None while none runs.

Every way in and out looks here, so it is no object of the thread's own (`_local`), which takes four times as long.
"""

call_on: Final = calls.get
"""Looks there; as a name of its own, since Python 3.11 makes the methods of an imported name anew each time."""

UNMEASURED: Final = object()
"""What stands for a thread that is not in `calls`."""

_callers: Final[dict[int, tuple[int, int]]] = {}
"""For each thread of ours: who waits for it, and how many spans were open there."""


class StackTooSmall(Exception):
    """No span may be opened on this thread; on one with a larger stack, one may. Nothing has been run yet."""


class _Leaving:
    """Forgets a thread when it ends, before another can have its identifier."""

    __slots__ = ("_forget", "_thread")

    def __init__(self, thread: int) -> None:
        self._thread = thread
        # Kept: the module's names may be gone before the last thread is.
        self._forget = (levels.pop, calls.pop, _callers.pop)

    def __del__(self) -> None:
        for forget in self._forget:
            forget(self._thread, None)


_here = _local()


def admit(thread: int) -> None:
    """
    Look whether one more span may be opened on the thread that calls this.

    Raises:
        CallError: As many as may be are open inside each other already.
        StackTooSmall: Its stack does not hold another.
    """
    if thread not in levels:
        enrol(thread, (stack_bytes() - _CALLER_BYTES) // LEVEL_BYTES)
    open_ = depth(thread)
    if open_ < levels[thread]:
        return
    if inherited(thread) + open_ >= MAX_DEPTH:
        raise CallError(
            f"{MAX_DEPTH} calls are running inside each other's host functions; no more may begin"
        )
    raise StackTooSmall


def enrol(thread: int, most: int, caller: int | None = None) -> None:
    """
    Note how many spans may be open on the thread that calls this.

    Args:
        thread: Its identifier.
        most: So many, but not more than there may be at all.
        caller: Who waits for it, for a thread of ours.
    """
    if caller is not None:
        _callers[thread] = caller, inherited(caller) + depth(caller)
    levels[thread] = max(0, min(most, MAX_DEPTH - inherited(thread)))
    if levels[thread]:
        calls.setdefault(thread, None)
    _here.leaving = _Leaving(thread)


def stand_in(thread: int, caller: int | None) -> None:
    """Let what runs on a thread of the engine's count as run by the one that waits for it; None ends that."""
    if caller is None:
        _callers.pop(thread, None)
    elif caller != thread:
        _callers[thread] = caller, inherited(caller) + depth(caller)


def inherited(thread: int) -> int:
    """Return how many spans were open where a thread of ours was asked for; 0 for all others."""
    return _callers[thread][1] if thread in _callers else 0


def first_caller(thread: int) -> int:
    """Return the thread that waits, through any number of ours, for what runs on `thread`; itself for all others."""
    while thread in _callers:
        thread = _callers[thread][0]
    return thread


def stack_bytes() -> int:
    """Return the size of the stack of the thread that calls this."""
    if sys.platform == "win32":
        return _on_windows()
    library = CDLL(None)
    if sys.platform == "linux" and get_native_id() == os.getpid():
        size = _of_the_first_thread(library)
        if size is not None:
            return size
    if sys.platform == "darwin":
        size_of = library["pthread_get_stacksize_np"]
        size_of.restype = c_size_t
        return int(size_of(c_void_p(get_ident())))
    return _of_attributes(library)


def _of_the_first_thread(library: CDLL) -> int | None:
    """Return how far its stack may grow; asking as for others reads all mappings, a quarter of a millisecond."""
    # To import `resource`, which knows it too, takes longer than to call a plugin.
    limits = (c_uint64 * 2)()
    if library["getrlimit"](_RLIMIT_STACK, limits):
        return None
    size: int = limits[0]
    return LARGE_BYTES if size == _RLIM_INFINITY else size


def _of_attributes(library: CDLL) -> int:
    attributes = (c_char * _ATTRIBUTES_BYTES)()
    size = c_size_t()
    if library["pthread_getattr_np"](c_void_p(get_ident()), attributes):
        return stack_size()  # as good as it gets: 0 for one that was never set
    library["pthread_attr_getstacksize"](attributes, byref(size))
    library["pthread_attr_destroy"](attributes)
    return size.value


def _on_windows() -> int:
    import ctypes

    low, high = c_size_t(), c_size_t()
    kernel: CDLL = getattr(ctypes, "windll").kernel32  # noqa: B009 - unknown elsewhere
    kernel.GetCurrentThreadStackLimits(byref(low), byref(high))
    return high.value - low.value
