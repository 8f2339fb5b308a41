"""
Landlock: a process that gives up files, networks and signals for the rest of its life, all but what it names first.

Linux has it since 5.13, if it is switched on; later versions can give up more. What is not there is not given up, and
nothing else is different. The names are those of `linux/landlock.h`.

What can go wrong: only the calling thread and its children are confined, so it has to be done before there are others.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

__all__ = ["confine_files"]

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""Numbers of system calls; these are the same on all processors."""

_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_LIST: Final = 1 << 3
"""Read a directory."""

_READ: Final = (1 << 2) | _LIST
"""Read a file as well."""

_CHANGE: Final = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 12)
"""Write a file; remove a directory, a file; make a directory, a regular file, a symbolic link."""

_OF_FILES: Final = (1 << 2) | (1 << 1) | (1 << 14)
"""What makes sense for a single file."""

_FILES_BY_VERSION: Final = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""All that can be given up: everything that existed at first, then linking across directories, truncating, ioctl."""

_LATER_CHANGES: Final = (1 << 13) | (1 << 14)
_NETWORKS_SINCE: Final = 4
_NETWORKS: Final = 0b11
"""Binding and connecting TCP."""

_SCOPES_SINCE: Final = 6
_SCOPES: Final = 0b11
"""Abstract sockets and signals of others."""


def confine_files(
    listable: Iterable[str], readable: Iterable[str], changeable: Iterable[str]
) -> bool:
    """
    Give up all files but those below some folders, TCP, and signals to other processes.

    Args:
        listable: Below these the names of files can be read.
        readable: Below these files, too.
        changeable: Below these files can also be made, written and removed.

    Returns:
        Whether the system has that.

    Raises:
        OSError: It has, and refuses.
    """
    if not sys.platform.startswith("linux"):
        return False
    version = _call(_CREATE_RULESET, None, 0, _ASK_VERSION, is_question=True)
    if version < 1:
        return False
    files = sum(bits for since, bits in _FILES_BY_VERSION.items() if since <= version)
    networks = _NETWORKS if version >= _NETWORKS_SINCE else 0
    scopes = _SCOPES if version >= _SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", files, networks, scopes)
    # An older system does not know the later fields, and takes the structure without them only.
    size = 24 if scopes else 16 if networks else 8
    rules = _call(_CREATE_RULESET, attributes, size, 0)
    try:
        changes = (_READ | _CHANGE | _LATER_CHANGES) & files
        for paths, bits in ((listable, _LIST), (readable, _READ), (changeable, changes)):
            for path in paths:
                _allow(rules, path, bits)
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return True


def _allow(rules: int, path: str, bits: int) -> None:
    """Except what lies below `path` from what is given up; what is not there needs no exception."""
    try:
        place = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        own = bits if stat.S_ISDIR(os.fstat(place).st_mode) else bits & _OF_FILES
        if own:
            _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", own, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object, is_question: bool = False) -> int:
    """Make a system call; integers are as wide as registers."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *wide)
    if result < 0 and not is_question:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result
