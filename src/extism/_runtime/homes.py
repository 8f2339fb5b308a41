"""
Where instances of a fused plugin live: in slots as long as there are any, else in memory mapped for each.

The kernel goes into one module of the plugin: the main one; or the one library that uses it, and then the main module
is linked with that (`Rest`). Both homes are engines of their own, so the code is prepared for each; the second
time only when it is needed.
"""

from __future__ import annotations

from extism._dataclass import dataclass
from extism._engine.engine import Settings, shared_engine
from extism._engine.slots import fit
from extism._engine.store import NoSlot, Store
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from extism._engine.engine import Engine
    from extism._engine.engine import Module as Code
    from extism._engine.linker import InstancePre, Linker
    from extism._engine.wasi import Wasi
    from extism._wasm.reader import Module as Outline

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
    ) -> None:
        self._prepare = prepare
        self._settings = settings
        self._slotted: Prepared | None = None
        self._overflow: Prepared | None = None
        engine = shared_engine(_with_slots(settings))
        if engine.slots is not None and fit(outlines, kernel_memories):
            self._slotted = _prepared(prepare, engine)
        if self._slotted is None:
            self._overflow = prepare(shared_engine(settings))

    def store(self, wasi: Wasi | None) -> tuple[Store, Prepared]:
        """
        Return a new store, and what can be instantiated in it, once.

        Raises:
            OSError: A directory of the world cannot be opened.
        """
        if self._slotted is not None:
            try:
                return Store(self._slotted.fused.engine, wasi=wasi), self._slotted
            except NoSlot:
                pass
        if self._overflow is None:
            self._overflow = self._prepare(shared_engine(self._settings))
        return Store(self._overflow.fused.engine, wasi=wasi), self._overflow


def _with_slots(settings: Settings) -> Settings:
    return Settings(
        is_interruptible=settings.is_interruptible,
        has_fuel=settings.has_fuel,
        has_gc=settings.has_gc,
        has_memory64=settings.has_memory64,
        is_optimized=settings.is_optimized,
        has_slots=True,
    )


def _prepared(prepare: Callable[[Engine], Prepared], engine: Engine) -> Prepared | None:
    """Return the code on an engine with slots; None where it does not fit after all."""
    try:
        return prepare(engine)
    except CompileError as exc:
        if exc.rule:
            raise
        return None  # the engine without slots says what is wrong, or finds nothing wrong
