"""
What runs when a plugin calls a function of the host: numbers to values, the Python function, values to numbers.

Each function gets a body of its own, made once, with all that can be known beforehand in its closure: a plugin may
call it a million times a second. What functions are, and how their types are found, is in `functions.py` and
`signatures.py`.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from extism._runtime.call import AwaitedCall
from extism.current import CurrentPlugin
from extism.errors import CallError, HostFunctionError, SignatureError
from extism.values import Val

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from extism._runtime.call import Call
    from extism.signatures import Signature
    from extism.values import ValType

__all__ = ["explicit_body", "inferred_body", "is_async"]

_current: Final = CurrentPlugin.of

Body: TypeAlias = "Callable[..., Sequence[Any]]"
"""Called with the running `Call` and one number for each parameter; gives one for each result."""


def inferred_body(f: Callable[..., Any], signature: Signature, user_data: tuple[Any, ...]) -> Body:
    """Return the body of a function whose annotations say what crosses."""
    if is_async(f):
        return _awaited_inferred_body(f, signature, user_data)
    if len(signature.params) == 1 and len(signature.results) == 1 and not signature.is_tuple:
        return _converting_body(f, signature, user_data)
    reads = tuple(wire.read for _, wire in signature.params)
    has_plugin = signature.has_plugin
    write = _writing(signature)

    def body(call: Call, *numbers: Any) -> Sequence[Any]:
        plugin = call.current or _current(call)
        values: list[Any] = []
        try:
            for read, number in zip(reads, numbers):  # noqa: B905 - as many, or it would not be linked
                values.append(read(plugin, number))
        except CallError:
            raise
        except Exception as exc:
            raise _wrong_value(signature, len(values), exc) from exc
        try:
            if has_plugin:
                result = f(plugin, *values, *user_data)
            else:
                result = f(*values, *user_data)
        except Exception as exc:
            raise _raised(signature.label, exc) from exc
        return write(plugin, result)

    return body


def _converting_body(
    f: Callable[..., Any], signature: Signature, user_data: tuple[Any, ...]
) -> Body:
    """Return the same for one value in and one out, as most functions have it: no loop, no list."""
    read, write = signature.params[0][1].read, signature.results[0].write
    has_plugin, is_plain = signature.has_plugin, not (signature.has_plugin or user_data)

    def body(call: Call, number: Any) -> Sequence[Any]:
        plugin = call.current or _current(call)
        try:
            value = read(plugin, number)
        except CallError:
            raise
        except Exception as exc:
            raise _wrong_value(signature, 0, exc) from exc
        try:
            if is_plain:
                result = f(value)
            elif has_plugin:
                result = f(plugin, value, *user_data)
            else:
                result = f(value, *user_data)
        except Exception as exc:
            raise _raised(signature.label, exc) from exc
        try:
            return (write(plugin, result),)
        except CallError:
            raise
        except Exception as exc:
            raise _wrong_result(signature, exc) from exc

    return body


def explicit_body(
    label: str,
    f: Callable[..., Any],
    args: list[ValType],
    returns: list[ValType],
    user_data: tuple[Any, ...],
) -> Body:
    """Return the body of a function that is called with lists of `Val`."""
    if is_async(f):
        return _awaited_explicit_body(label, f, args, returns, user_data)
    if len(args) == len(returns) == 1 and not user_data:
        return _explicit_body_of_one(label, f, args[0], returns[0])

    def body(call: Call, *numbers: Any) -> Sequence[Any]:
        inputs = list(map(Val, args, numbers))
        outputs = [Val(kind, 0) for kind in returns]
        try:
            f(call.current or _current(call), inputs, outputs, *user_data)
        except Exception as exc:
            raise _raised(label, exc) from exc
        return _given(label, outputs, returns)

    return body


def _explicit_body_of_one(
    label: str, f: Callable[..., Any], arg: ValType, return_: ValType
) -> Body:
    """Return the same for one value in and one out: lists of one, and no argument that has to be unpacked."""
    returns, new = [return_], object.__new__

    def body(call: Call, number: Any) -> Sequence[Any]:
        # `Val(arg, number)` and `Val(return_, 0)`, in two thirds of the time: C need not call back for `__init__`.
        given, taken = new(Val), new(Val)
        given.t, given.value = arg, number
        taken.t, taken.value = return_, 0
        outputs = [taken]
        try:
            f(call.current or _current(call), [given], outputs)
        except Exception as exc:
            raise _raised(label, exc) from exc
        if len(outputs) == 1 and outputs[0].t is return_:
            return (outputs[0].value,)
        return _given(label, outputs, returns)

    return body


def is_async(f: Callable[..., Any]) -> bool:
    """Tell whether calling `f` gives something to be awaited."""
    return any(map(inspect.iscoroutinefunction, (f, type(f).__call__)))


def _awaited_inferred_body(
    f: Callable[..., Awaitable[Any]], signature: Signature, user_data: tuple[Any, ...]
) -> Body:
    """Return the same for an `async def`, which is awaited where the call is."""
    label, write = signature.label, _writing(signature)

    def body(call: Call, *numbers: Any) -> Any:
        patient = _patient(call, label)
        plugin = call.current or _current(call)
        values: list[Any] = [plugin] if signature.has_plugin else []
        for index, (number, (_, wire)) in enumerate(zip(numbers, signature.params, strict=True)):
            try:
                values.append(wire.read(plugin, number))
            except CallError:
                raise
            except Exception as exc:
                raise _wrong_value(signature, index, exc) from exc
        wait = _awaiting(label, f, *values, *user_data)
        return patient.wait_for(wait, partial(write, plugin))

    return body


def _awaited_explicit_body(
    label: str,
    f: Callable[..., Awaitable[Any]],
    args: list[ValType],
    returns: list[ValType],
    user_data: tuple[Any, ...],
) -> Body:
    """Return the same for an `async def`, which is awaited where the call is."""

    def body(call: Call, *numbers: Any) -> Any:
        patient = _patient(call, label)
        outputs = [Val(kind, 0) for kind in returns]
        inputs = list(map(Val, args, numbers))
        wait = _awaiting(label, f, call.current or _current(call), inputs, outputs, *user_data)
        return patient.wait_for(wait, lambda _: _given(label, outputs, returns))

    return body


def _patient(call: Call, label: str) -> AwaitedCall:
    if not isinstance(call, AwaitedCall):
        raise CallError(
            f"host function {label} is async, and nobody awaits this call: use `await plugin.acall(...)`",
            function=call.function,
        )
    return call


async def _awaiting(label: str, f: Callable[..., Awaitable[Any]], *values: Any) -> Any:
    try:
        return await f(*values)
    except Exception as exc:
        raise _raised(label, exc) from exc


def _raised(label: str, exc: Exception) -> HostFunctionError:
    """Return the error of a host function that raised; the caller chains it."""
    said = f": {exc}" if str(exc) else ""
    return HostFunctionError(f"host function {label} raised {type(exc).__name__}{said}")


def _wrong_value(signature: Signature, index: int, exc: Exception) -> SignatureError:
    parameter = signature.params[index][0]
    return SignatureError(
        f"the plugin passed a wrong value as {parameter} of {signature.label}: {exc}",
        function=signature.label,
        parameter=parameter,
    )


def _writing(signature: Signature) -> Callable[[CurrentPlugin, Any], Sequence[Any]]:
    """Return what turns the result of the function into numbers."""
    writes = tuple(wire.write for wire in signature.results)
    if not writes:
        return lambda _plugin, _value: ()
    first, is_tuple = writes[0], signature.is_tuple

    def write(plugin: CurrentPlugin, value: Any) -> Sequence[Any]:
        try:
            if not is_tuple:
                return (first(plugin, value),)
            pairs = zip(writes, tuple(value), strict=True)
            return [write(plugin, each) for write, each in pairs]
        except CallError:
            raise
        except Exception as exc:
            raise _wrong_result(signature, exc) from exc

    return write


def _wrong_result(signature: Signature, exc: Exception) -> SignatureError:
    return SignatureError(
        f"{signature.label} returned a wrong value: {exc}",
        function=signature.label,
        parameter="return",
    )


def _given(label: str, outputs: Sequence[Val], returns: Sequence[ValType]) -> list[Any]:
    found = [val.t for val in outputs]
    if found != returns:
        raise SignatureError(
            f"Output type mismatch: {label} gave {_listed(found)}, its signature says {_listed(returns)}",
            function=label,
            parameter="return",
        )
    return [val.value for val in outputs]


def _listed(kinds: Sequence[ValType]) -> str:
    return ", ".join(kind.name for kind in kinds) or "nothing"
