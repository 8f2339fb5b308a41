"""
`poll_oneoff`, the only sleep of WASI: as the engine's, except that it ends with the call, and lets others run.

The engine's own sleeps inside C, where neither a deadline nor a cancellation nor Ctrl-C reaches it. Waiting
for clocks is done here, on a fiber by whoever runs that (`waiting.py`). Descriptors are files, ended inputs and outputs, all of them ready or unfit at once:
whoever asks for one as well gets the engine's answer, which does not sleep.

Layout of a subscription, 48 bytes, and of an event, 32::

    0 userdata   8 kind   16 clock   24 time in ns   32 precision   40 flags: 1 is absolute
    0 userdata   8 error  10 kind    16 for descriptors
"""

from __future__ import annotations

import struct
import time

from extism._dataclass import dataclass
from extism._engine import wasi_errno as errno
from extism._engine.fibers import Awaited
from extism._engine.wasi_behind import DATA, DATA_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extism._engine.caller import Caller

__all__ = ["poll_oneoff"]

MAX_SUBSCRIPTIONS: Final = DATA_BYTES // 80
"""In one call: both arrays fit into the page of `wasi_behind.py`, and no list is long to walk."""

_SUBSCRIPTION: Final = struct.Struct("<QB7xI4xQQH6x")
_EVENT: Final = struct.Struct("<QHB5x16x")
_COUNT: Final = struct.Struct("<I")

_CLOCK: Final = 0
_REALTIME: Final = 0
_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1


@dataclass(frozen=True)
class _Alarm:
    """A subscription to a clock: whose it is, and when it is due, in seconds of our monotonic clock."""

    userdata: int
    due: float


def poll_oneoff(
    caller: Caller, subscriptions: int, events: int, count: int, given: int
) -> int | Awaited:
    """Wait until one of some things happens, tell which, and how many."""
    if not count:
        return errno.INVAL
    if count > MAX_SUBSCRIPTIONS:
        return errno.NOMEM
    data = caller.read(subscriptions, count * _SUBSCRIPTION.size)
    caller.check(events, count * _EVENT.size)
    caller.check(given, _COUNT.size)
    wanted = list(_SUBSCRIPTION.iter_unpack(data))
    if all(_is_plain(kind, clock, flags) for _, kind, clock, _, _, flags in wanted):
        alarms = [_Alarm(each[0], _due_at(caller, *each[2:])) for each in wanted]
        first = min(alarm.due for alarm in alarms)
        if caller.store.is_on_fiber and first > time.monotonic():
            return Awaited(first, lambda caller: _tell(caller, events, given, _due(alarms, first)))
        caller.store.rest(first)
        happened = _due(alarms, 0)
    else:
        error, happened = _ask_the_engine(caller, data, count)
        if error:
            return error
    return _tell(caller, events, given, happened)


def _tell(caller: Caller, events: int, given: int, happened: bytes) -> int:
    caller.write(events, happened)
    caller.write(given, _COUNT.pack(len(happened) // _EVENT.size))
    return errno.SUCCESS


def _is_plain(kind: int, clock: int, flags: int) -> bool:
    return kind == _CLOCK and clock in {_REALTIME, _MONOTONIC} and flags in {0, _ABSOLUTE}


def _due_at(caller: Caller, clock: int, nanoseconds: int, _precision: int, flags: int) -> float:
    """
    Return when one subscription is due, by our monotonic clock.

    That clock is read last: the guest's is milliseconds away when it is first asked, and a sleep is never short.
    """
    if not flags & _ABSOLUTE:
        left = nanoseconds
    elif clock == _REALTIME:
        left = nanoseconds - time.time_ns()
    else:
        left = nanoseconds - _monotonic_of_the_guest(caller)
    return time.monotonic() + max(0, left) / 1e9


def _monotonic_of_the_guest(caller: Caller) -> int:
    """Return the time that the guest sees, in nanoseconds: its clock begins with its store."""
    behind = caller.behind()
    behind.call(caller.store, "clock_time_get", _MONOTONIC, 0, 0)
    return int.from_bytes(behind.read(0, 8), "little")


def _due(alarms: list[_Alarm], earliest: float) -> bytes:
    """Return the events of all that are due; the timers of others may be early by less than their resolution."""
    now = max(time.monotonic(), earliest)
    return b"".join(
        _EVENT.pack(alarm.userdata, errno.SUCCESS, _CLOCK) for alarm in alarms if alarm.due <= now
    )


def _ask_the_engine(caller: Caller, data: bytes, count: int) -> tuple[int, bytes]:
    behind = caller.behind()
    behind.write(DATA, data)
    events = DATA + len(data)
    error = behind.call(caller.store, "poll_oneoff", DATA, events, count, 0)
    return error, b"" if error else behind.read(events, behind.number() * _EVENT.size)
