"""
The functions that a plug-in exports, and the decorators that make them.

`functions` is filled while the modules are loaded, at build time; its order is the order of the indices that
`invoke.py` is called with. What annotations do is in `typed.py` (for the host) and `signatures.py` (for other modules).
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from . import ffi
from .signatures import Signature
from .typed import TypedFunction, is_typed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Export", "close", "forget", "functions", "names", "plugin_fn", "report", "shared_fn"]

F = TypeVar("F", bound="Callable[..., object]")


class Export(NamedTuple):
    """A function that others can call."""

    name: str
    run: Callable[[], object]
    """Does all of it: reads what was given, calls the author's function, leaves the result; returns the code."""
    signature: Signature | None
    """Of a shared function: what it takes and gives as WebAssembly."""
    function: Callable[..., object]
    """The author's."""


functions: Final[list[Export]] = []
"""What can be called, by index."""

_is_closed = False

_UNUSABLE: Final[tuple[tuple[Callable[[object], bool], str], ...]] = (
    (inspect.isasyncgenfunction, "is an async generator: calling it would run nothing"),
    (inspect.isgeneratorfunction, "is a generator: calling it would run nothing"),
    (inspect.isclass, "is a class"),
)
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_EMPTY: Final = inspect.Parameter.empty


def names() -> list[str]:
    """Return the names of the exported functions, in index order."""
    return [export.name for export in functions]


def close() -> None:
    """Take no more functions: what is exported is settled when the plug-in is built."""
    global _is_closed
    _is_closed = True


def forget() -> None:
    """Begin anew, without any function."""
    global _is_closed
    _is_closed = False
    functions.clear()


def report() -> list[dict[str, Any]]:
    """
    Return what the compiler has to know of each export, once all modules are loaded.

    Raises:
        NameError: An annotation names what is not defined anywhere.
        TypeError: An annotation says what cannot be.
    """
    rows = []
    for name, run, signature, function in functions:
        place = _place(function)
        try:
            types = None if signature is None else signature.types
            if isinstance(run, TypedFunction):
                _ = run.parameters, run.write
        except NameError as error:
            vars(error).update(filename=place["file"], lineno=place["line"])
            raise
        shared = None if types is None else {"parameters": types[0], "results": types[1]}
        rows.append({"name": name, "shared": shared, **place})
    return rows


def _place(function: Callable[..., object]) -> dict[str, Any]:
    """Return where the author's function stands, and whether that is the top level of a module."""
    innermost: Any = inspect.unwrap(function)
    code = getattr(innermost, "__code__", None)
    return {
        "file": getattr(code, "co_filename", ""),
        "line": getattr(code, "co_firstlineno", 0),
        "is_top": getattr(innermost, "__qualname__", "") == function.__name__,
    }


def plugin_fn(function: F | None = None, /, *more: object, **options: object) -> F:
    """
    Export a function under its own name, so that the host can call it.

    Used bare: `@extism.plugin_fn`, or called with a function. The function stays what it was and can be called as
    before; `async def` is awaited.

    Parameters have annotations, and are filled from the input: one from all of it, several from the members of a JSON
    object. What another decorator below supplies needs none. What a function with annotations returns is the output.
    Text and bytes are taken as they are, everything else as JSON: numbers, bool, lists, dicts, dataclasses, TypedDict,
    NamedTuple, Enum, Literal, dates, unions. An input that is something else is an error which says where. Of a
    ReturnCode, the return code is made.

    Without annotations, an int that it returns (bool aside) is the return code. Any other value goes nowhere, which is
    told in the log.

    Raises:
        TypeError: It was called with parentheses, or the function has a parameter that nothing could fill, such as
            `*args`, or an annotation that has no form in JSON.
        ValueError: A function of that name is exported already.
        RuntimeError: The plug-in is built: what a call exports, nobody could call.
    """
    if more or options or not callable(function):
        raise TypeError("extism.plugin_fn takes no arguments")
    _check("plugin_fn", function)
    signature = _effective_signature(function)
    _check_parameters(function, signature)
    run: Callable[..., Any] = _awaited(function) or function
    if is_typed(signature):
        run = TypedFunction(function, signature, run)
        run.check()
    functions.append(Export(function.__name__, run, None, function))
    return function


