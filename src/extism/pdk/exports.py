"""
The functions that a plug-in exports, and the decorator that makes them.

`functions` is filled while the modules are loaded, at build time; its order is the order of the indices that
`invoke.py` is called with.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["functions", "names", "plugin_fn"]

F = TypeVar("F", bound="Callable[[], object]")

functions: Final[list[Callable[[], object]]] = []
"""What the host can call, by index."""

_UNUSABLE: Final[tuple[tuple[Callable[[object], bool], str], ...]] = (
    (inspect.iscoroutinefunction, "is async: calling it would run nothing"),
    (inspect.isasyncgenfunction, "is an async generator: calling it would run nothing"),
    (inspect.isgeneratorfunction, "is a generator: calling it would run nothing"),
    (inspect.isclass, "is a class"),
)


def names() -> list[str]:
    """Return the names of the exported functions, in index order."""
    return [function.__name__ for function in functions]


def plugin_fn(function: F | None = None, /, *more: object, **options: object) -> F:
    """
    Export a function of no arguments, under its own name, so that the host can call it.

    Used bare: `@extism.plugin_fn`. The function stays what it was and can be called as before. An int that it
    returns (bool aside) is the return code, where 0 is success; any other value is ignored.

    Raises:
        TypeError: It was called with parentheses, or the function takes arguments or is not a plain one.
        ValueError: A function of that name is exported already.
    """
    if more or options or not callable(function):
        raise TypeError("extism.plugin_fn takes no arguments")
    _check(function)
    functions.append(function)
    return function


def _check(function: Callable[..., object]) -> None:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"plugin_fn expects a function, not {function!r}")
    for is_unusable, reason in _UNUSABLE:
        if is_unusable(function):
            raise TypeError(f"plugin_fn expects a plain function, {name} {reason}")
    if _required(function):
        raise TypeError(
            f"plugin_fn expects a function with no arguments, {name} should have no arguments"
        )
    if name in names():
        raise ValueError(f"plugin_fn: a function called {name} is exported already")


def _required(function: Callable[..., object]) -> bool:
    # A decorator below plugin_fn may supply arguments: its wrapper counts, not what it wraps.
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    optional = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return any(p.default is p.empty and p.kind not in optional for p in parameters)
