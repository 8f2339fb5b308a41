"""
Where instances of a fused plugin live: in slots as long as there are any, else in memory mapped for each.

The kernel goes into one module of the plugin: the main one; or the one library that uses it, and then the main module
is linked with that (`Rest`). Each home is an engine of its own, so the code is prepared for each, and but for the first
only when it is needed.

The first instance of a process lives in neither: to lay out slots takes longer than to map the memory of one, and many
a process has no other.
"""

from __future__ import annotations

from extism._cached import cached_property
from extism._dataclass import dataclass, replace
from extism._engine.engine import shared_engine
from extism._engine.store import NoSlot, Store
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from extism._engine.engine import Engine, Settings
    from extism._engine.engine import Module as Code
    from extism._engine.linker import InstancePre, Linker
    from extism._engine.wasi_bare import BareWasi
    from extism._wasm.outline import Outline

__all__ = ["Homes", "Prepared", "Rest"]


@dataclass(frozen=True)
class Rest:
    """
    The main module of a plugin that is fused in its library, on one engine.

    Attributes:
        code: Its native code.
        linker: What it imports that belongs to no store.
    """

    code: Code
    linker: Linker


@dataclass(frozen=True)
class Prepared:
    """
    Code on one engine.

    Attributes:
        fused: The module with the kernel inside, its imports resolved.
        rest: What is linked with it afterwards; None where it is the main module.
    """

    fused: InstancePre
    rest: Rest | None


class Homes:
    """
    Code of one plugin, ready to be instantiated anywhere; safe to use from any thread.

    Args:
        outlines: The plugin's modules, without the kernel.
        kernel_memories: How many memories the kernel adds.
        settings: Of the engine that it needs.
        prepare: Returns the code on an engine.
        is_for_one: Whether one instance is all that is to be expected, and preparing another finds the native code.

    Raises:
        CompileError: No engine takes the code.
        LinkError: An import is missing.
    """

    def __init__(
        self,
        outlines: Sequence[Outline],
        kernel_memories: int,
        settings: Settings,
        prepare: Callable[[Engine], Prepared],
        *,
        is_for_one: bool,
    ) -> None:
        self._prepare = prepare
        self._settings = settings
        self._outlines = outlines
        self._kernel_memories = kernel_memories
        self._single: Prepared | None = None
        # What is wrong with the code shows in one of them at once.
        if is_for_one and _vacant:
            self._single = prepare(shared_engine(replace(settings, is_for_one=True)))
        elif self._slotted is None:
            _ = self._mapped

    def store(self, wasi: BareWasi | None) -> tuple[Store, Prepared]:
        """
        Return a new store, and what can be instantiated in it, once.

        Raises:
            OSError: A directory of the world cannot be opened.
        """
        home, self._single = self._single, None
        is_first = _is_first()
        if home is None or not is_first:
            home = self._slotted or self._mapped
        try:
            return Store(home.fused.engine, wasi=wasi), home
        except NoSlot:
            home = self._mapped
            return Store(home.fused.engine, wasi=wasi), home

    @cached_property
    def _slotted(self) -> Prepared | None:
        """The code on an engine with slots; None where there are none, or it does not fit."""
        from extism._engine.slots import fit

        engine = shared_engine(replace(self._settings, has_slots=True))
        if engine.slots is None or not fit(self._outlines, self._kernel_memories):
            return None
        return _prepared(self._prepare, engine)

    @cached_property
    def _mapped(self) -> Prepared:
        """The code on an engine that maps memory for each instance."""
        return self._prepare(shared_engine(self._settings))


_vacant: Final = [None]
"""Holds something until the first instance of the process is made."""


def _is_first() -> bool:
    """Tell whether nobody has asked before, in any thread."""
    try:
        _vacant.pop()
    except IndexError:
        return False
    return True


def _prepared(prepare: Callable[[Engine], Prepared], engine: Engine) -> Prepared | None:
    """Return the code on an engine with slots; None where it does not fit after all."""
    try:
        return prepare(engine)
    except CompileError as exc:
        if exc.rule:
            raise
        return None  # the engine without slots says what is wrong, or finds nothing wrong
