"""
Functions of the host that a plug-in calls: `import_fn` turns a declaration into a call.

The compiler finds the declarations in the source, gives each a slot in the module's table, and tells them
through `bind` before the author's modules are loaded; `report` tells it what types they turned out to have.

Blocks made for a call are freed when it returns, the block of a result once it is read, unless the author
passed that very handle in.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from . import ffi
from .signatures import Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Binding", "Import", "bind", "declared", "import_fn", "report"]

F = TypeVar("F", bound="Callable[..., Any]")

Types = tuple[list[str], list[str]]


class Binding(NamedTuple):
    """A slot of the module's table, and the types that the function behind it has."""

    slot: int
    types: Types | None
    """Parameters and results; None where nobody has said."""


declared: Final[list[Import]] = []
"""Every declaration that was made, in order."""

_bindings: dict[tuple[str, str], Binding] | None = None
"""By module and name; None where no compiler has given any."""


def bind(rows: Iterable[Sequence[Any]], first_slot: int) -> None:
    """Take the compiler's `[module, name, parameters, results]`: number k has the slot `first_slot + k`."""
    global _bindings
    _bindings = {
        (module, name): Binding(first_slot + k, (list(parameters), list(results)))
        for k, (module, name, parameters, results) in enumerate(rows)
    }


def report() -> list[dict[str, Any]]:
    """
    Return what the compiler has to know of each declaration, once all modules are loaded.

    Raises:
        TypeError: One host function is declared with two types.
    """
    types: dict[tuple[str, str], Types] = {}
    for each in declared:
        first = types.setdefault(each.key, each.signature.types)
        each.check_types(first)
    if _bindings is not None:
        _bindings.update({key: Binding(_bindings[key].slot, found) for key, found in types.items()})
    return [
        {"module": module, "name": name, "parameters": parameters, "results": results}
        for (module, name), (parameters, results) in types.items()
    ]


def import_fn(module: str, name: str) -> Callable[[F], F]:
    """
    Declare a function of the host; its parameters and annotations count, its body is not used.

    What is declared with `async def` is awaited. While the host makes it wait the whole plug-in waits, its other tasks too.

    Used as `@extism.import_fn("extism:host/user", "name")`, with literal strings. An annotation says how a
    parameter or the result crosses: `int` (i64), `float` (f64), `I32`, `I64`, `F32`, `F64` and `bool` as
    numbers; `str`, `bytes`, MemoryHandle, and what JSON has a form for, as the handle of a block. A parameter
    without one takes int, bool, None (0), MemoryHandle, str, bytes, dict, list, Enum and dataclasses, and is
    an i64. Without a return annotation, and with `-> None`, there is no result; a tuple is several. None
    stands for a result that is no live block.

    Raises:
        TypeError: The declaration is not of that form.
    """
    if not all(isinstance(part, str) for part in (module, name)):
        raise TypeError("Invalid import, import_fn must include a module name and function name")

    def declare(function: F) -> F:
        imported = Import(module, name, function)
        declared.append(imported)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return imported.call(args, kwargs)

        @functools.wraps(function)
        async def awaited_call(*args: Any, **kwargs: Any) -> Any:
            return imported.call(args, kwargs)

        is_async = inspect.iscoroutinefunction(function)
        return awaited_call if is_async else call  # type: ignore[return-value]  # takes what `function` takes

    return declare


class Import:
    """One declaration: where the function is found, and how its values travel."""

    def __init__(self, module: str, name: str, function: Callable[..., Any]) -> None:
        self.key = (module, name)
        self.title = f"import_fn({module!r}, {name!r})"
        self.signature = Signature(self.title, function)
        self.binding = self._binding()
        self.signature.check()

    def _binding(self) -> Binding | None:
        if _bindings is None:
            return None
        if self.key not in _bindings:
            raise TypeError(
                f"{self.title}: extism-py did not see this declaration; write it as a decorator, with "
                "literal strings"
            )
        return _bindings[self.key]

    def check_types(self, known: Types | None) -> None:
        """Raise a TypeError unless the function has these types: it has only one."""
        if known is not None and self.signature.types != known:
            raise TypeError(
                f"{self.title}: declared as {_shown(self.signature.types)} here and as {_shown(known)} "
                "elsewhere; a host function has one type"
            )

    @functools.cached_property
    def slot(self) -> int:
        """Index in the module's table."""
        if _bindings is None:
            raise RuntimeError(f"{self.title}: there is no Extism host here, this is not a plug-in")
        now = _bindings[self.key]
        self.check_types(now.types)
        return (self.binding or now).slot

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Lend the arguments to the host, call it, and read the result."""
        signature = self.signature
        if kwargs or len(args) != len(signature.parameters):
            args = self._bound(args, kwargs)
        slot, lent, kept = self.slot, list[int](), set[int]()
        try:
            numbers = signature.numbers(args, lent)
            frame = bytearray(signature.frame_length)
            signature.parameter_cells.pack_into(frame, 0, *numbers)
            ffi.host.call_slot(slot, frame)
            results = signature.result_cells.unpack_from(frame)
            kept.update(results)  # but for those that are read here
            return self._value(results, given=numbers, kept=kept)
        finally:
            for handle in lent:
                if handle not in kept:
                    ffi.host.free(handle)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return an argument for each parameter, in their order."""
        try:
            bound = self.signature.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.signature.name}: {error}") from None
        bound.apply_defaults()
        return (*bound.args, *bound.kwargs.values())

    def _value(self, results: tuple[Any, ...], *, given: list[float], kept: set[int]) -> Any:
        found = []
        for each, number in zip(self.signature.results, results, strict=True):
            found.append(self.signature.value("result", each, number))
            if each.is_block:
                kept.discard(number)
                if number not in given:
                    ffi.host.free(number)
        return tuple(found) if len(found) > 1 else found[0] if found else None


def _shown(types: Types) -> str:
    parameters, results = (", ".join(each) or "nothing" for each in types)
    return f"({parameters}) -> {results}"
