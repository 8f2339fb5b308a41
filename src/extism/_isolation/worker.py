"""
The worker itself: a process that has one plugin's code, and does what its parent says.

It runs the plugin as any process would, with `CompiledPlugin` and `Instance`; only that the functions of the host, and
what they lead to, are at the parent's end of the socket. It trusts its parent, and nobody else talks to it.

The guest runs on a thread with stack enough, whatever the first thread has. That one listens for cancellations and for
the parent's end: it ends the process then, whatever the guest does.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import socket
import sys
import time
import warnings
from contextlib import contextmanager
from typing import cast

from extism._engine.stacks import LARGE_BYTES
from extism._isolation.confinement import Confinement, die_with
from extism._isolation.frames import Breach, Frame, Gone, Kind, Link
from extism._isolation.mediated import MediatedState
from extism._isolation.reports import RaisedByParent, report_of_error, report_of_exit
from extism._runtime.call import Call
from extism._runtime.instance import Instance
from extism._runtime.kernel import NoRoom
from extism._runtime.outcome import Exit
from extism.caches import native_directory
from extism.compiled import CompiledPlugin
from extism.errors import Error
from extism.manifest import Manifest, MemoryOptions, WasmData
from extism.registry import HOST_FN_REGISTRY
from extism.world import WasiOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, NoReturn

    from extism._engine.wasi_bare import BareWasi
    from extism._isolation.stand_in import StandIn
    from extism._runtime.entries import Entry
    from extism._runtime.instance import Program
    from extism._runtime.kernel import Kernel
    from extism._runtime.state import PluginState
    from extism.functions import Function
    from extism.limits import CompileLimits

__all__ = ["main"]

_LONGEST: Final = 1 << 62
"""What the parent sends has no limit: it was somebody's input there."""

_NEVER: Final = float("inf")
_CANCEL_SECONDS: Final = 0.002


def main() -> NoReturn:
    """Serve the parent until it has gone; the arguments are two sockets and whom to die with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    data, control, parent = map(int, sys.argv[1:4])
    die_with(parent)
    session = Session(Link(socket.socket(fileno=data), _LONGEST))
    with _last_words():
        session.begin()
        # Not before: a thread that was there could do what the process has given up since.
        _thread.stack_size(LARGE_BYTES)
        _thread.start_new_thread(_serve, (session,))
        _listen(socket.socket(fileno=control), session)
    os._exit(0)


def _serve(session: Session) -> None:
    with _last_words():
        session.serve()


@contextmanager
def _last_words() -> Iterator[None]:
    """End the process with whatever ends the block early; silently, if that is the parent's end."""
    try:
        yield
    except Gone:
        os._exit(0)
    except BaseException as exc:  # noqa: BLE001 - whatever it is, the parent shows it
        try:
            sys.excepthook(*sys.exc_info())
        finally:
            if isinstance(exc, MemoryError | Breach):
                os.abort()  # as the engine does where there is no memory; the parent knows what that means
            os._exit(1)


def _listen(control: socket.socket, session: Session) -> None:
    """Cancel what the parent names, until there is no parent any more."""
    while len(number := control.recv(8, socket.MSG_WAITALL)) == 8:
        session.cancel(int.from_bytes(number, "little"))


