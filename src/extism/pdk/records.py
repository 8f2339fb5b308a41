"""
JSON values as the annotations want them: checked, and made into dataclasses, enums and what else has a form in JSON.

`reading` is asked once for an annotation and gives a function, so that all that can be found out beforehand is, when
the plug-in is built. `dumps` goes the other way and needs no annotation. What fields a class has is in `fields.py`;
which bytes are JSON at all is decided in `values.py`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import types
import typing
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypeAlias, Union

from .errors import InputError
from .fields import Field, arguments_of, fields_of, filled, stand_in
from .leaves import Number, as_text, is_decimal, is_plain, leaf, shown

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Reading", "dumps", "is_record", "reading", "strip_optional"]

Reader: TypeAlias = "Callable[[Any], Any]"
"""From what `json.loads` gave to the value; an InputError says what is wrong and where."""


class Reading(typing.NamedTuple):
    """How values of an annotation are made out of JSON values, and what these have to be."""

    read: Reader
    needs_digits: bool
    """Whether numbers have to be `leaves.Number`: a Decimal is among what is made."""


class _Known(dict[Any, Reader]):
    """The readers of classes that one annotation reaches."""

    needs_digits = False


_ARRAYS: Final = {list: list, tuple: tuple, set: set, frozenset: frozenset}
_ABSTRACT: Final = {
    "Collection": list,
    "Iterable": list,
    "Sequence": list,
    "MutableSequence": list,
    "Set": frozenset,
    "MutableSet": set,
    "Mapping": dict,
    "MutableMapping": dict,
}
"""What is made for a class of `collections.abc`."""

_UNIONS: Final = (Union, types.UnionType)


def reading(annotation: Any) -> Reading:
    """
    Return what makes values of that annotation out of JSON values.

    Raises:
        TypeError: JSON has no form for it, or for a field of it.
        NameError: It names something that is not defined, or not yet.
    """
    known = _Known()
    return Reading(_reader(annotation, known), known.needs_digits)


def strip_optional(annotation: Any) -> tuple[Any, bool]:
    """Return T and True for `T | None`, other annotations as they are and False."""
    if typing.get_origin(annotation) in _UNIONS:
        arms = typing.get_args(annotation)
        rest = [arm for arm in arms if arm is not type(None)]
        if len(rest) == 1:
            return rest[0], True
        if len(rest) < len(arms):
            return functools.reduce(operator.or_, rest), True
    return annotation, False


def _reader(annotation: Any, known: _Known) -> Reader:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {Annotated, typing.Required, typing.NotRequired}:
        return _reader(arguments[0], known)
    if origin is Literal:
        return _one_of(arguments)
    if origin in _UNIONS:
        return _either(arguments, known)
    if isinstance(annotation, typing.TypeVar):
        return _reader(stand_in(annotation), known)
    if annotation in {Any, object}:
        return _as_it_came
    alias = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if alias is not None and not isinstance(annotation, type):  # NewType, and `type X = ...`
        return _aliased(annotation, filled(alias, arguments_of(annotation)), known)
    known.needs_digits |= is_decimal(annotation)
    made = _container(origin or annotation, arguments, known) or leaf(annotation)
    if made is None and isinstance(origin or annotation, type):
        made = _class(annotation, known)
    if made is None:
        raise TypeError(f"{_name(annotation)} has no form in JSON")
    return made


def _aliased(alias: Any, annotation: Any, known: _Known) -> Reader:
    """Return what reads values of an alias, in which the alias itself may stand."""
    if alias in known:
        return known[alias]

    def read(value: Any) -> Any:
        return made(value)

    known[alias] = read  # before it is made, for the same reason as a class
    made = _reader(annotation, known)
    return made


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _as_it_came(value: Any) -> Any:
    return value


def _one_of(choices: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        for choice in choices:
            if choice == value and type(choice) is type(value):
                return choice
        raise InputError(f"expected {_listed(choices)}, got {shown(value)}")

    return read


def _listed(choices: Iterable[Any]) -> str:
    texts = [json.dumps(choice, ensure_ascii=False, default=str) for choice in choices]
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}"


def _either(arms: tuple[Any, ...], known: _Known) -> Reader:
    """
    Return what reads by the first arm that takes the value; an exact match of simple types goes first.

    Where all fail, the one that got furthest into the value tells why; of several as far, all are named.
    """
    exact = {arm for arm in arms if is_plain(arm)}
    readers = [(_tags(arm), _reader(arm, known)) for arm in arms if arm is not type(None)]
    is_optional = len(readers) < len(arms)

    def read(value: Any) -> Any:
        if type(value) in exact or (value is None and is_optional):
            return value
        if isinstance(value, Number) and float in exact:
            return float(value)
        failures = []
        for _, each in [row for row in readers if _fits(row[0], value)] or readers:
            try:
                return each(value)
            except InputError as error:
                failures.append(error)
        raise _furthest(failures)

    return read


def _tags(arm: Any) -> dict[str, tuple[Any, ...]]:
    """Return the fields of a record whose values are literals, which tell one record from another."""
    if not isinstance(arm, type) or not hasattr(arm, "__annotations__"):
        return {}
    hints = typing.get_type_hints(arm).items()
    return {
        name: typing.get_args(hint) for name, hint in hints if typing.get_origin(hint) is Literal
    }


def _fits(tags: dict[str, tuple[Any, ...]], value: Any) -> bool:
    return isinstance(value, dict) and all(
        name not in value or value[name] in tags[name] for name in tags
    )


def _furthest(failures: list[InputError]) -> InputError:
    deep = [error for error in failures if error.path]
    if len(failures) == 1 or len(deep) == 1:
        return (deep or failures)[0]
    told = deep or failures
    places = {error.path for error in told}
    got = {error.reason.rpartition(", got ")[2] for error in told}
    if len(places) == len(got) == 1 and all(each.reason.startswith("expected ") for each in told):
        wanted = [each.reason.removeprefix("expected ").rpartition(", got ")[0] for each in told]
        reason = f"expected {' or '.join(dict.fromkeys(wanted))}, got {got.pop()}"
        return InputError(reason, places.pop())
    return InputError("; or ".join(dict.fromkeys(str(error).lstrip(".") for error in told)))


def _container(kind: Any, arguments: tuple[Any, ...], known: _Known) -> Reader | None:
    if getattr(kind, "__module__", "") == "collections.abc":
        kind = _ABSTRACT.get(kind.__name__, kind)
    if kind is dict:
        return _mapping(arguments or (str, Any), known)
    if kind not in _ARRAYS:
        return None
    if kind is tuple and arguments and arguments[-1] is not ...:
        return _row([_reader(each, known) for each in arguments], tuple)
    item = _reader(arguments[0], known) if arguments else _as_it_came
    make = _ARRAYS[kind]

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise InputError(f"expected an array, got {shown(value)}")
        return make([_at(f"[{index}]", item, each) for index, each in enumerate(value)])

    return read


def _row(items: list[Reader], make: Callable[[list[Any]], Any]) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(items):
            raise InputError(f"expected an array of {len(items)} items, got {shown(value)}")
        pairs = enumerate(zip(items, value, strict=True))
        return make([_at(f"[{index}]", item, each) for index, (item, each) in pairs])

    return read


def _mapping(arguments: tuple[Any, ...], known: _Known) -> Reader:
    key, item = _key(arguments[0], known), _reader(arguments[1], known)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise InputError(f"expected an object, got {shown(value)}")
        found = {}
        for name, each in value.items():
            place = f"[{json.dumps(name, ensure_ascii=False)}]"
            found[_at(place, key, name)] = _at(place, item, each)
        return found

    return read


def _key(annotation: Any, known: _Known) -> Reader:
    """Return what reads the name of a member, which is text, as a key of that annotation."""
    if annotation not in {int, float, bool}:
        return _reader(annotation, known)
    read_number = _reader(annotation, known)

    def read(name: str) -> Any:
        try:
            return read_number(json.loads(name))
        except (InputError, json.JSONDecodeError):
            raise InputError(f"the key is no {annotation.__name__}") from None

    return read


def _class(annotation: Any, known: _Known) -> Reader | None:
    kind = typing.get_origin(annotation) or annotation
    if issubclass(kind, Enum):
        return _enum(kind)
    fields = fields_of(annotation)
    if fields is None:
        return None
    if typing.is_typeddict(kind):
        return _record(annotation, dict, fields, known)
    by_name = _record(annotation, kind, fields, known)
    if not hasattr(kind, "_field_defaults"):
        return by_name
    by_place = _row([_reader(each.annotation, known) for each in fields], kind._make)
    return lambda value: by_place(value) if isinstance(value, list) else by_name(value)


def _enum(kind: type[Enum]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return kind(value)
        except (ValueError, TypeError):
            choices = _listed(member.value for member in kind)
            raise InputError(f"expected {choices}, got {shown(value)}") from None

    return read


def _record(kind: Any, make: Any, fields: list[Field], known: _Known) -> Reader:
    """Return what reads an object; members that the class does not know are passed over."""
    if kind in known:
        return known[kind]
    readers: list[tuple[str, str, Reader, bool]] = []

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise InputError(f"expected an object, got {shown(value)}")
        arguments = {}
        for name, argument, item, is_required in readers:
            if name in value:
                arguments[argument] = _at(f".{name}", item, value[name])
            elif is_required:
                raise InputError("is missing", f".{name}")
        try:
            return make(**arguments)
        except (ValueError, TypeError) as error:  # of the author's `__post_init__`
            raise InputError(str(error)) from error

    known[kind] = read  # before its fields, one of which may hold the class itself
    for name, argument, annotation, is_required in fields:
        try:
            readers.append((name, argument, _reader(annotation, known), is_required))
        except TypeError as error:
            raise TypeError(f"field {name} of {_name(kind)}: {error}") from None
    return read


def _at(place: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except InputError as error:
        raise error.under(place) from error.__cause__


def is_record(value: object) -> bool:
    """Tell whether a value is an object with fields, of a class made to hold them."""
    kind = type(value)
    return (
        dataclasses.is_dataclass(kind)
        or hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "_field_defaults")
    )


def dumps(value: object) -> str:
    """Return `value` as JSON; enums give their value, objects their attributes, sets lists, dates ISO 8601."""
    try:
        return json.dumps(value, default=_plain)
    except TypeError:
        # It may be for a key alone; whatever else it is, is said again.
        return json.dumps(_with_plain_keys(value), default=_plain)


def _with_plain_keys(value: Any) -> Any:
    """Return a value whose dicts, at any depth, have members of enums and dates in their keys written as values are."""
    if isinstance(value, dict):
        return {_plain_key(key): _with_plain_keys(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_plain_keys(each) for each in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return _with_plain_keys(_plain(value))


def _plain_key(key: Any) -> Any:
    if isinstance(key, Enum):
        return key.value
    text = as_text(key)
    return key if text is None else text


def _plain(value: Any) -> object:
    """Return what `json.dumps` knows for a value that it does not."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return list(value)
    if (text := as_text(value)) is not None:
        return text
    if hasattr(type(value), "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}
    if hasattr(value, "__dict__") and not _is_more_than_attributes(value):
        return vars(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _is_more_than_attributes(value: object) -> bool:
    """Tell whether a value has what its attributes do not say: classes, functions, exceptions, and bytes of a kind."""
    kinds = type(value).__mro__
    return any(kind.__module__ == "builtins" and kind is not object for kind in kinds)
