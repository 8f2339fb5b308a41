"""What whoever calls an export is told that is not there, or that cannot be called."""

from __future__ import annotations

from extism.errors import CallError, FunctionNotFound
from extism.escapes import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from extism._wasm.externs import FuncType

__all__ = ["not_callable", "not_found"]


def not_found(name: str, available: Sequence[str]) -> FunctionNotFound:
    """Return the error of a call of something that is not there, with what is."""
    import difflib

    near = difflib.get_close_matches(name, available, n=1)
    hint = f"\nDid you mean {shown(near[0])}?" if near else ""
    listed = ", ".join(map(shown, available[:20])) or "nothing"
    return FunctionNotFound(
        f"Function not found: {shown(name)}{hint}\nCallable: {listed}",
        name=name,
        available=available,
    )


def not_callable(name: str, kind: FuncType) -> CallError:
    """Return the error of a call of an export that has parameters, or results that are no return code."""
    if kind.params:
        text = f"expected {len(kind.params)} arguments, got 0"
    elif len(kind.results) > 1:
        text = f"Function {shown(name)} has {len(kind.results)} results, expected 0 or 1"
    else:
        text = (
            f"Function {shown(name)} has a result of type {kind.results[0]}, expected i32 or none"
        )
    return CallError(
        f"{text}\nA callable export has no parameters; {shown(name)} is {kind}", function=name
    )
