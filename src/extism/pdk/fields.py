"""
The fields of a class that is made to hold them: dataclasses, TypedDicts, named tuples, and what attrs made.

Classes with parameters are asked as they are annotated: `Box[int]`, or a class that comes from it, has fields in which
`int` stands where `Box` has its parameter. How a field is read is in `records.py`.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from typing import Any, ClassVar

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Field", "arguments_of", "fields_of", "filled", "stand_in"]


class Field(typing.NamedTuple):
    """One field of a record: its name in JSON, as an argument, what it holds, whether it must be there."""

    name: str
    argument: str
    annotation: Any
    is_required: bool


def fields_of(annotation: Any) -> list[Field] | None:
    """
    Return the fields of an annotated class, None if it is not one that is made to hold fields.

    Raises:
        NameError: An annotation names something that is not defined, or not yet.
    """
    kind = typing.get_origin(annotation) or annotation
    for is_kind, fields in _KINDS:
        if is_kind(kind):
            return list(fields(kind, _hints(annotation)))
    return None


def arguments_of(annotation: Any) -> dict[Any, Any]:
    """Return what stands for the parameters of a generic; nothing where it is named without arguments."""
    parameters = getattr(typing.get_origin(annotation) or annotation, "__parameters__", ())
    arguments = typing.get_args(annotation)
    same = len(parameters) == len(arguments)
    return dict(zip(parameters, arguments, strict=True)) if same else {}


def filled(hint: Any, given: dict[Any, Any]) -> Any:
    """Return an annotation with types in the place of parameters."""
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not given or not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(given.get(each, each) for each in parameters)]


def stand_in(parameter: typing.TypeVar) -> Any:
    """Return what is taken for a parameter that nobody filled: its default, its bound, one of its choices, or all."""
    if getattr(parameter, "has_default", bool)():
        return parameter.__default__  # type: ignore[attr-defined, unused-ignore]
    if parameter.__constraints__:
        return typing.Union[parameter.__constraints__]  # noqa: UP007  as many as there are
    bound = parameter.__bound__
    return Any if bound is None or isinstance(bound, typing.ForwardRef) else bound


def _hints(annotation: Any) -> dict[str, Any]:
    """Return the annotations of a class and of those that it comes from, each filled as the class has it."""
    kind = typing.get_origin(annotation) or annotation
    given = _given(annotation)
    if not any(given.values()):
        return typing.get_type_hints(kind, include_extras=True)
    order = list(given) if typing.is_typeddict(kind) else kind.__mro__
    hints: dict[str, Any] = {}
    for each in reversed(order):
        here = typing.get_type_hints(each, include_extras=True)
        hints |= {name: filled(here[name], given.get(each, {})) for name in _own(each)}
    return hints


def _given(annotation: Any) -> dict[Any, dict[Any, Any]]:
    """Return a class and, after it, all that it comes from, each with what stands for its parameters there."""
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return {}  # `NamedTuple` and `TypedDict`, which are functions
    given = arguments_of(annotation)
    found = {kind: given}
    for base in _bases(kind):
        found = found | _given(filled(base, given)) | found
    return found


def _bases(kind: type) -> list[Any]:
    """Return what a class comes from, as its `class` statement names it; what is text there is looked up."""
    bases = vars(kind).get("__orig_bases__", kind.__bases__)
    named = {
        str(place): base
        for place, base in enumerate(bases)
        if typing.get_origin(base) not in {typing.Generic, typing.Protocol}
    }
    holder = types.SimpleNamespace(__annotations__=named)
    names = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
    return list(typing.get_type_hints(holder, names, include_extras=True).values())


def _own(kind: type) -> Iterator[str]:
    """Give the names that a class annotates itself; a TypedDict lists those of its bases as well."""
    inherited: dict[str, Any] = {}
    if typing.is_typeddict(kind):
        for base in _bases(kind):
            inherited |= inspect.get_annotations(typing.get_origin(base) or base)
    for name, hint in inspect.get_annotations(kind).items():
        if name not in inherited or inherited[name] != hint:
            yield name


def _typed_dict_fields(kind: Any, hints: dict[str, Any]) -> Iterator[Field]:
    for name, annotation in hints.items():
        # Not by `__required_keys__` alone: it knows no mark that was text when the class was made.
        mark = typing.get_origin(annotation)
        is_required = mark is typing.Required or (
            mark is not typing.NotRequired and name in kind.__required_keys__
        )
        yield Field(name, name, annotation, is_required)


def _named_tuple_fields(kind: Any, hints: dict[str, Any]) -> Iterator[Field]:
    for name in kind._fields:
        yield Field(name, name, hints.get(name, Any), name not in kind._field_defaults)


def _dataclass_fields(kind: Any, hints: dict[str, Any]) -> Iterator[Field]:
    missing = dataclasses.MISSING
    for name, field in kind.__dataclass_fields__.items():
        hint = hints[name]
        if field.init and ClassVar not in {hint, typing.get_origin(hint)}:
            annotation = hint.type if isinstance(hint, dataclasses.InitVar) else hint
            is_required = field.default is missing and field.default_factory is missing
            yield Field(name, name, annotation, is_required)


def _attrs_fields(kind: Any, hints: dict[str, Any]) -> Iterator[Field]:
    missing = sys.modules["attr"].NOTHING  # the package is there: it made the class
    for field in kind.__attrs_attrs__:
        if field.init:
            annotation = hints.get(field.name, Any)
            yield Field(field.name, field.alias, annotation, field.default is missing)


_KINDS = (
    (typing.is_typeddict, _typed_dict_fields),
    (lambda kind: hasattr(kind, "_field_defaults"), _named_tuple_fields),
    (dataclasses.is_dataclass, _dataclass_fields),
    (lambda kind: hasattr(kind, "__attrs_attrs__"), _attrs_fields),
)
"""How to tell a class of each kind, and what its fields are."""
