"""
Which module gets which import, in which order.

Everything that can be known from the modules' bytes is checked here before anything runs: each import
has a giver of the same type, no module waits for itself. The error names all that is missing at once.
How a plugin comes to life after that is `instance.py`.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cache, cached_property
from extism._dataclass import dataclass
from extism._engine.linker import Linker
from extism._engine.trampoline import Trampoline, late
from extism._wasm.externs import FuncType
from extism.errors import LinkError
from extism.escapes import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Final, TypeVar

    from extism._engine.engine import Engine
    from extism._engine.engine import Module as Code
    from extism._engine.trampoline import Entry
    from extism._wasm.externs import ExternType, Import
    from extism._wasm.outline import Outline
    from extism.abi import HostImport

__all__ = ["Part", "Unit", "check_imports", "host_linker", "in_order", "may_wait"]

_RESERVED: Final = (abi.ENV, abi.WASI)

_MAY_WAIT: Final = ((abi.ENV, "http_request"), (abi.WASI, "poll_oneoff"))
"""What may have to wait of the functions that the house gives."""


@dataclass(frozen=True)
class Part:
    """
    One module of a plugin, not yet compiled.

    Attributes:
        name: What other modules import it as; `main` is the plugin itself.
        outline: What it shows to others.
    """

    name: str
    outline: Outline

    @cached_property
    def functions(self) -> Mapping[str, FuncType]:
        """The types of the exported functions."""
        return self.outline.exported_functions()

    @property
    def is_command(self) -> bool:
        """Whether it is a program that runs once: each call from another module gets a fresh instance."""
        return "_start" in self.functions


@dataclass(frozen=True)
class Unit(Part):
    """A module of a plugin with its native code; None where that is fused, and the kernel in it."""

    code: Code | None


if TYPE_CHECKING:
    AnyPart = TypeVar("AnyPart", bound=Part)


def in_order(parts: Sequence[AnyPart]) -> tuple[AnyPart, ...]:
    """
    Return the modules with dependencies first, names deciding where nothing else does.

    Raises:
        LinkError: Modules import each other in a circle; the text names it.
    """
    by_name = {part.name: part for part in parts}
    done: dict[str, AnyPart] = {}

    def visit(part: AnyPart, path: tuple[str, ...]) -> None:
        if part.name in done:
            return
        if part.name in path:
            circle = " -> ".join(map(shown, [*path[path.index(part.name) :], part.name]))
            raise LinkError(f"modules import each other in a circle: {circle}", module=part.name)
        wanted = {item.module for item in part.outline.imports}
        for name in sorted(wanted & by_name.keys()):
            visit(by_name[name], (*path, part.name))
        done[part.name] = part

    for name in sorted(by_name):
        visit(by_name[name], ())
    return tuple(done.values())


def check_imports(parts: Sequence[Part], host: Sequence[HostImport], *, has_wasi: bool) -> None:
    """
    Look for the giver of every import of every module.

    Raises:
        LinkError: An import has no giver, or one of another type; the first decides the error's
            attributes, the text lists all.
    """
    givers = _Givers(parts, host, has_wasi=has_wasi)
    faults = [
        fault
        for part in parts
        for item in part.outline.imports
        if (fault := givers.fault(item)) is not None
    ]
    if not faults:
        return
    item, text = faults[0]
    lines = [text, *_others(faults[1:])]
    raise LinkError(
        "\n".join(lines),
        module=item.module,
        name=item.name,
        wanted=str(item.type),
        available=givers.names(item.module),
    )


def _others(faults: Sequence[tuple[Import, str]]) -> list[str]:
    if not faults:
        return []
    names = list(dict.fromkeys(_label(item) for item, _ in faults))
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return [f"Also missing or of another type: {listed}"]


def _label(item: Import) -> str:
    return f"{shown(item.module)}::{shown(item.name)}"


def host_linker(
    engine: Engine,
    house: Sequence[HostImport],
    host: Sequence[HostImport],
    parts: Sequence[Part],
    *,
    kernel: Collection[str] = (),
    unused: Sequence[abi.Function] = (),
    has_wasi: bool,
    is_measured: bool = False,
) -> Linker:
    """
    Return a linker with all that modules import of what belongs to no store.

    WASI, then the house's own functions, which are the same for all plugins, then `host` in order. `kernel` are
    the functions of the house that a kernel of its own imports, `unused` those of the ABI that are imported and never
    called; `is_measured` is as for `Linker.define_wasi`.
    """
    linker = Linker(engine)
    wanted = {(item.module, item.name) for part in parts for item in part.outline.imports}
    wanted |= {(abi.ENV, name) for name in kernel}
    if has_wasi and any(module == abi.WASI for module, _ in wanted):
        linker.define_wasi(is_measured=is_measured)
    for item in house:
        if (item.namespace, item.name) in wanted:
            linker.define_trampoline(item.namespace, item.name, _lasting(item))
    for row in unused:
        if (abi.ENV, row.name) in wanted:
            linker.define_uncalled(abi.ENV, row.name, row.params, row.results)
    for item in host:
        if (item.namespace, item.name) in wanted:
            linker.define_trampoline(item.namespace, item.name, _trampoline(item))
    return linker


@cache
def _lasting(item: HostImport) -> Trampoline:
    """Return the trampoline of a function of the house, made once for the process."""
    return _trampoline(item)


def _trampoline(item: HostImport) -> Trampoline:
    label = f"{item.namespace}::{item.name}"
    if not item.may_wait:
        return Trampoline(item.params, item.results, item.body, label)

    def make() -> Entry:
        from extism._engine.waiting import patient

        return patient(item.params, item.results, item.body, label)

    return Trampoline.of(item.params, item.results, late(make))


def may_wait(module: Outline, host: Sequence[HostImport]) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of the imports that may have to wait (`_wasm/pausing.py`), each once."""
    given = {(item.namespace, item.name): item.may_wait for item in host}
    asked = dict.fromkeys(
        (item.module, item.name) for item in module.imports if item.kind == "func"
    )
    return tuple([key for key in asked if given.get(key, key in _MAY_WAIT)])


