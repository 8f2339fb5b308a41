"""
`acall`: one call of a plugin, awaited; the twin of `Plugin.call`.

It is a method of `Plugin` in a file of its own, so that programs which await nothing do not load it. How a call stops
and goes on is in `_runtime/awaited.py`; who is next in `awaits.py`. Code that cannot be stopped in the middle
runs on a thread, and a line in the log says so once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from extism._capabilities.log_names import LOGGER
from extism._engine.fibers import are_usable
from extism._runtime.aside import aside
from extism._runtime.call import AwaitedCall, BlockedCall, deadline_after
from extism._runtime.instance import Instance
from extism._runtime.outcome import settle
from extism.awaits import Awaits
from extism.errors import PluginBusy

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from extism._isolation.program import Lodging
    from extism._isolation.remote import RemoteInstance
    from extism._runtime.instance import Entry, Program
    from extism._runtime.kernel import Data
    from extism._runtime.outcome import Exit
    from extism._runtime.state import PluginState

    T = TypeVar("T")

    class Owner(Protocol):
        """A plugin, as far as its awaited calls go (`plugin.Plugin`)."""

        _awaits: Awaits | None
        _entries: dict[Any, Any]
        _instance: Instance | RemoteInstance | None
        _is_closed: bool
        _lock: LockType
        _owner: int | None
        _state: PluginState
        _timeout_ms: int | None

        def _cancel(self) -> bool: ...
        def _check_open(self) -> Program | Lodging: ...
        def _drop(self) -> None: ...
        def _entry(self, instance: Instance | RemoteInstance, name: str) -> Entry: ...
        def _is_mine(self) -> bool: ...
        def _revive(self) -> Instance | RemoteInstance: ...


__all__ = ["acall"]


async def acall(
    plugin: Owner, function_name: str, data: Data, host_context: Any, timeout: float | None
) -> bytes:
    """Return the output of an export, as `Plugin.acall` says."""
    awaits = plugin._awaits
    if awaits is None:
        awaits = plugin._awaits = Awaits(plugin._lock)
    owner = plugin._owner
    is_ours = owner is not None and plugin._is_mine()
    # Another task of the loop that awaits a call may wait for its end, but not what that call waits for itself.
    if is_ours and (awaits.turn is None or owner != threading.get_ident()):
        raise PluginBusy(
            "a call of this plugin is running on this very thread; use a second Plugin"
        )
    await awaits.take()
    try:
        plugin._owner = threading.get_ident()
        program = plugin._check_open()
        instance = plugin._instance
        if instance is None or instance.is_worn:
            instance = await _revived(plugin, program)
        deadline = deadline_after(plugin._timeout_ms, timeout)
        arguments = (function_name, plugin._state, data, deadline, host_context)
        if isinstance(instance, Instance) and not _must_block(instance.must_block):
            ended = await _on_a_fiber(plugin, instance, AwaitedCall(*arguments))
        else:
            ended = await _on_a_thread(plugin, instance, BlockedCall(*arguments))
        return ended if isinstance(ended, bytes) else settle(function_name, ended)
    finally:
        plugin._owner = None
        try:
            if plugin._is_closed:
                plugin._drop()
        finally:
            awaits.give_back()


async def _on_a_fiber(plugin: Owner, instance: Instance, call: AwaitedCall) -> bytes | Exit:
    key = (call.function,)
    try:
        run = plugin._entries.get(key)
        if run is None:
            run = plugin._entries[key] = instance.awaited_entry(call.function)
        ended: bytes | Exit = await run(call)
        return ended
    finally:
        call.end()


async def _on_a_thread(
    plugin: Owner, instance: Instance | RemoteInstance, call: BlockedCall
) -> bytes | Exit:
    call.loop = asyncio.get_running_loop()
    try:
        run = plugin._entries.get(call.function) or plugin._entry(instance, call.function)
        return await _aside(plugin, lambda: run(call))
    finally:
        call.end()


async def _revived(plugin: Owner, program: Program | Lodging) -> Instance | RemoteInstance:
    """Return a new instance; where code runs while it is made, the loop goes on meanwhile."""
    if program.runs_code:
        return await _aside(plugin, plugin._revive)
    return plugin._revive()


async def _aside(plugin: Owner, run: Callable[[], T]) -> T:
    """Return what `run` returns on a thread, which has the plugin meanwhile."""

    def body() -> T:
        owner, plugin._owner = plugin._owner, threading.get_ident()
        try:
            return run()
        finally:
            plugin._owner = owner

    return await aside(body, plugin._cancel)


def _must_block(reason: str) -> bool:
    """Tell whether there is a reason not to run code on fibers, its own or the platform's, and say so once."""
    if not are_usable():
        reason = "this platform, or this version of Python, cannot run code on fibers"
    if reason:
        _say_once(reason)
    return bool(reason)


@cache
def _say_once(reason: str) -> None:
    logging.getLogger(LOGGER).warning("awaited calls run on threads of their own: %s", reason)
