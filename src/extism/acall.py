"""
`acall`: one call of a plugin, awaited; the twin of `Plugin._run`.

It is in a file of its own so that programs which await nothing do not load it. How a call stops and goes on is in
`_runtime/awaited.py`; who is next in `awaits.py`. Code that cannot be stopped in the middle runs on a thread, and a
line in the log says so once.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from functools import cache
from threading import get_ident
from typing import TYPE_CHECKING, Any

from extism._engine.fibers import are_usable
from extism._runtime.aside import aside
from extism._runtime.call import AwaitedCall, BlockedCall, deadline_after
from extism._runtime.instance import Instance
from extism._runtime.loops import running_loop
from extism._runtime.outcome import settle
from extism.abi import LOGGER
from extism.awaits import Awaits
from extism.errors import PluginBusy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from extism._isolation.remote import RemoteInstance
    from extism._runtime.awaited import AwaitedEntry
    from extism._runtime.kernel import Data
    from extism._runtime.outcome import Exit
    from extism.life import Life

    T = TypeVar("T")

__all__ = ["acall"]


async def acall(
    life: Life, name: str, data: Data, host_context: Any, timeout: float | None
) -> bytes:
    """Return the output of an export, as `Plugin.acall` says."""
    awaits = life.awaits
    if awaits is None:
        awaits = life.awaits = Awaits(life.lock)
    if life.owner is not None:
        _check_free(life, awaits)
    if not awaits.take():
        await awaits.queue_up()
    try:
        life.owner = get_ident()
        instance = life.instance
        if life.is_closed or instance is None or instance.is_worn:
            instance = await _revived(life)
        deadline = deadline_after(life.timeout_ms, timeout)
        run = life.awaited_entries.get(name) or _entry(life, instance, name)
        if run is None:
            blocked = BlockedCall(name, life.state, data, deadline, host_context)
            ended = await _on_a_thread(life, instance, blocked)
        else:
            call = AwaitedCall(name, life.state, data, deadline, host_context)
            try:
                ended = await run(call)
            finally:
                call.end()
        return ended if isinstance(ended, bytes) else settle(name, ended)
    finally:
        try:
            life.end_turn()
        finally:
            awaits.give_back()


def _check_free(life: Life, awaits: Awaits) -> None:
    """
    Raise `PluginBusy` where waiting would be for ever.

    Another task of the loop that awaits a call may wait for its end, but not what that call waits for itself.
    """
    if life.is_mine() and awaits.thread != get_ident():
        raise PluginBusy(
            "a call of this plugin is running on this very thread; use a second Plugin"
        )


def _entry(life: Life, instance: Instance | RemoteInstance, name: str) -> AwaitedEntry | None:
    """Return what runs calls of an export on fibers from now on; None where its code has to run on a thread."""
    if not isinstance(instance, Instance):
        return None
    reason = instance.must_block
    if not are_usable():
        reason = "this platform, or this version of Python, cannot run code on fibers"
    if reason:
        _say_once(reason)
        return None
    entry = life.awaited_entries[name] = instance.awaited_entry(name)
    return entry


@cache
def _say_once(reason: str) -> None:
    logging.getLogger(LOGGER).warning("awaited calls run on threads of their own: %s", reason)


async def _on_a_thread(
    life: Life, instance: Instance | RemoteInstance, call: BlockedCall
) -> bytes | Exit:
    call.loop = running_loop()
    try:
        run = life.entries.get(call.function) or life.entry(instance, call.function)
        return await _aside(life, lambda: run(call))
    except CancelledError:
        instance.wear()  # as on a fiber: nobody hears how far the guest got
        raise
    finally:
        call.end()


async def _revived(life: Life) -> Instance | RemoteInstance:
    """Return a new instance; where code runs while it is made, the loop goes on meanwhile."""
    return await _aside(life, life.revive) if life.program.runs_code else life.revive()


async def _aside(life: Life, run: Callable[[], T]) -> T:
    """Return what `run` returns on a thread, which has the plugin meanwhile."""

    def body() -> T:
        owner, life.owner = life.owner, get_ident()
        try:
            return run()
        finally:
            life.owner = owner

    return await aside(body, life.cancel)
