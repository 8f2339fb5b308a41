"""
`Instance`: kernel and modules of one plugin alive in one store; runs one call at a time.

A `Program` is everything that instances of a plugin share, made once (`compiled.py`). An instance is made
from it, started once, and thrown away when its program says so: after `_start`, which is meant to
run in a fresh world each time, and after a trap in a runtime that does not survive one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from extism import abi
from extism._engine.linker import Instance as EngineInstance
from extism._engine.store import Store
from extism._runtime.kernel import Kernel, NoRoom
from extism._runtime.outcome import Exit, creation_error
from extism._runtime.startup import initialise, initialise_library
from extism.errors import CallError, FunctionNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from extism._engine.engine import Module as Code
    from extism._engine.faults import Fault
    from extism._engine.linker import Linker
    from extism._engine.memory import Memory
    from extism._engine.store import Function
    from extism._engine.wasi import Wasi
    from extism._runtime.call import Call
    from extism._runtime.linking import Unit
    from extism._wasm.model import FuncType

__all__ = ["Instance", "Program"]

_START: Final = "_start"


@dataclass(frozen=True)
class Program:
    """
    What all instances of one plugin share; frozen, safe to use from any thread.

    Attributes:
        units: The modules, dependencies first.
        main: The one whose exports are called.
        linker: Everything that belongs to no store.
        kernel: The kernel's code.
        wasi: What the modules see of the world; None without WASI.
        max_bytes: Growth of memories that the manifest grants, in bytes; None for no limit.
        is_frail: Whether a trap leaves the code in a state in which it must not be called again.
    """

    units: tuple[Unit, ...]
    main: Unit
    linker: Linker
    kernel: Code
    wasi: Wasi | None
    max_bytes: int | None
    is_frail: bool

    def function_type(self, name: str) -> FuncType:
        """
        Return the type of a callable export.

        Raises:
            FunctionNotFound: There is no such function.
            CallError: It has parameters, or results that are no return code.
        """
        functions = self.main.functions
        if name not in functions:
            raise _not_found(name, self.callable_names())
        kind = functions[name]
        if kind.params or kind.results not in abi.CALLABLE_RESULTS:
            raise _not_callable(name, kind)
        return kind

    def callable_names(self) -> tuple[str, ...]:
        """Return the exports that can be called, in the order of the module."""
        return tuple(
            name
            for name, kind in self.main.functions.items()
            if not kind.params and kind.results in abi.CALLABLE_RESULTS
        )


class Instance:
    """
    One living copy of a program.

    Args:
        program: What to bring to life.
        call: The call in which that happens: host functions may be called by start functions, and its
            deadline covers them.

    Raises:
        Error: A start function or an initialiser ended badly, or modules do not fit together.
    """

    def __init__(self, program: Program, call: Call) -> None:
        self._program = program
        self._functions: dict[str, Function] = {}
        self._is_worn = False
        self.store = Store(program.linker.engine, wasi=program.wasi)
        self._max_memory_bytes = _cap(program)
        self.store.limit_memory(self._max_memory_bytes)
        self.store.open(call.deadline)
        try:
            self._create(call)
        finally:
            self.store.close()

    @property
    def is_worn(self) -> bool:
        """Whether the next call needs a new instance."""
        return self._is_worn

    def run(self, call: Call) -> Exit:
        """
        Run one call, and say how it ended.

        Raises:
            FunctionNotFound: There is no such export.
            CallError: The export cannot be called.
            KeyboardInterrupt: Ctrl-C was pressed while the guest ran.
        """
        function = self._functions.get(call.function) or self._function(call.function)
        call.kernel = self._kernel
        self.store.open(call.deadline)
        try:
            return self._run(call, function)
        except BaseException:
            self._is_worn = True
            raise
        finally:
            self.store.close()

    def _run(self, call: Call, function: Function) -> Exit:
        kernel = self._kernel
        try:
            fault = kernel.begin(call.input)
        except NoRoom:
            return Exit(code=-1, is_out_of_memory=True)
        fault = fault or function(call)
        results = () if fault else function.results
        exit_ = Exit(
            fault,
            code=results[0] if results else 0,
            output=kernel.output(),
            error=kernel.error(),
            is_late=call.is_late,
            is_out_of_memory=fault is not None and self._is_out_of_memory(),
        )
        self._is_worn = call.function == _START or (fault is not None and self._program.is_frail)
        return exit_

    def _function(self, name: str) -> Function:
        kind = self._program.function_type(name)
        function = self._main.function(name, kind.params, kind.results)
        self._functions[name] = function
        return function

    def _create(self, call: Call) -> None:
        self._kernel = Kernel(
            self._made(self._program.linker.instantiate(self.store, self._program.kernel))
        )
        call.kernel = self._kernel
        linker = self._program.linker.clone()
        linker.define_instance(abi.ENV, self._kernel.instance)
        for unit in self._program.units:
            self._link(linker, unit, call)

    def _link(self, linker: Linker, unit: Unit, call: Call) -> None:
        is_main = unit is self._program.main
        if unit.is_command and not is_main:
            linker.define_command(self.store, unit.name, unit.code)
            return
        instance = self._made(linker.instantiate(self.store, unit.code, call))
        if is_main:
            self._main = instance
            self._check(initialise(instance, unit.functions, call))
        else:
            self._check(initialise_library(instance, unit.functions, call))
        linker.define_instance(unit.name, instance)

    def _made(self, made: EngineInstance | Fault) -> EngineInstance:
        if isinstance(made, EngineInstance):
            return made
        raise creation_error(Exit(made, is_out_of_memory=self._is_out_of_memory()))

    def _check(self, fault: Fault | None) -> None:
        if fault is not None:
            raise creation_error(Exit(fault, is_out_of_memory=self._is_out_of_memory()))

    def _is_out_of_memory(self) -> bool:
        """
        Tell whether a memory has reached its cap.

        The engine does not report a refused growth, so this is what can be known after the fact: the
        kernel had to refuse a block, or a memory has no page left.
        """
        cap = self._max_memory_bytes
        if cap is None:
            return False
        return any(memory.size + abi.PAGE > cap for memory in self._memories())

    def _memories(self) -> Sequence[Memory]:
        kernel, main = getattr(self, "_kernel", None), getattr(self, "_main", None)
        found = [kernel.data] if kernel else []
        if main is not None:
            exports = self._program.main.outline.exports
            found += [main.memory(export.name) for export in exports if export.kind == "memory"]
        return found


def _cap(program: Program) -> int | None:
    """
    Return how large any one memory may become.

    Raises:
        OutOfMemory: The memories that the modules start with are over the limit by themselves.
    """
    if program.max_bytes is None:
        return None
    initial = [
        memory.limits.min * memory.page_size
        for unit in program.units
        for memory in unit.outline.memories
    ]
    if sum(initial) > program.max_bytes:
        raise creation_error(Exit(code=-1, is_out_of_memory=True))
    return max(initial, default=0) + program.max_bytes


def _not_found(name: str, available: Sequence[str]) -> FunctionNotFound:
    import difflib

    near = difflib.get_close_matches(name, available, n=1)
    hint = f"\nDid you mean {near[0]}?" if near else ""
    listed = ", ".join(available[:20]) or "nothing"
    return FunctionNotFound(
        f"Function not found: {name}{hint}\nCallable: {listed}", name=name, available=available
    )


def _not_callable(name: str, kind: FuncType) -> CallError:
    if kind.params:
        text = f"expected {len(kind.params)} arguments, got 0"
    elif len(kind.results) > 1:
        text = f"Function {name} has {len(kind.results)} results, expected 0 or 1"
    else:
        text = f"Function {name} has a result of type {kind.results[0]}, expected i32 or none"
    return CallError(
        f"{text}\nA callable export has no parameters; {name} is {kind}", function=name
    )
