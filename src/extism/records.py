"""
JSON and the values that annotations ask for: dataclasses, enums, containers of them, pydantic's models, msgspec's structs.

`loader` is asked once, when a host function is decorated, and gives a function; what cannot be read at all is
refused there. `dumps` goes the other way and needs no annotation.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["dumps", "is_record", "loader"]

Reader: TypeAlias = "Callable[[Any], Any]"
"""From what `json.loads` gave to the value; a TypeError or ValueError says what is wrong and in which field."""

_Known: TypeAlias = dict[Any, Reader]

_LEAVES: Final[dict[Any, tuple[type, ...]]] = {
    bool: (bool,),
    float: (float, int),
    int: (int,),
    str: (str,),
    type(None): (type(None),),
}
_CONTAINERS: Final[dict[Any, type]] = {
    dict: dict,
    list: list,
    tuple: list,
    set: list,
    frozenset: list,
}
"""What JSON has for a container."""

_SHOWN: Final = 60


def is_record(annotation: Any) -> bool:
    """Tell whether instances travel as JSON objects without being marked: dataclasses, models, structs."""
    return isinstance(annotation, type) and any(fits(annotation) for fits in _RECORDS)


def loader(annotation: Any) -> Callable[[bytes], Any]:
    """
    Return what makes values of that annotation out of JSON text.

    What JSON has no form for, such as a class of your own, is left as it came; but not in a field of a
    dataclass.

    Raises:
        TypeError: A field of a dataclass has a type that JSON has no form for.
    """
    if isinstance(annotation, type) and _is_model(annotation):
        validate: Callable[[bytes], Any] = annotation.model_validate_json  # type: ignore[attr-defined]
        return validate
    if isinstance(annotation, type) and _is_struct(annotation):
        import msgspec

        return msgspec.json.Decoder(annotation).decode
    read = _reader(annotation, {}) or _as_it_came
    return lambda data: read(json.loads(data))


def dumps(value: Any) -> bytes:
    """
    Return JSON text; records at any depth are objects, enums their values, sets lists.

    Raises:
        TypeError: A value has no form in JSON.
    """
    if _is_model(type(value)):
        text: str = value.model_dump_json()
        return text.encode()
    return json.dumps(value, default=_plain).encode()


def _as_it_came(value: Any) -> Any:
    return value


def _reader(annotation: Any, known: _Known) -> Reader | None:
    """Return the reader of an annotation; None where JSON has no form for it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _reader(arguments[0], known)
    if origin is Literal:
        return _one_of(arguments)
    if origin in {Union, types.UnionType}:
        return _either(arguments, known)
    if (origin or annotation) in _CONTAINERS:
        return _container(origin or annotation, arguments, known)
    if annotation in {Any, object}:
        return _as_it_came
    if annotation in _LEAVES:
        return _leaf(annotation)
    if isinstance(annotation, typing.NewType):
        return _reader(annotation.__supertype__, known)
    if typing.is_typeddict(annotation):
        return _container(dict, (), known)
    return _class(annotation, known) if isinstance(annotation, type) else None


def _leaf(kind: type) -> Reader:
    accepted = _LEAVES[kind]

    def read(value: Any) -> Any:
        # A bool is an int to isinstance.
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)):
            return value
        raise TypeError(f"{kind.__name__} wanted, {_shown(value)} found")

    return read


