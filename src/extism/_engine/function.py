"""
An exported function, ready to be called: the way into code that is gone most often.

What holds for all ways in (spans, faults, whose call it is) is `store.py`'s to say.
"""

from __future__ import annotations

import struct
from _thread import get_ident

from extism._cached import cache
from extism._engine.bindings import call_unchecked
from extism._engine.foreign import byref, c_int32, c_int64, c_size_t, c_void_p
from extism._engine.interrupts import running_stores
from extism._engine.stacks import UNMEASURED, admit, call_on, calls
from extism._engine.trampoline import SLOT, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final, TypeAlias

    from extism._engine.faults import Fault
    from extism._engine.interrupts import Clock
    from extism._engine.store import Store

__all__ = ["Function", "Quick"]

Quick: TypeAlias = "Callable[[object, int], tuple[Any, ...] | Fault]"
"""Called with data (see `Store.enter`) and an integer; gives results, or how the code ended badly."""


Spanned: TypeAlias = "Callable[[object, int, float | None], Fault | None]"
"""Called with data, an integer and a deadline (see `Store.open`); says how the code ended badly, None if well."""

_FUNC: Final = struct.Struct("<2q")
"""A `wasmtime_func_t`."""

_CELL: Final = 8
"""Bytes of the integers that buffers consist of: a value is two."""


class _Kind:
    """What functions of one type have in common: a thousand plugins share it."""

    __slots__ = ("buffer", "count", "pack", "place", "unpack")

    def __init__(self, params: tuple[str, ...], results: tuple[str, ...]) -> None:
        count = max(len(params), len(results), 1)
        self.count = c_size_t.from_param(count)
        # The values, and behind them what the engine knows the function by: one object instead of two.
        self.place = SLOT * count
        self.buffer: Any = c_int64 * ((self.place + _FUNC.size) // _CELL)
        self.pack = layout(params).pack_into
        self.unpack = layout(results).unpack_from


_kind: Final = cache(_Kind)


class Function:
    """
    A function of an instance, with its type, ready to be called any number of times.

    Its values pass through one buffer, so a function is not called again before it has returned.
    """

    __slots__ = (
        "_arguments",
        "_buffer",
        "_cell",
        "_pack",
        "_trap",
        "_unpack",
        "has_results",
        "store",
    )

    def __init__(
        self, store: Store, func: bytes, params: Sequence[str], results: Sequence[str]
    ) -> None:
        self.store = store
        kind = _kind(tuple(params), tuple(results))
        self._buffer = kind.buffer()
        self._buffer[kind.place // _CELL :] = _FUNC.unpack(func)
        self._cell = c_int32.from_buffer(self._buffer)
        self._trap = store.trap
        # What `ctypes` would make of objects of its own, or of addresses, at each call; `byref` holds what it refers to.
        self._arguments = (
            c_void_p.from_param(store.context),
            byref(self._buffer, kind.place),
            byref(self._buffer),
            kind.count,
            byref(store.trap),
        )
        self.has_results = bool(results)
        self._pack, self._unpack = kind.pack, kind.unpack

    def __call__(self, data: object, *values: float) -> Fault | None:
        """
        Run the function; its results, if there is no fault, are in `results`.

        The same as `Store.enter`, in one piece: everything that is called passes through here.

        Raises:
            BaseException: The handler of a signal raised it while the code ran: Ctrl-C, as a rule.
        """
        if values:
            self._pack(self._buffer, 0, *values)
        store, thread = self.store, get_ident()
        outer = call_on(thread, UNMEASURED)
        calls[thread] = store if data is None else data
        try:
            error = call_unchecked(*self._arguments)
            return store.fault(error) if error or self._trap or store.raised else None
        except BaseException:  # of a signal's handler, in the lines above
            store.abandon()
            raise
        finally:
            if outer is UNMEASURED:
                calls.pop(thread, None)
            else:
                calls[thread] = outer

    def quick(self) -> Quick:
        """
        Return what calls a function of one integer as fast as it gets: results, or how the code ended badly.

        All that it needs are defaults of its own, which nobody overrides: half of the time of a short call goes into
        looking things up, and a cell of a closure takes five times the room of a default.
        """

        def call(
            data: object,
            value: int,
            store: Store = self.store,
            trap: Any = self._trap,
            buffer: Any = self._buffer,
            pack: Callable[..., None] = self._pack,
            unpack: Callable[[Any], tuple[Any, ...]] = self._unpack,
            arguments: tuple[Any, ...] = self._arguments,
        ) -> tuple[Any, ...] | Fault:
            thread = get_ident()
            outer = call_on(thread, UNMEASURED)
            calls[thread] = store if data is None else data
            try:
                pack(buffer, 0, value)
                error = call_unchecked(*arguments)
                if error or trap or store.raised:
                    fault = store.fault(error)
                    if fault is not None:
                        return fault
                return unpack(buffer)
            except BaseException:  # as above
                store.abandon()
                raise
            finally:
                if outer is UNMEASURED:
                    calls.pop(thread, None)
                else:
                    calls[thread] = outer

        return call

    def spanned(self) -> tuple[Spanned, Sequence[int]]:
        """
        Return what calls a function of i64s in a span of its own, and the cells that it leaves its results in.

        It is `Store.open`, `quick` and `Store.close` in one function, since nearly every call of a plugin passes through
        here: in three, they take as long again as the engine does.

        ::

            cells  | 0: the parameter, the first result | 1 | 2: the second | 3 | 4: the third ...
        """

        def call(
            data: object,
            value: int,
            deadline: float | None,
            store: Store = self.store,
            key: int = id(self.store),
            clock: Clock | None = self.store.clock,
            trap: Any = self._trap,
            cells: Any = self._buffer,
            arguments: tuple[Any, ...] = self._arguments,
        ) -> Fault | None:
            thread = get_ident()
            outer = call_on(thread, UNMEASURED)
            if outer is not None:  # code is running on it already, or nothing is known of it
                admit(thread)
                outer = call_on(thread)
            store.thread = thread
            store.span += 1
            store.deadline = deadline
            store.is_running = True
            running_stores[key] = store
            calls[thread] = data
            try:
                if clock is not None and clock.is_parked:
                    clock.wake()
                cells[0] = value
                error = call_unchecked(*arguments)
                return store.fault(error) if error or trap or store.raised else None
            except BaseException:  # as above
                store.abandon()
                raise
            finally:
                # No call before these: no signal comes between.
                del running_stores[key]
                calls[thread] = outer
                store.is_running = False
                store.deadline = None
                if store.raised is not None:
                    store.raise_kept()

        return call, self._buffer

    @property
    def code(self) -> int:
        """The result of the last call of a function whose only result is an i32."""
        return self._cell.value

    @property
    def results(self) -> tuple[Any, ...]:
        """What the last call gave, integers signed."""
        return self._unpack(self._buffer)
