"""
`Pool`: living copies of one plugin, lent to whoever asks, first come first served.

Theory of operation: whoever wants a copy draws a *turn*. `_assign` matches the turns that wait with idle
copies and free places, in the order of arrival, and that is all it does: copies are made and closed outside
the lock, and a turn that got a place without a copy makes one itself. A copy that comes back belongs to
the next turn at once, so nobody who comes later can snatch it. Every turn sleeps on a signal of its own:
giving back wakes one, not all.

What can go wrong: a thread that holds a copy and waits for another one may wait for ever, like with any lock.
Where the pool can tell (the thread holds all of them) it raises `PluginBusy`; else a `timeout` helps.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar, Unpack, overload

from extism.compiled import CompiledPlugin
from extism.errors import PluginBusy, PluginClosed, PoolTimeout
from extism.pooled import PluginOptions, PooledPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import Buffer

    from extism.compiled import PluginSource
    from extism.plugin import Plugin

__all__ = ["Pool", "PoolStatistics"]

T = TypeVar("T")

_COMPILE_OPTIONS: Final = ("wasi", "functions", "fuel_limit", "ca_bundle", "policy")
"""Those of the options that are a `CompiledPlugin`'s: they hold for every plugin that is made of it."""


class PoolStatistics(NamedTuple):
    """
    A pool at one moment, and what it has done so far.

    Attributes:
        maximum: How many copies there may be.
        busy: How many are lent, or being made.
        idle: How many wait to be lent.
        waiting: How many threads wait for one.
        created: How many were ever made.
        recycled: How many were closed because they were worn out, or because a call left them in doubt.
        lent: How often one was lent.
        calls: How many calls the copies that came back had run.
        timed_out: How often somebody waited in vain.
    """

    maximum: int
    busy: int
    idle: int
    waiting: int
    created: int
    recycled: int
    lent: int
    calls: int
    timed_out: int


