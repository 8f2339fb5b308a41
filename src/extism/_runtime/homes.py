"""
Where instances of a fused plugin live: in slots as long as there are any, else in memory mapped for each.

Both are engines of their own, so the code is prepared for each; the second time only when it is needed.
"""

from __future__ import annotations

from extism._engine.engine import Settings, shared_engine
from extism._engine.slots import fits
from extism._engine.store import NoSlot, Store
from extism.errors import CompileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extism._engine.engine import Engine
    from extism._engine.linker import InstancePre
    from extism._engine.wasi import Wasi
    from extism._wasm.reader import Module as Outline

__all__ = ["Homes"]


class Homes:
    """
    Code of one plugin, ready to be instantiated anywhere; safe to use from any thread.

    Args:
        outline: The plugin's module, without the kernel.
        kernel_memories: How many memories the kernel adds.
        settings: Of the engine that it needs.
        prepare: Returns the fused module with its imports resolved, on an engine.

    Raises:
        CompileError: No engine takes the code.
        LinkError: An import is missing.
    """

    def __init__(
        self,
        outline: Outline,
        kernel_memories: int,
        settings: Settings,
        prepare: Callable[[Engine], InstancePre],
    ) -> None:
        self._prepare = prepare
        self._settings = settings
        self._slotted: InstancePre | None = None
        self._overflow: InstancePre | None = None
        engine = shared_engine(_with_slots(settings))
        if engine.slots is not None and fits(outline, kernel_memories):
            self._slotted = _prepared(prepare, engine)
        if self._slotted is None:
            self._overflow = prepare(shared_engine(settings))

    def store(self, wasi: Wasi | None) -> tuple[Store, InstancePre]:
        """
        Return a new store, and what can be instantiated in it, once.

        Raises:
            OSError: A directory of the world cannot be opened.
        """
        if self._slotted is not None:
            try:
                return Store(self._slotted.engine, wasi=wasi), self._slotted
            except NoSlot:
                pass
        if self._overflow is None:
            self._overflow = self._prepare(shared_engine(self._settings))
        return Store(self._overflow.engine, wasi=wasi), self._overflow


def _with_slots(settings: Settings) -> Settings:
    return Settings(
        is_interruptible=settings.is_interruptible,
        has_fuel=settings.has_fuel,
        has_gc=settings.has_gc,
        has_memory64=settings.has_memory64,
        is_optimized=settings.is_optimized,
        has_slots=True,
    )


def _prepared(prepare: Callable[[Engine], InstancePre], engine: Engine) -> InstancePre | None:
    """Return the code on an engine with slots; None where it does not fit after all."""
    try:
        return prepare(engine)
    except CompileError as exc:
        if exc.rule:
            raise
        return None  # the engine without slots says what is wrong, or finds nothing wrong
