"""
Plug-in functions with annotations: the input of the call becomes arguments, what is returned becomes the output.

One parameter is the whole input; of several, each is a member of a JSON object. Text and bytes are taken and given as
they are, everything else is JSON (`values.py`). What is exported at all is in `exports.py`, how a call ends in
`invoke.py`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from . import ffi, values
from .errors import InputError
from .leaves import shown
from .records import Reading, reading
from .signatures import annotation_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ReturnCode", "TypedFunction", "is_typed"]

_EMPTY: Final = inspect.Parameter.empty
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class ReturnCode(int):
    """The return code of the call, where a function returns it: 0 is success."""


class _Parameter(NamedTuple):
    """A parameter that is filled from the input, and what reads it: bytes alone, a JSON value among others."""

    name: str
    by_place: bool
    default: Any
    read: Callable[[Any], Any]
    needs_digits: bool

    @property
    def is_required(self) -> bool:
        return self.default is _EMPTY


def is_typed(signature: inspect.Signature) -> bool:
    """Tell whether annotations say what goes in or out; `-> None` alone does not."""
    returns = signature.return_annotation
    return bool(_filled(signature)) or returns not in (_EMPTY, None, "None", NoReturn, "NoReturn")


def _filled(signature: inspect.Signature) -> list[inspect.Parameter]:
    """Return the parameters that have an annotation; the others are left to their defaults."""
    every = signature.parameters.values()
    return [each for each in every if each.annotation is not _EMPTY and each.kind not in _VARIABLE]


class TypedFunction:
    """
    A plug-in function between the input and the output of a call.

    Args:
        function: The author's.
        signature: What of its signature counts.
        run: What is called: the function, or what awaits it.
    """

    def __init__(
        self, function: Callable[..., Any], signature: inspect.Signature, run: Callable[..., Any]
    ) -> None:
        self.function = function
        self.title = function.__name__
        self.signature = signature
        self.run = run

    def check(self) -> None:
        """Raise the TypeError of an annotation that has no form; one that is not there yet may come."""
        try:
            _ = self.parameters, self.write
        except NameError:
            return

    @functools.cached_property
    def parameters(self) -> list[_Parameter]:
        """What is read from the input."""
        filled = _filled(self.signature)
        make = _of_all if len(filled) == 1 else reading
        return [
            _Parameter(
                each.name,
                each.kind is inspect.Parameter.POSITIONAL_ONLY,
                each.default,
                *self._made(make, f"parameter {each.name}", each.annotation),
            )
            for each in filled
        ]

    @functools.cached_property
    def write(self) -> Callable[[Any], bytes | None]:
        """What makes the output of what is returned; None leaves the output as it is."""
        returns = self.signature.return_annotation
        if returns in (_EMPTY, None, "None"):
            return _by_value
        annotation = self._made(_itself, "result", returns)
        if isinstance(annotation, type) and issubclass(annotation, ReturnCode):
            return _refuse
        self._made(values.decoder, "result", returns)
        return _writer(annotation)

    def _made(self, make: Callable[[Any], Any], what: str, annotation: Any) -> Any:
        try:
            return make(annotation_of(self.function, annotation))
        except TypeError as error:
            raise TypeError(f"{self.title}: {what}: {error}") from None
        except NameError as error:
            text = f"{error}, or only where TYPE_CHECKING is true"
            raise NameError(f"{self.title}: {what}: {text}") from None

    def __call__(self) -> ReturnCode | None:
        """Read the input, run the function, and set the output."""
        args, kwargs = self._arguments()
        result = self.run(*args, **kwargs)
        if isinstance(result, ReturnCode):
            return result
        try:
            output = self.write(result)
        except TypeError as error:
            raise TypeError(f"{self.title}: result: {error}") from None
        except ValueError as error:  # it holds itself, or is text that UTF-8 has no form for
            raise ValueError(f"{self.title}: result: {error}") from None
        if output is not None:
            ffi.host.output(output)
        return None

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        if not self.parameters:
            return args, kwargs
        data = ffi.host.input()
        try:
            found = self._whole(data) if len(self.parameters) == 1 else self._members(data)
        except InputError as error:
            raise error.under(f"{self.title}: " if error.path else self.title) from error.__cause__
        for each in self.parameters:
            if each.by_place:
                args.append(found.get(each.name, each.default))
            elif each.name in found:
                kwargs[each.name] = found[each.name]
        return args, kwargs

    def _whole(self, data: bytes) -> dict[str, Any]:
        (parameter,) = self.parameters
        if not data and not parameter.is_required:
            return {}
        return {parameter.name: _at(parameter, data)}

    def _members(self, data: bytes) -> dict[str, Any]:
        needs_digits = any(each.needs_digits for each in self.parameters)
        wanted = f"a JSON object with {', '.join(each.name for each in self.parameters)}"
        given = values.from_json(data, wanted, needs_digits=needs_digits) if data else {}
        if not isinstance(given, dict):
            raise InputError(f"expected {wanted}, got {shown(given)}")
        found = {}
        for each in self.parameters:
            if each.name in given:
                found[each.name] = _at(each, given[each.name])
            elif each.is_required:
                raise InputError("is missing", each.name)
        return found


def _at(parameter: _Parameter, given: Any) -> Any:
    try:
        return parameter.read(given)
    except InputError as error:
        raise error.under(parameter.name) from error.__cause__


def _of_all(annotation: Any) -> Reading:
    return Reading(values.decoder(annotation), needs_digits=False)


def _itself(annotation: Any) -> Any:
    return annotation


def _by_value(result: Any) -> bytes | None:
    return None if result is None else values.encode_any(result)


def _refuse(result: Any) -> bytes | None:
    raise TypeError(f"expected a ReturnCode, got {type(result).__name__}")


def _writer(annotation: Any) -> Callable[[Any], bytes | None]:
    """Return what writes a result of that annotation: text, bytes and enums as they are, the rest as JSON."""
    kind, is_optional = values.kind_of(annotation)
    if kind in {Any, object}:
        return _by_value
    if kind in _CHECKED:
        return functools.partial(_exactly, _CHECKED[kind], is_optional)
    if values.is_text(kind):
        return _by_value
    return lambda result: values.dumps(result).encode()


class _Checked(NamedTuple):
    """Results without parts: what one may be, what an error calls it, and what stands for None."""

    kinds: tuple[type, ...]
    name: str
    none: bytes | None


_BYTES: Final = _Checked((bytes, bytearray, memoryview), "bytes", None)

_CHECKED: Final = {
    str: _Checked((str,), "str", None),
    bytes: _BYTES,
    bytearray: _BYTES,
    memoryview: _BYTES,
    bool: _Checked((bool,), "bool", b"null"),
    int: _Checked((int,), "int", b"null"),
    float: _Checked((int, float), "float", b"null"),
}


def _exactly(wanted: _Checked, is_optional: bool, result: Any) -> bytes | None:  # noqa: FBT001
    if result is None and is_optional:
        return wanted.none
    if not isinstance(result, wanted.kinds):
        raise TypeError(f"expected {wanted.name}, got {type(result).__name__}")
    return values.encode_any(result)
