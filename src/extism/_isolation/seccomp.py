"""
Seccomp: system calls that a process gives up, in all of its threads, for the rest of its life.

A list of what is refused, not of what is allowed: engine, interpreter and C library need whatever they need, and what a
plugin's process has no business with is a short list. Refused calls fail with `EPERM`.

::

    code       jump if true, false   value
    u16        u8    u8              u32        one instruction
    0          2     3               4
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["refuse_calls", "refusing"]


class _Processor(NamedTuple):
    """How a kind of processor is called, and the numbers of its system calls."""

    name: int
    seccomp: int
    tgkill: int
    refused: tuple[int, ...]


_EVERYWHERE: Final = (424, 425, 434, 438)
"""pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd: newer calls have one number on all processors."""

_PROCESSORS: Final = {
    "x86_64": _Processor(
        0xC000003E,
        317,
        234,
        (
            *(41, 57, 58, 59, 62),  # socket, fork, vfork, execve, kill
            *(101, 129, 165, 200),  # ptrace, rt_sigqueueinfo, mount, tkill
            *(248, 249, 250, 272, 297),  # add_key, request_key, keyctl, unshare, rt_tgsigqueueinfo
            *(
                298,
                304,
                308,
                310,
                311,
            ),  # perf_event_open, open_by_handle_at, setns, process_vm_readv, _writev
            *(321, 322, 323),  # bpf, execveat, userfaultfd
        ),
    ),
    "aarch64": _Processor(
        0xC00000B7,
        277,
        131,
        (
            *(40, 97, 117, 129, 130, 138),  # mount, unshare, ptrace, kill, tkill, rt_sigqueueinfo
            *(198, 217, 218, 219, 221),  # socket, add_key, request_key, keyctl, execve
            *(240, 241, 265, 268),  # rt_tgsigqueueinfo, perf_event_open, open_by_handle_at, setns
            *(270, 271, 280, 281, 282),  # process_vm_readv, _writev, bpf, execveat, userfaultfd
        ),
    ),
}

_FOREIGN_CALLS: Final = 0x40000000
"""From this number on: calls of another convention on x86-64, which would go past the list."""

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _PROCESSOR_AT, _ARGUMENT_AT = 0, 4, 16
_ALLOWED: Final = 0x7FFF0000
_REFUSED: Final = 0x00050000 | errno.EPERM

_SET_FILTER: Final = 1
_ALL_THREADS: Final = 1


def refuse_calls() -> bool:
    """
    Give up the system calls of the list.

    Privileges must have been given up before (`PR_SET_NO_NEW_PRIVS`).

    Returns:
        Whether the system and its processor have that.
    """
    processor = _PROCESSORS.get(os.uname().machine) if sys.platform.startswith("linux") else None
    if processor is None:
        return False
    code = refusing(os.uname().machine, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    call = ctypes.CDLL(None, use_errno=True).syscall
    done: int = call(ctypes.c_long(processor.seccomp), _SET_FILTER, _ALL_THREADS, program)
    return done == 0


def refusing(machine: str, process: int) -> bytes:
    """Return the filter for a kind of machine; a process may still signal its own threads, to abort."""
    processor = _PROCESSORS[machine]
    refused = (*processor.refused, *_EVERYWHERE)
    count = len(refused)
    rows = [
        (_LOAD, 0, 0, _PROCESSOR_AT),
        (_EQUAL, 0, count + 6, processor.name),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, count + 4, 0, _FOREIGN_CALLS),
        (_EQUAL, 0, 2, processor.tgkill),
        (_LOAD, 0, 0, _ARGUMENT_AT),
        (_EQUAL, count, count + 1, process),
        *((_EQUAL, count - place, 0, number) for place, number in enumerate(refused)),
    ]
    # Every jump above counts to one of these two.
    return b"".join(
        struct.pack("=HBBI", *row)
        for row in [*rows, (_RETURN, 0, 0, _ALLOWED), (_RETURN, 0, 0, _REFUSED)]
    )
