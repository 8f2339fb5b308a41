"""Host functions of a simulated host: Python functions with annotations, called with what crosses the border."""

from __future__ import annotations

import asyncio
import inspect
import typing
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

from .. import ffi
from ..imports import Binding
from ..signatures import Signature, annotation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from ..imports import Import

__all__ = ["Functions", "Slots"]

_NAMESPACE = "extism:host/user"


class Slots(dict[tuple[str, str], Binding]):
    """Gives each declaration of a host function a slot when it is made: nobody has read the source before."""

    def __missing__(self, key: tuple[str, str]) -> Binding:
        self[key] = Binding(len(self), None)
        return self[key]

    def __contains__(self, key: object) -> bool:
        return True


class Functions:
    """The functions that a plug-in can import, by module and name."""

    def __init__(self, given: Iterable[Any] | Mapping[Any, Any]) -> None:
        rows = given.items() if hasattr(given, "items") else [(_key(each), each) for each in given]
        self._functions = {
            (name if isinstance(name, tuple) else (_NAMESPACE, name)): getattr(
                function, "f", function
            )
            for name, function in rows
        }

    def __contains__(self, key: object) -> bool:
        return key in self._functions

    def call(self, declared: Import, frame: bytearray) -> None:
        """Take the arguments out of a frame, as the declaration in the plug-in has put them in, and leave the result."""
        function = self._functions[declared.key]
        numbers = declared.signature.parameter_cells.unpack_from(frame)
        signature = Signature(function.__name__, function)
        if len(numbers) != len(signature.parameters):
            raise TypeError(
                f"{declared.title} has {len(numbers)} parameters in the plug-in, the host function has "
                f"{len(signature.parameters)}"
            )
        named = zip(signature.signature.parameters, signature.parameters, numbers, strict=True)
        result = signature.call(function, [signature.value(*each) for each in named])
        if inspect.iscoroutine(result):
            result = _awaited(result)
        cells = declared.signature.result_cells
        if cells.size:
            cells.pack_into(frame, 0, *_numbers(signature, function, result))


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end, on a loop of another thread: the plug-in's own may be running on this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()


def _key(function: Any) -> tuple[str, str]:
    return getattr(function, "namespace", None) or _NAMESPACE, getattr(
        function, "name", function.__name__
    )


def _numbers(signature: Signature, function: Callable[..., Any], result: Any) -> list[float]:
    results = result if len(signature.results) > 1 else (result,)
    if _is_handle_to_int(function):
        return [ffi.host.store(int(result).to_bytes(8, "little", signed=True))]
    pairs = zip(signature.results, results, strict=True)
    return [wire.to_number(value, []) for wire, value in pairs]


def _is_handle_to_int(function: Callable[..., Any]) -> bool:
    """Tell whether a host writes the result into a block: a plain int, unless it is marked `extism.Raw`."""
    annotation = annotation_of(function, typing.cast("Any", function).__annotations__.get("return"))
    if typing.get_origin(annotation) is Annotated:
        marks = [mark if isinstance(mark, type) else type(mark) for mark in annotation.__metadata__]
        return annotation.__origin__ is int and not any(mark.__name__ == "Raw" for mark in marks)
    return annotation is int