class Pool:
    """
    Copies of one plugin for many threads: made when they are needed, used again, never more than `maximum`.

    A copy keeps its variables and its memory from one loan to the next; the one that came back last is
    lent first. It is closed instead after `max_calls` calls, and after a call that did not come to its end by
    itself: a trap, a time-out, a cancellation, an exit, out of memory or fuel, an exception in a host function.

    Args:
        plugin: What the copies are made of, see `Plugin`; compiled here, once.
        maximum: How many copies there may be; as many as processors if None.
        max_calls: How many calls a copy may run; any number if None, and with 1 nothing that a call leaves
            behind reaches the next one.
        timeout: Seconds to wait for a copy where nothing else is said; for ever if None.
        options: Those of `Plugin`, for every copy.

    Raises:
        Error: The plugin cannot be compiled.
        ValueError: `maximum` or `max_calls` is less than 1.
    """

    def __init__(
        self,
        plugin: PluginSource | CompiledPlugin,
        maximum: int | None = None,
        *,
        max_calls: int | None = None,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        self.maximum: Final = _positive("maximum", _processors() if maximum is None else maximum)
        self._max_calls = None if max_calls is None else _positive("max_calls", max_calls)
        self._timeout = timeout
        self._options = options
        self._compiled = _compiled(plugin, options)
        self._lock = threading.Lock()
        self._waiting: deque[_Turn] = deque()
        self._returned: deque[_Turn] = deque()
        self._busy: set[_Turn] = set()
        self._idle: list[PooledPlugin] = []
        self._is_closed = False
        self._created = self._recycled = self._lent = self._calls = self._timed_out = 0
        _pools.add(self)

    @overload
    def call(
        self,
        function_name: str,
        data: str | Buffer,
        *,
        host_context: Any = None,
        timeout: float | None = None,
    ) -> bytes: ...
    @overload
    def call(
        self,
        function_name: str,
        data: str | Buffer,
        parse: Callable[[bytes], T],
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> T: ...
    @overload
    def call(
        self,
        function_name: str,
        data: str | Buffer,
        parse: None,
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> memoryview: ...
    def call(
        self,
        function_name: str,
        data: str | Buffer,
        parse: Callable[[bytes], Any] | None = bytes,
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """
        Run an export on a copy, as `Plugin.call` does; the copy is given back before this returns.

        `timeout` is that of the call. How long to wait for a copy is the pool's own `timeout`, or that of a
        `with pool.plugin(timeout=...)` block.

        Raises:
            PoolTimeout: No copy became free within the pool's `timeout`.
            PluginClosed: The pool was closed.
            PluginBusy: This thread holds all copies itself.
            Error: What `Plugin.call` raises, or what making a copy raises.
        """
        with self.plugin() as copy:
            return copy.call(function_name, data, parse, host_context, timeout=timeout)

    @contextmanager
    def plugin(self, timeout: float | None = None) -> Iterator[Plugin]:
        """
        Lend a copy for the length of a `with` block; it must not be used after it.

        Args:
            timeout: Seconds to wait for one, 0 not to wait, `math.inf` to wait for ever; what the pool
                says if None. The time that making a copy takes is not counted.

        Raises:
            PoolTimeout: None became free in time.
            PluginClosed: The pool was closed, before or while this waited.
            PluginBusy: This thread holds all copies itself, and would wait for ever.
            Error: A copy could not be made; its place is free again.
        """
        turn = self._take(self._timeout if timeout is None else timeout)
        assert turn.copy is not None
        try:
            yield turn.copy
        finally:
            self._give_back(turn)

    def function_exists(self, name: str) -> bool:
        """Return whether `call` can run an export of that name; no copy is needed for it."""
        if self._is_closed:
            raise PluginClosed(_CLOSED)
        return name in self._compiled.program.callable_names()

    @property
    def statistics(self) -> PoolStatistics:
        """How the pool is doing."""
        with self._lock:
            found = PoolStatistics(
                maximum=self.maximum,
                busy=len(self._busy),
                idle=len(self._idle),
                waiting=len(self._waiting),
                created=self._created,
                recycled=self._recycled,
                lent=self._lent,
                calls=self._calls,
                timed_out=self._timed_out,
            )
        self._settle()
        return found

    def close(self) -> None:
        """Close idle copies now and lent ones when they come back; whoever waits gets `PluginClosed`."""
        with self._lock:
            self._is_closed = True
        self._settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "Pool, closed:" if self._is_closed else "Pool"
        return (
            f"<{state} {len(self._busy)} busy, {len(self._idle)} idle, {self.maximum} most "
            f"| {len(self._waiting)} waiting>"
        )

    def _take(self, timeout: float | None) -> _Turn:
        """Wait for a turn, and make its copy if it got a place without one."""
        turn = _Turn()
        self._waiting.append(turn)
        try:
            self._settle()
            self._wait(turn, timeout)
            if turn.copy is None:
                turn.copy = PooledPlugin(self._compiled, **self._options)
        except BaseException:
            self._give_up(turn)
            raise
        turn.copy.is_lent = True
        return turn

    def _wait(self, turn: _Turn, timeout: float | None) -> None:
        if turn.signal.acquire(blocking=False):
            turn.check()
            return
        longest = threading.TIMEOUT_MAX
        seconds = longest if timeout is None else min(max(timeout, 0), longest)
        if seconds == longest and self._is_stuck(turn):
            raise PluginBusy(
                f"this thread holds all {self.maximum} plugins of the pool and waits for one more: "
                "give one back first, or raise `maximum`"
            )
        if not turn.signal.acquire(timeout=seconds) and self._leave(turn):
            raise PoolTimeout(f"no plugin became free within {timeout} s: {self!r}")
        turn.check()

    def _is_stuck(self, turn: _Turn) -> bool:
        """Tell whether only this very thread could give back what this turn waits for."""
        with self._lock:
            is_waiting = turn in self._waiting
            found = is_waiting and all(each.thread == turn.thread for each in self._busy)
        self._settle()
        return found

    def _leave(self, turn: _Turn) -> bool:
        """Leave the queue after waiting in vain; False if the turn has come in the very last moment."""
        with self._lock:
            is_waiting = turn in self._waiting
            if is_waiting:
                self._waiting.remove(turn)
                self._timed_out += 1
        self._settle()
        return is_waiting

    def _give_up(self, turn: _Turn) -> None:
        """Forget a turn that ended in an error: its wait, or its place."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn in self._busy:
                self._returned.append(turn)
        self._settle()

    def _give_back(self, turn: _Turn) -> None:
        assert turn.copy is not None
        turn.copy.is_lent = False
        self._returned.append(turn)
        # NB a generator may be collected, and give its copy back, while this very thread has the lock: it is
        # not waited for here. Whoever has it comes by `_settle` after it.
        if not self._lock.locked():
            self._settle()

    def _settle(self) -> None:
        """Wake and close what `_assign` says, until nothing more has come back."""
        while True:
            with self._lock:
                ready, gone = self._assign()
            for turn in ready:
                turn.signal.release()
            for copy in gone:
                copy.close()
            if not self._returned:
                return

    def _assign(self) -> tuple[list[_Turn], list[PooledPlugin]]:
        """
        Match those who wait with what is free, and return whom to wake and what to close.

        1. What came back is idle, or gone if it is worn or the pool is closed.
        2. Who waits gets the copy that became idle last.
        3. Where none is idle but a place is free, who waits gets the place, to make a copy.
        """
        ready: list[_Turn] = []
        gone = self._put_away()
        if self._is_closed:
            gone += self._idle
            self._idle.clear()
        while self._waiting and (self._is_closed or self._idle or len(self._busy) < self.maximum):
            turn = self._waiting.popleft()
            ready.append(turn)
            if self._is_closed:
                turn.is_refused = True
                continue
            self._busy.add(turn)
            self._lent += 1
            if self._idle:
                turn.copy = self._idle.pop()
                turn.calls_before = turn.copy.call_count
            else:
                self._created += 1
        return ready, gone

    def _put_away(self) -> list[PooledPlugin]:
        """Make what came back idle, and return what is not to be used again."""
        worn = []
        while self._returned:
            turn = self._returned.popleft()
            self._busy.discard(turn)
            copy = turn.copy
            if copy is None:
                self._created -= 1
                self._lent -= 1
                continue
            self._calls += copy.call_count - turn.calls_before
            if copy.is_worn(self._max_calls):
                self._recycled += 1
                worn.append(copy)
            else:
                self._idle.append(copy)
        return worn

    def _forget_other_threads(self) -> None:
        """After a fork: only this thread goes on, and two processes shall not share a guest's state."""
        me = threading.get_ident()
        self._lock = threading.Lock()
        self._waiting.clear()
        self._returned.clear()
        self._idle.clear()
        self._busy = {turn for turn in self._busy if turn.thread == me}


_CLOSED: Final = "the pool is closed"


class _Turn:
    """
    Somebody's turn to have a copy.

    Attributes:
        copy: What they got; None while they wait, and while they make one.
        calls_before: How many calls it had run when they got it.
        is_refused: Whether the pool was closed before they got one.
        signal: Locked until they need not wait any longer.
        thread: Who they are.
    """

    __slots__ = ("calls_before", "copy", "is_refused", "signal", "thread")

    def __init__(self) -> None:
        self.copy: PooledPlugin | None = None
        self.calls_before = 0
        self.is_refused = False
        self.signal = threading.Lock()
        self.signal.acquire()
        self.thread = threading.get_ident()

    def check(self) -> None:
        if self.is_refused:
            raise PluginClosed(_CLOSED)


def _compiled(plugin: PluginSource | CompiledPlugin, options: PluginOptions) -> CompiledPlugin:
    if isinstance(plugin, CompiledPlugin):
        return plugin
    own: Any = {key: value for key, value in options.items() if key in _COMPILE_OPTIONS}
    return CompiledPlugin(plugin, **own)


def _processors() -> int:
    """Return how many processors this process may use, as far as the platform tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = os.cpu_count() if affinity is None else len(affinity(0))
    return count or 1


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
    return value


_pools: Final[weakref.WeakSet[Pool]] = weakref.WeakSet()
"""The pools of this process, for the child of a fork."""


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool._forget_other_threads()  # noqa: SLF001 - its own pools


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
