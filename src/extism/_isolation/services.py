"""
What a worker asks its parent for during a call: host functions, configuration, variables, the network, logs.

Nothing of these is in the worker, so whatever may happen to it, it gets no more than the plugin was granted: the
checks are made here. What a service raises is the call's own to raise; the worker is told only that it did.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from extism._capabilities.log_sinks import LogLevel
from extism._engine.trampoline import converter, layout
from extism._isolation.frames import Breach, Frame, Kind
from extism._isolation.reports import text_of
from extism.abi import MAX_MESSAGE_BYTES
from extism.errors import CallError, Error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from extism._isolation.frames import Bytes
    from extism._runtime.call import Call
    from extism.abi import HostImport

__all__ = ["Reply", "Services"]

_LEVELS: Final = {level.value: level for level in LogLevel}


class Reply(NamedTuple):
    """The frame that answers a request."""

    kind: int
    body: Bytes = b""
    place: int = 0
    number: int = 0


_NOTHING: Final = Reply(Kind.NOTHING)


class Services:
    """
    Everything that plugins of one kind may ask for.

    Args:
        functions: The host's functions, in the order in which workers number them.
    """

    def __init__(self, functions: Sequence[HostImport]) -> None:
        self._functions = tuple(_callable(each) for each in functions)

    def answer(self, call: Call, frame: Frame) -> Reply:
        """
        Do what a worker asks for.

        Raises:
            Breach: No worker asks for that.
            BaseException: What the service raised.
        """
        serve = _SERVICES.get(frame.kind)
        if serve is None:
            raise Breach(f"a frame of the kind {frame.kind}, which is nothing to ask for")
        return serve(self, call, frame)

    def function(self, call: Call, frame: Frame) -> Reply:
        """Run a function of the host."""
        if frame.place >= len(self._functions):
            raise Breach("a host function that there is not")
        return self._functions[frame.place](call, frame.body)


def _callable(item: HostImport) -> Callable[[Call, bytes], Reply]:
    """Return what runs a function of the host on numbers as they travel."""
    unpack, size = layout(item.params).unpack, layout(item.params).size
    pack = layout(item.results).pack
    convert = converter(item.results, f"{item.namespace}::{item.name}")
    body = item.body

    def run(call: Call, numbers: bytes) -> Reply:
        if len(numbers) != size:
            raise Breach("a host function called with other numbers than it has")
        values = body(call, *unpack(numbers))
        try:
            return Reply(Kind.RESULT, pack(*values))
        except struct.error:  # unsigned, or of a wrong type
            return Reply(Kind.RESULT, pack(*convert(values)))

    return run


def _config(_: Services, call: Call, frame: Frame) -> Reply:
    value = call.state.config.get(text_of(frame.body))
    return _NOTHING if value is None else Reply(Kind.RESULT, value.encode())


def _var_get(_: Services, call: Call, frame: Frame) -> Reply:
    value = call.state.variables.get(text_of(frame.body))
    return _NOTHING if value is None else Reply(Kind.RESULT, value)


def _var_set(_: Services, call: Call, frame: Frame) -> Reply:
    key, value = _halves(frame)
    call.state.variables.set(text_of(key), value)
    return _NOTHING


def _var_remove(_: Services, call: Call, frame: Frame) -> Reply:
    call.state.variables.remove(text_of(frame.body))
    return _NOTHING


def _http(_: Services, call: Call, frame: Frame) -> Reply:
    """Send a request; the response's headers, where they are granted, and its body."""
    state = call.state
    request, content = _halves(frame)
    try:
        response = state.http.send(
            request,
            content if frame.flags else None,
            deadline=call.deadline,
            is_cancelled=lambda: call.is_cancelled,
        )
    except Error:
        raise
    except (ValueError, OSError) as exc:
        raise CallError(str(exc), function=call.function) from exc
    granted = dict(response.headers) if state.has_response_headers else {}
    headers = json.dumps(granted).encode()
    return Reply(Kind.RESULT, headers + response.body, len(headers), response.status)


def _level(_: Services, call: Call, __: Frame) -> Reply:
    return Reply(Kind.RESULT, number=call.state.log.wanted_level())


def _write_log(_: Services, call: Call, frame: Frame) -> Reply:
    level = _LEVELS.get(frame.place)
    if level is None or len(frame.body) > MAX_MESSAGE_BYTES + 1:
        raise Breach("a log message of no known level, or too long")
    call.state.log.write(level, frame.body, length=max(frame.number, len(frame.body)))
    return _NOTHING


def _halves(frame: Frame) -> tuple[bytes, bytes]:
    """Return the two parts of a body, the first of `place` bytes of it."""
    if frame.place > len(frame.body):
        raise Breach("a part that is longer than the whole")
    return frame.body[: frame.place], frame.body[frame.place :]


_SERVICES: Final[dict[int, Callable[[Services, Any, Frame], Reply]]] = {
    Kind.HOST: Services.function,
    Kind.CONFIG: _config,
    Kind.VAR_GET: _var_get,
    Kind.VAR_SET: _var_set,
    Kind.VAR_REMOVE: _var_remove,
    Kind.HTTP: _http,
    Kind.LEVEL: _level,
    Kind.LOG: _write_log,
}
