"""
What passes between a worker and its parent: frames of a fixed head and bytes, over one socket.

Theory of operation: the two take turns, like a caller and a function. Who asks waits for the answer, and while it
waits it serves what the other one asks. Only `PRINTED` comes unasked, and is not answered.

::

    kind   flags  (unused)  place   number    moment    length      body
    u8     u8     u16       u32     i64       f64       u64         `length` bytes
    0      1      2         4       8         16        24          32

What can go wrong: the worker may be in an attacker's hands. The parent believes a length only up to a limit, waits no
longer than it was told, and takes nothing out of a body that `reports.py` or a `struct` has not checked.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from _thread import allocate_lock
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from typing_extensions import Buffer

    Bytes: TypeAlias = bytes | bytearray | memoryview

__all__ = ["REPORT_BYTES", "Breach", "Frame", "Gone", "Kind", "Late", "Link"]

REPORT_BYTES: Final = 16 << 20
"""The longest body of a frame that carries text and not a plugin's own bytes."""

_HEAD: Final = struct.Struct("<BBHIqdQ")
_BUFFER_BYTES: Final = 4 << 20
_LEAST_SECONDS: Final = 0.001
_WHOLE: Final = getattr(socket, "MSG_WAITALL", 0)
_TIME: Final = struct.Struct("@ll")


class Kind:
    """What a frame says; who begins an exchange asks with the first row, the other answers with the second."""

    # From the parent, to be answered when it is done.
    SETUP: Final = 1
    START: Final = 2
    CALL: Final = 3
    FORGET: Final = 4

    # The worker's answers.
    READY: Final = 16
    DONE: Final = 17
    OUTPUT: Final = 18
    EXIT: Final = 19
    FAILED: Final = 20

    # From the worker, while it has such an exchange to finish.
    HOST: Final = 32
    CONFIG: Final = 33
    VAR_GET: Final = 34
    VAR_SET: Final = 35
    VAR_REMOVE: Final = 36
    HTTP: Final = 37
    LEVEL: Final = 38
    LOG: Final = 39

    # The parent's answers to these.
    RESULT: Final = 48
    NOTHING: Final = 49
    RAISED: Final = 50

    # From the parent, while it serves `HOST`; answered with `DONE`, or `NOTHING` where there is no block or no room.
    READ: Final = 64
    WRITE: Final = 65
    ALLOC: Final = 66
    FREE: Final = 67
    LENGTH: Final = 68
    SET_ERROR: Final = 69

    # From the worker at any time, not answered.
    PRINTED: Final = 80


class Gone(Exception):
    """The other side has closed the socket."""


class Late(Exception):
    """The other side took longer than it may."""


class Breach(Exception):
    """The other side said what no worker and no parent says; the text tells what."""


class Frame(NamedTuple):
    """One frame as it came; what its numbers mean depends on `kind`."""

    kind: int
    flags: int
    place: int
    number: int
    moment: float
    body: bytes


class Link:
    """
    One end of the socket.

    Args:
        end: The socket; blocking.
        max_bytes: The longest body that is taken.
    """

    __slots__ = ("_end", "_lock", "_patience", "_until", "max_bytes")

    def __init__(self, end: socket.socket, max_bytes: int) -> None:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            # What is more than the system allows is cut by Linux and refused by others; then it is as it was.
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        self._end = end
        self._lock = allocate_lock()
        self._patience = 0.0
        self._until: float | None = None
        self.max_bytes = max_bytes

    @property
    def is_limited(self) -> bool:
        """Whether there is a time to wait until."""
        return self._until is not None

    def wait_until(self, moment: float | None) -> None:
        """Give up at a time of the monotonic clock, or never."""
        self._until = moment
        if moment is None:
            if self._patience:
                self._set_patience(0.0)
        else:
            self._set_patience(max(_LEAST_SECONDS, moment - time.monotonic()))

    def _set_patience(self, seconds: float) -> None:
        """Have the system end waits; 0 is for ever."""
        self._patience = seconds
        whole = int(seconds)
        value = _TIME.pack(whole, int((seconds - whole) * 1e6))
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def send(
        self,
        kind: int,
        body: Bytes = b"",
        flags: int = 0,
        place: int = 0,
        number: int = 0,
        moment: float = 0.0,
    ) -> None:
        """
        Send a frame; threads take turns.

        Raises:
            Gone: Nobody is there any more.
            Late: The other side does not read.
        """
        length = len(body)
        head = _HEAD.pack(kind, flags, 0, place, number, moment, length)
        with self._lock:
            try:
                if not length:
                    sent = self._end.send(head)
                else:
                    sent = self._end.sendmsg((head, body))
                if sent != _HEAD.size + length:
                    self._send_rest(memoryview(head)[sent:])
                    self._send_rest(memoryview(body)[max(0, sent - _HEAD.size) :])
            except (BlockingIOError, InterruptedError):
                raise Late from None
            except (OSError, ValueError):
                raise Gone from None

    def _send_rest(self, rest: memoryview) -> None:
        while rest:
            if self._until is not None and time.monotonic() > self._until:
                raise Late
            rest = rest[self._end.send(rest) :]

    def receive(self) -> Frame:
        """
        Wait for a frame.

        Raises:
            Gone: There will be none.
            Late: None came in time.
            Breach: It is longer than it may be.
        """
        if self._until is not None and time.monotonic() > self._until:
            raise Late  # somebody who never stops talking
        head = self._received(_HEAD.size)
        kind, flags, _, place, number, moment, length = _HEAD.unpack(head)
        if not length:
            return Frame(kind, flags, place, number, moment, b"")
        if length > self.max_bytes:
            raise Breach(f"a frame of {length} bytes, where {self.max_bytes} are the most")
        return Frame(kind, flags, place, number, moment, self._received(length))

    def _received(self, length: int) -> bytes:
        try:
            data = self._end.recv(length, _WHOLE)
            return data if len(data) == length else self._receive_rest(data, length)
        except MemoryError:
            raise Breach(f"a frame of {length} bytes, for which there is no memory") from None
        except (BlockingIOError, InterruptedError):
            raise Late from None
        except OSError:
            raise Gone from None

    def _receive_rest(self, start: Buffer, length: int) -> bytes:
        """Go on after a signal, or where the system gives less than was asked for."""
        found = bytearray(start)
        while found and len(found) < length:
            if self._until is not None and time.monotonic() > self._until:
                raise Late
            more = self._end.recv(length - len(found), _WHOLE)
            if not more:
                break
            found += more
        if len(found) != length:
            raise Gone
        return bytes(found)

    def close(self) -> None:
        """Close this end; whoever waits at the other one finds nobody."""
        self._end.close()
