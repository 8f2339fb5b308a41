"""
The functions of WASI that stand before the engine's own: a table.

The engine's WASI is trusted with everything but these: what sleeps or works long inside C, where the end of a
call does not reach it; and what takes of the host without a bound.
"""

from __future__ import annotations

import os

from extism._cached import cache
from extism._engine import wasi_errno as errno
from extism._engine.caller import callback
from extism._engine.wasi_behind import TYPES
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
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from extism._engine.caller import Caller

__all__ = ["shadows"]

_CHUNK: Final = 1 << 20
"""Random bytes that are made at once: some 3 ms."""


def random_get(caller: Caller, at: int, length: int) -> int:
    """Fill a part of the memory with random bytes, as long as the call lasts."""
    caller.check(at, length)
    for start in range(0, length, _CHUNK):
        caller.store.go_on()
        caller.write(at + start, os.urandom(min(_CHUNK, length - start)))
    return errno.SUCCESS


_TYPES: Final = TYPES | {"random_get": ("i32", "i32")}

_ALWAYS: Final[dict[str, Callable[..., Any]]] = {
    "poll_oneoff": poll_oneoff,
    "random_get": random_get,
}
_FILES: Final[dict[str, Callable[..., int]]] = {
    "path_open": path_open,
    "fd_close": fd_close,
    "fd_renumber": fd_renumber,
    "path_symlink": path_symlink,
}


_MEASURED: Final[dict[str, Callable[..., int]]] = {
    "fd_allocate": fd_allocate,
    "fd_filestat_set_size": fd_filestat_set_size,
    "fd_pwrite": fd_pwrite,
    "fd_write": fd_write,
    "path_create_directory": path_create_directory,
    "path_link": path_link,
    "path_remove_directory": path_remove_directory,
    "path_rename": path_rename,
    "path_unlink_file": path_unlink_file,
}


@cache
def shadows(*, is_measured: bool) -> Sequence[tuple[str, tuple[str, ...], Any]]:
    """
    Return name, parameters and callback of each function, made once for the process.

    Args:
        is_measured: Whether what files take is limited (`Wasi.disk`).
    """
    bodies = _ALWAYS | _FILES | (_MEASURED if is_measured else {})
    return tuple(
        (name, _TYPES[name], callback(_TYPES[name], body)) for name, body in bodies.items()
    )
