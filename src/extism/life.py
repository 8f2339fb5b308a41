"""
`Life`: the instance that runs a plugin's calls, whose turn it is to use it, and what comes after it.

A plugin runs one call at a time. Another thread that calls it waits; a host function that calls the plugin which is
running it gets `PluginBusy`, because waiting would be for ever. Instances are replaced when they are worn; what
stays is in the `PluginState`. The plain call is in `plugin.py`, the awaited one in `acall.py`.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident

from extism._engine.stacks import StackTooSmall, first_caller
from extism._runtime.call import Call, deadline_after
from extism.errors import PluginBusy, PluginClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from extism._isolation.program import Lodging
    from extism._isolation.remote import RemoteInstance
    from extism._runtime.awaited import AwaitedEntry
    from extism._runtime.entries import Entry
    from extism._runtime.instance import Instance, Program
    from extism._runtime.state import PluginState
    from extism.awaits import Awaits

    T = TypeVar("T")

__all__ = ["Life"]


class Life:
    """
    The life of one plugin, from its first instance to its end.

    Args:
        program: What instances are made of.
        state: What outlives them.
        timeout_ms: For each call, and for the making of an instance; None for no limit.

    Attributes:
        awaited_entries: What runs awaited calls of each export, as long as the instance is not worn.
        awaits: Who awaits calls; None until somebody does.
        call: What the next plain call is handed; None where the last one was shown to a function of the host.
        entries: What runs plain calls of each export, likewise.
        instance: What runs calls; None while none could be made, and when it is over.
        is_closed: Whether nothing may be begun any more.
        lock: Held by whoever has their turn.
        owner: The thread that has its turn; None while nobody has.
    """

    __slots__ = (
        "_program",
        "_wasi",
        "awaited_entries",
        "awaits",
        "call",
        "entries",
        "instance",
        "is_closed",
        "lock",
        "owner",
        "state",
        "timeout_ms",
    )

    def __init__(
        self, program: Program | Lodging, state: PluginState, timeout_ms: int | None
    ) -> None:
        self._program: Program | Lodging | None = program
        self.state = state
        self.timeout_ms = timeout_ms
        self.lock = allocate_lock()
        self.owner: int | None = None
        self.instance: Instance | RemoteInstance | None = None
        self.entries: dict[str, Entry] = {}
        self.awaited_entries: dict[str, AwaitedEntry] = {}
        self.awaits: Awaits | None = None
        self.call: Call | None = None
        self.is_closed = False
        world = program.world
        self._wasi = None if world is None else world(lambda: state.log)

    @property
    def program(self) -> Program | Lodging:
        """
        What instances are made of.

        Raises:
            PluginClosed: There will be none any more.
        """
        program = self._program
        if self.is_closed or program is None:
            raise PluginClosed("the plugin is closed")
        return program

    def entry(self, instance: Instance | RemoteInstance, name: str) -> Entry:
        """Return what runs calls of an export from now on."""
        entry = self.entries[name] = instance.entry(name)
        return entry

    def new_call(self) -> Call:
        """Return what plain calls are handed from now on, one after the other."""
        self.call = call = Call("", self.state)
        return call

    def is_mine(self) -> bool:
        """
        Tell whether the call that runs would wait for what asks.

        That runs inside the call, on its thread or on one that it waits for, or where the loop runs that awaits it.
        """
        owner, awaits, here = self.owner, self.awaits, get_ident()
        if owner is None:
            return False
        is_inside = first_caller(owner) == first_caller(here)
        return is_inside or (awaits is not None and awaits.thread == here)

    def check_free(self) -> None:
        """Raise `PluginBusy` where waiting for a turn would be for ever."""
        if self.is_mine():
            raise _busy(is_awaited=self.awaits is not None and self.awaits.turn is not None)

    def take(self) -> None:
        """
        Take a turn for something but a call, which does the same in line; another thread is waited for.

        Raises:
            PluginBusy: A host function of the running call asked for it.
            PluginClosed: The plugin was closed.
        """
        self.check_free()
        self.lock.acquire()
        self.owner = get_ident()
        if self.is_closed:
            self.give_back()
            raise PluginClosed("the plugin is closed")

    def give_back(self) -> None:
        """End a turn."""
        try:
            self.end_turn()
        finally:
            self.lock.release()

    def end_turn(self) -> None:
        """Let go of what was closed meanwhile; the lock is the caller's to release."""
        self.owner = None
        if self.is_closed:
            self._drop()

    def revive(self) -> Instance | RemoteInstance:
        """
        Make a new instance; its initialisers have one `timeout_ms` together.

        Raises:
            Error: A start function or an initialiser ended badly, or there is no instance to be had.
        """
        try:
            return self._made()
        except StackTooSmall:
            return self.elsewhere(self._made)

    def _made(self) -> Instance | RemoteInstance:
        self.state.come_home()
        self._forget_instance()
        call = Call("", self.state, deadline=deadline_after(self.timeout_ms))
        try:
            # Kept before it is started, so that starting can be cancelled.
            self.instance = instance = self.program.instance(self._wasi)
            instance.start(call)
        finally:
            call.end()
        return instance

    def _forget_instance(self) -> None:
        self.instance = None
        self.entries, self.awaited_entries = {}, {}

    def elsewhere(self, run: Callable[[], T]) -> T:
        """Return what `run` returns on a thread of ours, as this one has too small a stack."""
        from extism._engine.large_stack import on_a_large_stack

        return on_a_large_stack(run, self.cancel)

    def cancel(self, may: Callable[[], bool] | None = None) -> bool:
        """End what runs, as `Store.cancel` does; False if nothing does."""
        instance = self.instance
        return instance is not None and instance.store.cancel(may)

    def close(self) -> None:
        """Give everything back; now, or when the running call is over, if that asks for it itself."""
        self.is_closed = True
        if not self.is_mine():
            with self.lock:
                self._drop()

    def _drop(self) -> None:
        self.state.come_home()
        program, self._program = self._program, None
        self._forget_instance()
        if program is not None:
            program.leave()
        self.state.close()


def _busy(*, is_awaited: bool) -> PluginBusy:
    if is_awaited:
        return PluginBusy(
            "cannot make reentrant calls into plugin: a call of it is awaited on this very thread; await "
            "`acall`, or use a second Plugin"
        )
    return PluginBusy(
        "cannot make reentrant calls into plugin: a host function called the plugin that is "
        "running it; use a second Plugin"
    )
