"""
`Instance`: kernel and modules of one plugin alive in one store; runs one call at a time.

A `Program` is everything that instances of a plugin share, made once (`recipe.py`). An instance is made from it, started
once, and thrown away when its program says so: after `_start`, which is meant to run in a fresh world each time,
and after a trap in a runtime that does not survive one.
"""

from __future__ import annotations

from extism import abi
from extism._cached import cached_property
from extism._dataclass import dataclass, replace
from extism._engine.faults import FaultKind
from extism._engine.linker import Instance as EngineInstance
from extism._engine.store import Store
from extism._runtime.entries import apart_entry, fused_entry
from extism._runtime.fusing import ENTRY, ENTRY_TYPE, PREFIX, START, without_ours
from extism._runtime.kernel import BUDGET, Kernel
from extism._runtime.outcome import Exit, creation_error
from extism.errors import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from extism._capabilities.log import PluginLog
    from extism._engine.engine import Module as Code
    from extism._engine.faults import Fault
    from extism._engine.linker import Linker
    from extism._engine.wasi_bare import BareWasi
    from extism._runtime.awaited import AwaitedEntry
    from extism._runtime.budget import Budget
    from extism._runtime.call import Call
    from extism._runtime.entries import Entry
    from extism._runtime.homes import Homes, Prepared, Rest
    from extism._runtime.linking import Unit
    from extism._wasm.externs import FuncType

__all__ = ["Instance", "Program"]

_START: Final = "_start"


@dataclass(frozen=True)
class Program:
    """
    What all instances of one plugin share; frozen, safe to use from any thread.

    Attributes:
        units: The modules, dependencies first.
        main: The one whose exports are called.
        linker: Everything that belongs to no store; None where the kernel is inside a module.
        kernel: The kernel's code; None where it is inside a module's.
        fused: The module with the kernel inside, and what is linked with it; None where the kernel is an instance.
        home: That module: the main one, or the library that alone uses the kernel.
        world: Makes what the modules of a plugin see of the world, given its log; None without WASI.
        budget: How much all memories and tables together may grow.
        is_frail: Whether a trap leaves the code in a state in which it must not be called again.
        fuel: How much a call may execute; None where the engine does not count.
    """

    units: tuple[Unit, ...]
    main: Unit
    linker: Linker | None
    kernel: Code | None
    fused: Homes | None
    home: Unit
    world: Callable[[Callable[[], PluginLog]], BareWasi] | None
    budget: Budget
    is_frail: bool
    fuel: int | None = None

    @cached_property
    def has_commands(self) -> bool:
        """Whether a library gets a new instance for each call, which the store keeps to its end."""
        return any(unit.is_command for unit in self.units if unit is not self.main)

    @cached_property
    def runs_code(self) -> bool:
        """Whether code of its modules runs when an instance is made."""
        from extism._runtime.startup import runs_code

        return any(runs_code(unit.outline, is_main=unit is self.main) for unit in self.units)

    def function_type(self, name: str) -> FuncType:
        """
        Return the type of a callable export.

        Raises:
            FunctionNotFound: There is no such function.
            CallError: It has parameters, or results that are no return code.
        """
        kind = self.main.functions.get(name)
        if kind is None or kind.params or kind.results not in abi.CALLABLE_RESULTS:
            from extism._runtime.uncallable import not_callable, not_found

            raise (
                not_found(name, self.callable_names()) if kind is None else not_callable(name, kind)
            )
        return kind

    def callable_names(self) -> tuple[str, ...]:
        """Return the exports that can be called, in the order of the module."""
        return tuple(
            name
            for name, kind in self.main.functions.items()
            if not kind.params and kind.results in abi.CALLABLE_RESULTS
        )

    def lodge(self) -> Program:
        """Return where one plugin is to live: in this process, without anything of its own."""
        return self

    def instance(self, wasi: BareWasi | None) -> Instance:
        """Return a new copy, to be started; see `Instance`."""
        return Instance(self, wasi)

    def close(self) -> None:
        """Let go of what no plugin has come for: nothing."""

    def leave(self) -> None:
        """Give back what one plugin had for itself: nothing, see `lodge`."""