def _one_of(choices: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        for choice in choices:
            if choice == value and type(choice) is type(value):
                return choice
        raise TypeError(f"one of {', '.join(map(repr, choices))} wanted, {_shown(value)} found")

    return read


def _readers(annotations: Iterable[Any], known: _Known) -> list[Reader] | None:
    """Return the reader of each annotation; None if JSON has no form for one of them."""
    found = [_reader(each, known) for each in annotations]
    made = [each for each in found if each is not None]
    return made if len(made) == len(found) else None


def _either(arms: tuple[Any, ...], known: _Known) -> Reader | None:
    """Return what reads by the first arm that takes the value; the last one's error is told."""
    readers = _readers([arm for arm in arms if arm is not type(None)], known)
    if readers is None:
        return None
    is_optional = len(readers) < len(arms)

    def read(value: Any) -> Any:
        if value is None and is_optional:
            return None
        for each in readers[:-1]:
            try:
                return each(value)
            except (TypeError, ValueError):
                continue
        return readers[-1](value)

    return read


def _container(kind: Any, arguments: tuple[Any, ...], known: _Known) -> Reader | None:
    if kind is dict and arguments and arguments[0] not in {str, Any}:
        return None
    is_row = kind is tuple and bool(arguments) and Ellipsis not in arguments
    items = _readers([each for each in arguments if each is not Ellipsis], known)
    if items is None:
        return None
    make = _row(items) if is_row else _filled(kind, items[-1] if items else _as_it_came)

    def read(value: Any) -> Any:
        if isinstance(value, _CONTAINERS[kind]):
            return make(value)
        raise TypeError(f"{kind.__name__} wanted, {_shown(value)} found")

    return read


def _row(items: list[Reader]) -> Reader:
    def read(values: list[Any]) -> Any:
        if len(values) != len(items):
            raise TypeError(f"{len(items)} items wanted, {len(values)} found")
        pairs = enumerate(zip(items, values, strict=True))
        return tuple(_at(f"[{index}]", item, each) for index, (item, each) in pairs)

    return read


def _filled(kind: Any, item: Reader) -> Reader:
    if kind is dict:
        return lambda value: {key: _at(repr(key), item, each) for key, each in value.items()}
    return lambda value: kind([_at(f"[{i}]", item, each) for i, each in enumerate(value)])


def _class(kind: type, known: _Known) -> Reader | None:
    if issubclass(kind, Enum):
        return kind
    for fits, make in _RECORDS.items():
        if fits(kind):
            return make(kind, known)
    return None


def _dataclass(kind: Any, known: _Known) -> Reader:
    if kind in known:
        return known[kind]
    readers: dict[str, Reader] = {}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"an object for {kind.__name__} wanted, {_shown(value)} found")
        return kind(
            **{key: _at(key, readers.get(key, _as_it_came), each) for key, each in value.items()}
        )

    known[kind] = read  # before its fields, one of which may hold the class itself
    hints = _hints(kind)
    for field in dataclasses.fields(kind):
        made = _reader(hints[field.name], known)
        if made is None:
            hint = hints[field.name]
            name = hint.__name__ if isinstance(hint, type) else hint
            raise TypeError(f"field {field.name} of {kind.__name__}: {name} has no form in JSON")
        readers[field.name] = made
    return read


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except NameError as exc:
        raise TypeError(f"the annotations of {kind.__name__} cannot be read: {exc}") from exc


def _at(place: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except (TypeError, ValueError) as exc:
        raise TypeError(f"{place}: {exc}") from exc


def _shown(value: Any) -> str:
    return f"{value!r:.{_SHOWN}}"


def _is_model(kind: type) -> bool:
    return hasattr(kind, "model_validate_json") and hasattr(kind, "model_dump_json")


def _is_struct(kind: type) -> bool:
    return hasattr(kind, "__struct_fields__")


def _model(kind: Any, _known: _Known) -> Reader:
    return lambda value: kind.model_validate_json(json.dumps(value))


def _struct(kind: Any, _known: _Known) -> Reader:
    import msgspec

    return lambda value: msgspec.convert(value, kind)


_RECORDS: Final[dict[Callable[[type], bool], Callable[[Any, _Known], Reader]]] = {
    _is_model: _model,
    _is_struct: _struct,
    dataclasses.is_dataclass: _dataclass,
}
"""What makes a class a record, and what reads it; the first that fits."""


def _plain(value: Any) -> Any:
    """Return what `json.dumps` knows for a value that it does not."""
    kind = type(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    if _is_model(kind):
        return json.loads(value.model_dump_json())
    if _is_struct(kind):
        import msgspec

        return msgspec.to_builtins(value)
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    raise TypeError(f"{kind.__name__} has no form in JSON")
