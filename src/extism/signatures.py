"""
What crosses when a plugin calls a host function: read off its annotations, or off the `ValType`s it was given.

All that could fail for every call is refused here, when the function is decorated; `functions.py` makes the
calls.
"""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from extism import abi
from extism.codecs import Wire, parameter_wire, result_wires
from extism.current import CurrentPlugin
from extism.errors import SignatureError
from extism.values import WASM_TYPES, ValType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Signature", "infer", "label_of", "wasm_types"]

_NUMBER_TYPES: Final = ("i32", "i64", "f32", "f64")
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Signature:
    """What the annotations of a function say; `label` is its namespace and name."""

    label: str
    has_plugin: bool
    params: tuple[tuple[str, Wire], ...]
    results: tuple[Wire, ...]
    is_tuple: bool


def label_of(namespace: str | None, name: str) -> str:
    """Return how errors call the function, if a module can import it under that name at all."""
    label = f"{namespace or abi.USER}::{name}"
    try:
        label.encode()
    except UnicodeEncodeError as exc:
        raise SignatureError(f"no module can import {label!r}: {exc}", function=label) from exc
    return label


def infer(label: str, f: Callable[..., Any], user_data: tuple[Any, ...]) -> Signature:
    """
    Return what the annotations of `f` say.

    Raises:
        SignatureError: A parameter or the result has no annotation, or none that crosses.
    """
    hints, parameters = _read(label, f)
    if not hints:
        raise SignatureError(
            "Host function must include Python type annotations or explicitly list arguments. "
            f"(host function {label})",
            function=label,
        )
    returned = hints.pop("return", None)
    names = list(hints)
    takes_all = _takes_all(f, parameters)
    _check_number(label, inspect.signature(f).parameters if takes_all else parameters, hints)
    if not takes_all:
        _check_shape(label, parameters, hints, len(user_data))
        names = _argument_names(label, parameters, hints)
    has_plugin = bool(names) and hints[names[0]] is CurrentPlugin
    params = tuple((name, _parameter(label, name, hints[name])) for name in names[has_plugin:])
    return Signature(
        label, has_plugin, params, _results(label, returned), typing.get_origin(returned) is tuple
    )


def _read(
    label: str, f: Callable[..., Any]
) -> tuple[dict[str, Any], Mapping[str, inspect.Parameter]]:
    try:
        hints = typing.get_type_hints(f, include_extras=True)
        return hints, inspect.signature(f, follow_wrapped=False).parameters
    except (NameError, TypeError, ValueError) as exc:
        raise SignatureError(
            f"the annotations of host function {label} cannot be read: {exc}", function=label
        ) from exc


def _takes_all(f: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Tell whether `f` is a decorator's `*args`: its annotations are of another function's parameters."""
    kinds = {parameter.kind for parameter in parameters.values()}
    return hasattr(f, "__wrapped__") and inspect.Parameter.VAR_POSITIONAL in kinds


def _check_number(
    label: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> None:
    """Refuse `*args: int`: a plugin passes as many values as the function's type says."""
    for name, parameter in parameters.items():
        if name in hints and parameter.kind in _VARIABLE:
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            text = (
                f"host function {label}: a plugin passes a fixed number of values, {stars}{name} is any number; "
                "name each of them"
            )
            raise SignatureError(text, function=label, parameter=name)


def _argument_names(
    label: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> list[str]:
    """Return what the plugin passes, in order: `*args` takes what only annotations name."""
    named = [name for name in parameters if name in hints]
    others = [name for name in hints if name not in parameters]
    kinds = {parameter.kind for parameter in parameters.values()}
    if others and inspect.Parameter.VAR_POSITIONAL not in kinds:
        text = f"host function {label}: {others[0]} has an annotation, but is no parameter"
        raise SignatureError(text, function=label, parameter=others[0])
    return named + others


def _check_shape(
    label: str,
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    given: int,
) -> None:
    """Refuse what could be decorated but never called: it would show only when a plugin runs."""
    bare: list[str] = []
    for name, parameter in parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            text = f"host function {label}: {name} is keyword-only, and a plugin has no keywords"
            raise SignatureError(text, function=label, parameter=name)
        is_positional = parameter.kind in _POSITIONAL
        if name in hints and not is_positional:
            text = f"host function {label}: {name} may not have an annotation, it is no plain parameter"
            raise SignatureError(text, function=label, parameter=name)
        if name in hints and bare:
            text = f"host function {label}: {bare[0]} has no annotation, so it cannot come before {name}"
            raise SignatureError(text, function=label, parameter=bare[0])
        if is_positional and name not in hints:
            bare.append(name)
            if len(bare) > given and parameter.default is parameter.empty:
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


def wasm_types(label: str, place: str, kinds: Sequence[ValType]) -> tuple[abi.ValueType, ...]:
    """
    Return the WebAssembly types of a function's parameters or results, whichever `place` says.

    Raises:
        SignatureError: Python cannot hold values of such a type.
    """
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
