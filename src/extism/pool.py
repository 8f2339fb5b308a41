"""
`Pool`: living copies of one plugin, lent to whoever asks, first come first served.

Who gets which copy, and when, is in `turns.py`; when a copy is not lent again, in `pooled.py`.
"""

from __future__ import annotations

import functools
import os
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, Unpack

from extism.calls import Calls
from extism.compiled import CompiledPlugin
from extism.errors import PluginClosed
from extism.pooled import PluginOptions, PooledPlugin
from extism.turns import CLOSED, Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from extism._runtime.kernel import Data
    from extism.given import PluginSource
    from extism.plugin import Plugin

__all__ = ["Pool", "PoolStatistics"]

_COMPILE_OPTIONS: Final = (
    "wasi",
    "functions",
    "fuel_limit",
    "ca_bundle",
    "policy",
    "max_memory",
    "fuse",
    "interruptible",
    "features",
    "compile_limits",
    "isolation",
)
"""Those of the options that are a `CompiledPlugin`'s: they hold for every plugin that is made of it."""


class PoolStatistics(NamedTuple):
    """
    A pool at one moment, and what it has done so far.

    Attributes:
        maximum: How many copies there may be.
        busy: How many are lent, or being made.
        idle: How many wait to be lent.
        waiting: How many threads and tasks wait for one.
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


class Pool(Calls):
    """
    Copies of one plugin for many threads and tasks: made when they are needed, used again, never more than `maximum`.

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
        self._timeout = timeout
        self._compiled = _compiled(plugin, options)
        make = functools.partial(PooledPlugin, self._compiled, **options)
        limit = None if max_calls is None else _positive("max_calls", max_calls)
        self._turns = Turns(make, self.maximum, limit)

    def plugin(self, timeout: float | None = None) -> Loan:
        """
        Lend a copy for the length of a `with` block, or of an `async with` block; it must not be used after it.

        Args:
            timeout: Seconds to wait for one, 0 not to wait, `math.inf` to wait for ever; what the pool
                says if None. The time that making a copy takes is not counted.

        Raises:
            PoolTimeout: None became free in time.
            PluginClosed: The pool was closed, before or while this waited.
            PluginBusy: This thread, or task, holds all copies itself, and would wait for ever.
            Error: A copy could not be made; its place is free again.
        """
        return Loan(self, self._timeout if timeout is None else timeout)

    def function_exists(self, name: str) -> bool:
        """Return whether `call` can run an export of that name; no copy is needed for it."""
        if self._turns.is_closed:
            raise PluginClosed(CLOSED)
        return name in self._compiled.program.callable_names()

    def _run(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        with self.plugin() as copy:
            return copy.call(name, data, host_context=host_context, timeout=timeout)

    async def _arun(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        async with self.plugin() as copy:
            return await copy.acall(name, data, host_context=host_context, timeout=timeout)

    @property
    def statistics(self) -> PoolStatistics:
        """How the pool is doing."""
        return PoolStatistics(**self._turns.tally())

    def close(self) -> None:
        """Close idle copies now and lent ones when they come back; whoever waits gets `PluginClosed`."""
        self._turns.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a Pool cannot be pickled; send a PluginSpec, and make a pool there")

    def __repr__(self) -> str:
        return f"<Pool{', closed:' if self._turns.is_closed else ''} {self._turns}>"

    @contextmanager
    def _loan(self, timeout: float | None) -> Iterator[Plugin]:
        turn = self._turns.take(timeout)
        assert turn.copy is not None
        try:
            yield turn.copy
        finally:
            self._turns.give_back(turn)

    @asynccontextmanager
    async def _awaited_loan(self, timeout: float | None) -> AsyncIterator[Plugin]:
        from extism.awaited_turns import take

        turn = await take(self._turns, timeout, is_slow=self._compiled.program.runs_code)
        assert turn.copy is not None
        try:
            yield turn.copy
        finally:
            self._turns.give_back(turn)


class Loan(AbstractContextManager["Plugin"], AbstractAsyncContextManager["Plugin"]):
    """A copy of a pool, for a `with` block or an `async with` block; made by `Pool.plugin`."""

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout

    def __enter__(self) -> Plugin:
        self._block = self._pool._loan(self._timeout)  # noqa: SLF001 - its own pool
        return self._block.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._block.__exit__(kind, value, traceback)

    async def __aenter__(self) -> Plugin:
        self._awaited = self._pool._awaited_loan(self._timeout)  # noqa: SLF001 - its own pool
        return await self._awaited.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._awaited.__aexit__(kind, value, traceback)


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
