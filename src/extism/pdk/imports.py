"""
Functions of the host that a plug-in calls: `import_fn` turns a declaration into a call.

The compiler finds the declarations in the source, gives each a slot in the module's table, and tells them
through `bind` before the author's modules are loaded.

Every parameter and result is an i64. Numbers are passed as they are, in two's complement; everything else as
the handle of a block that holds its bytes. Blocks made for a call are freed when it returns, the block of a
result once it is read, unless the author passed that very handle in.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from . import ffi, memory, values
from .memory import MemoryHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["MAX_PARAMETERS", "bind", "import_fn"]

F = TypeVar("F", bound="Callable[..., Any]")

MAX_PARAMETERS: Final = 5

_PLAIN: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NO_RESULT: Final = (inspect.Signature.empty, None, "None")
_NUMBERS: Final[dict[Any, Callable[[int], Any]]] = {
    int: values.signed,
    bool: bool,
    MemoryHandle: memory.find,
}
"""How a result is read whose 64 bits are the value, or that the author reads through its handle."""

_slots: dict[tuple[str, str], int] | None = None
"""Index in the module's table by (module, name); None where no compiler has given any."""


def bind(declared: Iterable[Sequence[str]], first_slot: int) -> None:
    """Take the compiler's list of `[module, name]`: number k is called through slot `first_slot + k`."""
    global _slots
    _slots = {(pair[0], pair[1]): first_slot + k for k, pair in enumerate(declared)}


def import_fn(module: str, name: str) -> Callable[[F], F]:
    """
    Declare a function of the host; its parameters and annotations count, its body is not used.

    Used as `@extism.import_fn("extism:host/user", "name")`, with literal strings. Arguments may be int and
    bool (passed as numbers), None (0), MemoryHandle (its offset), str, bytes, dict, list (JSON) and Enum (its
    value). The return annotation says how the result is read: int (signed), bool, MemoryHandle, str, bytes,
    dict, list or an Enum, and None in place of what is no live block. Without one, and with `-> None`, the
    function has no result.

    Raises:
        TypeError: The declaration is not of that form.
    """
    if not all(isinstance(part, str) for part in (module, name)):
        raise TypeError("Invalid import, import_fn must include a module name and function name")

    def declare(function: F) -> F:
        imported = _Import(module, name, function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return imported.call(args, kwargs)

        return call  # type: ignore[return-value]  # takes what `function` takes

    return declare


class _Import:
    """One declaration: where the function is found, and how its values travel."""

    def __init__(self, module: str, name: str, function: Callable[..., Any]) -> None:
        self.title = f"import_fn({module!r}, {name!r})"
        self.signature = inspect.signature(function)
        self.globals = getattr(inspect.unwrap(function), "__globals__", {})
        self.arity = self._arity()
        self.has_result = self.signature.return_annotation not in _NO_RESULT
        self.slot = self._slot(module, name)
        self._check_result()

    def _arity(self) -> int:
        parameters = self.signature.parameters.values()
        if len(parameters) > MAX_PARAMETERS:
            raise TypeError(
                f"{self.title}: Host functions with more than {MAX_PARAMETERS} parameters are not supported"
            )
        for parameter in parameters:
            if parameter.kind not in _PLAIN:
                raise TypeError(f"{self.title}: parameter {parameter} is not a plain one")
        return len(parameters)

    def _slot(self, module: str, name: str) -> int | None:
        if _slots is None:
            return None
        if (module, name) not in _slots:
            raise TypeError(
                f"{self.title}: extism-py did not see this declaration; write it as a decorator, with "
                "literal strings"
            )
        return _slots[module, name]

    def _check_result(self) -> None:
        if not self.has_result:
            return
        try:
            kind = self.result_type
        except NameError:
            return  # a class defined further down: the first call will find it
        if kind not in _NUMBERS:
            values.check_decodable(kind)

    @functools.cached_property
    def result_type(self) -> Any:
        """The return annotation, `T` for `T | None`; parameters may name what exists for a type checker only."""
        annotations = {"return": self.signature.return_annotation}
        hints = get_type_hints(types.SimpleNamespace(__annotations__=annotations), self.globals)
        return values.strip_optional(hints["return"])

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Lend the arguments to the host, call it, and read the result."""
        if kwargs or len(args) != self.arity:
            bound = self.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        if self.slot is None:
            raise RuntimeError(f"{self.title}: there is no Extism host here, this is not a plug-in")
        lent: list[int] = []
        kept = 0
        try:
            numbers = [_number(arg, lent) for arg in args]
            result = ffi.host.call_slot(self.slot, self.has_result, *numbers)
            if result is None or not self.has_result:
                return None
            if self.result_type in _NUMBERS:
                kept = result
                return _NUMBERS[self.result_type](result)
            return _read(self.result_type, result, is_owned=result not in numbers)
        finally:
            for handle in lent:
                if handle != kept:
                    ffi.host.free(handle)


def _number(value: Any, lent: list[int]) -> int:
    """Return the i64 for an argument; a block made for it is noted in `lent`."""
    if value is None:
        return 0
    if isinstance(value, MemoryHandle):
        return value.offset
    data = values.encode(value)  # first: an enum may be an int as well
    if data is not None:
        handle = ffi.host.store(data)
        lent.append(handle)
        return handle
    if isinstance(value, int):
        return values.unsigned(value)
    raise TypeError(
        f"Unsupported python type: {type(value).__name__}; a host function takes int, bool, str, bytes, "
        "dict, list, Enum, MemoryHandle or None"
    )


def _read(kind: Any, handle: int, *, is_owned: bool) -> Any:
    data = ffi.host.load(handle)
    if data is None:
        return None
    if is_owned:
        ffi.host.free(handle)
    return values.decode(kind, data)
