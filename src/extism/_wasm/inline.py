"""
Put the body of a small function where it is called: a call of a few nanoseconds becomes one of none.

Only straight bodies are taken: blocks, loads, arithmetic, but no branch and no return, since those would
mean another place inside another function. Arguments go into scratch locals, which every function that gets such a
body has behind its own. The walk itself is `relocate.renumber_code`.

Before and after, `$last` being a function with the body `(i32.load8_u (local.get 0))`::

    (func (param i32) (result i32)       (func (param i32) (result i32)
                                           (local $scratch i32)
      (call $last (local.get 0)))          (local.get 0) (local.set $scratch)
                                           (i32.load8_u (local.get $scratch)))
"""

from __future__ import annotations

from extism._cached import cached_property
from extism._dataclass import dataclass, field
from extism._wasm.assembly import local_set
from extism._wasm.cursor import Cursor
from extism._wasm.instructions import END, read_opcode, skip_immediate
from extism._wasm.leb128 import write_unsigned
from extism._wasm.valtypes import read_valtype, write_valtype
from extism.errors import WasmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    from extism._wasm.externs import FuncType, ValType

__all__ = ["Inlining", "Straight", "straight"]

_LEAVES: Final = frozenset({"label", "labels", "catches", "handlers"})
_TAIL_CALLS: Final = frozenset({"return_call", "return_call_indirect", "return_call_ref"})


@dataclass(frozen=True)
class Straight:
    """
    A body that can stand anywhere.

    Attributes:
        params: What it takes off the stack; they are its only locals.
        pieces: Its instructions without the closing `end`; a number stands for that local's index.
    """

    params: tuple[ValType, ...]
    pieces: tuple[bytes | int, ...]


def straight(body: bytes, type_: FuncType) -> Straight:
    """
    Return what stands in a function of that type.

    Args:
        body: An entry of the code section, without its size.
        type_: The function's type.

    Raises:
        WasmError: It has locals of its own, or leaves other than at its end.
    """
    cursor = Cursor(body)
    for _ in range(cursor.count(2)):
        if cursor.u32():
            raise WasmError("a body with locals of its own cannot be put in place of a call")
        read_valtype(cursor)
    return Straight(type_.params, tuple(_pieces(cursor, body)))


def _pieces(cursor: Cursor, body: bytes) -> Iterator[bytes | int]:
    copied = cursor.offset
    while cursor.remaining:
        start = cursor.offset
        code, opcode = read_opcode(cursor)
        leaves = opcode.name in _TAIL_CALLS or not _LEAVES.isdisjoint(opcode.immediates)
        if leaves or opcode.name == "return":
            raise WasmError(f"a body with {opcode.name} cannot be put in place of a call")
        if opcode.immediates == ("local",):
            yield body[copied:start] + bytes((code,))
            yield cursor.u32()
            copied = cursor.offset
            continue
        for kind in opcode.immediates:
            skip_immediate(cursor, kind)
    assert body[-1] == END
    yield body[copied:-1]


@dataclass(frozen=True)
class Inlining:
    """
    Which calls are replaced, by the index of the function that is called.

    Attributes:
        bodies: What comes in their place.
        params: How many parameters the function of each body in the section has.
    """

    bodies: Mapping[int, Straight]
    params: Sequence[int]
    _made: dict[int, dict[int, bytes]] = field(default_factory=dict)

    @cached_property
    def scratch(self) -> tuple[ValType, ...]:
        """The locals that arguments go into."""
        most: dict[ValType, int] = {}
        for body in self.bodies.values():
            for type_ in body.params:
                most[type_] = max(most.get(type_, 0), body.params.count(type_))
        return tuple([type_ for type_ in sorted(most) for _ in range(most[type_])])

    @cached_property
    def locals(self) -> list[bytes]:
        """The same as runs of a body's head."""
        return [b"\1" + write_valtype(type_) for type_ in self.scratch]

    def at(self, first: int) -> Mapping[int, bytes]:
        """Return the instructions for a function whose first scratch local has that index."""
        made = self._made.get(first)
        if made is None:
            scratch = self.scratch
            made = {index: _placed(body, scratch, first) for index, body in self.bodies.items()}
            self._made[first] = made
        return made


def _placed(body: Straight, scratch: Sequence[ValType], first: int) -> bytes:
    free = list(range(len(scratch)))
    slots = []
    for type_ in body.params:
        slot = next(each for each in free if scratch[each] == type_)
        free.remove(slot)
        slots.append(first + slot)
    take = [local_set(slot) for slot in reversed(slots)]
    rest = [
        piece if isinstance(piece, bytes) else write_unsigned(slots[piece]) for piece in body.pieces
    ]
    return b"".join([*take, *rest])
