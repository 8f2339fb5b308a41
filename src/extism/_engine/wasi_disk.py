"""
Writing, measured: files grow, and become more, as far as the room of the plug-in goes, and no further.

These functions stand before the engine's only where there is a writable directory and a limit; that of symbolic
links does always, as it looks where they lead. Sizes are asked of the engine before and after, so what counts is
what files really are. What is removed counts back where that frees its room: it was the last name of the file, and
the guest has it not open.
"""

from __future__ import annotations

import struct

from extism._dataclass import dataclass
from extism._engine import wasi_errno as errno
from extism._engine.wasi_behind import DATA, DATA_BYTES, PATH, PATH_BYTES, SECOND_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._capabilities.files import Disk
    from extism._engine.caller import Caller

__all__ = [
    "Status",
    "fd_allocate",
    "fd_filestat_set_size",
    "fd_pwrite",
    "fd_write",
    "path_create_directory",
    "path_link",
    "path_remove_directory",
    "path_rename",
    "path_status",
    "path_symlink",
    "path_unlink_file",
    "status_of",
]

_VECTOR: Final = struct.Struct("<II")
_STATUS: Final = struct.Struct("<8xQB7xQQ24x")
_STATUS_AT: Final = 128
_RESULT: Final = 0
_VECTOR_AT: Final = 16
_MAX_VECTORS: Final = 1024

_REGULAR: Final = 4
_APPEND: Final = 1


@dataclass(frozen=True)
class Status:
    """What a file is: which one, of which kind, under how many names, and of how many bytes."""

    inode: int
    kind: int
    names: int
    size: int

    @property
    def is_regular(self) -> bool:
        """Whether it is a file that can grow."""
        return self.kind == _REGULAR


def status_of(caller: Caller, fd: int) -> Status | None:
    """Return the status of an open descriptor, None where there is none."""
    behind = caller.behind()
    if behind.call(caller.store, "fd_filestat_get", fd, _STATUS_AT):
        return None
    return Status(*_STATUS.unpack(behind.read(_STATUS_AT, _STATUS.size)))


def path_status(caller: Caller, fd: int, lookup: int, length: int, at: int = PATH) -> Status | None:
    """Return the status of what the path in the page leads to, None where that is nothing."""
    behind = caller.behind()
    if behind.call(caller.store, "path_filestat_get", fd, lookup, at, length, _STATUS_AT):
        return None
    return Status(*_STATUS.unpack(behind.read(_STATUS_AT, _STATUS.size)))


def fd_write(caller: Caller, fd: int, vectors: int, count: int, given: int) -> int:
    """Write at the descriptor's own place."""
    caller.check(given, 4)
    data = _gathered(caller, vectors, count)
    _put(caller, data)
    end = _place(caller, fd) + len(data)
    error = _measured(caller, fd, end, "fd_write", fd, _VECTOR_AT, 1, _RESULT)
    return error or _give_result(caller, given)


def fd_pwrite(caller: Caller, fd: int, vectors: int, count: int, offset: int, given: int) -> int:
    """Write at a place."""
    caller.check(given, 4)
    data = _gathered(caller, vectors, count)
    _put(caller, data)
    end = offset + len(data)
    error = _measured(caller, fd, end, "fd_pwrite", fd, _VECTOR_AT, 1, offset, _RESULT)
    return error or _give_result(caller, given)


def fd_allocate(caller: Caller, fd: int, offset: int, length: int) -> int:
    """Make sure that a file has room for a range."""
    return _measured(caller, fd, offset + length, "fd_allocate", fd, offset, length)


def fd_filestat_set_size(caller: Caller, fd: int, size: int) -> int:
    """Make a file longer or shorter."""
    return _measured(caller, fd, size, "fd_filestat_set_size", fd, size)


def path_unlink_file(caller: Caller, fd: int, path: int, length: int) -> int:
    """Remove a name of a file."""
    error = _put_path(caller, path, length)
    if error:
        return error
    before = path_status(caller, fd, 0, length)
    error = caller.behind().call(caller.store, "path_unlink_file", fd, PATH, length)
    if not error:
        _give_back(caller, before)
    return error


def path_remove_directory(caller: Caller, fd: int, path: int, length: int) -> int:
    """Remove an empty directory."""
    error = _put_path(caller, path, length) or caller.behind().call(
        caller.store, "path_remove_directory", fd, PATH, length
    )
    if not error:
        _disk(caller).count_file(-1)
    return error


def path_create_directory(caller: Caller, fd: int, path: int, length: int) -> int:
    """Make a directory."""
    return _put_path(caller, path, length) or _made(
        caller, "path_create_directory", fd, PATH, length
    )


def path_symlink(
    caller: Caller, path: int, length: int, fd: int, to_path: int, to_length: int
) -> int:
    """Make a link that holds a path; none that would lead whoever follows it outside, be it the host."""
    error = _put_paths(caller, path, length, to_path, to_length)
    if not error and _leads_out(caller.read(path, length), caller.read(to_path, to_length)):
        return errno.PERM
    return error or _made(caller, "path_symlink", PATH, length, fd, SECOND_PATH, to_length)


