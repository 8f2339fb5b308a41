"""
`Worker`: a process that runs one plugin, from its start to its certain end.

A worker is a fresh interpreter: nothing is forked, and nothing is inherited but two sockets. It has a process group of
its own, so that Ctrl-C in a terminal reaches the parent alone. It ends with its parent: a socket that only the parent
has tells it; the system does too, where it can. The parent never leaves one behind: it is killed and waited for when it
is not needed any more, when nothing refers to it, and at the latest when the interpreter ends.

What can go wrong: a process that forks shares its sockets with the child. There they are closed at once, and the child
has no workers; whoever has lost one in this way gets a fresh one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from extism._capabilities.log import printable
from extism._isolation.frames import Link
from extism.errors import Error, WorkerDied

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Worker"]

_BOOT: Final = (
    "import sys; sys.path[:0] = sys.argv[4:]; from extism._isolation.worker import main; main()"
)

_NEEDED_VARIABLES: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What an interpreter may need of the environment to run at all; nothing else of it reaches a worker."""

_LAST_WORDS: Final = 2000
_EXIT_SECONDS: Final = 10.0
"""How long a process that was killed may take to be gone; it is a matter of microseconds, on a machine that has any left."""

_SIGNAL_HINTS: Final = {
    "SIGKILL": "the system ran short of memory, or somebody killed it",
    "SIGXCPU": "it used up its time on processors: raise WorkerLimits(cpu_seconds=...)",
    "SIGABRT": "it could not go on, for want of memory as a rule: raise WorkerLimits(memory_bytes=...)",
    "SIGSEGV": "the engine has a fault, or memory ran out: try another version of wasmtime and report it",
}


class _Descriptor:
    """A descriptor that is closed once."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> bytes:
        """Return what is there to be read without waiting."""
        try:
            return os.read(self._number, 1 << 16)
        except OSError:
            return b""

    def close(self) -> None:
        """Close it, if it is open."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)


class Worker:
    """
    One process and the parent's ends of its sockets.

    Args:
        environment: What it finds in its environment, beside what an interpreter needs to run.
        inherits: Of the standard streams 1 and 2, those that are the parent's own.
        max_bytes: The longest body that the parent takes from it.

    Raises:
        Error: The system starts none.

    Attributes:
        link: For everything but cancelling.
        numbers: Of calls, each used once.
        is_lost: Whether it belongs to the parent of the process that has forked.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        inherits: frozenset[int] = frozenset(),
        max_bytes: int,
    ) -> None:
        with contextlib.ExitStack() as undone:
            try:
                ours = self._start(undone, environment, inherits)
            except OSError as exc:
                raise Error(
                    f"no worker process could be started: {exc}; it takes the interpreter "
                    f"{sys.executable!r} and eight free descriptors"
                ) from exc
            undone.pop_all()
        self._ours = ours
        self.link = Link(ours[0], max_bytes)
        self.numbers = count(1)
        self._control = ours[1]
        self.is_lost = False
        self.end = weakref.finalize(self, _end, self._process, ours)
        _living.add(self)

    def _start(
        self,
        undone: contextlib.ExitStack,
        environment: Mapping[str, str],
        inherits: frozenset[int],
    ) -> tuple[socket.socket, socket.socket, _Descriptor]:
        """Start the process, and return our ends of what leads to it, each of which `undone` closes."""
        mine, theirs = map(undone.enter_context, socket.socketpair())
        control, controlled = map(undone.enter_context, socket.socketpair())
        errors, said = os.pipe()
        heard = undone.enter_context(_Descriptor(errors))
        # Read once, at the end: what does not fit is dropped, and holds up nobody.
        os.set_blocking(errors, False)
        os.set_blocking(said, False)
        # A worker that reads no cancellations holds up nobody either: it is killed.
        control.settimeout(0)
        with theirs, controlled, _Descriptor(said):
            streams = (
                None if 1 in inherits else subprocess.DEVNULL,
                None if 2 in inherits else said,
            )
            self._process = _spawned(theirs, controlled, environment, streams)
        return mine, control, heard

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it was ended, or lost."""
        return not self.end.alive

    def kill(self) -> None:
        """End the process without waiting; whoever waits for its answer finds it gone. For any thread."""
        self._process.kill()

    def cancel(self, number: int) -> None:
        """Have it end the call of that number, unless it is over; may be called from any thread."""
        with contextlib.suppress(OSError):
            self._control.send(number.to_bytes(8, "little"))

    def death(self, prefix: str = "", function: str = "") -> WorkerDied:
        """
        End it if it still lives, and return what is to be said about its end.

        Args:
            prefix: Before the text.
            function: The export that it ran.
        """
        said, process = b"", self._process
        if not self.is_over:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_SECONDS)
            said = self._ours[-1].read()
            self.end()
        error = WorkerDied(
            f"{prefix}the worker process that ran the plugin died: {_end_text(process.returncode)}; "
            "the next call gets a fresh one",
            function=function,
            returncode=process.returncode or 0,
        )
        if said:
            error.add_note(f"the worker said: {printable(said[-_LAST_WORDS:])}")
        return error

    def forget(self) -> None:
        """In the child of a fork: leave the process to the one that it belongs to."""
        self.is_lost = True
        self.end.detach()
        for each in self._ours:
            each.close()
        self._process.returncode = 0  # not ours to wait for


def _spawned(
    data: socket.socket,
    control: socket.socket,
    environment: Mapping[str, str],
    streams: tuple[int | None, int | None],
) -> subprocess.Popen[bytes]:
    """Start the process; it finds the numbers of its sockets among its arguments."""
    # The system ends a child with the *thread* that started it, so only the main one may ask for that.
    dies_with = os.getpid() if threading.current_thread() is threading.main_thread() else 0
    numbers = (data.fileno(), control.fileno())
    kept = {name: os.environ[name] for name in _NEEDED_VARIABLES if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [
            *(sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT),
            *(str(number) for number in (*numbers, dies_with)),
            *_folders(),
        ],
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        pass_fds=numbers,
        env={**kept, **environment},
        process_group=0,
    )


def _folders() -> list[str]:
    """Return where a worker finds this package and the engine, and nothing else beside the stdlib."""
    from importlib.util import find_spec

    places = [Path(__file__).parents[2]]
    spec = find_spec("wasmtime")
    places += [Path(folder).parent for folder in (spec and spec.submodule_search_locations) or ()]
    return list(dict.fromkeys(map(str, places)))


def _end_text(returncode: int | None) -> str:
    if returncode is None:
        return "it does not end"
    if returncode >= 0:
        return f"it exited with {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = _SIGNAL_HINTS.get(name)
    return f"{name} ({hint})" if hint else name


def _end(process: subprocess.Popen[bytes], ours: tuple[socket.socket | _Descriptor, ...]) -> None:
    """Kill the process, wait for its end, and close everything that led to it."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_EXIT_SECONDS)
    for each in ours:
        each.close()


_living: Final[weakref.WeakSet[Worker]] = weakref.WeakSet()
"""Those of this process, for the child of a fork."""


def _after_fork_in_child() -> None:
    for worker in list(_living):
        worker.forget()
    _living.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
