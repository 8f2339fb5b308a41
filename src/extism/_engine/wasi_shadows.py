"""
The functions of WASI that stand before the engine's own: a table.

The engine's WASI is trusted with everything but these: what sleeps or works long inside C, where the end of a
call does not reach it; and what takes of the host without a bound. Which those are is said in `wasi_bare.py`.
"""

from __future__ import annotations

import os

from extism._engine import wasi_errno as errno
from extism._engine.caller import entry
from extism._engine.wasi_bare import TYPES
from extism._engine.wasi_disk import (
    fd_allocate,
    fd_filestat_set_size,
    fd_pwrite,
    fd_write,
    path_create_directory,
    path_link,
    path_remove_directory,
    path_rename,
    path_symlink,
    path_unlink_file,
)
from extism._engine.wasi_files import fd_close, fd_renumber, path_open
from extism._engine.wasi_poll import poll_oneoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._engine.caller import Caller
    from extism._engine.fibers import Awaited
    from extism._engine.trampoline import Entry

__all__ = ["shadow"]

_CHUNK: Final = 1 << 20
"""Random bytes that are made at once: some 3 ms."""


def random_get(caller: Caller, at: int, length: int) -> int:
    """Fill a part of the memory with random bytes, as long as the call lasts."""
    caller.check(at, length)
    for start in range(0, length, _CHUNK):
        caller.store.go_on()
        caller.write(at + start, os.urandom(min(_CHUNK, length - start)))
    return errno.SUCCESS


_BODIES: Final[dict[str, Callable[..., int | Awaited]]] = {
    "fd_allocate": fd_allocate,
    "fd_close": fd_close,
    "fd_filestat_set_size": fd_filestat_set_size,
    "fd_pwrite": fd_pwrite,
    "fd_renumber": fd_renumber,
    "fd_write": fd_write,
    "path_create_directory": path_create_directory,
    "path_link": path_link,
    "path_open": path_open,
    "path_remove_directory": path_remove_directory,
    "path_rename": path_rename,
    "path_symlink": path_symlink,
    "path_unlink_file": path_unlink_file,
    "poll_oneoff": poll_oneoff,
    "random_get": random_get,
}


def shadow(name: str) -> Entry:
    """Return what C calls instead of the engine's own function of that name."""
    return entry(TYPES[name], _BODIES[name])
