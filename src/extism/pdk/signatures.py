"""
The parameters and results of a function that calls, or is called by, WebAssembly: read off its annotations.

Values pass in *frames*: bytes with 8 of them, a cell, for each parameter, and again for each result. How one value
becomes one cell is in `wires.py`; what runs on the other side of a frame is the compiler's `crossings.py`.
"""

from __future__ import annotations

import functools
import inspect
import struct
import types
import typing
from typing import Any, Final, get_type_hints

from .errors import InputError
from .wires import Wire, wire

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Signature", "annotation_of"]

_CELLS: Final = {"i32": "i4x", "i64": "q", "f32": "f4x", "f64": "d"}
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_EMPTY: Final = inspect.Signature.empty


def annotation_of(function: Callable[..., Any], annotation: Any) -> Any:
    """
    Return what an annotation of a function means, also where it is text.

    Raises:
        NameError: It names something that is not defined, or not yet.
    """
    if not isinstance(annotation, str) and annotation is not None:
        return annotation
    innermost = inspect.unwrap(function)
    names = getattr(innermost, "__globals__", {})
    own = {each.__name__: each for each in getattr(innermost, "__type_params__", ())}
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(holder, names, own, include_extras=True)["it"]


class Signature:
    """
    A function's parameters and results on the border.

    Attributes:
        title: What errors call the function.
        signature: Python's.
    """

    def __init__(self, title: str, function: Callable[..., Any]) -> None:
        self.title = title
        self.function = function
        self.signature = inspect.signature(function)
        for parameter in self.signature.parameters.values():
            if parameter.kind in _VARIABLE:
                raise TypeError(
                    f"{title}: the number of parameters is fixed, {parameter} is any number"
                )

    @property
    def name(self) -> str:
        """What Python calls the function."""
        return str(self.function.__name__)

    @functools.cached_property
    def parameters(self) -> tuple[Wire, ...]:
        """How each parameter crosses. What only a type checker can look up crosses as its value says."""
        wires = []
        for name, parameter in self.signature.parameters.items():
            annotation = Any if parameter.annotation is _EMPTY else parameter.annotation
            try:
                annotation = annotation_of(self.function, annotation)
            except NameError:
                annotation = Any
            wires.append(self._wire(f"parameter {name}", annotation, is_parameter=True))
        return tuple(wires)

    @functools.cached_property
    def results(self) -> tuple[Wire, ...]:
        """How each result crosses: none, one, or those of a tuple."""
        if self.signature.return_annotation in (_EMPTY, None, "None"):
            return ()
        annotation = annotation_of(self.function, self.signature.return_annotation)
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) is tuple and ... not in arguments:
            return tuple(self._wire("result", each) for each in arguments)
        return (self._wire("result", annotation),)

    def _wire(self, what: str, annotation: Any, *, is_parameter: bool = False) -> Wire:
        try:
            return wire(annotation, is_parameter=is_parameter)
        except TypeError as error:
            raise TypeError(f"{self.title}: {what}: {error}") from None

    @property
    def types(self) -> tuple[list[str], list[str]]:
        """The WebAssembly types of the parameters, and of the results."""
        return [each.type for each in self.parameters], [each.type for each in self.results]

    def value(self, place: str, wire: Wire, number: Any) -> Any:
        """Return the value that a number of a frame stands for; an error names the function and the place."""
        try:
            return wire.from_number(number)
        except InputError as error:
            raise error.under(f"{self.name}: {place}") from None

    def numbers(self, values: Iterable[Any], made: list[int]) -> list[float]:
        """
        Return the numbers that values of the parameters cross as; an error names the function and the parameter.

        Args:
            values: One for each parameter, in their order.
            made: Collects the handles of blocks made for them.
        """
        found = []
        named = zip(self.signature.parameters, self.parameters, values, strict=True)
        for name, each, value in named:
            try:
                found.append(each.to_number(value, made))
            except (TypeError, OverflowError) as error:
                raise type(error)(f"{self.name}: parameter {name}: {error}") from None
        return found

    def check(self) -> None:
        """Raise the TypeError of an annotation that has no way across; one that is not there yet may come."""
        try:
            _ = self.types
        except NameError:
            return

    def call(self, function: Callable[..., Any], arguments: Iterable[Any]) -> Any:
        """Call a function with an argument for each parameter, in their order."""
        by_name = dict(zip(self.signature.parameters, arguments, strict=True))
        named = {
            name
            for name, each in self.signature.parameters.items()
            if each.kind is inspect.Parameter.KEYWORD_ONLY
        }
        args = [value for name, value in by_name.items() if name not in named]
        return function(*args, **{name: by_name[name] for name in named})

    @functools.cached_property
    def frame_length(self) -> int:
        """Bytes of a frame that has room for the parameters, and then for the results."""
        return 8 * max(len(self.parameters), len(self.results))

    @functools.cached_property
    def parameter_cells(self) -> struct.Struct:
        """The parameters in a frame."""
        return _cells(self.parameters)

    @functools.cached_property
    def result_cells(self) -> struct.Struct:
        """The results in a frame."""
        return _cells(self.results)


def _cells(wires: Iterable[Wire]) -> struct.Struct:
    return struct.Struct("<" + "".join(_CELLS[each.type] for each in wires))
