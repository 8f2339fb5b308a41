"""
What a plug-in offers and needs: the functions that the host can call, and those that it must give.

Put together from what `analyze.py` read in each file, and compared with what the interpreter saw when the
files ran: both must say the same, for the exports are named by the one and numbered by the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from extism._wasm.externs import FuncType
from extism.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "RESERVED",
    "Export",
    "Exported",
    "HostFunction",
    "Interface",
    "Origin",
    "check_registered",
    "combine",
    "reserved",
    "typed",
]

RESERVED: Final = {
    "memory": "the module's memory is exported under that name",
    "_start": "hosts run it as a program",
    "_initialize": "hosts call it when the plug-in starts",
    "__wasm_call_ctors": "hosts call it when the plug-in starts",
    "hs_init": "hosts call it when the plug-in starts",
}
"""Names that no plug-in function may have, with the reason."""

_RULE: Final = (
    "only functions at the top level of a module, marked with @extism.plugin_fn or @extism.shared_fn, "
    "can be exported"
)
_KEEP_NAME: Final = (
    "write a function there that calls it; a decorator of your own has to keep the name of what it wraps "
    "(functools.wraps)"
)
_NOT_TOP: Final = f"is not at the top level: {_RULE}"


@dataclass(frozen=True, slots=True)
class Export:
    """A function that others can call, or would be able to if it stood at the top level."""

    name: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where a function comes from that registered itself.

    Attributes:
        path: Its file, "" for one that is not the plug-in's.
        line: Where it begins, decorators included.
        is_top: Whether it stands at the top level of its module.
    """

    path: str
    line: int
    is_top: bool


_PLUGIN_FN: Final = FuncType((), ("i32",))


@dataclass(frozen=True, slots=True)
class Exported:
    """
    A function that registered itself when the plug-in was loaded.

    Attributes:
        name: Under which it is exported.
        type: What the host calls.
        is_shared: Whether it takes and gives WebAssembly values (`shared_fn`), instead of a return code.
    """

    name: str
    type: FuncType = _PLUGIN_FN
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class HostFunction:
    """
    A function that the host must give: a declaration with `import_fn`.

    Attributes:
        type: As the source tells it; `typed` puts what the annotations turned out to mean in its place.
    """

    module: str
    name: str
    type: FuncType
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Interface:
    """
    The two sides of a plug-in.

    Attributes:
        exports: By file and line; the interpreter may number them otherwise.
        imports: One for each name, in the order of their slots in the table.
    """

    exports: tuple[Export, ...]
    imports: tuple[HostFunction, ...]


def reserved(name: str) -> str:
    """Return why no function can have this name, which is one of `RESERVED`."""
    return f"a plug-in function cannot be called {name}: {RESERVED[name]}"


def combine(
    exports: Iterable[Export],
    imports: Iterable[HostFunction],
    hidden: Iterable[Export] = (),
    *,
    may_be_more: bool = False,
) -> Interface:
    """
    Return the interface of a plug-in that is made of these.

    Args:
        exports: Functions that the host can call.
        imports: Functions that the host must give.
        hidden: Functions with the decorator below the top level; they are no exports.
        may_be_more: Whether functions may become exports that the source does not show.

    Raises:
        BuildError: There is nothing to call, a name is exported twice, or one host function is declared
            with two numbers of parameters.
    """
    by_name: dict[str, Export] = {}
    for row in exports:
        first = by_name.setdefault(row.name, row)
        if first is not row:
            raise _fault(row, f"{row.name} is exported already, at {first.path}:{first.line}")
    if not by_name and not may_be_more:
        raise _no_exports(hidden)
    return Interface(tuple(by_name.values()), _one_each(imports))


def _one_each(imports: Iterable[HostFunction]) -> tuple[HostFunction, ...]:
    by_name: dict[tuple[str, str], HostFunction] = {}
    for row in imports:
        first = by_name.setdefault((row.module, row.name), row)
        if len(first.type.params) != len(row.type.params):
            raise _fault(
                row,
                f"{row.module}/{row.name} is declared as {row.type} here and as {first.type} at "
                f"{first.path}:{first.line}; a host function has one type",
            )
    return tuple(by_name.values())


def typed(
    imports: Iterable[HostFunction], seen: Mapping[tuple[str, str], FuncType]
) -> tuple[HostFunction, ...]:
    """
    Return the host functions with the types that their declarations had when they ran.

    Args:
        imports: As the source tells them.
        seen: Types by module and name. What is declared where nothing ran yet, in a module that is
            imported inside a function, is not there and keeps the type that its source tells.
    """
    return tuple(replace(row, type=seen.get((row.module, row.name), row.type)) for row in imports)


def check_registered(
    interface: Interface, hidden: Iterable[Export], origins: Mapping[str, Origin]
) -> None:
    """
    Check that the functions which registered themselves are those that the source promises.

    One more is as good where it stands at the top level, whatever has called `plugin_fn` for it.

    Args:
        interface: What the source says.
        hidden: Functions with the decorator below the top level, to tell the author the line.
        origins: Where those stand that the interpreter saw, by name.

    Raises:
        BuildError: A name is missing, or there is one that cannot be exported, or none at all.
    """
    by_name = {row.name: row for row in hidden}
    promised = {row.name for row in interface.exports}
    for name, origin in origins.items():
        if name not in promised:
            _check_unpromised(Export(name, origin.path, origin.line), origin, by_name.get(name))
    for row in interface.exports:
        if row.name not in origins:
            raise _fault(
                row,
                f"{row.name} is marked as an export, but was not exported when the plug-in was loaded",
                hint="import its module at the top of the plug-in's file; a decorator between plugin_fn "
                "and the function has to keep its name (functools.wraps)",
            )
    if not origins:
        raise _no_exports(by_name.values())


def _no_exports(hidden: Iterable[Export]) -> BuildError:
    return BuildError(
        "No exports found, use the @extism.plugin_fn decorator to specify exported functions",
        hint="; ".join(f"{row.path}:{row.line}: {row.name} {_NOT_TOP}" for row in hidden),
    )


def _check_unpromised(row: Export, origin: Origin, hidden: Export | None) -> None:
    if hidden is not None:
        raise _fault(hidden, f"{row.name} {_NOT_TOP}")
    if not origin.path:
        raise BuildError(
            f"{row.name} was exported while the plug-in was loaded, but is no function of the plug-in's own: "
            f"{_RULE}",
            hint="write a function that calls it",
        )
    if not origin.is_top:
        raise _fault(row, f"{row.name} {_NOT_TOP}", hint=_KEEP_NAME)
    if row.name in RESERVED:
        raise _fault(row, reserved(row.name))


def _fault(row: Export | HostFunction, message: str, *, hint: str = "") -> BuildError:
    return BuildError(f"{row.path}:{row.line}: {message}", path=row.path, line=row.line, hint=hint)
