"""
What a host offers to a plugin: Python functions with a WebAssembly type.

`host_fn` makes a `Function` out of a Python function, in one of two styles. *Inferred*: the annotations
say what crosses (`codecs.py`). *Explicit*: a signature of `ValType`s, and the function is called with lists
of `Val`. Both become an `abi.HostImport`, which is all that the runtime knows of them; what runs when a plugin
calls one is in `bodies.py`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, overload

from extism import abi, registry
from extism.abi import HostImport
from extism.bodies import explicit_body, inferred_body, is_async
from extism.signatures import infer, label_of, wasm_types
from extism.values import WASM_TYPES, ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "HOST_FN_REGISTRY",
    "ExplicitFunction",
    "Function",
    "TypeInferredFunction",
    "functions_of",
    "host_fn",
]

P = ParamSpec("P")
R = TypeVar("R")

_PLACE_BYTES: Final = 4
"""Size of a place in the registry, which upstream's functions have as their last user data."""


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
        label = label_of(namespace, name)
        params = wasm_types(label, "parameter", args)
        results = wasm_types(label, "result", returns)
        body = explicit_body(label, f, list(args), list(returns), user_data)
        self._settle(namespace, name, f, user_data, params, results, body)

    def _settle(
        self,
        namespace: str | None,
        name: str,
        f: Callable[..., Any],
        user_data: tuple[Any, ...],
        params: tuple[abi.ValueType, ...],
        results: tuple[abi.ValueType, ...],
        body: Callable[..., Sequence[Any]],
    ) -> None:
        by_type = {wasm: kind for kind, wasm in WASM_TYPES.items()}
        self.namespace, self.name, self.f, self.user_data = namespace, name, f, user_data
        self.args = [by_type[kind].value for kind in params]
        self.returns = [by_type[kind].value for kind in results]
        self._params, self._results, self._body = params, results, body
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
        namespace = self.namespace or abi.USER
        may_wait = is_async(self.f)
        return HostImport(
            namespace, self.name, self._params, self._results, self._body, may_wait=may_wait
        )


class ExplicitFunction(Function, Generic[P, R]):
    """
    What `host_fn` makes with a signature; type checkers let you call it as the Python function that it is.

    Args:
        namespace: As in `Function`, like `name`, `args` and `returns`.
        func: Called with the plugin, the inputs, the outputs and the user data.
        user_data: Handed to every call, but not the last item if it is upstream's: the place of the function
            in the registry, in 4 bytes.
    """

    def __init__(
        self,
        namespace: str | None,
        name: str,
        args: Sequence[ValType],
        returns: Sequence[ValType],
        func: Callable[P, R],
        user_data: Sequence[Any],
    ) -> None:
        super().__init__(namespace, name, args, returns, func, *_without_place(user_data))
        self._stand_for(func)

    def _stand_for(self, func: Callable[P, R]) -> None:
        self.func = func
        functools.update_wrapper(self, func, updated=())

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Call the Python function itself, by its own types."""


class TypeInferredFunction(ExplicitFunction[P, R]):
    """
    What `host_fn` makes without a signature: its types are read off the annotations of `func`.

    Args:
        namespace: As in `ExplicitFunction`, like `name` and `user_data`.
        func: Called with the values that the plugin passed, and the user data.

    Raises:
        SignatureError: A parameter or the result has no annotation, or none that crosses.
    """

    def __init__(
        self,
        namespace: str | None,
        name: str,
        func: Callable[P, R],
        user_data: Sequence[Any],
    ) -> None:
        data = _without_place(user_data)
        signature = infer(label_of(namespace, name), func, data)
        params = tuple(wire.type for _, wire in signature.params)
        results = tuple(wire.type for wire in signature.results)
        body = inferred_body(func, signature, data)
        self._settle(namespace, name, func, data, params, results, body)
        self._stand_for(func)


HOST_FN_REGISTRY: Final[list[Function]] = registry.HOST_FN_REGISTRY
"""Every function ever decorated in this process: what a plugin gets that was handed no `functions`."""


def functions_of(given: Iterable[Any] | None) -> list[Function]:
    """
    Return the functions that somebody handed over for a plugin; none for None.

    Raises:
        TypeError: One is no `Function`.
    """
    functions = list(given or ())
    for index, each in enumerate(functions):
        if not isinstance(each, Function):
            raise TypeError(
                f"functions[{index}] is a {type(each).__name__}; decorate Python functions with host_fn"
            )
    return functions


@overload
def host_fn(name: Callable[P, R]) -> ExplicitFunction[P, R]: ...
@overload
def host_fn(
    name: str | None = None,
    namespace: str | None = None,
    signature: tuple[list[ValType], list[ValType]] | None = None,
    user_data: bytes | list[Any] | None = None,
) -> Callable[[Callable[P, R]], ExplicitFunction[P, R]]: ...
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

    def decorate(f: Callable[P, R]) -> ExplicitFunction[P, R]:
        label = name if isinstance(name, str) else f.__name__
        place = len(HOST_FN_REGISTRY).to_bytes(_PLACE_BYTES, "big")
        function: ExplicitFunction[P, R]
        if signature is None:
            function = TypeInferredFunction(namespace, label, f, [*extra, place])
        else:
            args, returns = signature
            function = ExplicitFunction(namespace, label, args, returns, f, [*extra, place])
        HOST_FN_REGISTRY.append(function)
        return function

    return decorate(name) if callable(name) else decorate


def _without_place(user_data: Sequence[Any]) -> tuple[Any, ...]:
    """Return the user data without the last item if it is a place in the registry, which has no use here."""
    data = tuple(user_data)
    last = data[-1] if data else None
    return data[:-1] if isinstance(last, bytes) and len(last) == _PLACE_BYTES else data