class _Givers:
    """Who offers what, by namespace and name."""

    def __init__(
        self, parts: Sequence[Part], host: Sequence[HostImport], *, has_wasi: bool
    ) -> None:
        self._parts = {part.name: part for part in parts}
        self._has_wasi = has_wasi
        self._host = {(item.namespace, item.name): item for item in host}
        for name in _RESERVED:
            if name in self._parts:
                raise LinkError(
                    f"a module of the manifest may not be called {name}: the host gives that",
                    module=name,
                )
        self._refuse_shadows(host)

    def _refuse_shadows(self, host: Sequence[HostImport]) -> None:
        for item in host:
            row = abi.FUNCTIONS.get(item.name) if item.namespace == abi.ENV else None
            if row is not None and row.by == "kernel":
                raise LinkError(
                    f"a host function may not be called {abi.ENV}::{shown(item.name)}: the kernel gives that",
                    module=abi.ENV,
                    name=item.name,
                )
            part = self._parts.get(item.namespace)
            if part is not None and part.outline.export(item.name):
                raise LinkError(
                    f"the module {shown(part.name)} exports {shown(item.name)}, which is a host function too",
                    module=part.name,
                    name=item.name,
                )

    def names(self, namespace: str) -> tuple[str, ...]:
        """Return everything that `namespace` offers."""
        part = self._parts.get(namespace)
        exports = [export.name for export in part.outline.exports] if part else []
        functions = list(abi.FUNCTIONS) if namespace == abi.ENV else []
        functions += [name for space, name in self._host if space == namespace]
        return tuple(dict.fromkeys(exports + functions))

    def fault(self, item: Import) -> tuple[Import, str] | None:
        """Return what is wrong with an import, None if it has its giver."""
        found = self._function(item) or self._export(item)
        if found is not None:
            return _compare(item, found)
        if item.module == abi.WASI and self._has_wasi:
            return None  # the engine knows its own functions
        return item, self._unknown(item)

    def _function(self, item: Import) -> FuncType | None:
        """Return the type of the function that the host, or else the house, has for an import."""
        row: HostImport | abi.Function | None = self._host.get((item.module, item.name))
        if row is None and item.module == abi.ENV:
            row = abi.FUNCTIONS.get(item.name)
        return None if row is None else FuncType(row.params, row.results)

    def _export(self, item: Import) -> ExternType | None:
        part = self._parts.get(item.module)
        export = part.outline.export(item.name) if part else None
        return part.outline.type_of(export) if part and export else None

    def _unknown(self, item: Import) -> str:
        if item.module == abi.ENV:
            return _unknown_in_env(item)
        text = f"unknown import: `{_label(item)}` has not been defined"
        if item.module == abi.WASI:
            return f"{text}\nThe plugin needs WASI, which is off: pass wasi=True (--wasi)"
        offered = self.names(item.module)
        if offered:
            return f"{text}\n{shown(item.module)} offers {', '.join(map(shown, offered[:20]))}"
        return (
            f"{text}\nNo module or host function is given under '{shown(item.module)}': pass functions=[...] "
            "or add the module to the manifest"
        )


def _compare(item: Import, found: ExternType) -> tuple[Import, str] | None:
    if isinstance(item.type, FuncType) and isinstance(found, FuncType):
        if item.type == found:
            return None
        text = f"types incompatible: expected type `{item.type}`, found type `{found}`"
        return item, f"{text}\nin the import `{_label(item)}`"
    if type(item.type) is not type(found):
        if item.module == abi.ENV:
            return item, "linked modules cannot access non-function exports of extism kernel"
        text = f"expected {item.kind}, but found {str(found).strip('()').split()[0]}"
        return item, f"{text}\ntypes incompatible in the import `{_label(item)}`"
    return None  # limits and mutability are the engine's to compare


def _unknown_in_env(item: Import) -> str:
    kind = {"func": "function"}.get(item.kind, item.kind)
    if kind != "function":
        return "linked modules cannot access non-function exports of extism kernel"
    return (
        f"Invalid {kind} import from {abi.ENV}: {shown(item.name)} (type {item.type})\n\n"
        "Note: This may indicate that the PDK that was used to build this plugin has additional "
        "features that aren't available in this version of the SDK, try updating the SDK to the "
        "latest version."
    )
