"""
Opening and closing files: as the engine's, except for what may be opened, and how much at once.

Only regular files and directories are opened. A pipe would hold its opener until somebody writes, inside C,
and a device is no file at all. What a path leads to is looked at first, links followed as the guest asks for.
"""

from __future__ import annotations

from extism._engine import wasi_errno as errno
from extism._engine.wasi_behind import PATH, PATH_BYTES
from extism._engine.wasi_disk import path_status, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._engine.caller import Caller

__all__ = ["fd_close", "fd_renumber", "path_open"]

_CREATE: Final = 1
_TRUNCATE: Final = 8

_DIRECTORY: Final = 3
_REGULAR: Final = 4
_LINK: Final = 7
"""The kinds that may be opened; of a link that is not followed, the engine says that it is one."""


def path_open(
    caller: Caller,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    oflags: int,
    rights: int,
    inheriting: int,
    fdflags: int,
    given: int,
) -> int:
    """Open a file or directory, and give its descriptor."""
    caller.check(given, 4)
    name = caller.read(path, length)
    if length > PATH_BYTES:
        return errno.NAMETOOLONG
    world, behind, store = caller.world, caller.behind(), caller.store
    behind.write(PATH, name)
    before = path_status(caller, fd, lookup, length)
    if before is not None and before.kind not in {_DIRECTORY, _REGULAR, _LINK}:
        return errno.PERM
    if len(world.opened) >= world.max_open_files:
        return errno.MFILE
    disk = world.disk
    is_new = before is None and oflags & _CREATE
    if is_new and disk is not None and disk.files_left <= 0:
        return errno.DQUOT
    error = behind.call(
        store, "path_open", fd, lookup, PATH, length, oflags, rights, inheriting, fdflags, 0
    )
    if not error:
        opened = behind.number()
        caller.write(given, opened.to_bytes(4, "little"))
        after = status_of(caller, opened)
        world.opened[opened] = after.inode if after else 0
        if disk is not None and is_new:
            disk.count_file(1)
        if disk is not None and before is not None and oflags & _TRUNCATE:
            disk.count(-before.size)
    return error


def fd_close(caller: Caller, fd: int) -> int:
    """Close a descriptor."""
    error = caller.behind().call(caller.store, "fd_close", fd)
    if not error:
        caller.world.opened.pop(fd, None)
    return error


def fd_renumber(caller: Caller, fd: int, to: int) -> int:
    """Give a descriptor the number of another one, which is closed."""
    error = caller.behind().call(caller.store, "fd_renumber", fd, to)
    opened = caller.world.opened
    if not error and fd in opened:
        opened[to] = opened.pop(fd)
    return error
