"""Log lines, handed to the host with their level; `logging` of the standard library does it too (`logs.py`)."""

from __future__ import annotations

from enum import IntEnum

from . import ffi

__all__ = ["LogLevel", "log"]


class LogLevel(IntEnum):
    """How much a line matters; the host keeps those at its level and above."""

    Trace = 0
    Debug = 1
    Info = 2
    Warn = 3
    Error = 4


def log(level: int, message: object) -> None:
    """
    Hand a line to the host's log; nothing is formatted when the host would drop it.

    Args:
        level: How much it matters, a LogLevel.
        message: str as it is, bytes read as UTF-8, anything else through `str()`.
    """
    level = LogLevel(level)
    if level < ffi.host.log_level():
        return
    if isinstance(message, (bytes, bytearray)):
        message = message.decode(errors="replace")
    ffi.host.log(level, str(message).encode(errors="backslashreplace"))
