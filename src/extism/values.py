"""`ValType` and `Val`: WebAssembly types and values, as host functions with an explicit signature see them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from extism.abi import ValueType

__all__ = ["WASM_TYPES", "Val", "ValType"]


class ValType(Enum):
    """A WebAssembly type; `PTR` is an i64 that is a handle, and the same member as `I64`."""

    I32 = 0
    PTR = 1
    I64 = 1  # noqa: PIE796 - as upstream, whose repr of both is `PTR`
    F32 = 2
    F64 = 3
    V128 = 4
    FUNC_REF = 5
    EXTERN_REF = 6


WASM_TYPES: Final[dict[ValType, ValueType]] = {
    ValType.I32: "i32",
    ValType.I64: "i64",
    ValType.F32: "f32",
    ValType.F64: "f64",
    ValType.V128: "v128",
    ValType.FUNC_REF: "funcref",
    ValType.EXTERN_REF: "externref",
}


@dataclass(slots=True, init=False)
class Val:
    """A value and its type; assign `value` to give a result."""

    t: ValType
    value: Any

    def __init__(self, t: ValType, v: Any) -> None:
        self.t = t
        self.value = v

    def __repr__(self) -> str:
        return f"Val({self.t}, {self.value})"

    def _assign(self, v: Any) -> None:
        """Set the value, as upstream's private method of that name."""
        self.value = v
