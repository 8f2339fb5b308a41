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
    from collections.abc import Mapping
    from typing import Final

__all__ = ["Confinement", "die_with"]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


class Confinement:
    """
    What this process has given up for the rest of its life, in two steps: at first all but what compiling takes.

    That is limits, system calls that it has no business with, and all files but the directories of `allowed_paths`, the
    code of the interpreter and of this library, and the names of what lies beside it; as far as the system lets a
    process do that. What is open already stays open.

    Args:
        limits: `memory_bytes`, `cpu_seconds`, `open_files` and `file_bytes`, None for no limit.
        allowed_paths: As in the manifest.
        cache: Where compiled code is kept, if anywhere.
    """

    def __init__(
        self, limits: Mapping[str, int | None], allowed_paths: Mapping[str, str], cache: str | None
    ) -> None:
        read_only = [path for path in allowed_paths if path.startswith(READ_ONLY)]
        self._changeable = [path for path in allowed_paths if path not in read_only]
        code = [os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__))]
        self._readable = [
            *(*code, *_library_folders()),
            *(path.removeprefix(READ_ONLY) for path in read_only),
        ]
        self._caches = [] if cache is None else [cache]
        for folder in self._caches:
            # The cache says itself why there is none.
            with contextlib.suppress(OSError):
                os.makedirs(folder, mode=0o700, exist_ok=True)
        # Open, it can be read when it is out of reach.
        self._tasks: int | None = None
        with contextlib.suppress(OSError):
            self._tasks = os.open("/proc/self/task", os.O_RDONLY)
        _limit_all(limits)
        if sys.platform.startswith("linux"):
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        refuse_calls()
        self._is_sealed = self._seal(*self._caches)

    def complete(self) -> bool:
        """
        Give up the cache, too.

        Returns:
            Whether that holds for the whole process: threads that have compiled keep it.
        """
        tasks, self._tasks = self._tasks, None
        try:
            is_alone = tasks is not None and len(os.listdir(tasks)) == 1
        finally:
            if tasks is not None:
                os.close(tasks)
        if not (self._caches and self._is_sealed):
            return True
        self._seal()
        return is_alone

    def _seal(self, *more: str) -> bool:
        """Give up all files but those of the plugin, and some more; return whether the system has that."""
        try:
            return confine_files(sys.path, self._readable, [*self._changeable, *more])
        except OSError as exc:
            _say("the worker goes on with more files than it needs: %s", exc)
            return False


def _library_folders() -> list[str]:
    """Return where the system's libraries are that are in use: modules that are imported later may want their likes."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            paths = [line.rstrip("\n").partition("/")[2] for line in maps if ".so" in line]
    except OSError:
        return []
    return sorted({os.path.dirname(f"/{path}") for path in paths})


def _limit_all(limits: Mapping[str, int | None]) -> None:
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