def shared_fn(function: F | None = None, /, *more: object, **options: object) -> F:
    """
    Export a function under its own name to the other modules of the plug-in, with WebAssembly parameters and results.

    Used bare: `@extism.shared_fn`. Annotations say how parameters and the result cross, as for `import_fn`. A
    parameter without one is a MemoryHandle; without a return annotation there is no result. An exception ends the
    call of the whole plug-in, with its text as the error.

    Raises:
        TypeError: It was called with parentheses, or an annotation has no way across.
        ValueError: A function of that name is exported already.
        RuntimeError: The plug-in is built.
    """
    if more or options or not callable(function):
        raise TypeError("extism.shared_fn takes no arguments")
    _check("shared_fn", function)
    signature = Signature(f"shared_fn {function.__name__}", function)
    signature.check()
    run = functools.partial(_run_shared, signature, _awaited(function) or function)
    functions.append(Export(function.__name__, run, signature, function))
    return function


def _check(decorator: str, function: Callable[..., object]) -> None:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"{decorator} expects a function, not {function!r}")
    for is_unusable, reason in _UNUSABLE:
        if is_unusable(function):
            raise TypeError(f"{decorator} expects a plain function, {name} {reason}")
    if not name.isidentifier():
        raise TypeError(f"{decorator} expects a function with a name, {name} is none; write a def")
    if _is_closed:
        raise RuntimeError(
            f"{decorator}: {name} cannot be exported any more, the plug-in is built; decorate it at the top "
            "level of a module"
        )
    if name in names():
        raise ValueError(f"{decorator}: a function called {name} is exported already")


def _check_parameters(function: Callable[..., object], signature: inspect.Signature) -> None:
    """Refuse parameters that nothing would fill."""
    name = function.__name__
    if any_number := _any_number(function, signature):
        is_inner = "<locals>" in function.__qualname__
        advice = "a decorator's own needs functools.wraps" if is_inner else "take them as one"
        raise TypeError(
            f"a plug-in function has a fixed number of parameters, {name} takes any number ({any_number}); {advice}"
        )
    if bare := _unfilled(signature, with_default=not _is_wrapper(function)):
        raise TypeError(
            f"plugin_fn expects a function with no arguments, {name} should have no arguments; "
            f"or say what {bare} is, such as {bare}: str: then it is read from the input"
        )


def _effective_signature(function: Callable[..., object]) -> inspect.Signature:
    """
    Return the parameters that count: of a wrapper that hands on what it gets, those of the wrapped function.

    Any other wrapper supplies what the wrapped one is missing, so its own count.
    """
    wrapped = inspect.signature(function)
    try:
        own = inspect.signature(function, follow_wrapped=False)
    except ValueError:  # written in C, as `functools.cache` is: it hands on all that it gets
        return wrapped
    hands_on = own.parameters and all(each.kind in _VARIABLE for each in own.parameters.values())
    return wrapped if hands_on and not _unfilled(wrapped) else own


def _unfilled(signature: inspect.Signature, *, with_default: bool = False) -> str:
    """Return the name of a parameter that nothing would fill, "" where there is none."""
    for each in signature.parameters.values():
        is_bare = each.annotation is _EMPTY and each.kind not in _VARIABLE
        if is_bare and (with_default or each.default is _EMPTY):
            return each.name
    return ""


def _any_number(function: Callable[..., object], signature: inspect.Signature) -> str:
    """Return `*args` as it is called in a function of the author's own; those of a wrapper are for what it wraps."""
    if _is_wrapper(function):
        return ""
    variable = (each for each in signature.parameters.values() if each.kind in _VARIABLE)
    return next((str(each).partition(":")[0] for each in variable), "")


def _is_wrapper(function: Callable[..., object]) -> bool:
    """Tell whether another decorator made the function, which then may supply arguments, and has another's name."""
    code = getattr(function, "__code__", None)
    return hasattr(function, "__wrapped__") or getattr(code, "co_name", "") != function.__name__


def _awaited(function: Callable[..., object]) -> Callable[..., object] | None:
    """Return what runs an `async def` to its end, None for other functions."""
    if not inspect.iscoroutinefunction(function):
        return None
    import asyncio  # while the plug-in is built, so that it is there when it is called

    return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


def _run_shared(signature: Signature, function: Callable[..., Any]) -> None:
    """Take the arguments out of the frame, call the function, leave its result there."""
    cells = signature.parameter_cells
    numbers = cells.unpack_from(ffi.host.parameters()) if cells.size else ()
    named = zip(signature.signature.parameters, signature.parameters, numbers, strict=True)
    result = signature.call(function, [signature.value(*each) for each in named])
    if not signature.results:
        return
    results = result if len(signature.results) > 1 else (result,)
    if not isinstance(results, tuple) or len(results) != len(signature.results):
        raise TypeError(
            f"{signature.title}: a tuple of {len(signature.results)} wanted, got {result!r:.60}"
        )
    made: list[int] = []  # blocks, which are the caller's
    pairs = zip(signature.results, results, strict=True)
    ffi.host.results(
        signature.result_cells.pack(*[wire.to_number(value, made) for wire, value in pairs])
    )
