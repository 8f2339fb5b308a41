"""A global of an instance, read and written by the host; few instances have one looked at."""

from __future__ import annotations

from extism._engine.bindings import Value, lib
from extism._engine.faults import error_text
from extism._engine.foreign import byref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extism._engine.bindings import Global
    from extism._engine.store import Store

__all__ = ["GlobalCell"]


class GlobalCell:
    """A global of an instance, read and written as a number."""

    __slots__ = ("_store", "_struct")

    def __init__(self, store: Store, struct: Global) -> None:
        self._store = store
        self._struct = struct

    @property
    def value(self) -> int | float:
        """The number that the global holds, integers signed."""
        cell = self._read()
        kind = ("i32", "i64", "f32", "f64")[cell.kind]
        number: int | float = getattr(cell.of, kind)
        return number

    @value.setter
    def value(self, number: float) -> None:
        cell = self._read()
        setattr(cell.of, ("i32", "i64", "f32", "f64")[cell.kind], number)
        error = lib.wasmtime_global_set(self._store.context, byref(self._struct), byref(cell))
        if error:
            raise ValueError(error_text(error))

    def _read(self) -> Value:
        cell = Value()
        lib.wasmtime_global_get(self._store.context, byref(self._struct), byref(cell))
        return cell
