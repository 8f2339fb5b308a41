"""
Upstream's module of the same name: the old names, for applications that import them from here.

What has a place of its own is handed on. Defined here is only what applications and upstream's own tests reach
for below the surface: the classes behind `host_fn`, and the conversions at the border to C, which this library
has elsewhere (`codecs.py`, `functions.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from extism._capabilities.log_sinks import CustomLogger, set_log_custom, set_log_file
from extism.codecs import Codec, Json, Pickle, parameter_wire, result_wires
from extism.compiled import CompiledPlugin
from extism.current import CurrentPlugin, Memory
from extism.errors import Error
from extism.functions import HOST_FN_REGISTRY, Function, host_fn
from extism.plugin import CancelHandle, Plugin
from extism.values import WASM_TYPES, Val, ValType
from extism.version import extism_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from extism.abi import HostImport, ValueType
    from extism.codecs import Wire

__all__ = [
    "HOST_FN_REGISTRY",
    "CancelHandle",
    "Codec",
    "CompiledPlugin",
    "CurrentPlugin",
    "CustomLogger",
    "Error",
    "ExplicitFunction",
    "Function",
    "Json",
    "Memory",
    "Pickle",
    "Plugin",
    "TypeInferredFunction",
    "Val",
    "ValType",
    "extism_version",
    "host_fn",
    "set_log_custom",
    "set_log_file",
]

_INDEX_BYTES: Final = 4

_FIELDS: Final = {0: "i32", 1: "i64", 2: "f32", 3: "f64"}
"""Where C's union keeps a number, by the tag beside it."""

_OF_THE_LIBRARY: Final = frozenset({"_ffi", "_lib", "handle_args"})


class ExplicitFunction(Function):
    """
    What upstream's `host_fn` makes with a signature.

    Args:
        namespace: As in `Function`, like `name`, `args` and `returns`.
        func: Called with the plugin, the inputs, the outputs and the user data.
        user_data: Handed to every call, but not the last item if it is upstream's: the place of the function
            in the registry, in 4 bytes.
    """

    def __init__(
        self,
        namespace: str | None,
        name: str,
        args: Sequence[ValType],
        returns: Sequence[ValType],
        func: Callable[..., Any],
        user_data: Sequence[Any],
    ) -> None:
        super().__init__(namespace, name, args, returns, func, *_without_index(user_data))

    @property
    def func(self) -> Callable[..., Any]:
        """The Python function."""
        return self.f


class TypeInferredFunction(ExplicitFunction):
    """What upstream's `host_fn` makes without a signature; `user_data` as in `ExplicitFunction`."""

    def __init__(
        self,
        namespace: str | None,
        name: str,
        func: Callable[..., Any],
        user_data: Sequence[Any],
    ) -> None:
        made = Function.inferred(namespace, name, func, _without_index(user_data))
        self.__dict__.update(made.__dict__)


class _ExtismFunctionMetadata:
    """A host function as the runtime takes it, in `pointer`; None once it was let go."""

    def __init__(self, f: Function) -> None:
        self.pointer: HostImport | None = f.host_import()

    def __del__(self) -> None:
        self.pointer = None


def _without_index(user_data: Sequence[Any]) -> tuple[Any, ...]:
    """Return the user data without the last item if it is a place in the registry, which has no use here."""
    data = tuple(user_data)
    last = data[-1] if data else None
    return data[:-1] if isinstance(last, bytes) and len(last) == _INDEX_BYTES else data


def _convert_value(x: Any) -> Val | None:
    """Return the number in a struct of upstream's C interface; None where it holds no number."""
    field = _FIELDS.get(x.t)
    return None if field is None else Val(ValType(x.t), getattr(x.v, field))


def _convert_output(x: Any, v: Val) -> None:
    """Put a number into a struct of upstream's C interface."""
    if v.t.value != x.t:
        raise Error(f"Output type mismatch, got {v.t} but expected {x.t}")
    field = _FIELDS.get(x.t)
    if field is None:
        raise Error(f"Unsupported return type: {x.t}")
    number = float if field.startswith("f") else int
    setattr(x.v, field, number(v.value))


def _map_arg(arg_name: str, xs: Any) -> tuple[ValType, Callable[[CurrentPlugin, Val], Any]]:
    """Return the type of a parameter with the annotation `xs`, and what reads it."""
    try:
        wire = parameter_wire(xs)
    except TypeError as exc:
        text = f"Could not infer input type for argument {arg_name}: {exc}"
        raise TypeError(text) from exc
    return _type_of(wire.type), lambda plugin, slot: wire.read(plugin, slot.value)


def _map_ret(xs: Any) -> list[tuple[ValType, Callable[[CurrentPlugin, Val, Any], None]]]:
    """Return the type of each result of the annotation `xs`, and what writes it."""
    try:
        wires = result_wires(xs)
    except TypeError as exc:
        text = f"Could not infer return type: {exc}"
        raise TypeError(text) from exc
    return [(_type_of(wire.type), _emplace(wire)) for wire in wires]


def _emplace(wire: Wire) -> Callable[[CurrentPlugin, Val, Any], None]:
    def emplace(plugin: CurrentPlugin, slot: Val, value: Any) -> None:
        slot.value = wire.write(plugin, value)

    return emplace


def _type_of(wasm: ValueType) -> ValType:
    return next(kind for kind, each in WASM_TYPES.items() if each == wasm)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        if name in _OF_THE_LIBRARY:
            raise AttributeError(
                f"{name!r} reached into upstream's C library (extism_sys); there is none here, "
                "and docs/differences.md says what to use instead"
            )
        raise AttributeError(f"module 'extism.extism' has no attribute {name!r}")
