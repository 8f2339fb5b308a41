"""`Line`: questions that a worker answers at once, and what it says unasked: the output of the plugin's program."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final

from extism._isolation.frames import Breach, Kind
from extism._isolation.limits import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from extism._engine.wasi_bare import BareWasi
    from extism._isolation.frames import Bytes, Frame
    from extism._isolation.process import Worker

__all__ = ["ANSWER_SECONDS", "Line"]

ANSWER_SECONDS: Final = 10.0
"""How long a worker may take for an answer that takes it microseconds."""

_log = logging.getLogger("extism.isolation")


class Line:
    """
    The way to one worker, for one instance.

    Args:
        worker: At the other end.
        wasi: Where output goes; None without WASI.
    """

    def __init__(self, worker: Worker, wasi: BareWasi | None) -> None:
        self.worker = worker
        self._streams = (None, None, None) if wasi is None else (None, wasi.stdout, wasi.stderr)

    def hear(self, frame: Frame) -> bool:
        """
        Take what a worker says unasked; False if the frame is nothing of that.

        Raises:
            Breach: It is, but wrong.
        """
        if frame.kind != Kind.PRINTED:
            return False
        take = self._streams[frame.place] if frame.place < len(self._streams) else None
        if not callable(take):
            raise Breach("output for a stream that nobody listens to")
        try:
            take(frame.body)
        except Exception:  # noqa: BLE001 - said below; the program has gone on and cannot be told
            _log.exception("what a plugin printed was not taken")
        return True

    def ask(
        self,
        kind: int,
        body: Bytes = b"",
        number: int = 0,
        *,
        answers: Collection[int],
        due: float | None = None,
    ) -> Frame:
        """
        Return the answer to a question, of one of the kinds that answers to it have.

        Args:
            kind: Of the question, like `body` and `number`.
            body: As in `Link.send`.
            number: As in `Link.send`.
            answers: Their kinds.
            due: When the worker has to have ended the call to which it belongs, if there is a time for that.

        Raises:
            Gone, Late, Breach: There is none.
        """
        link = self.worker.link
        if link.is_limited:
            now = time.monotonic()
            # Past that the call has ended, but for a host function that takes its time: not the worker's fault.
            sooner = math.inf if due is None else max(now + GRACE_SECONDS, due)
            link.wait_until(min(now + ANSWER_SECONDS, sooner))
        link.send(kind, body, number=number)
        frame = link.receive()
        while self.hear(frame):
            frame = link.receive()
        if frame.kind not in answers:
            raise Breach(f"a frame of the kind {frame.kind} where an answer belongs")
        return frame
