"""
`dataclass`, `field` and `replace` as `dataclasses` has them, without what they cost a start.

`dataclasses` loads `inspect`, `re`, `ast` and `enum`, and takes some 0.8 ms for each class: together more than all the
rest of a start. So the classes that are made while a plugin is loaded and compiled are made here; all others, and
all of the Python compiler's, by the original. Type checkers see the original, and at run time `dataclasses.replace`, `fields`, `asdict`
and `is_dataclass` take what is made here for their own. Only what the house uses is there: `frozen`, `eq`, defaults and
`default_factory`.

The one thing to know: nothing is generated. All classes share the functions below, which go by the class's fields.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace
    from typing import Any, NoReturn

__all__ = ["dataclass", "field", "replace"]


class _Factory:
    """A default that is made anew for each instance."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def _field(*, default_factory: Callable[[], Any]) -> Any:
    """Return what stands for a default that `default_factory` makes for each instance."""
    return _Factory(default_factory)


def _dataclass(cls: Any = None, *, frozen: bool = False, eq: bool = True) -> Any:
    """
    Make a class whose annotations are its fields; its `__post_init__`, if any, runs after they are set.

    Args:
        cls: The class; left out where options are given.
        frozen: Whether assigning a field later raises `FrozenInstanceError`.
        eq: Whether instances are equal if their fields are; frozen ones then have a hash, too.
    """
    if cls is None:
        return lambda each: _dataclass(each, frozen=frozen, eq=eq)
    own: dict[str, Any] = {"__init__": _init, "__repr__": _repr, "__replace__": _replace}
    if eq:
        own |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
    if frozen:
        own |= {"__setattr__": _refuse, "__delattr__": _refuse}
    for name, function in own.items():
        if name not in vars(cls):
            setattr(cls, name, function)
    inherited = getattr(cls, "__match_args__", ())
    names = tuple(dict.fromkeys([*inherited, *cls.__annotations__]))
    type.__setattr__(cls, "__match_args__", names)
    defaults = {name: getattr(cls, name) for name in names if hasattr(cls, name)}
    fresh = tuple([name for name in defaults if defaults[name].__class__ is _Factory])
    is_checked = hasattr(cls, "__post_init__")
    cls.__dataclass_plan__ = names, frozenset(names), defaults, fresh, is_checked
    cls.__dataclass_fields__, cls.__signature__ = _FIELDS, _SIGNATURE
    return cls


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    names, every, defaults, fresh, is_checked = self.__dataclass_plan__
    values = self.__dict__  # past `__setattr__`, which refuses
    if not kwargs and len(args) == len(names):  # as most are made that are many
        values.update(zip(names, args))  # noqa: B905 - told just above, and a keyword takes time
        if is_checked:
            self.__post_init__()
        return
    values.update(defaults)
    if args:
        values.update(zip(names, args, strict=False))
    values.update(kwargs)
    # Those that may be given by name are the fields that were not given by place.
    is_odd = kwargs and not kwargs.keys() <= (set(names[len(args) :]) if args else every)
    if is_odd or len(values) != len(names) or len(args) > len(names):
        _original(type(self))(*args, **kwargs)  # raises what Python says of these arguments
    for name in fresh:
        if values[name] is defaults[name]:
            values[name] = defaults[name].make()
    if is_checked:
        self.__post_init__()


def _replace(self: Any, /, **changes: Any) -> Any:
    """Return a copy with some fields changed; it is checked as a new one is."""
    given = {name: getattr(self, name) for name in self.__match_args__}
    return type(self)(**given | changes)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _repr(self: Any) -> str:
    shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__match_args__])
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse(self: Any, name: str, *_: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r} of a {type(self).__name__}")


class _Asked:
    """An attribute by which others know a dataclass: made when somebody looks, and then kept."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: Any) -> Any:
        import inspect

        original = _original(owner)
        owner.__dataclass_fields__ = original.__dataclass_fields__
        owner.__signature__ = inspect.signature(original)
        return vars(owner)[self._name]


_FIELDS = _Asked("__dataclass_fields__")
_SIGNATURE = _Asked("__signature__")


def _original(cls: Any) -> Any:
    """Return a dataclass with the same name and fields, by the original."""
    from dataclasses import field, make_dataclass

    kinds = {
        name: kind
        for base in reversed(cls.__mro__[:-1])
        for name, kind in base.__annotations__.items()
    }
    defaults = cls.__dataclass_plan__[2]
    specified = []
    for name in cls.__match_args__:
        row: list[Any] = [name, kinds[name]]
        if name in defaults:
            default = defaults[name]
            is_fresh = default.__class__ is _Factory
            row.append(field(default_factory=default.make) if is_fresh else field(default=default))
        specified.append(tuple(row))
    return make_dataclass(cls.__name__, specified)


if not TYPE_CHECKING:
    dataclass, field, replace = _dataclass, _field, _replace
