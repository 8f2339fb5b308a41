"""
What a worker may use up, and that it may not become more than it is: set by itself, before anything of a plugin runs.

Nothing here can be undone by the process that has done it. Memory is limited and address space is not: the engine
reserves 4 GiB of that for each memory of 32 bits, and a plugin of many modules may have hundreds, of a page each.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

from extism._capabilities.paths import READ_ONLY
from extism._isolation.landlock import confine_files
from extism._isolation.seccomp import refuse_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final

__all__ = ["confine", "counted_threads", "die_with", "seal"]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


def confine(limits: Mapping[str, int | None]) -> None:
    """
    Limit this process for the rest of its life, and give up the system calls that it has no business with.

    Args:
        limits: `memory_bytes`, `cpu_seconds`, `open_files` and `file_bytes`, None for no limit.
    """
    import resource

    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": limits["memory_bytes"],
        "RLIMIT_CPU": limits["cpu_seconds"],
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_FSIZE": limits["file_bytes"],
    }
    for name, value in wanted.items():
        if value is not None:
            _limit(resource, name, value)
    if sys.platform.startswith("linux"):
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    refuse_calls()


def seal(allowed_paths: Mapping[str, str], cache: str | None = None) -> bool:
    """
    Give up all files that a plugin was not granted, as far as the system lets a process do that.

    What is left are the directories of `allowed_paths`, the code of the interpreter and of this library to be read,
    the names of what lies beside it, and what is open already. Doing it again gives up what is not named again.

    Args:
        allowed_paths: As in the manifest.
        cache: Where compiled code is kept, while there is something to compile.

    Returns:
        Whether the system has that; it holds for this thread, and those that it starts from now on.
    """
    read_only = [path for path in allowed_paths if path.startswith(READ_ONLY)]
    changeable = [path for path in allowed_paths if path not in read_only]
    if cache is not None:
        # The cache says itself why there is none.
        with contextlib.suppress(OSError):
            os.makedirs(cache, mode=0o700, exist_ok=True)
        changeable.append(cache)
    code = [os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__))]
    readable = [*code, *(path.removeprefix(READ_ONLY) for path in read_only)]
    try:
        return confine_files(sys.path, readable, changeable)
    except OSError as exc:
        _say("the worker goes on with more files than it needs: %s", exc)
        return False


@contextlib.contextmanager
def counted_threads() -> Iterator[Callable[[], int]]:
    """Give what counts the threads of this process; it works after the folder that tells of them was given up."""
    try:
        place = os.open("/proc/self/task", os.O_RDONLY)
    except OSError:
        yield lambda: 1  # where there is no such folder, there is nothing to be given up either
        return
    try:
        yield lambda: len(os.listdir(place))
    finally:
        os.close(place)


def _limit(resource: object, name: str, value: int) -> None:
    """Lower a limit, and never raise one: what the parent was allowed is the most."""
    from resource import RLIM_INFINITY, getrlimit, setrlimit

    kind: int = getattr(resource, name)
    hard = getrlimit(kind)[1]
    least = value if hard == RLIM_INFINITY else min(value, hard)
    try:
        setrlimit(kind, (least, least))
    except (OSError, ValueError) as exc:
        _say("the worker goes on without %s: %s", name, exc)


def die_with(parent: int) -> None:
    """Have the system kill this process when its parent ends, where it can; the parent is 0 if it must not."""
    if not parent or not sys.platform.startswith("linux"):
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it has ended before it could be asked for


def _prctl(option: int, value: int) -> None:
    function = ctypes.CDLL(None, use_errno=True).prctl
    if function(option, ctypes.c_ulong(value), 0, 0, 0):
        _say("prctl(%d) is not to be had: %s", option, os.strerror(ctypes.get_errno()))


def _say(text: str, *values: object) -> None:
    """Say what is amiss where the parent shows it, should the worker die."""
    import logging

    logging.getLogger("extism.isolation").warning(text, *values)