class Instance:
    """
    One living copy of a program; brought to life by `start`.

    Args:
        program: What to bring to life.
        wasi: What its modules see of the world; None without WASI.

    Attributes:
        is_worn: Whether the next call needs a new instance.

    Raises:
        ManifestError: A directory of `allowed_paths` cannot be opened.
        OutOfMemory: What the modules begin with is more than the budget.
    """

    __slots__ = (
        "_is_fused",
        "_is_new",
        "_kernel",
        "_main",
        "_pre",
        "_program",
        "is_worn",
        "store",
    )

    _kernel: Kernel
    _main: EngineInstance

    def __init__(self, program: Program, wasi: BareWasi | None = None) -> None:
        if not program.budget.holds_the_start:
            raise creation_error(Exit(code=-1, is_out_of_memory=True))
        self.store, self._pre = _store(program, wasi)
        self._program = program
        self._is_fused = program.fused is not None and program.home is program.main
        self.is_worn = True
        self._is_new = True

    @property
    def fuel_used(self) -> int | None:
        """How much the last call executed; None where the engine does not count, or before a call."""
        limit = self._program.fuel
        return None if limit is None or self._is_new else limit - self.store.fuel()

    def start(self, call: Call) -> None:
        """
        Make the modules, and run their start functions and initialisers.

        Args:
            call: In which that happens: host functions may be called, and its deadline holds.

        Raises:
            Error: Code ended badly, or modules do not fit together.
        """
        try:
            self.store.open(call.deadline)
            self._create(call)
        finally:
            self.store.close()
        self.is_worn = False

    def entry(self, name: str) -> Entry:
        """
        Return what runs a call of one export: given the call, it returns the output, or how it ended.

        The caller keeps it, as long as the instance is not worn: it refers to the instance, which must not refer
        to it. What it raises comes from the handler of a signal.

        Raises:
            FunctionNotFound: There is no such export.
            CallError: The export cannot be called.
        """
        program, main, kernel = self._program, self._main, self._kernel
        kind = program.function_type(name)
        is_start = name == _START
        if self._is_fused:
            function = main.function(ENTRY + name, ENTRY_TYPE.params, ENTRY_TYPE.results)
            return fused_entry(function, kernel, self, is_start=is_start)
        function = main.function(name, kind.params, kind.results)
        return apart_entry(function, kernel, self, is_start=is_start, fuel=program.fuel)

    @property
    def must_block(self) -> str:
        """Why its calls cannot stop in the middle, and go on later; empty where they can."""
        if not self.store.engine.settings.is_interruptible:
            return "code of plugins with interruptible=False cannot be stopped in the middle"
        if self._program.has_commands:
            return "libraries that are commands are instantiated in the middle of calls"
        return ""

    def awaited_entry(self, name: str) -> AwaitedEntry:
        """Return what `entry` does, for calls that are awaited: on a fiber, without a thread (`awaited.py`)."""
        from extism._runtime.awaited import ApartEntry, FusedEntry

        kind, main, fuel = self._program.function_type(name), self._main, self._program.fuel
        if self._is_fused:
            fiber = main.fiber(ENTRY + name, ENTRY_TYPE.params, ENTRY_TYPE.results)
            return FusedEntry(fiber, self._kernel, self.settle, self.wear)
        fiber = main.fiber(name, kind.params, kind.results)
        return ApartEntry(fiber, self._kernel, self.settle, self.wear, fuel)

    def wear(self) -> None:
        """Let the next call get a new instance."""
        self.is_worn = True

    def abandon(self) -> None:
        """Forget a call that the handler of a signal ended in the middle: nobody hears how far the guest got."""
        self.is_worn = self._program.is_frail
        self._kernel.purse.take_want()

    def forget(self) -> None:
        """Kill all blocks of the last call, its output and its error among them."""
        self._kernel.begin(b"")

    def settle(self, call: Call, code: int, fault: Fault | None = None) -> Exit:
        """Look at everything that can have happened to a call."""
        self._is_new = False
        kernel, was_ended, was_told = self._kernel, False, False
        if fault is not None:
            want = kernel.purse.take_want()
            was_ended, was_told = want.was_ended, want.was_told
            fault = replace(fault, text=without_ours(fault.text))
        self.is_worn = (
            call.function == _START
            or (was_ended and self._program.has_commands)
            or (fault is not None and (self._program.is_frail or fault.kind is FaultKind.EXIT))
        )
        return Exit(
            fault,
            code=code,
            output=kernel.output(),
            error=kernel.error(),
            is_late=call.is_late,
            is_out_of_memory=was_ended,
            was_refused_memory=was_told,
        )

    def _create(self, call: Call) -> None:
        if self._pre is not None:
            self._create_fused(self._pre, call)
        else:
            self._create_apart(call)
        if call.is_late and self._program.runs_code:
            raise creation_error(Exit(is_late=True))

    def _create_apart(self, call: Call) -> None:
        """Make an instance of the kernel, then one of each module."""
        program = self._program
        assert program.kernel is not None
        assert program.linker is not None
        kernel = self._made(program.linker.instantiate(self.store, program.kernel))
        self._adopt(Kernel(kernel), call)
        program.budget.limit(self.store)
        linker = program.linker.clone()
        linker.define_instance(abi.ENV, kernel)
        for unit in program.units:
            self._link(linker, unit, call)

    def _create_fused(self, code: Prepared, call: Call) -> None:
        """Make the instance with the kernel inside; its start function runs when that is known. Then the rest."""
        home = self._program.home
        self._program.budget.limit(self.store)
        made = self._made(code.fused.instantiate(self.store, call))
        self._adopt(Kernel(made, PREFIX), call)
        if home.outline.start is not None:
            self._check(made.function(START, (), ())(call))
        if code.rest is None:
            self._main = made
        self._initialise(made, home, call)
        if code.rest is not None:
            self._create_rest(code.rest, made, call)

    def _create_rest(self, rest: Rest, library: EngineInstance, call: Call) -> None:
        """Make the main module's instance, linked with the library that has the kernel inside."""
        main, name = self._program.main, self._program.home.name
        linker = rest.linker.clone()
        linker.define_export(abi.ENV, BUDGET, library, PREFIX + BUDGET)
        for item in main.outline.imports:
            if item.module == name:
                linker.define_export(name, item.name, library, item.name)
        self._main = self._made(linker.instantiate(self.store, rest.code, call))
        self._initialise(self._main, main, call)

    def _adopt(self, kernel: Kernel, call: Call) -> None:
        self._kernel = call.kernel = kernel
        kernel.grant(self._program.budget.value)

    def _link(self, linker: Linker, unit: Unit, call: Call) -> None:
        assert unit.code is not None
        is_main = unit is self._program.main
        if unit.is_command and not is_main:
            linker.define_command(self.store, unit.name, unit.code)
            return
        instance = self._made(linker.instantiate(self.store, unit.code, call))
        if is_main:
            self._main = instance
        self._initialise(instance, unit, call)
        linker.define_instance(unit.name, instance)

    def _initialise(self, made: EngineInstance, unit: Unit, call: Call) -> None:
        if abi.INITIALISERS.isdisjoint(unit.functions):
            return
        from extism._runtime.startup import initialise, initialise_library

        run = initialise if unit is self._program.main else initialise_library
        self._check(run(made, unit.functions, call))

    def _check(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if not hasattr(self, "_kernel"):  # nothing has run that could want memory
            raise creation_error(Exit(fault))
        want = self._kernel.purse.take_want()
        end = Exit(fault, is_out_of_memory=want.was_ended, was_refused_memory=want.was_told)
        raise creation_error(end)

    def _made(self, made: EngineInstance | Fault) -> EngineInstance:
        if isinstance(made, EngineInstance):
            return made
        self._check(made)
        raise AssertionError("no instance, and no reason")


def _store(program: Program, wasi: BareWasi | None) -> tuple[Store, Prepared | None]:
    """Return a new store, and what is to live in it if the kernel is inside a module."""
    try:
        if program.fused is not None:
            return program.fused.store(wasi)
        assert program.linker is not None
        return Store(program.linker.engine, wasi=wasi), None
    except OSError as exc:
        text = f"Unable to create Extism plugin: {exc}"
        raise ManifestError(text, where="allowed_paths") from exc
