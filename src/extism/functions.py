"""
What a host offers to a plugin: Python functions with a WebAssembly type.

`host_fn` makes a `Function` out of a Python function, in one of two styles. *Inferred*: the annotations
say what crosses (`codecs.py`). *Explicit*: a signature of `ValType`s, and the function is called with lists
of `Val`. Both become an `abi.HostImport`, which is all that the runtime knows of them.
"""

from __future__ import annotations

import functools
import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Self, TypeVar, overload

from extism import abi
from extism.abi import HostImport
from extism.codecs import Wire, parameter_wire, result_wires
from extism.current import CurrentPlugin
from extism.errors import CallError, HostFunctionError, SignatureError
from extism.values import WASM_TYPES, Val, ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from extism._runtime.call import Call

__all__ = ["HOST_FN_REGISTRY", "Function", "HostFunction", "host_fn"]

P = ParamSpec("P")
R = TypeVar("R")

_NUMBER_TYPES: Final = ("i32", "i64", "f32", "f64")
_EITHER: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


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
        label = _label(namespace, name)
        self._params = _wasm_types(label, "parameter", args)
        self._results = _wasm_types(label, "result", returns)
        self._body = _explicit_body(label, f, list(args), list(returns), user_data)
        self.__doc__ = f.__doc__
        self.__name__ = getattr(f, "__name__", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the Python function itself, as if it were not decorated."""
        return self.f(*args, **kwargs)

    def __repr__(self) -> str:
        types = f"({', '.join(self._params)}) -> ({', '.join(self._results)})"
        return f"<Function {self.namespace or abi.USER}::{self.name} {types}>"

    def host_import(self) -> HostImport:
        """Return the function as the runtime links it."""
        body = self._body

        def call(call: Call, *numbers: Any) -> Sequence[Any]:
            return body(CurrentPlugin(call), *numbers)

        namespace = self.namespace or abi.USER
        return HostImport(namespace, self.name, self._params, self._results, call)

    @classmethod
    def inferred(
        cls, namespace: str | None, name: str, f: Callable[..., Any], user_data: tuple[Any, ...]
    ) -> Self:
        """
        Return a function whose types are read off the annotations of `f`.

        Raises:
            SignatureError: A parameter or the result has no annotation, or none that crosses.
        """
        signature = _infer(_label(namespace, name), f, user_data)
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


class HostFunction(Function, Generic[P, R]):
    """What `host_fn` makes: a `Function` that type checkers let you call as the Python function that it is."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Call the Python function itself, by its own types."""


HOST_FN_REGISTRY: Final[list[Function]] = []
"""Every function ever decorated in this process: what a plugin gets that was handed no `functions`."""


@overload
def host_fn(name: Callable[P, R]) -> HostFunction[P, R]: ...
@overload
def host_fn(
    name: str | None = None,
    namespace: str | None = None,
    signature: tuple[list[ValType], list[ValType]] | None = None,
    user_data: bytes | list[Any] | None = None,
) -> Callable[[Callable[P, R]], HostFunction[P, R]]: ...
def host_fn(
    name: str | Callable[..., Any] | None = None,
    namespace: str | None = None,
    signature: tuple[list[ValType], list[ValType]] | None = None,
    user_data: bytes | list[Any] | None = None,
) -> Any:
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

    def decorate(f: Callable[P, R]) -> HostFunction[P, R]:
        label = name if isinstance(name, str) else f.__name__
        function: HostFunction[P, R]
        if signature is None:
            function = HostFunction.inferred(namespace, label, f, extra)
        else:
            function = HostFunction(namespace, label, *signature, f, *extra)
        functools.update_wrapper(function, f, updated=())
        HOST_FN_REGISTRY.append(function)
        return function

    return decorate(name) if callable(name) else decorate


@dataclass(frozen=True, slots=True)
class _Signature:
    """What the annotations of a function say; `label` is its namespace and name."""

    label: str
    has_plugin: bool
    params: tuple[tuple[str, Wire], ...]
    results: tuple[Wire, ...]
    is_tuple: bool


def _label(namespace: str | None, name: str) -> str:
    """Return how errors call the function, if a module can import it under that name at all."""
    label = f"{namespace or abi.USER}::{name}"
    try:
        label.encode()
    except UnicodeEncodeError as exc:
        raise SignatureError(f"no module can import {label!r}: {exc}", function=label) from exc
    return label


def _infer(label: str, f: Callable[..., Any], user_data: tuple[Any, ...]) -> _Signature:
    try:
        hints = typing.get_type_hints(f, include_extras=True)
        parameters = inspect.signature(f, follow_wrapped=False).parameters
    except (NameError, TypeError, ValueError) as exc:
        raise SignatureError(
            f"the annotations of host function {label} cannot be read: {exc}", function=label
        ) from exc
    if not hints:
        raise SignatureError(
            "Host function must include Python type annotations or explicitly list arguments. "
            f"(host function {label})",
            function=label,
        )
    _check_shape(label, f, parameters, hints, len(user_data))
    returned = hints.pop("return", None)
    names = _argument_names(label, parameters, hints)
    has_plugin = bool(names) and hints[names[0]] is CurrentPlugin
    params = tuple((name, _parameter(label, name, hints[name])) for name in names[has_plugin:])
    return _Signature(
        label, has_plugin, params, _results(label, returned), typing.get_origin(returned) is tuple
    )


def _argument_names(
    label: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> list[str]:
    """Return what the plugin passes, in order: a decorator's `*args` takes what only annotations name."""
    named = [name for name in parameters if name in hints]
    others = [name for name in hints if name not in parameters]
    kinds = {parameter.kind for parameter in parameters.values()}
    if others and inspect.Parameter.VAR_POSITIONAL not in kinds:
        text = f"host function {label}: {others[0]} has an annotation, but is no parameter"
        raise SignatureError(text, function=label, parameter=others[0])
    return named + others


def _check_shape(
    label: str,
    f: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    given: int,
) -> None:
    """Refuse what could be decorated but never called: it would show only when a plugin runs."""
    if inspect.iscoroutinefunction(f):
        raise SignatureError(
            f"host function {label} is async; a plugin cannot wait for it", function=label
        )
    bare = 0
    for name, parameter in parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            text = f"host function {label}: {name} is keyword-only, and a plugin has no keywords"
            raise SignatureError(text, function=label, parameter=name)
        is_positional = parameter.kind in {parameter.POSITIONAL_ONLY, _EITHER}
        if name in hints and not is_positional:
            text = f"host function {label}: {name} may not have an annotation, it is no plain parameter"
            raise SignatureError(text, function=label, parameter=name)
        if is_positional and name not in hints and parameter.default is parameter.empty:
            bare += 1
            if bare > given:
                text = f"host function {label}: {name} has no annotation, and no user_data is left for it"
                raise SignatureError(text, function=label, parameter=name)


def _parameter(label: str, parameter: str, annotation: Any) -> Wire:
    try:
        return parameter_wire(annotation)
    except TypeError as exc:
        raise SignatureError(
            f"Could not infer input type for argument {parameter}: {exc} (host function {label})",
            function=label,
            parameter=parameter,
        ) from exc


def _results(label: str, annotation: Any) -> tuple[Wire, ...]:
    try:
        return result_wires(annotation)
    except TypeError as exc:
        raise SignatureError(
            f"Could not infer return type: {exc} (host function {label})",
            function=label,
            parameter="return",
        ) from exc


def _raised(label: str, exc: Exception) -> HostFunctionError:
    """Return the error of a host function that raised; the caller chains it."""
    said = f": {exc}" if str(exc) else ""
    return HostFunctionError(f"host function {label} raised {type(exc).__name__}{said}")


def _inferred_body(
    f: Callable[..., Any], signature: _Signature, user_data: tuple[Any, ...]
) -> Callable[..., Sequence[Any]]:
    def body(plugin: CurrentPlugin, *numbers: Any) -> Sequence[Any]:
        first = (plugin,) if signature.has_plugin else ()
        values = [
            _read(signature, plugin, parameter, wire, number)
            for (parameter, wire), number in zip(signature.params, numbers, strict=True)
        ]
        try:
            result = f(*first, *values, *user_data)
        except Exception as exc:
            raise _raised(signature.label, exc) from exc
        return _write(signature, plugin, result)

    return body


def _read(
    signature: _Signature, plugin: CurrentPlugin, parameter: str, wire: Wire, number: Any
) -> Any:
    try:
        return wire.read(plugin, number)
    except CallError:
        raise
    except Exception as exc:
        raise SignatureError(
            f"the plugin passed a wrong value as {parameter} of {signature.label}: {exc}",
            function=signature.label,
            parameter=parameter,
        ) from exc


def _write(signature: _Signature, plugin: CurrentPlugin, value: Any) -> Sequence[Any]:
    if not signature.results:
        return ()
    try:
        values = tuple(value) if signature.is_tuple else (value,)
        pairs = zip(signature.results, values, strict=True)
        return [wire.write(plugin, each) for wire, each in pairs]
    except CallError:
        raise
    except Exception as exc:
        raise SignatureError(
            f"{signature.label} returned a wrong value: {exc}",
            function=signature.label,
            parameter="return",
        ) from exc


def _wasm_types(label: str, place: str, kinds: Sequence[ValType]) -> tuple[abi.ValueType, ...]:
    types = tuple(WASM_TYPES[kind] for kind in kinds)
    for kind in types:
        if kind not in _NUMBER_TYPES:
            raise SignatureError(
                f"host function {label}: a {place} of type {kind} cannot be handed to Python; "
                f"use {', '.join(_NUMBER_TYPES)}",
                function=label,
                parameter=place,
            )
    return types


def _explicit_body(
    label: str,
    f: Callable[..., Any],
    args: list[ValType],
    returns: list[ValType],
    user_data: tuple[Any, ...],
) -> Callable[..., Sequence[Any]]:
    def body(plugin: CurrentPlugin, *numbers: Any) -> Sequence[Any]:
        inputs = [Val(kind, number) for kind, number in zip(args, numbers, strict=True)]
        outputs = [Val(kind, 0) for kind in returns]
        try:
            f(plugin, inputs, outputs, *user_data)
        except Exception as exc:
            raise _raised(label, exc) from exc
        return _given(label, outputs, returns)

    return body


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
