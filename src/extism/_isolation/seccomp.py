"""
Seccomp: system calls that a process gives up, in all of its threads, for the rest of its life.

A list of what is refused, not of what is allowed: engine, interpreter and C library need whatever they need, and what a
plugin's process has no business with is a short list: networks, programs, other processes and what is shared with them,
owners and modes of files (which Landlock leaves alone), and the kernel's larger faces. Refused calls fail with `EPERM`.

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
    clone: int
    of_itself: tuple[int, ...]
    refused: tuple[int, ...]


_EVERYWHERE: Final = (
    *(424, 425, 434, 438),  # pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd
    *(440, 448),  # process_madvise, process_mrelease
    *(452, 463, 466),  # fchmodat2, setxattrat, removexattrat
)
"""Newer calls have one number on all processors."""

_PROCESSORS: Final = {
    "x86_64": _Processor(
        name=0xC000003E,
        seccomp=317,
        clone=56,
        of_itself=(234, 302),  # tgkill, prlimit64
        refused=(
            *(41, 57, 58, 59, 322),  # socket, fork, vfork, execve, execveat
            *(62, 101, 129, 200, 297),  # kill, ptrace, rt_sigqueueinfo, tkill, rt_tgsigqueueinfo
            *(310, 311, 312),  # process_vm_readv, process_vm_writev, kcmp
            *(141, 142, 144),  # setpriority, sched_setparam, sched_setscheduler
            *(203, 251, 314),  # sched_setaffinity, ioprio_set, sched_setattr
            *(256, 279),  # migrate_pages, move_pages
            *(29, 30, 31, 64, 66),  # shmget, shmat, shmctl, semget, semctl
            *(68, 71, 240),  # msgget, msgctl, mq_open
            *(90, 91, 92, 93, 94),  # chmod, fchmod, chown, fchown, lchown
            *(260, 268, 304),  # fchownat, fchmodat, open_by_handle_at
            *(188, 189, 190, 197, 198, 199),  # setxattr, removexattr, each with l and f
            *(165, 272, 308),  # mount, unshare, setns
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(298, 321, 323),  # perf_event_open, bpf, userfaultfd
        ),
    ),
    "aarch64": _Processor(
        name=0xC00000B7,
        seccomp=277,
        clone=220,
        of_itself=(131, 261),  # tgkill, prlimit64
        refused=(
            *(198, 221, 281),  # socket, execve, execveat
            *(129, 117, 138, 130, 240),  # kill, ptrace, rt_sigqueueinfo, tkill, rt_tgsigqueueinfo
            *(270, 271, 272),  # process_vm_readv, process_vm_writev, kcmp
            *(140, 118, 119),  # setpriority, sched_setparam, sched_setscheduler
            *(122, 30, 274),  # sched_setaffinity, ioprio_set, sched_setattr
            *(238, 239),  # migrate_pages, move_pages
            *(194, 196, 195, 190, 191),  # shmget, shmat, shmctl, semget, semctl
            *(186, 187, 180),  # msgget, msgctl, mq_open
            *(52, 53, 54, 55, 265),  # fchmod, fchmodat, fchownat, fchown, open_by_handle_at
            *(5, 6, 7, 14, 15, 16),  # setxattr, removexattr, each with l and f
            *(40, 97, 268),  # mount, unshare, setns
            *(217, 218, 219),  # add_key, request_key, keyctl
            *(241, 280, 282),  # perf_event_open, bpf, userfaultfd
        ),
    ),
}

_FOREIGN_CALLS: Final = 0x40000000
"""From this number on: calls of another convention on x86-64, which would go past the list."""

_CLONE3: Final = 435
"""Its flags are in memory, where no filter reads them; who finds it missing takes `clone`."""

_CLONE_THREAD: Final = 0x10000

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _PROCESSOR_AT, _ARGUMENT_AT = 0, 4, 16

_ENDS: Final = {
    "allow": 0x7FFF0000,
    "refuse": 0x00050000 | errno.EPERM,
    "miss": 0x00050000 | errno.ENOSYS,
}
"""What a filter returns."""

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
    """Return the filter for a kind of machine: a process may still start threads, signal its own, and limit itself."""
    processor = _PROCESSORS[machine]
    rows: list[tuple[int, int | str, int | str, int]] = [
        (_LOAD, 0, 0, _PROCESSOR_AT),
        (_EQUAL, 0, "refuse", processor.name),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, "refuse", 0, _FOREIGN_CALLS),
        (_EQUAL, 0, 2, processor.clone),
        (_LOAD, 0, 0, _ARGUMENT_AT),
        (_HAS_BITS, "allow", "refuse", _CLONE_THREAD),
        (_EQUAL, "miss", 0, _CLONE3),
    ]
    for number in processor.of_itself:
        rows += [
            (_EQUAL, 0, 3, number),
            (_LOAD, 0, 0, _ARGUMENT_AT),
            (_EQUAL, "allow", 0, 0),
            (_EQUAL, "allow", "refuse", process),
        ]
    rows += [(_EQUAL, "refuse", 0, number) for number in (*processor.refused, *_EVERYWHERE)]
    ends = {name: len(rows) + place for place, name in enumerate(_ENDS)}

    def jump(place: int, target: int | str) -> int:
        return target if isinstance(target, int) else ends[target] - place - 1

    lines = [
        (code, jump(place, then), jump(place, otherwise), value)
        for place, (code, then, otherwise, value) in enumerate(rows)
    ]
    lines += [(_RETURN, 0, 0, value) for value in _ENDS.values()]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