class Session:
    """
    What a worker has: the plugin's program, one instance of it, and the entries that were called.

    Args:
        link: Leads to the parent.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._program: Program | None = None
        self._wasi: BareWasi | None = None
        self._instance: Instance | None = None
        self._names: list[str] = []
        self._entries: dict[str, Entry] = {}
        self._state: MediatedState | None = None
        self._running = 0
        self._last_over = 0

    def serve(self) -> NoReturn:
        """
        Do what the parent says, one thing after the other.

        Raises:
            Gone: There is no parent any more.
        """
        while True:
            frame = self._link.receive()
            _DUTIES[frame.kind](self, frame)

    def cancel(self, number: int) -> None:
        """End the call of that number, unless it is over; for the listening thread."""
        while self._last_over < number:
            # Again and again: the call may still be on its way here, or into the engine.
            instance = self._instance
            if instance is not None:
                instance.store.cancel(lambda: self._running == number)
            time.sleep(_CANCEL_SECONDS)

    def begin(self) -> None:
        """
        Give up everything but the plugin that the parent tells of, compile it, and say what is in it.

        Raises:
            Gone: There is no parent any more.
        """
        frame = self._link.receive()
        head = json.loads(frame.body[: frame.place])
        confinement = Confinement(head["limits"], head["allowed_paths"], native_directory())
        try:
            compiled = _compiled(self, head, frame.body[frame.place :])
        except (Error, ValueError, TypeError) as exc:
            self._say_failure(exc)
            return
        is_sealed = confinement.complete()
        self._program = program = cast("Program", compiled.program)
        self._names = [export.name for export in compiled.exports]
        if program.world is not None:
            self._wasi = program.world(_no_log)
        listing = {
            "exports": [list(each) for each in compiled.exports],
            "imports": [list(each) for each in compiled.imports],
            "refusals": list(_refusals(program)),
            "functions": [[cast("StandIn", each).index] for each in compiled.functions],
        }
        self._link.send(Kind.READY, json.dumps(listing).encode(), is_sealed)

    def start(self, frame: Frame) -> None:
        """Make a new instance in the place of the last one."""
        assert self._program is not None
        self._instance = None
        self._entries.clear()
        self._state = MediatedState(self._link, has_response_headers=bool(frame.flags))
        call = self._call("", b"", frame)
        try:
            self._instance = instance = Instance(self._program, self._wasi)
            self._running = frame.number
            instance.start(call)
        except Error as exc:
            self._say_failure(exc)
        else:
            self._link.send(Kind.DONE)
        finally:
            call.end()
            self._last_over = frame.number

    def call(self, frame: Frame) -> None:
        """Run an export, and say how that ended."""
        instance, name = self._instance, self._names[frame.place]
        assert instance is not None
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = instance.entry(name)
        call = self._call(name, frame.body, frame)
        self._running = frame.number
        try:
            ended = entry(call)
        finally:
            call.end()
            self._last_over = frame.number
        if not isinstance(ended, bytes) and ended != Exit(output=ended.output):
            self._say_exit(instance, ended)
            return
        output = ended if isinstance(ended, bytes) else ended.output
        fuel = instance.fuel_used
        self._link.send(Kind.OUTPUT, output, instance.is_worn, number=-1 if fuel is None else fuel)

    def forget(self, _: Frame) -> None:
        """Forget the blocks of the last call."""
        assert self._instance is not None
        self._instance.forget()
        self._link.send(Kind.DONE)

    def host(self, call: Call, index: int, numbers: bytes) -> bytes:
        """
        Have the parent run a function of the host, and serve what that asks of the plugin's blocks.

        Raises:
            RaisedByParent: It raised something.
        """
        link = self._link
        link.send(Kind.HOST, numbers, place=index)
        while True:
            frame = link.receive()
            if frame.kind == Kind.RESULT:
                return frame.body
            if frame.kind == Kind.RAISED:
                raise RaisedByParent("a host function raised it", function=call.function)
            try:
                number, data = _STEPS[frame.kind](call.live_kernel(), frame)
            except NoRoom:
                link.send(Kind.NOTHING)
                continue
            link.send(Kind.NOTHING if data is None else Kind.DONE, data or b"", number=number)

    def printer(self, stream: int) -> Callable[[bytes], object]:
        """Return what takes the output of the plugin's program for the parent."""
        return lambda data: self._link.send(Kind.PRINTED, data, place=stream)

    def _call(self, function: str, data: bytes, frame: Frame) -> Call:
        deadline = None if frame.moment == _NEVER else frame.moment
        return Call(function, cast("PluginState", self._state), data, deadline)

    def _say_failure(self, exc: Exception) -> None:
        report = json.dumps(report_of_error(exc)).encode()
        self._link.send(Kind.FAILED, report, isinstance(exc, RaisedByParent))

    def _say_exit(self, instance: Instance, ended: Exit) -> None:
        report = {**report_of_exit(ended), "fuel_used": instance.fuel_used}
        head, error = json.dumps(report).encode(), ended.error
        self._link.send(
            Kind.EXIT,
            b"".join([head, error or b"", ended.output]),
            instance.is_worn,
            len(head),
            -1 if error is None else len(error),
        )


