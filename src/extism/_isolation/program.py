"""
`IsolatedProgram`: what `_runtime.instance.Program` is for plugins of this process, for those that live in workers.

It holds a plugin's modules as bytes and everything else that a worker has to know; they are read, checked, compiled and
linked in workers only. The first one is started at once, to find out whether the plugin is any good, and is kept for the
first plugin that is made. Each plugin lodges in a worker of its own.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from extism._isolation.frames import REPORT_BYTES, Breach, Gone, Kind, Late
from extism._isolation.listing import listing_from
from extism._isolation.process import Worker
from extism._isolation.remote import RemoteInstance
from extism._isolation.reports import error_from, told
from extism.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from extism._engine.wasi_bare import BareWasi
    from extism._isolation.frames import Frame
    from extism._isolation.limits import WorkerLimits
    from extism._isolation.listing import Listing
    from extism._isolation.services import Services
    from extism.world import Worlds

__all__ = ["IsolatedProgram", "Lodging", "Setup"]

_COMPILATION = "Unable to compile Extism plugin: "
_MOST_BYTES = 8 << 30


class Setup(NamedTuple):
    """
    What a worker is told when it begins.

    Attributes:
        head: Everything that JSON can say.
        blobs: The modules, and standard input, one after the other.
        environment: Of the process.
        inherits: The standard streams that it shares with the parent.
        limits: What it may use up.
        memory_bytes: Those of its memory.
    """

    head: Mapping[str, Any]
    blobs: tuple[bytes, ...]
    environment: Mapping[str, str]
    inherits: frozenset[int]
    limits: WorkerLimits
    memory_bytes: int | None


class IsolatedProgram:
    """
    What all plugins of one kind share; safe to use from any thread.

    Args:
        setup: For its workers.
        services: What they may ask for.
        world: Makes what takes a plugin's output; None without WASI.

    Attributes:
        listing: What the first worker found.

    Raises:
        Error: The plugin is no good, as `CompiledPlugin` says.
        CompileError: Compiling used up what a worker may use.
    """

    runs_code = True
    """As in `_runtime.instance.Program`: to make a plugin takes time in which others can go on."""

    def __init__(self, setup: Setup, services: Services, world: Worlds | None) -> None:
        self.world = world
        self._setup = setup
        self._services = services
        self._lock = threading.Lock()
        self._spare: Worker | None
        self._spare, self.listing = self._started()

    def callable_names(self) -> tuple[str, ...]:
        """Return the exports that can be called, in the order of the module."""
        return self.listing.callable_names

    def lodge(self) -> Lodging:
        """Return a place for one plugin."""
        return Lodging(self, self._services)

    def worker(self) -> Worker:
        """
        Return a worker that has compiled the program and nothing else to do.

        Raises:
            Error: It cannot be had.
        """
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None and not spare.is_over and not spare.is_lost:
            return spare
        return self._started()[0]

    def close(self) -> None:
        """End the worker that nobody has used."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()

    def _started(self) -> tuple[Worker, Listing]:
        """
        Start a worker, have it compile, and return both.

        Compiling takes threads that the worker cannot confine any more. One that had to compile is replaced by one that
        finds the code in the cache; where there is no cache, it has to do.
        """
        worker, listing, is_sealed = self._tried()
        if not is_sealed:
            worker.end()
            worker, listing, _ = self._tried()
        return worker, listing

    def _tried(self) -> tuple[Worker, Listing, bool]:
        setup = self._setup
        longest = _MOST_BYTES if setup.memory_bytes is None else setup.memory_bytes + REPORT_BYTES
        worker = Worker(setup.environment, inherits=setup.inherits, max_bytes=longest)
        try:
            return worker, *_asked(worker, setup)
        except BaseException:
            worker.end()
            raise


class Lodging:
    """
    The place of one plugin: its worker, and when that has died, the next one. For one thread at a time.

    Args:
        program: What the plugin is made of.
        services: What it may ask for.
    """

    runs_code = True

    def __init__(self, program: IsolatedProgram, services: Services) -> None:
        self._program = program
        self._services = services
        self._worker: Worker | None = None
        self.world = program.world

    def callable_names(self) -> tuple[str, ...]:
        """Return the exports that can be called, in the order of the module."""
        return self._program.callable_names()

    def instance(self, wasi: BareWasi | None) -> RemoteInstance:
        """
        Return a new instance, to be started, in a fresh worker if the last one is gone.

        Args:
            wasi: Where its output goes; None without WASI.

        Raises:
            Error: There is no worker to be had.
        """
        worker = self._worker
        if worker is None or worker.is_over or worker.is_lost:
            self._worker = worker = self._program.worker()
        return RemoteInstance(worker, self._services, self._program.listing, wasi)

    def leave(self) -> None:
        """End the worker: the plugin is closed."""
        worker, self._worker = self._worker, None
        if worker is not None and not worker.is_lost:
            worker.end()


def _asked(worker: Worker, setup: Setup) -> tuple[Listing, bool]:
    """Tell a worker what it is for, and return what it says, and whether it is sealed."""
    head = json.dumps(setup.head).encode()
    seconds = setup.limits.start_seconds
    try:
        worker.link.wait_until(time.monotonic() + seconds)
        worker.link.send(Kind.SETUP, b"".join([head, *setup.blobs]), place=len(head))
        frame = worker.link.receive()
        found = _verdict(frame)
    except Late:
        raise CompileError(
            f"{_COMPILATION}its worker process was not ready within {seconds:g} s, and was killed; "
            "WorkerLimits(start_seconds=...) gives more time"
        ) from None
    except (Gone, Breach) as exc:
        died = worker.death()
        if isinstance(exc, Breach):
            died.add_note(f"it was killed, for it said {exc}")
        error = CompileError(f"{_COMPILATION}{died}")
        for note in getattr(died, "__notes__", ()):
            error.add_note(note)
        raise error from died
    if isinstance(found, Exception):
        raise found
    return found, bool(frame.flags)


def _verdict(frame: Frame) -> Listing | Exception:
    """
    Return what a worker found, or what is wrong with the plugin.

    Raises:
        Breach: It says neither.
    """
    if frame.kind == Kind.READY:
        return listing_from(told(frame.body))
    if frame.kind != Kind.FAILED:
        raise Breach("something else than whether it is ready")
    return error_from(told(frame.body))
