"""
A Python function as a function that WebAssembly can call, and the way back for its exceptions.

No Python exception ever crosses compiled code: the trampoline keeps it in a slot of the running thread
and returns a trap, the trap unwinds the guest, and whoever entered the guest on that thread takes the
exception out of the slot. The functions capture nothing of a store: they are made once for each linker,
and are told whose call is running through `calls`.
"""

from __future__ import annotations

import struct
from _operator import index
from _thread import _local, get_ident

from extism._cached import cache
from extism._engine.bindings import VALUE_KINDS, FuncCallback, PointerVec, lib
from extism._engine.foreign import byref, c_char, c_void_p
from extism._engine.shelter import sheltered
from extism._engine.stacks import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final, TypeAlias

__all__ = [
    "FLAG",
    "SLOT",
    "Entry",
    "Trampoline",
    "converter",
    "functype",
    "keep_raised",
    "late",
    "layout",
    "running",
    "trap",
    "uncalled",
]

Entry: TypeAlias = "Callable[[int, int, int, int], int | None]"
"""What C calls, sheltered: told environment, caller, address of the values and their number, it gives a trap or None."""

SLOT: Final = 16
"""Bytes of one value in the engine's unchecked calling convention; results overwrite the arguments."""

FLAG: Final = "wait for the host"
"""What modules export the global as by which the host asks for patience (`_wasm/pausing.py`)."""

_MAX_VIEWS: Final = 64
"""Addresses of values that a function remembers."""

_FORMATS: Final = {"i32": "i12x", "i64": "q8x", "f32": "f12x", "f64": "d8x"}
"""
One value in its slot, little endian on every machine that the engine serves.

::

    i32  | v v v v . . . . . . . . . . . . |
    i64  | v v v v v v v v . . . . . . . . |
         0                 8              16
"""


_CELLS: Final = {"i32": "i", "i64": "q", "f64": "d"}
"""What a value in its slot is for `memoryview`, where that is as strict as `struct`."""


class _Running(_local):
    """
    What runs on this thread, beside whose call it is.

    Attributes:
        raised: What a function raised, until whoever entered the guest takes it out.
        fiber: The `Fiber` whose code runs, if it runs on one (`fibers.py`).
    """

    raised: Any = None
    fiber: Any = None


running: Final = _Running()


@cache
def layout(types: tuple[str, ...]) -> struct.Struct:
    """
    Return the struct that packs values of `types` into slots.

    Raises:
        ValueError: A type is not a number type.
    """
    try:
        return struct.Struct("<" + "".join(_FORMATS[name] for name in types))
    except KeyError as exc:
        raise ValueError(f"no host value for the type {exc.args[0]}") from None


def functype(params: Sequence[str], results: Sequence[str]) -> int:
    """Return the address of a new function type; the caller frees it, and uses it with one engine."""
    pair = [_valtypes(params), _valtypes(results)]
    pointer: int = lib.wasm_functype_new(byref(pair[0]), byref(pair[1]))
    return pointer


def _valtypes(types: Sequence[str]) -> PointerVec:
    vec = PointerVec()
    kinds = [lib.wasm_valtype_new(VALUE_KINDS[name]) for name in types]
    lib.wasm_valtype_vec_new(byref(vec), len(kinds), (c_void_p * len(kinds))(*kinds))
    return vec


_MASKS: Final = {"i32": (0xFFFFFFFF, 1 << 31), "i64": (0xFFFFFFFFFFFFFFFF, 1 << 63)}


