"""`StandIn`: what a worker has in the place of a function of the host: numbers go to the parent and come back."""

from __future__ import annotations

from extism._engine.trampoline import layout
from extism.functions import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from extism._runtime.call import Call

__all__ = ["StandIn"]


class StandIn(Function):
    """
    A function whose body is elsewhere.

    Args:
        ask: Has the parent run it: given the call, which one it is, and its numbers as bytes, it returns the results.
        index: Which of the parent's functions it is.
        namespace: As in `Function`, like `name`.
        params: WebAssembly types.
        results: The same.
    """

    def __init__(
        self,
        ask: Callable[[Call, int, bytes], bytes],
        index: int,
        namespace: str,
        name: str,
        params: Sequence[Any],
        results: Sequence[Any],
    ) -> None:
        self.index = index
        pack, unpack = layout(tuple(params)).pack, layout(tuple(results)).unpack

        def body(call: Call, *numbers: Any) -> Sequence[Any]:
            return unpack(ask(call, index, pack(*numbers)))

        self._settle(namespace, name, body, (), tuple(params), tuple(results), body)
