"""`WorkerLimits`: what the process of an isolated plugin may use up."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from extism.errors import Error

__all__ = ["GRACE_SECONDS", "Isolation", "WorkerLimits", "limits_asked", "memory_for"]

Isolation: TypeAlias = "Literal['process'] | WorkerLimits | None"
"""Where plugins live: in this process (None), or in processes of their own."""

GRACE_SECONDS: Final = 1.0
"""How long a worker may take to end a call by itself once it is due or cancelled; then it is ended."""

_HOUSEHOLD_BYTES: Final = 1 << 30
"""What the interpreter, the engine and the compiler may take, beside what the plugin may."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """
    What a worker process may use up; hand one over as `isolation=` in place of `"process"`.

    Attributes:
        memory_bytes: Memory of its own, the compiler's and the guest's together; 1 GiB more than the plugin's
            memories may grow by if None. Kept by Linux only.
        cpu_seconds: Time on processors in the worker's whole life, not only in one call; None for any.
        open_files: Descriptors at a time; 64 more than the plugin may open if None.
        file_bytes: The largest file that it may write; None for any.
        start_seconds: From the start of the process to compiled code.
    """

    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    open_files: int | None = None
    file_bytes: int | None = 1 << 30
    start_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be more than 0, not {value!r}")


def memory_for(limits: WorkerLimits, max_growth: int | None) -> int | None:
    """Return the memory of a worker whose plugin may grow by so many bytes, or any; None for no limit."""
    if limits.memory_bytes is not None:
        return limits.memory_bytes
    return None if max_growth is None else _HOUSEHOLD_BYTES + max_growth


def limits_asked(isolation: object) -> WorkerLimits:
    """
    Return the limits that `isolation=` asks for.

    Raises:
        TypeError: It is nothing that can be asked for, which must not leave a plugin unguarded by accident.
        Error: This platform or this program has no workers.
    """
    limits = isolation if isinstance(isolation, WorkerLimits) else None
    if isolation == "process":
        limits = WorkerLimits()
    if limits is None:
        raise TypeError(
            f'isolation is {isolation!r:.60}; allowed: None, "process" or extism.WorkerLimits'
        )
    if sys.platform == "win32":
        raise Error(
            "isolation='process' needs Linux or macOS: Windows has no resource limits of this kind, and "
            "plugins would not be confined; leave `isolation` out, or run the host in a job object or container"
        )
    if not sys.executable or getattr(sys, "frozen", False):
        raise Error(
            "isolation='process' needs a Python interpreter to start workers with, and this program has none "
            "of its own (sys.executable): leave `isolation` out, or run it with a plain Python"
        )
    return limits
