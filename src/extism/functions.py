"""
What a host offers to a plugin: Python functions with a WebAssembly type.

`host_fn` makes a `Function` out of a Python function, in one of two styles. *Inferred*: the annotations
say what crosses (`codecs.py`). *Explicit*: a signature of `ValType`s, and the function is called with lists
of `Val`. Both become an `abi.HostImport`, which is all that the runtime knows of them.
"""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

from extism import abi
from extism.abi import HostImport
from extism.codecs import Wire, parameter_wire, result_wires
from extism.current import CurrentPlugin
from extism.errors import HostFunctionError, SignatureError
from extism.values import WASM_TYPES, Val, ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from extism._runtime.call import Call

__all__ = ["HOST_FN_REGISTRY", "Function", "host_fn"]

_NUMBER_TYPES: Final = ("i32", "i64", "f32", "f64")


class Function:
    """
    A function of the host that plugins may import; still callable as the Python function that it is.

    Args:
        namespace: What plugins import it from; None is `extism:host/user`.
        name: What plugins import it as.
        args: Types of the parameters.
        returns: Types of the results.
        f: Called as `f(plugin, inputs, outputs, *user_data)` with lists of `Val`; results are given by
            assigning `outputs[i].value`.
        user_data: Handed to every call.

    Raises:
        SignatureError: A type is not a number type.
    """

    def __init__(
        self,
        namespace: str | None,
        name: str,
        args: Sequence[ValType],
        returns: Sequence[ValType],
        f: Callable[..., Any],
        *user_data: Any,
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.args = [kind.value for kind in args]
        self.returns = [kind.value for kind in returns]
        self.user_data = user_data
        self.f = f
        self._params = _wasm_types(name, "parameter", args)
        self._results = _wasm_types(name, "result", returns)
        self._body = _explicit_body(f, list(args), list(returns), user_data)
        self.__doc__ = f.__doc__
        self.__name__ = getattr(f, "__name__", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the Python function itself, as if it were not decorated."""
        return self.f(*args, **kwargs)

    def __repr__(self) -> str:
        types = f"({', '.join(self._params)}) -> ({', '.join(self._results)})"
        return f"<Function {self.namespace or abi.USER}::{self.name} {types}>"

    def host_import(self) -> HostImport:
        """Return the function as the runtime links it: exceptions wrapped with the function's name."""
        namespace = self.namespace or abi.USER
        label, body = f"{namespace}::{self.name}", self._body

        def call(call: Call, *numbers: Any) -> Sequence[Any]:
            try:
                return body(CurrentPlugin(call), *numbers)
            except Exception as exc:
                raise HostFunctionError(
                    f"host function {label} raised {type(exc).__name__}: {exc}"
                ) from exc

        return HostImport(namespace, self.name, self._params, self._results, call)

    @classmethod
    def inferred(
        cls, namespace: str | None, name: str, f: Callable[..., Any], user_data: tuple[Any, ...]
    ) -> Function:
        """
        Return a function whose types are read off the annotations of `f`.

        Raises:
            SignatureError: A parameter or the result has no annotation, or none that crosses.
        """
        signature = _infer(name, f)
        self = cls.__new__(cls)
        self.namespace, self.name, self.f, self.user_data = namespace, name, f, user_data
        self._params = tuple(wire.type for _, wire in signature.params)
        self._results = tuple(wire.type for wire in signature.results)
        by_type = {wasm: kind for kind, wasm in WASM_TYPES.items()}
        self.args = [by_type[kind].value for kind in self._params]
        self.returns = [by_type[kind].value for kind in self._results]
        self._body = _inferred_body(f, signature, user_data)
        self.__doc__ = f.__doc__
        self.__name__ = getattr(f, "__name__", name)
        return self


HOST_FN_REGISTRY: Final[list[Function]] = []
"""Every function ever decorated in this process: what a plugin gets that was handed no `functions`."""


@overload
def host_fn(name: Callable[..., Any]) -> Function: ...
@overload
def host_fn(
    name: str | None = None,
    namespace: str | None = None,
    signature: tuple[list[ValType], list[ValType]] | None = None,
    user_data: bytes | list[Any] | None = None,
) -> Callable[[Callable[..., Any]], Function]: ...
def host_fn(
    name: str | Callable[..., Any] | None = None,
    namespace: str | None = None,
    signature: tuple[list[ValType], list[ValType]] | None = None,
    user_data: bytes | list[Any] | None = None,
) -> Function | Callable[[Callable[..., Any]], Function]:
    """
    Return a decorator that makes a Python function callable by plugins.

    Args:
        name: What plugins import it as; the function's own name if None.
        namespace: What they import it from; `extism:host/user` if None.
        signature: Types of parameters and results, for the explicit style; None infers them.
        user_data: Handed to every call after the other arguments: a list item by item, bytes as one.

    Raises:
        SignatureError: The function cannot be typed.
    """
    data = tuple(user_data) if isinstance(user_data, list) else (user_data,)
    extra = () if user_data is None else data

    def decorate(f: Callable[..., Any]) -> Function:
        label = name if isinstance(name, str) else f.__name__
        if signature is None:
            function = Function.inferred(namespace, label, f, extra)
        else:
            function = Function(namespace, label, *signature, f, *extra)
        HOST_FN_REGISTRY.append(function)
        return function

    return decorate(name) if callable(name) else decorate


@dataclass(frozen=True, slots=True)
class _Signature:
    """What the annotations of a function say."""

    name: str
    has_plugin: bool
    params: tuple[tuple[str, Wire], ...]
    results: tuple[Wire, ...]
    is_tuple: bool


def _infer(name: str, f: Callable[..., Any]) -> _Signature:
    try:
        hints = typing.get_type_hints(f, include_extras=True)
    except (NameError, TypeError) as exc:
        raise SignatureError(
            f"the annotations of host function {name} cannot be read: {exc}", function=name
        ) from exc
    if not hints:
        raise SignatureError(
            "Host function must include Python type annotations or explicitly list arguments. "
            f"(host function {name})",
            function=name,
        )
    returned = hints.pop("return", None)
    names = [n for n in inspect.signature(f).parameters if n in hints]
    has_plugin = bool(names) and hints[names[0]] is CurrentPlugin
    params = tuple((n, _parameter(name, n, hints[n])) for n in names[has_plugin:])
    return _Signature(
        name, has_plugin, params, _results(name, returned), typing.get_origin(returned) is tuple
    )


def _parameter(function: str, parameter: str, annotation: Any) -> Wire:
    try:
        return parameter_wire(annotation)
    except TypeError as exc:
        raise SignatureError(
            f"Could not infer input type for argument {parameter}: {exc} (host function {function})",
            function=function,
            parameter=parameter,
        ) from exc


def _results(function: str, annotation: Any) -> tuple[Wire, ...]:
    try:
        return result_wires(annotation)
    except TypeError as exc:
        raise SignatureError(
            f"Could not infer return type: {exc} (host function {function})",
            function=function,
            parameter="return",
        ) from exc


def _inferred_body(
    f: Callable[..., Any], signature: _Signature, user_data: tuple[Any, ...]
) -> Callable[..., Sequence[Any]]:
    def body(plugin: CurrentPlugin, *numbers: Any) -> Sequence[Any]:
        first = (plugin,) if signature.has_plugin else ()
        values = [
            _read(signature, plugin, parameter, wire, number)
            for (parameter, wire), number in zip(signature.params, numbers, strict=True)
        ]
        return _write(signature, plugin, f(*first, *values, *user_data))

    return body


def _read(
    signature: _Signature, plugin: CurrentPlugin, parameter: str, wire: Wire, number: Any
) -> Any:
    try:
        return wire.read(plugin, number)
    except (ValueError, TypeError, RecursionError) as exc:
        raise SignatureError(
            f"the plugin passed a wrong value as {parameter} of {signature.name}: {exc}",
            function=signature.name,
            parameter=parameter,
        ) from exc


def _write(signature: _Signature, plugin: CurrentPlugin, value: Any) -> Sequence[Any]:
    if not signature.results:
        return ()
    values = value if signature.is_tuple else (value,)
    try:
        pairs = list(zip(signature.results, values, strict=True))
        return [wire.write(plugin, each) for wire, each in pairs]
    except (ValueError, TypeError, OverflowError) as exc:
        raise SignatureError(
            f"{signature.name} returned a wrong value: {exc}",
            function=signature.name,
            parameter="return",
        ) from exc


def _wasm_types(function: str, place: str, kinds: Sequence[ValType]) -> tuple[abi.ValueType, ...]:
    types = tuple(WASM_TYPES[kind] for kind in kinds)
    for kind in types:
        if kind not in _NUMBER_TYPES:
            raise SignatureError(
                f"host function {function}: a {place} of type {kind} cannot be handed to Python; "
                f"use {', '.join(_NUMBER_TYPES)}",
                function=function,
                parameter=place,
            )
    return types


def _explicit_body(
    f: Callable[..., Any],
    args: list[ValType],
    returns: list[ValType],
    user_data: tuple[Any, ...],
) -> Callable[..., Sequence[Any]]:
    def body(plugin: CurrentPlugin, *numbers: Any) -> Sequence[Any]:
        inputs = [Val(kind, number) for kind, number in zip(args, numbers, strict=True)]
        outputs = [Val(kind, 0) for kind in returns]
        f(plugin, inputs, outputs, *user_data)
        return [_result(val, kind) for val, kind in zip(outputs, returns, strict=True)]

    return body


def _result(val: Val, kind: ValType) -> Any:
    if val.t != kind:
        raise TypeError(f"Output type mismatch: {val.t} given, {kind} declared")
    return val.value