def converter(types: Sequence[str], label: str) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what turns results of either sign into the signed numbers that the layout packs."""
    masks = [_MASKS.get(name) for name in types]

    def convert(values: Sequence[Any]) -> list[Any]:
        if len(values) != len(masks):
            raise TypeError(f"{label} gave {len(values)} results, not {len(masks)}")
        return [
            _float(value, label) if mask is None else _signed(value, *mask, label)
            for value, mask in zip(values, masks, strict=True)
        ]

    return convert


def _signed(value: Any, mask: int, sign: int, label: str) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{label} gave {value!r:.60}, not an integer") from None
    if not -sign <= number <= mask:
        raise OverflowError(f"{label} gave {number}, which has more than {mask.bit_length()} bits")
    number &= mask
    return number - mask - 1 if number & sign else number


def _float(value: Any, label: str) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{label} gave {value!r:.60}, not a number")
    return float(value)


class Trampoline:
    """
    One Python function, callable from WebAssembly as long as this object lives.

    Args:
        params: WebAssembly types of the parameters.
        results: WebAssembly types of the results.
        body: Called with `calls` and one number for each parameter (integers signed); gives a
            sequence with one number for each result.
        label: Names the function in the text of errors.
    """

    def __init__(
        self,
        params: Sequence[str],
        results: Sequence[str],
        body: Callable[..., Sequence[Any]],
        label: str = "the host function",
    ) -> None:
        self.params = tuple(params)
        self.results = tuple(results)
        is_single = len(self.params) <= 1 >= len(self.results) and self.params + self.results
        types = {*self.params, *self.results}
        entry = _entry_of_one if is_single and types <= _CELLS.keys() else _entry
        self.callback = FuncCallback(entry(self.params, self.results, body, label))

    @classmethod
    def of(cls, params: Sequence[str], results: Sequence[str], callback: Any) -> Trampoline:
        """Return a trampoline of what C can call already."""
        made = cls.__new__(cls)
        made.params, made.results, made.callback = tuple(params), tuple(results), callback
        return made


def late(make: Callable[[], Entry]) -> Any:
    """Return what C calls as what `make` returns, which it does at the first call: few functions are ever called."""
    made: list[Entry] = []

    def enter(env: int, caller: int, address: int, count: int) -> int | None:
        try:
            try:
                if not made:
                    made.append(make())
                return made[0](env, caller, address, count)
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot, see the module's text
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the line above
            return keep_raised(exc)

    return FuncCallback(sheltered(enter))


def _entry(
    params: Sequence[str], results: Sequence[str], body: Callable[..., Sequence[Any]], label: str
) -> Entry:
    unpack = layout(tuple(params)).unpack_from
    pack = layout(tuple(results)).pack_into
    convert = converter(results, label)
    has_results = bool(results)
    slots: Any = c_char * (SLOT * max(len(params), len(results), 1))
    nowhere = slots()
    views: dict[int, Any] = {}
    # Cells: to look these up as globals takes a tenth of a short call.
    owners, thread = calls, get_ident

    def view(address: int | None) -> Any:
        """Return the values at an address, which is the same nearly each time: a place on the stack."""
        if address is None:  # there are none
            return nowhere
        if len(views) > _MAX_VIEWS:
            views.clear()
        views[address] = found = slots.from_address(address)
        return found

    def enter(_env: int, _caller: int, address: int, _count: int) -> int | None:
        try:
            try:
                buffer = views.get(address) or view(address)
                values = body(owners[thread()], *unpack(buffer))
                if has_results:
                    try:
                        pack(buffer, 0, *values)
                    except struct.error:  # unsigned, or of a wrong type
                        pack(buffer, 0, *convert(values))
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot, see the module's text
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the line above
            return keep_raised(exc)
        return None

    return sheltered(enter)


def _entry_of_one(
    params: Sequence[str], results: Sequence[str], body: Callable[..., Sequence[Any]], label: str
) -> Entry:
    """Return the same for one parameter and one result at most, which are read and written in place."""
    takes, gives = (_CELLS[types[0]] if types else "B" for types in (params, results))
    convert = converter(results, label)
    has_param, has_result = bool(params), bool(results)
    slot: Any = c_char * SLOT
    views: dict[int, tuple[Any, Any]] = {}
    # As above.
    owners, thread = calls, get_ident

    def view(address: int) -> tuple[Any, Any]:
        """Return the slot at an address as that of the parameter, and as that of the result."""
        if len(views) > _MAX_VIEWS:
            views.clear()
        there: Any = memoryview(slot.from_address(address)).cast("B")
        views[address] = found = there.cast(takes), there.cast(gives)
        return found

    def enter(_env: int, _caller: int, address: int, _count: int) -> int | None:
        try:
            try:
                given, taken = views.get(address) or view(address)
                call = owners[thread()]
                values = body(call, given[0]) if has_param else body(call)
                if has_result:
                    try:
                        (taken[0],) = values
                    except (TypeError, ValueError):  # unsigned, of a wrong type, or not one
                        (taken[0],) = convert(values)
            except BaseException as exc:  # noqa: BLE001 - it goes on from the slot, see the module's text
                return keep_raised(exc)
        except BaseException as exc:  # noqa: BLE001 - of a signal, in the line above
            return keep_raised(exc)
        return None

    return sheltered(enter)


def keep_raised(exc: BaseException) -> int:
    """Keep what was raised for whoever entered the guest; return the trap that unwinds it."""
    running.raised = exc
    return trap("host function raised")


def trap(text: str) -> int:
    """Return a new trap, which whoever hands it to the engine gives away."""
    data = text.encode()
    pointer: int = lib.wasmtime_trap_new(data, len(data))
    return pointer


@cache
def uncalled() -> Any:
    """Return what C calls for imports that have to be met and that nothing calls, whatever their type."""

    def enter(_env: int, _caller: int, _address: int, _count: int) -> int | None:
        try:
            return trap("a function was called that nothing calls")
        except BaseException as exc:  # noqa: BLE001 - it goes on from the slot, see the module's text
            return keep_raised(exc)

    return FuncCallback(sheltered(enter))