def _no_log() -> NoReturn:
    raise AssertionError("output for a log goes to the parent")


def _refusals(program: Program) -> Iterator[tuple[str, str]]:
    """Yield the functions that cannot be called, and why."""
    for name in program.main.functions:
        try:
            program.function_type(name)
        except Error as exc:
            yield name, str(exc)


_DUTIES: Final[dict[int, Callable[[Session, Frame], None]]] = {
    Kind.START: Session.start,
    Kind.CALL: Session.call,
    Kind.FORGET: Session.forget,
}


def _read(kernel: Kernel, frame: Frame) -> tuple[int, bytes | None]:
    return 0, kernel.read(frame.number)


def _write(kernel: Kernel, frame: Frame) -> tuple[int, bytes]:
    return kernel.store(frame.body), b""


def _alloc(kernel: Kernel, frame: Frame) -> tuple[int, bytes]:
    return kernel.alloc(frame.number), b""


def _free(kernel: Kernel, frame: Frame) -> tuple[int, bytes]:
    kernel.free(frame.number)
    return 0, b""


def _length(kernel: Kernel, frame: Frame) -> tuple[int, bytes]:
    return kernel.length(frame.number), b""


def _set_error(kernel: Kernel, frame: Frame) -> tuple[int, bytes]:
    kernel.set_error(frame.body)
    return 0, b""


_STEPS: Final[dict[int, Callable[[Kernel, Frame], tuple[int, bytes | None]]]] = {
    Kind.READ: _read,
    Kind.WRITE: _write,
    Kind.ALLOC: _alloc,
    Kind.FREE: _free,
    Kind.LENGTH: _length,
    Kind.SET_ERROR: _set_error,
}
"""What a host function may do with the plugin's blocks; None as bytes is none, and 0 as a number."""


def _compiled(session: Session, head: dict[str, Any], blobs: bytes) -> CompiledPlugin:
    """Return what the parent has described, compiled."""
    parts, at = [], 0
    for size in head["sizes"]:
        parts.append(blobs[at : at + size])
        at += size
    names = head["names"]
    manifest = Manifest(
        wasm=tuple(WasmData(data, name) for name, data in zip(names, parts, strict=False)),
        memory=MemoryOptions(max_pages=head["max_pages"]),
        allowed_paths=head["allowed_paths"],
    )
    functions = _stand_ins(session, head["functions"])
    if head["is_ambient"]:
        HOST_FN_REGISTRY[:] = functions
        functions = HOST_FN_REGISTRY
    with warnings.catch_warnings():
        # The parent has the caller to warn.
        warnings.simplefilter("ignore")
        # Not for one: where the second instance lives must not have to be made when the cache is out of reach.
        return CompiledPlugin(
            manifest,
            _wasi(session, head["wasi"], parts[-1]),
            functions,
            compile_limits=_compile_limits(head["compile_limits"]),
            **head["options"],
        )


def _compile_limits(given: dict[str, Any] | None) -> CompileLimits | None:
    if given is None:
        return None
    from extism.limits import CompileLimits

    return CompileLimits(**given)


def _stand_ins(session: Session, rows: list[Any]) -> list[Function]:
    if not rows:
        return []
    from extism._isolation.stand_in import StandIn

    return [StandIn(session.host, index, *row) for index, row in enumerate(rows)]


def _wasi(session: Session, world: dict[str, Any] | None, stdin: bytes) -> bool | WasiOptions:
    if world is None:
        return False
    outputs = {
        name: session.printer(stream) if world[name] == "parent" else world[name]
        for stream, name in enumerate(("stdout", "stderr"), 1)
    }
    return WasiOptions(stdin=stdin, **{**world, **outputs})
