"""
The event loop of a plugin: module `asyncio.wasi_events`, which runs inside the interpreter only.

A plugin is alone in its instance: no sockets, no threads, no signals, so nothing but the clock can
wake its loop. That leaves timers, tasks and futures, hence `asyncio.run`, `sleep`, `gather`, queues
and timeouts. What asyncio hands to threads of its own (`asyncio.to_thread`) runs at once, in the only
one there is; what else is missing says so, in the words of `_wasi_limits`.
"""

import time
from asyncio import base_events, events
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from _wasi_limits import (  # type: ignore[import-not-found]
    NO_EVENTS,
    NO_PROCESSES,
    NO_SIGNALS,
    NO_SOCKETS,
)

__all__ = ("DefaultEventLoopPolicy", "EventLoop", "SelectorEventLoop")


class _Clock:
    """In a selector's place: it waits until the next timer is due, and nothing happens meanwhile."""

    def select(self, timeout: float | None = None) -> list[object]:
        """Sleep for `timeout` seconds; without one nothing could ever wake the loop again."""
        if timeout is None:
            raise RuntimeError(
                "this plug-in would wait for ever: its tasks wait for something, and no timer is set"
            )
        if timeout > 0:
            time.sleep(timeout)
        return []


class _Inline(Executor):
    """In the place of asyncio's own threads: a function that is submitted has run when `submit` returns."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Call the function as a thread would: it sees no running loop, and what it raises is for who waits."""
        # CPython imports its pool when somebody asks for it, and so does this.
        from concurrent.futures.thread import _WorkItem

        future: Future[Any] = Future()
        running = _get_running_loop()
        _set_running_loop(None)
        try:
            _WorkItem(future, function, args, named).run()
        finally:
            _set_running_loop(running)
        return future


def _refuse(reason: str) -> Callable[..., Any]:
    """Return a method that says why there is none, as the error of a loop that lacks it."""

    def refused(*_args: object, **_named: object) -> Any:
        raise NotImplementedError(reason)

    return refused


# Much of what is taken from it here is not in the stubs.
_Loop: Any = base_events.BaseEventLoop


class EventLoop(_Loop):  # type: ignore[misc]
    """A loop over the clock alone; a selector that it is given has nothing to watch here."""

    def __init__(self, selector: object = None) -> None:  # noqa: ARG002  CPython's signature
        super().__init__()
        self._selector = _Clock()

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        """Run a function as CPython does, but at once where it would take threads that nobody named."""
        if executor is None and self._default_executor is None:
            self._check_default_executor()
            executor = _Inline()
        return super().run_in_executor(executor, func, *args)

    add_reader = add_writer = remove_reader = remove_writer = _refuse(NO_EVENTS)
    _make_read_pipe_transport = _make_write_pipe_transport = _refuse(NO_EVENTS)
    add_signal_handler = remove_signal_handler = _refuse(NO_SIGNALS)
    create_unix_connection = create_unix_server = _refuse(NO_SOCKETS)
    sock_accept = sock_connect = sock_sendall = sock_sendto = _refuse(NO_SOCKETS)
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _refuse(NO_SOCKETS)
    _make_socket_transport = _make_datagram_transport = _refuse(NO_SOCKETS)
    _make_subprocess_transport = _refuse(NO_PROCESSES)

    def _process_events(self, event_list: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """The loop never sleeps while other code runs: there is no other thread."""


SelectorEventLoop = EventLoop


class DefaultEventLoopPolicy(events.BaseDefaultEventLoopPolicy):
    """Gives each context an `EventLoop`."""

    _loop_factory = EventLoop
