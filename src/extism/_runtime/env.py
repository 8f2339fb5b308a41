"""
The host's twelve functions of `extism:host/env`: handles to bytes, one capability, bytes to a handle.

Marshalling only; what is allowed is decided in `_capabilities/`. Which handles a function takes is said in
`abi.FUNCTIONS`, and freed in one place, `_freeing`. A function that fails ends the call. Nine of them are rarely
reached: the kernel goes short ways (`levels.wat`, `shelf.wat`) where it was shown them here, and nothing is wrong.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache
from extism._runtime.call import AwaitedCall
from extism._runtime.kernel import NoRoom
from extism.errors import CallError, Error, OutOfMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from extism._capabilities.http import Response
    from extism._runtime.call import Call

__all__ = ["host_imports"]


def config_get(call: Call, key: int) -> tuple[int]:
    """Return a handle to the value of a configuration key; 0 where there is none, or an empty one."""
    value = call.state.config.get(_text(call, key, "config key"))
    handle = _store(call, (value or "").encode())
    call.state.config.offer(call.live_kernel().shelves.config)
    return (handle,)


def var_get(call: Call, key: int) -> tuple[int]:
    """Return a handle to a copy of a variable; 0 where there is none, or an empty one."""
    value = call.state.variables.get(_text(call, key, "var key"))
    handle = _store(call, value or b"")
    call.state.variables.offer(call.live_kernel().shelves.variables)
    return (handle,)


def var_set(call: Call, key: int, value: int) -> tuple[()]:
    """Keep a variable, or forget it if `value` is 0."""
    name = _text(call, key, "var key")
    if value:
        call.state.variables.set(name, _bytes(call, value, "var value"))
    else:
        call.state.variables.remove(name)
    call.state.variables.offer(call.live_kernel().shelves.variables)
    return ()


def http_request(call: Call, request: int, body: int) -> Any:
    """Send a request, and return a handle to the body of the response; 0 for an empty one."""
    state = call.state
    state.last_response = None
    text = _bytes(call, request, "http request")
    content = _bytes(call, body, "http request body") if body else None

    def answered(response: Response) -> tuple[int]:
        state.last_response = response
        handle = _store(call, response.body)
        _free(call, request, body)
        return (handle,)

    if isinstance(call, AwaitedCall):
        return call.wait_for(_awaited(call, text, content), answered)
    try:
        response = state.http.send(
            text, content, deadline=call.deadline, is_cancelled=lambda: call.is_cancelled
        )
    except Error:
        raise
    except (ValueError, OSError) as exc:
        raise CallError(str(exc), function=call.function) from exc
    return answered(response)


async def _awaited(call: Call, request: bytes, body: bytes | None) -> Response:
    try:
        has_deadline = call.deadline is not None
        return await call.state.http.asend(request, body, has_deadline=has_deadline)
    except Error:
        raise
    except (ValueError, OSError) as exc:
        raise CallError(str(exc), function=call.function) from exc


def http_status_code(call: Call) -> tuple[int]:
    """Return the status of the last response; 0 before the first, or if the last request failed."""
    response = call.state.last_response
    return (response.status if response else 0,)


def http_headers(call: Call) -> tuple[int]:
    """Return a handle to the last response's headers as a JSON object; 0 where they are not granted."""
    if not call.state.has_response_headers:
        return (0,)
    response = call.state.last_response
    import json

    headers = dict(response.headers) if response else {}
    return (_store(call, json.dumps(headers).encode()),)


def get_log_level(call: Call) -> tuple[int]:
    """Return the lowest level that anybody wants; `LOGGING_OFF` for none."""
    level = call.state.log.wanted_level()
    call.live_kernel().tell_level(level)
    return (level,)


def _log(level: int) -> Callable[[Call, int], tuple[()]]:
    def log(call: Call, message: int) -> tuple[()]:
        """Log a message, if anybody wants its level."""
        kernel = call.live_kernel()
        wanted = call.state.log.wanted_level()
        kernel.tell_level(wanted)
        if level >= wanted:
            length = kernel.length(message)
            if message and not length:
                raise _invalid(call, "log message", message)
            # One byte more than is shown: a message of any size costs no more than that.
            start = (
                kernel.data.read(message, min(length, abi.MAX_MESSAGE_BYTES + 1)) if length else b""
            )
            call.state.log.write(level, start, length=length)
        return ()

    return log


_BODIES: Final[dict[str, Callable[..., Sequence[int]]]] = {
    "config_get": config_get,
    "var_get": var_get,
    "var_set": var_set,
    "http_request": http_request,
    "http_status_code": http_status_code,
    "http_headers": http_headers,
    **{f"log_{name}": _log(level) for level, name in enumerate(abi.LEVELS)},
    "get_log_level": get_log_level,
}


@cache
def host_imports() -> tuple[abi.HostImport, ...]:
    """Return the host's functions, ready to be linked."""
    return tuple(
        abi.HostImport(
            abi.ENV,
            row.name,
            row.params,
            row.results,
            _freeing(row.takes, _BODIES[row.name]),
            may_wait=row.name == "http_request",
        )
        for row in abi.FUNCTIONS.values()
        if row.by == "host"
    )


def _freeing(
    takes: tuple[int, ...], body: Callable[..., Sequence[int]]
) -> Callable[..., Sequence[int]]:
    """Return `body`, freeing the blocks that it takes when it has gone well."""
    if not takes or body is http_request:  # which may have to wait before
        return body

    def run(call: Call, *values: Any) -> Sequence[int]:
        results = body(call, *values)
        kernel = call.live_kernel()
        for index in takes:
            if values[index]:
                kernel.free(values[index])
        return results

    return run


def _free(call: Call, *handles: int) -> None:
    kernel = call.live_kernel()
    for handle in handles:
        if handle:
            kernel.free(handle)


def _bytes(call: Call, handle: int, what: str) -> bytes:
    data = call.live_kernel().read(handle)
    if data is None:
        raise _invalid(call, what, handle)
    return data


def _text(call: Call, handle: int, what: str) -> str:
    try:
        return _bytes(call, handle, what).decode()
    except UnicodeDecodeError as exc:
        raise CallError(
            f"{_broken_text(exc)} from index {exc.start} in {what}", function=call.function
        ) from exc


def _broken_text(exc: UnicodeDecodeError) -> str:
    if exc.reason == "unexpected end of data":
        return "incomplete utf-8 byte sequence"
    return f"invalid utf-8 sequence of {exc.end - exc.start} bytes"


def _invalid(call: Call, what: str, handle: int) -> CallError:
    return CallError(f"invalid handle offset for {what}: {handle % 2**64}", function=call.function)


def _store(call: Call, data: bytes) -> int:
    try:
        return call.live_kernel().store(data)
    except NoRoom:
        raise OutOfMemory("oom", function=call.function) from None
