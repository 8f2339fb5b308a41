"""
The event loop of a plugin: module `asyncio.wasi_events`, which runs inside the interpreter only.

A plugin is alone in its instance: no sockets, no threads, no signals, so nothing but the clock can
wake its loop. That leaves timers, tasks and futures, hence `asyncio.run`, `sleep`, `gather`, queues
and timeouts.
"""

import time
from asyncio import base_events, events

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


class EventLoop(base_events.BaseEventLoop):
    """A loop over the clock alone; a selector that it is given has nothing to watch here."""

    def __init__(self, selector: object = None) -> None:  # noqa: ARG002  CPython's signature
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """The loop never sleeps while other code runs: there is no other thread."""


SelectorEventLoop = EventLoop


class DefaultEventLoopPolicy(events.BaseDefaultEventLoopPolicy):
    """Gives each context an `EventLoop`."""

    _loop_factory = EventLoop