def _leads_out(target: bytes, link: bytes) -> bool:
    """Tell whether a link of that path, below a directory, holds a path that begins by leaving the directory."""
    depth = -1  # the last part is the link's own name
    for at, part in enumerate([*link.split(b"/"), None, *target.split(b"/")]):
        if part == b"..":
            depth -= 1
        elif part not in {b"", b".", None}:
            depth += 1
        if depth < 0 and at > link.count(b"/"):
            return True
    return False


def path_link(
    caller: Caller,
    fd: int,
    lookup: int,
    path: int,
    length: int,
    to_fd: int,
    to_path: int,
    to_length: int,
) -> int:
    """Give a file one more name."""
    return _put_paths(caller, path, length, to_path, to_length) or _made(
        caller, "path_link", fd, lookup, PATH, length, to_fd, SECOND_PATH, to_length
    )


def path_rename(
    caller: Caller, fd: int, path: int, length: int, to_fd: int, to_path: int, to_length: int
) -> int:
    """Give a file another name, in the place of what had it."""
    error = _put_paths(caller, path, length, to_path, to_length)
    if error:
        return error
    behind = caller.behind()
    moved = path_status(caller, fd, 0, length)
    replaced = path_status(caller, to_fd, 0, to_length, SECOND_PATH)
    error = behind.call(
        caller.store, "path_rename", fd, PATH, length, to_fd, SECOND_PATH, to_length
    )
    if not error and (moved is None or replaced is None or moved.inode != replaced.inode):
        _give_back(caller, replaced)
    return error


def _made(caller: Caller, name: str, *values: int) -> int:
    """Call a function that gives a new name, if there may be one more."""
    disk = caller.world.disk
    if disk is not None and disk.files_left <= 0:
        return errno.DQUOT
    error = caller.behind().call(caller.store, name, *values)
    if not error and disk is not None:
        disk.count_file(1)
    return error


def _measured(caller: Caller, fd: int, end: int, name: str, *values: int) -> int:
    """Call a function that makes a file `end` bytes long if it was shorter, if there is room."""
    before = status_of(caller, fd)
    if before is None or not before.is_regular:
        return caller.behind().call(caller.store, name, *values)
    disk = _disk(caller)
    if end - before.size > disk.left:
        return errno.DQUOT
    error = caller.behind().call(caller.store, name, *values)
    after = status_of(caller, fd)
    if after is not None:
        disk.count(after.size - before.size)
    return error


def _give_back(caller: Caller, removed: Status | None) -> None:
    if removed is not None:
        _disk(caller).count_file(-1)
    is_freed = removed is not None and removed.is_regular and removed.names == 1
    if is_freed and removed is not None and removed.inode not in caller.world.opened.values():
        _disk(caller).count(-removed.size)


def _disk(caller: Caller) -> Disk:
    assert caller.world.disk is not None
    return caller.world.disk


def _put_path(caller: Caller, path: int, length: int) -> int:
    """Put a path into the page."""
    name = caller.read(path, length)
    if length > PATH_BYTES:
        return errno.NAMETOOLONG
    caller.behind().write(PATH, name)
    return errno.SUCCESS


def _put_paths(caller: Caller, path: int, length: int, to_path: int, to_length: int) -> int:
    """Put two paths into the page."""
    names = caller.read(path, length), caller.read(to_path, to_length)
    if max(length, to_length) > PATH_BYTES:
        return errno.NAMETOOLONG
    for at, name in zip((PATH, SECOND_PATH), names, strict=True):
        caller.behind().write(at, name)
    return errno.SUCCESS


def _gathered(caller: Caller, vectors: int, count: int) -> bytes:
    """Return the beginning of what vectors hold: as much as the page takes, for writes may be short."""
    parts: list[bytes] = []
    room = DATA_BYTES
    listed = caller.read(vectors, min(count, _MAX_VECTORS) * _VECTOR.size)
    for address, length in _VECTOR.iter_unpack(listed):
        caller.check(address, length)
        parts.append(caller.read(address, min(length, room)))
        room -= len(parts[-1])
        if not room:
            break
    return b"".join(parts)


def _put(caller: Caller, data: bytes) -> None:
    behind = caller.behind()
    behind.write(DATA, data)
    behind.write(_VECTOR_AT, _VECTOR.pack(DATA, len(data)))


def _place(caller: Caller, fd: int) -> int:
    """Return where the next write of a descriptor goes; 0 for what has no place."""
    behind, store = caller.behind(), caller.store
    if not behind.call(store, "fd_fdstat_get", fd, _STATUS_AT):
        flags = behind.read(_STATUS_AT + 2, 1)[0]
        if flags & _APPEND:
            status = status_of(caller, fd)
            return status.size if status else 0
    if behind.call(store, "fd_tell", fd, _STATUS_AT):
        return 0
    return int.from_bytes(behind.read(_STATUS_AT, 8), "little")


def _give_result(caller: Caller, given: int) -> int:
    caller.write(given, caller.behind().read(_RESULT, 4))
    return errno.SUCCESS
