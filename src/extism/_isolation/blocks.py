"""
`RemoteKernel`: the blocks of a plugin that is in a worker, as host functions reach them: each step over the socket.

It stands where a `_runtime.kernel.Kernel` stands for plugins of this process, and can be used only while a host function
runs: at any other time the guest does, and nobody answers.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

from extism._isolation.frames import Breach, Gone, Kind, Late
from extism._isolation.limits import GRACE_SECONDS
from extism._runtime.kernel import NoRoom
from extism.errors import CallError

if TYPE_CHECKING:
    from extism._isolation.frames import Bytes, Frame
    from extism._isolation.line import Line

__all__ = ["RemoteKernel"]

_SIGN = 1 << 63


class RemoteKernel:
    """
    The kernel of a plugin that is elsewhere.

    Args:
        line: Leads to it.

    Attributes:
        number: Of the call that runs, or was the last to run.
        due: When the worker has to have ended it, in monotonic seconds; None for never.
        cancelled_number: Of the last call that was cancelled.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = Lock()
        self._is_open = False
        self._asked_at: float | None = None
        self.number = 0
        self.due: float | None = None
        self.cancelled_number = -1

    @property
    def is_cancelled(self) -> bool:
        """Whether the call that runs was cancelled."""
        return self.cancelled_number == self.number

    @property
    def grace(self) -> float:
        """Seconds in which the worker must answer, if it was cancelled before: a question that waits counts from its start."""
        asked_at = self._asked_at
        spent = 0.0 if asked_at is None else time.monotonic() - asked_at
        return max(0.0, GRACE_SECONDS - spent)

    def open(self) -> None:
        """Let host functions in: the worker waits for one to end."""
        self._is_open = True

    def close(self) -> None:
        """Let nobody in any more, once whoever is in there has come out."""
        with self._lock:
            self._is_open = False

    def lend(self, _offset: int, _length: int) -> NoReturn:
        """There are no live views of another process's memory."""
        raise CallError(
            "CurrentPlugin.memory and input_buffer show the plugin's memory in place, and this plugin's is in "
            "another process (isolation='process'): use input_bytes or read(handle) to get a copy, "
            "write(data) or return_bytes to hand over a new block"
        )

    def alloc(self, length: int) -> int:
        """
        Return the handle of a new block of `length` zero bytes, 0 for a length of 0.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        return self._handle(self._asked(Kind.ALLOC, number=min(length, _SIGN - 1)))

    def store(self, data: Bytes) -> int:
        """
        Return the handle of a new block that holds `data`, 0 for no data.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        return self._handle(self._asked(Kind.WRITE, data)) if data else 0

    def free(self, handle: int) -> None:
        """Free the live block at `handle`; anything else is left as it is."""
        self._asked(Kind.FREE, number=_signed(handle))

    def length(self, handle: int) -> int:
        """Return how many bytes the live block at `handle` holds; 0 where there is none."""
        return max(0, self._asked(Kind.LENGTH, number=_signed(handle)).number)

    def read(self, handle: int) -> bytes | None:
        """Return a copy of the live block at `handle`; `b""` for the handle 0, None where there is none."""
        if not handle:
            return b""
        answer = self._asked(Kind.READ, number=_signed(handle))
        return answer.body if answer.kind == Kind.DONE else None

    def set_error(self, text: bytes) -> None:
        """
        Set the error text of the call, or take it back with no text, as the guest could.

        Raises:
            NoRoom: The kernel's memory may not grow that far.
        """
        self._handle(self._asked(Kind.SET_ERROR, text))

    def _asked(self, kind: int, body: Bytes = b"", number: int = 0) -> Frame:
        """Return the worker's answer; where there is none, the call has no more to hope for."""
        with self._lock:
            if not self._is_open:
                raise CallError(
                    "the guest runs in its own process (isolation='process'): CurrentPlugin can be used "
                    "only until the host function has returned"
                )
            self._asked_at = time.monotonic()
            try:
                return self._line.ask(
                    kind, body, number, answers=(Kind.DONE, Kind.NOTHING), due=self.due
                )
            except (Gone, Late, Breach) as exc:
                self._is_open = False
                self._line.worker.kill()
                raise CallError("the worker process that runs the plugin is gone") from exc
            except BaseException:
                # A signal came between question and answer, which nobody can tell apart any more.
                self._is_open = False
                self._line.worker.kill()
                raise
            finally:
                self._asked_at = None

    @staticmethod
    def _handle(answer: Frame) -> int:
        if answer.kind == Kind.NOTHING:
            raise NoRoom
        return answer.number


def _signed(handle: int) -> int:
    """Return a handle as it travels, whatever number it is: what is none becomes 0, where no block is."""
    return handle if -_SIGN <= handle < _SIGN else 0
