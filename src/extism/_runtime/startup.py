"""
What runs before the first call: the initialisers that toolchains leave in a module.

Exactly one of these, once, when the plugin is created (abi.md 7):

====================  ==========================================================================
the module exports    what is run
====================  ==========================================================================
`hs_init`             `_initialize` if it is () -> (), then `hs_init(0, 0)`  (Haskell)
`__wasm_call_ctors`   it, if it is () -> (); else nothing
`_initialize`         it
====================  ==========================================================================

A library has `_initialize` run and nothing else. `_start` is never run unless it is called by name.
"""

from __future__ import annotations

from extism._runtime.outcome import CREATION
from extism._wasm.externs import FuncType
from extism.errors import LinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

    from extism._engine.faults import Fault
    from extism._engine.linker import Instance
    from extism._wasm.outline import Outline

__all__ = ["initialise", "initialise_library", "runs_code"]

_PLAIN: Final = FuncType()
_HASKELL: Final = FuncType(("i32", "i32"))
_HASKELL_ANSWERS: Final = FuncType(("i32", "i32"), ("i32",))


def runs_code(module: Outline, *, is_main: bool) -> bool:
    """Tell whether code of a module runs when it is brought to life."""
    functions = module.exported_functions()
    by_name = any(True for _ in _initialisers(functions)) if is_main else "_initialize" in functions
    return module.start is not None or by_name


def initialise(instance: Instance, functions: Mapping[str, FuncType], data: object) -> Fault | None:
    """
    Run the initialisers of the plugin's main module; return how one ended badly, if one did.

    Raises:
        LinkError: An initialiser does not have its type.
    """
    for name in _initialisers(functions):
        fault = _run(instance, name, functions[name], data)
        if fault is not None:
            return fault
    return None


def initialise_library(
    instance: Instance, functions: Mapping[str, FuncType], data: object
) -> Fault | None:
    """
    Run `_initialize` of a linked module, if it has one.

    Raises:
        LinkError: It does not have its type.
    """
    kind = functions.get("_initialize")
    return None if kind is None else _run(instance, "_initialize", kind, data)


def _initialisers(functions: Mapping[str, FuncType]) -> Iterator[str]:
    if "hs_init" in functions:
        if functions.get("_initialize") == _PLAIN:
            yield "_initialize"
        yield "hs_init"
    elif "__wasm_call_ctors" in functions:
        if functions["__wasm_call_ctors"] == _PLAIN:
            yield "__wasm_call_ctors"
    elif "_initialize" in functions:
        yield "_initialize"


def _run(instance: Instance, name: str, kind: FuncType, data: object) -> Fault | None:
    if name == "hs_init":
        if kind not in {_HASKELL, _HASKELL_ANSWERS}:
            raise _wrong(name, f"failed to initialize Haskell using hs_init: it is {kind}")
        return instance.function(name, kind.params, kind.results)(data, 0, 0)
    if kind != _PLAIN:
        raise _wrong(name, f"{name} must have no parameters and no results, it is {kind}")
    return instance.function(name, (), ())(data)


def _wrong(name: str, text: str) -> LinkError:
    return LinkError(CREATION + text, name=name)
