"""
`RemoteInstance`: what `_runtime.instance.Instance` is for plugins of this process, for one that lives in a worker.

A call is an exchange of frames: it begins with ours, and until the worker says how it ended, the parent serves what it
asks for (`services.py`). Deadlines are the worker's to keep, and it keeps them as this process would; one that does
not is killed some time later. So is one that speaks out of turn, and one whose caller was interrupted by a signal.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self, cast

from extism._engine.faults import Fault, FaultKind
from extism._engine.stacks import MAX_DEPTH
from extism._isolation.blocks import RemoteKernel
from extism._isolation.frames import Breach, Frame, Gone, Kind, Late
from extism._isolation.limits import GRACE_SECONDS
from extism._isolation.line import ANSWER_SECONDS, Line
from extism._isolation.reports import error_from, exit_from, told
from extism._isolation.services import Reply
from extism._runtime.outcome import CREATION, Exit, creation_error
from extism.errors import CallError, CallTimeout, Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from extism._engine.wasi_bare import BareWasi
    from extism._isolation.frames import Bytes
    from extism._isolation.listing import Listing
    from extism._isolation.process import Worker
    from extism._isolation.services import Services
    from extism._runtime.call import Call
    from extism._runtime.entries import Entry
    from extism._runtime.kernel import Kernel

__all__ = ["RemoteInstance"]

_ANSWERS: Final = frozenset({Kind.DONE, Kind.OUTPUT, Kind.EXIT, Kind.FAILED})


class _Nested(threading.local):
    """How many calls of isolated plugins run on this thread, one inside the host functions of the other."""

    depth = 0


_nested: Final = _Nested()


class RemoteInstance:
    """
    One living copy of a program in a worker; brought to life by `start`.

    Args:
        worker: Where it is to live; a worker has one instance at a time.
        services: What it may ask for.
        listing: What is in its modules.
        wasi: Where output goes; None without WASI.

    Attributes:
        fuel_used: How much the last call executed; None where the engine does not count, or before a call.
    """

    def __init__(
        self, worker: Worker, services: Services, listing: Listing, wasi: BareWasi | None
    ) -> None:
        self._is_worn = True
        self.fuel_used: int | None = None
        self._worker = worker
        self._services = services
        self._listing = listing
        self._line = Line(worker, wasi)
        self._kernel = RemoteKernel(self._line)
        self._raised: BaseException | None = None
        self._is_running = False
        self._is_serving = False
        self._cancelling = threading.Lock()
        self._watch: threading.Timer | None = None
        self._due: float | None = None
        self._is_extended = False

    @property
    def is_worn(self) -> bool:
        """Whether the next call needs a new instance: the last one left it so, or it is the parent's of a fork."""
        return self._is_worn or self._worker.is_lost

    @property
    def store(self) -> Self:
        """What a call is cancelled through."""
        return self

    def cancel(self, may: Callable[[], bool] | None = None) -> bool:
        """
        End the call that runs, if any; may be called from any thread.

        Args:
            may: Says whether the call that was found just before is still the caller's to end.
        """
        number = self._kernel.number
        if not self._is_running or (may is not None and not may()):
            return False
        with self._cancelling:
            is_new = self._kernel.cancelled_number < number
            if is_new:
                self._kernel.cancelled_number = number
        if is_new:
            self._worker.cancel(number)
            self._see_to_it(number)
        return True

    def _see_to_it(self, number: int, seconds: float = GRACE_SECONDS) -> None:
        """
        Kill the worker if it does not end a cancelled call.

        The time of host functions is not its own, but that of their questions is.
        """

        def look() -> None:
            if self._is_running and self._kernel.number == number:
                grace = self._kernel.grace if self._is_serving else 0.0
                if grace:
                    self._see_to_it(number, grace)
                else:
                    self._worker.kill()

        self._watch = timer = threading.Timer(seconds, look)
        timer.daemon = True
        timer.start()
        if not self._is_running or self._kernel.number != number:
            timer.cancel()  # it has ended meanwhile, and nobody else will say so

    def start(self, call: Call) -> None:
        """
        Make the modules in the worker, and run their start functions and initialisers.

        Args:
            call: In which that happens: host functions may be called, and its deadline holds.

        Raises:
            Error: Code ended badly, or modules do not fit together.
        """
        frame = self._converse(call, Kind.START, flags=call.state.has_response_headers)
        if frame.kind != Kind.DONE:
            raise self._understood(call, self._failure, frame)
        self._is_worn = False

    def entry(self, name: str) -> Entry:
        """
        Return what runs a call of one export: given the call, it returns the output, or how it ended.

        Raises:
            FunctionNotFound: There is no such export.
            CallError: The export cannot be called.
        """
        place = self._listing.place(name)

        def run(call: Call) -> bytes | Exit:
            frame = self._converse(call, Kind.CALL, call.input, place)
            if frame.kind == Kind.OUTPUT:
                self._is_worn = bool(frame.flags)
                self.fuel_used = None if frame.number < 0 else frame.number
                return frame.body
            ended: Exit = self._understood(call, self._exit, frame)
            return ended

        return run

    def wear(self) -> None:
        """Let the next call get a new instance."""
        self._is_worn = True

    def forget(self) -> None:
        """
        Kill all blocks of the last call, its output and its error among them.

        Raises:
            WorkerDied: The process is gone.
        """
        try:
            self._worker.link.wait_until(time.monotonic() + ANSWER_SECONDS)
            self._line.ask(Kind.FORGET, answers=(Kind.DONE,))
        except (Gone, Late, Breach) as exc:
            raise self._loss(exc) from None
        except BaseException:
            self._give_up()
            raise

    def _converse(
        self, call: Call, kind: int, body: Bytes = b"", place: int = 0, *, flags: int = 0
    ) -> Frame:
        """Begin a call, serve what the worker asks for, and return its last word."""
        if _nested.depth >= MAX_DEPTH:
            raise CallError(
                f"{MAX_DEPTH} calls are running inside each other's host functions; no more may begin"
            )
        worker, deadline = self._worker, call.deadline
        link, call.kernel = worker.link, cast("Kernel", self._kernel)
        self._kernel.number = number = next(worker.numbers)
        self._raised = None
        self._is_extended = False
        self._is_running = True
        _nested.depth += 1
        try:
            # Nothing of the guest may be running yet: a busy machine needs its time to get there.
            grace = GRACE_SECONDS if call.function else ANSWER_SECONDS
            self._due = self._kernel.due = None if deadline is None else deadline + grace
            link.wait_until(self._due)
            moment = math.inf if deadline is None else deadline
            link.send(kind, body, flags, place, number, moment)
            while True:
                frame = link.receive()
                if frame.kind in _ANSWERS:
                    return frame
                self._serve(call, frame)
        except (Gone, Late, Breach) as exc:
            raise self._loss(exc, call) from None
        except BaseException:
            # Of a signal's handler: the call ends here and now, and with it the process that is in the middle of it.
            self._give_up()
            raise
        finally:
            _nested.depth -= 1
            self._is_running = False
            watch, self._watch = self._watch, None
            if watch is not None:
                watch.cancel()

    def _serve(self, call: Call, frame: Frame) -> None:
        if self._line.hear(frame):
            return
        kernel = self._kernel
        self._is_serving = True
        kernel.open()
        try:
            reply = self._services.answer(call, frame)
        except Breach:
            raise
        except BaseException as exc:  # noqa: BLE001 - raised when the guest is unwound
            self._raised = exc
            reply = Reply(Kind.RAISED)
        finally:
            kernel.close()
            self._is_serving = False
        self._extend(call)
        link = self._worker.link
        link.wait_until(self._due)
        link.send(reply.kind, reply.body, 0, reply.place, reply.number)

    def _extend(self, call: Call) -> None:
        """Give the worker time to end a call that became late while the parent was busy; once, or it would go on."""
        if (
            call.deadline is not None
            and self._due == call.deadline + GRACE_SECONDS
            and call.is_late
        ):
            self._due = time.monotonic() + GRACE_SECONDS

    def _understood(self, call: Call, read: Any, frame: Frame) -> Any:
        """Return what `read` makes of a frame; a worker that talks nonsense is of no use any more."""
        try:
            return read(frame)
        except Breach as exc:
            raise self._loss(exc, call) from None

    def _failure(self, frame: Frame) -> BaseException:
        """Return the error that a `FAILED` frame tells of."""
        if frame.kind != Kind.FAILED:
            raise Breach(f"a frame of the kind {frame.kind} where an answer belongs")
        error = error_from(told(frame.body))
        raised, self._raised = self._raised, None
        if not frame.flags:
            return error
        if raised is None:
            raise Breach("an exception of the parent's, which raised none")
        # What a host function raised while the plugin was made; the worker knows where in the guest.
        try:
            own: BaseException = creation_error(Exit(Fault(FaultKind.HOST, "\n", raised=raised)))
        except BaseException as exc:  # noqa: BLE001 - it is raised by whoever asked for it
            own = exc
        for note in getattr(error, "__notes__", ()):
            own.add_note(note)
        return own

    def _exit(self, frame: Frame) -> Exit:
        """Return how a call ended that did not simply give its output."""
        if frame.kind != Kind.EXIT:
            raise Breach(f"a frame of the kind {frame.kind} where the end of a call belongs")
        start, length = frame.place, frame.number
        end = start + max(0, length)
        if end > len(frame.body):
            raise Breach("an error text that is longer than the whole")
        raised, self._raised = self._raised, None
        report = told(frame.body[:start])
        error = None if length < 0 else frame.body[start:end]
        ended = exit_from(report, frame.body[end:], error, raised)
        fuel = report.get("fuel_used")
        self.fuel_used = fuel if type(fuel) is int else None
        self._is_worn = bool(frame.flags)
        return ended

    def _give_up(self) -> None:
        self._is_worn = True
        self._worker.end()

    def _loss(self, exc: Exception, call: Call | None = None) -> Exception:
        """End the worker, and return what its caller is to see; in the words of the call's own ends if it was one."""
        self._is_worn = True
        function = call.function if call else ""
        prefix = CREATION if call is not None and not function else ""
        if self._kernel.is_cancelled and isinstance(exc, Gone):
            ended: Exception = Cancelled(f"{prefix}timeout", function=function)
        elif call is not None and (isinstance(exc, Late) or call.is_late):
            ended = CallTimeout(f"{prefix}timeout", function=function)
        else:
            if not isinstance(exc, Gone):
                self._worker.kill()
            ended = self._worker.death(prefix, function)
            if isinstance(exc, Breach):
                ended.add_note(f"it was killed, for it said {exc}")
            if isinstance(exc, Late):
                ended.add_note(f"it was killed, for it said nothing for {ANSWER_SECONDS:g} s")
            return ended
        self._worker.end()
        seconds = GRACE_SECONDS if function else ANSWER_SECONDS
        ended.add_note(
            f"its worker process did not end the call within {seconds:g} s and was killed; "
            "the next call gets a fresh one"
        )
        return ended
