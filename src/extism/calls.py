"""
`Calls`: `call` and `acall`, which plugins and pools of their copies have in common.

Here is how both are called, and what becomes of an input and of an output; what runs the export in between is in
`plugin.py` and `pool.py`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar, overload

    from typing_extensions import Buffer

    from extism._runtime.kernel import Data
    from extism.buffers import ByteBuffer

    T = TypeVar("T")

__all__ = ["Calls"]


class Calls:
    """What runs exports: a plugin, or a pool of its copies."""

    if TYPE_CHECKING:

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
        ) -> ByteBuffer: ...

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
        Run an export and return what it gave as output; a pool runs it on a copy, which is given back before.

        Args:
            function_name: The export; it has no parameters, and no result or an i32.
            data: The input; a str is sent as UTF-8.
            parse: Makes the result out of the output; None gives a `ByteBuffer` of your own.
            host_context: Handed to host functions that ask for `CurrentPlugin.host_context`.
            timeout: Seconds for this call; the manifest's `timeout_ms` holds as well. To wait for a copy has a
                limit of its own, see `Pool`.

        Raises:
            FunctionNotFound: There is no such export.
            CallError: The call did not end well; `errors.py` lists how.
            PluginBusy: A host function of the plugin's own running call called it, or this thread holds all
                copies of the pool itself.
            PluginClosed: The plugin, or the pool, was closed.
            PoolTimeout: No copy of the pool became free in time.
            TypeError: An argument is of the wrong type.
            Error: What making a new instance, or a copy, raises.
        """
        content = data if data.__class__ is bytes else _input(data)
        name = function_name if function_name.__class__ is str else _name(function_name)
        output = self._run(name, content, host_context, timeout)
        if parse is bytes:
            return output
        return _buffer(output) if parse is None else parse(output)

    if TYPE_CHECKING:

        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            *,
            host_context: Any = None,
            timeout: float | None = None,
        ) -> bytes: ...
        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            parse: Callable[[bytes], T],
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> T: ...
        @overload
        async def acall(
            self,
            function_name: str,
            data: str | Buffer,
            parse: None,
            host_context: Any = None,
            *,
            timeout: float | None = None,
        ) -> ByteBuffer: ...

    async def acall(
        self,
        function_name: str,
        data: str | Buffer,
        parse: Callable[[bytes], Any] | None = bytes,
        host_context: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """
        Run an export as `call` does, without a thread, while the event loop goes on.

        Functions of the host that are `async def` are awaited in the task that awaits this; a plugin that computes
        lets others run every few milliseconds. Who is cancelled ends the plugin's call at once, and the next call
        gets a fresh instance; variables and config stay. Awaited calls of one plugin wait for each other, and for
        a copy of a pool, while the loop goes on.

        Raises:
            Error: What `call` raises.
            CancelledError: The task was cancelled.
        """
        content = data if data.__class__ is bytes else _input(data)
        output = await self._arun(_name(function_name), content, host_context, timeout)
        if parse is bytes:
            return output
        return _buffer(output) if parse is None else parse(output)

    def _run(self, name: str, data: Data, host_context: Any, timeout: float | None) -> bytes:
        """Return the output of an export."""
        raise NotImplementedError

    def _arun(
        self, name: str, data: Data, host_context: Any, timeout: float | None
    ) -> Coroutine[Any, Any, bytes]:
        """Return the same, to be awaited."""
        raise NotImplementedError


def _name(name: object) -> str:
    """Return the name of a function, where it is one."""
    if not isinstance(name, str):
        raise TypeError(f"function_name must be a str, not {type(name).__name__}")
    return str(name)


def _input(data: str | Buffer) -> Data:
    """Return bytes that are a plain row, copied only where they are none."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray):
        return data
    try:
        # Upstream takes numbers of bytes.
        view = memoryview(bytes(data) if isinstance(data, list | tuple) else data)
    except TypeError:
        raise TypeError(f"data must be str or bytes-like, not {type(data).__name__}") from None
    is_row = view.format == "B" and view.ndim == 1 and view.contiguous
    return view if is_row else view.tobytes()


def _buffer(output: bytes) -> ByteBuffer:
    from extism.buffers import copy_of

    return copy_of(output)
