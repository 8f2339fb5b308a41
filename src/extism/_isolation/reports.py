"""
Errors, and ends of calls, as JSON and back.

A worker tells what went wrong in words, never in objects: the parent makes the exception anew, of a class out of
`errors.py`, with attributes that this class has and of the types that they have. Whatever else a worker sends
is a `Breach`. What a host function raised never leaves the parent; the worker has `RaisedByParent` in its place.
"""

from __future__ import annotations

import json

from extism import errors
from extism._cached import cache
from extism._engine.faults import Fault, FaultKind
from extism._isolation.frames import REPORT_BYTES, Breach
from extism._runtime.outcome import Exit
from extism.errors import CallError, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

__all__ = [
    "RaisedByParent",
    "error_from",
    "exit_from",
    "report_of_error",
    "report_of_exit",
    "text_of",
    "told",
]

_DEPTH: Final = 8
"""How long a chain of causes is told."""

_CLASSES: Final[Mapping[str, type[Exception]]] = {
    name: getattr(errors, name) for name in errors.__all__
} | {
    kind.__name__: kind
    for kind in (ValueError, TypeError, OverflowError, IndexError, KeyError, RuntimeError, OSError)
}

_KINDS: Final = {kind: kind for name, kind in vars(FaultKind).items() if not name.startswith("_")}
"""The kinds of faults, by what is equal to them: they are told from each other by identity."""

_CONTENT: Final = ("fault", "output", "error")
"""The fields of an `Exit` that are not plain numbers; bytes do not travel as JSON."""


class RaisedByParent(CallError):
    """In a worker: stands for the exception that the parent keeps, and unwinds the guest."""


def told(body: bytes) -> Any:
    """
    Return what a body says in JSON.

    Raises:
        Breach: It is none, or longer than anybody has to say.
    """
    if len(body) > REPORT_BYTES:
        raise Breach(f"a report of {len(body)} bytes, where {REPORT_BYTES} are the most")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Breach(f"a report that is no JSON: {type(exc).__name__}") from None


def text_of(body: bytes) -> str:
    """
    Return a body as text.

    Raises:
        Breach: It is not UTF-8.
    """
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Breach("a text that is not UTF-8") from None


# ---------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------


def report_of_error(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Return an error as what JSON can say: class, text, attributes, notes, causes."""
    cause = error.__cause__
    name = _class_name(error)
    return {
        "class": name,
        "text": _raw_text(error),
        "attributes": {key: getattr(error, key) for key in _attributes(name)},
        "notes": list(getattr(error, "__notes__", ())),
        "cause": None if cause is None or depth == _DEPTH else report_of_error(cause, depth + 1),
    }


def error_from(report: object, depth: int = 0) -> Exception:
    """
    Return the error that a report tells of.

    Raises:
        Breach: It tells of none.
    """
    name = _text(report, "class")
    if name not in _CLASSES or depth > _DEPTH:
        raise Breach("a report of no known error")
    attributes = _given(name, _item(report, "attributes", dict))
    error = _CLASSES[name](_text(report, "text"), **attributes)
    for note in _item(report, "notes", list):
        error.add_note(_checked(note, str))
    cause = _item(report, "cause", dict, type(None))
    error.__cause__ = None if cause is None else error_from(cause, depth + 1)
    return error


def _raw_text(error: BaseException) -> str:
    """Return the text as it was given: `str` may show it with escapes."""
    is_ours = isinstance(error, Error) and len(error.args) > 0
    return str(error.args[0] if is_ours else error)


def _class_name(error: BaseException) -> str:
    """Return the name of the error's class, or of the closest of its parents that can be told."""
    return next(
        (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _CLASSES), "RuntimeError"
    )


@cache
def _attributes(name: str) -> dict[str, object]:
    """Return the attributes that a class of error of ours is made with, and an example of each."""
    kind: type = _CLASSES[name]
    if not issubclass(kind, Error):
        return {}
    # Some of these classes inherit C's, which has none.
    return dict(getattr(kind.__init__, "__kwdefaults__", None) or {})


def _given(name: str, attributes: dict[Any, Any]) -> dict[str, Any]:
    known = _attributes(name)
    if not attributes.keys() <= known.keys():
        raise Breach("an error with attributes that it does not have")
    return {key: _alike(value, known[key]) for key, value in attributes.items()}


def _alike(value: object, example: object) -> object:
    """Return a value that is of the type of `example`; rows of texts are tuples."""
    if not isinstance(example, tuple):
        return _checked(value, type(example))
    return tuple(_checked(item, str) for item in _checked(value, list))


# ---------------------------------------------------------------------------------------------------
# Ends of calls
# ---------------------------------------------------------------------------------------------------


def report_of_exit(exit_: Exit) -> dict[str, Any]:
    """Return how a call ended as what JSON can say, all but `output` and `error`."""
    fault = exit_.fault
    report: dict[str, Any] = {name: getattr(exit_, name) for name in _numbers()}
    report["fault"] = fault and {
        "kind": fault.kind,
        "text": fault.text,
        "trap": fault.trap,
        "exit_status": fault.exit_status,
        "raised": _raised_report(fault.raised),
    }
    return report


def exit_from(
    report: object, output: bytes, error: bytes | None, raised: BaseException | None
) -> Exit:
    """
    Return the end of a call that a report tells of.

    Args:
        report: As `report_of_exit` made it.
        output: What the guest set.
        error: The text that it set.
        raised: What the parent keeps for `RaisedByParent`.

    Raises:
        Breach: The report is not of that form.
    """
    numbers = {name: _item(report, name, type(example)) for name, example in _numbers().items()}
    fault = _item(report, "fault", dict, type(None))
    return Exit(
        fault=None if fault is None else _fault(fault, raised),
        output=output,
        error=error,
        **numbers,
    )


@cache
def _numbers() -> dict[str, Any]:
    example = Exit()
    return {name: getattr(example, name) for name in Exit.__match_args__ if name not in _CONTENT}


def _raised_report(raised: BaseException | None) -> object:
    if raised is None:
        return None
    return "parent" if isinstance(raised, RaisedByParent) else report_of_error(raised)


def _fault(report: dict[str, Any], raised: BaseException | None) -> Fault:
    kind = _KINDS.get(_text(report, "kind"))
    own = _item(report, "raised", dict, str, type(None))
    if own == "parent":
        cause = raised
    else:
        cause = None if own is None else error_from(own)
    if kind is None or (kind is FaultKind.HOST) != (cause is not None):
        raise Breach("a fault of no known kind")
    return Fault(
        kind,
        _text(report, "text"),
        trap=_text(report, "trap"),
        exit_status=_item(report, "exit_status", int),
        raised=cause,
    )


# ---------------------------------------------------------------------------------------------------
# Checks
# ---------------------------------------------------------------------------------------------------


def _item(report: object, key: str, *kinds: type) -> Any:
    if not isinstance(report, dict) or key not in report:
        raise Breach(f"a report without {key}")
    return _checked(report[key], *kinds)


def _text(report: object, key: str) -> str:
    text: str = _item(report, key, str)
    return text


def _checked(value: Any, *kinds: type) -> Any:
    """Return a value that is of one of these very types: True is no number here."""
    if type(value) not in kinds:
        raise Breach(f"a {type(value).__name__} where {kinds[0].__name__} belongs")
    return value
