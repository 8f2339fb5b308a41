"""
Weigh a module: how much work its code makes for a compiler, told from the bytes before anything is compiled.

An optimising compiler is not linear. What makes it slow, and hungry for memory, are the products of what a function has
many of: a value that is alive across a join of control flow has to be followed through it. So the heaviest
function of honest compilers, 68 KB of CPython, is compiled in a tenth of a second, and 40 KB of loops over 5000
variables take a minute and a gigabyte.

The *tangle* of a function is an estimate of these products, in units of about 100 ns and 30 bytes::

    n blocks (loops and `if`s among them), l loops, v values that blocks take and give, x variables

    n x + 8 l x      a variable is followed through each join; a loop's head knows its joins last
    n v / 8 + l v / 2
    n n / 32 + l l / 2
    100 c            c: values of calls that give more than one

The factors were measured with one kind of each at a time; `tests/attack` has the programs.
"""

from __future__ import annotations

from itertools import accumulate

from extism._cached import cached_property
from extism._dataclass import dataclass
from extism._wasm.cursor import Cursor
from extism._wasm.externs import FuncType
from extism._wasm.initial import initial_steps
from extism._wasm.instructions import plain_run, read_opcode, skip_immediate
from extism._wasm.model import SectionId
from extism._wasm.valtypes import read_valtype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final, TypeAlias

    from extism._wasm.instructions import Opcode
    from extism._wasm.reader import Module

__all__ = ["Weight", "weights"]

_LIGHT_BYTES: Final = 1024
_LIGHT_VARIABLES: Final = 32
"""Functions that have neither more bytes nor more variables are not walked: they cannot tangle much."""

_BLOCKS: Final = frozenset({"block", "loop", "if", "try", "try_table"})
_ENDS: Final = frozenset({"end", "delegate"})
_CALLS: Final = frozenset({"call", "call_indirect", "call_ref"})

_LOOP: Final = 0x03
_EMPTY: Final = 0x40
_TWO_BYTES: Final = 0x80
_PLAIN: Final = tuple(bytes((code, _EMPTY)) for code in (0x02, _LOOP, 0x04))
"""`block`, `loop` and `if` that take and give nothing: nearly all."""

_CALL_VALUE: Final = 100


_COUNTED: Final = frozenset(
    {
        SectionId.TYPE,
        SectionId.IMPORT,
        SectionId.FUNCTION,
        SectionId.TABLE,
        SectionId.GLOBAL,
        SectionId.TAG,
        SectionId.EXPORT,
        SectionId.ELEMENT,
    }
)
"""Sections whose entries take time each, 5 to 50 us, however small they are."""


Weight: TypeAlias = "tuple[str, int, int | None]"
"""
One thing that was weighed.

What: `module_bytes`, `entries`, `function_bytes`, `locals`, `nesting`, `jump_targets`, `function_tangle` or
`module_tangle`; how much; and the index of the function that has it, or that brought a sum up to it, None for the
module.
"""


def weights(module: Module, shallow: int = 0) -> Iterator[Weight]:
    """
    Yield what a module weighs, the cheapest questions first; sums are yielded as they grow.

    Args:
        module: Its code may be malformed; that is told where it is met.
        shallow: Functions with no more blocks are not asked how deep these nest.

    Raises:
        WasmError: The code cannot be read.
    """
    yield "module_bytes", len(module.data), None
    entries = _entries(module)
    yield "entries", entries, None
    for steps in initial_steps(module):
        yield "entries", entries + steps, None
    bodies = list(_bodies(module))
    for body in bodies:
        yield "function_bytes", body.cursor.end - body.start, body.function
    for total, body in zip(accumulate(each.locals for each in bodies), bodies, strict=True):
        yield "locals", total, body.function
    yield from _tangles(module, bodies, shallow)


class _Body:
    """
    A function's code.

    Attributes:
        function: Its index.
        start: Where its bytes begin.
        cursor: Behind the declarations of its locals.
        locals: How many these declare.
    """

    __slots__ = ("cursor", "function", "locals", "start")

    def __init__(self, function: int, start: int, cursor: Cursor, locals_: int) -> None:
        self.function = function
        self.start = start
        self.cursor = cursor
        self.locals = locals_


def _entries(module: Module) -> int:
    """Return how many entries all index spaces have together, and how many exports and segments there are."""
    counted = [section for section in module.sections if section.id in _COUNTED]
    return sum(Cursor.over(section).u32() for section in counted)


def _bodies(module: Module) -> Iterator[_Body]:
    section = module.section(SectionId.CODE)
    if section is None:
        return
    cursor, imported = Cursor.over(section), module.imported_count("func")
    for place in range(cursor.count(2)):
        body = cursor.inner()
        start, count = body.offset, 0
        for _ in range(body.count(2)):
            count += body.u32()
            read_valtype(body)
        yield _Body(imported + place, start, body, count)


def _tangles(module: Module, bodies: list[_Body], shallow: int) -> Iterator[Weight]:
    walk = _Walk(module)
    targets = tangle = 0
    for body in bodies:
        variables = body.locals + len(module.func_type(body.function).params)
        if body.cursor.end - body.start <= _LIGHT_BYTES and variables <= _LIGHT_VARIABLES:
            continue
        at = body.cursor.offset
        found = walk.over(body.cursor)
        targets += found.targets
        yield "jump_targets", targets, body.function
        if found.blocks > shallow:
            body.cursor.offset = at
            yield "nesting", _depth(body.cursor), body.function
        own = found.tangle(variables)
        tangle += own
        yield "function_tangle", own, body.function
        yield "module_tangle", tangle, body.function


@dataclass
class _Found:
    """What was found in one function."""

    blocks: int = 0
    loops: int = 0
    values: int = 0
    called: int = 0
    targets: int = 0

    def tangle(self, variables: int) -> int:
        n, l, v, x = self.blocks, self.loops, self.values, variables  # noqa: E741 - as in the module's text
        return (
            n * x + 8 * l * x
            + n * v // 8 + l * v // 2
            + n * n // 32 + l * l // 2
            + _CALL_VALUE * self.called
        )  # fmt: skip


class _Walk:
    """Goes over function bodies of one module, looking at blocks, jump tables and calls that give many values."""

    def __init__(self, module: Module) -> None:
        self._module = module
        kinds = [each.composite for each in module.types]
        self._arity = [
            len(kind.params) + len(kind.results) if isinstance(kind, FuncType) else 0
            for kind in kinds
        ]
        self._many = {
            index
            for index, kind in enumerate(kinds)
            if isinstance(kind, FuncType) and len(kind.results) > 1
        }

    @cached_property
    def _match(self) -> Any:
        """Skips what is not looked at; made for the first function that is walked, as most modules have none."""
        return plain_run(frozenset(), _BLOCKS | _CALLS if self._many else _BLOCKS).match

    def over(self, cursor: Cursor) -> _Found:
        """Return what is found between the cursor and its end."""
        data, end, offset, match = cursor.data, cursor.end, cursor.offset, self._match
        found = _Found()
        blocks = loops = 0
        while offset < end:
            run = match(data, offset, end)
            if run:
                offset = run.end()
                if offset == end:
                    break
            if data.startswith(_PLAIN, offset):
                blocks += 1
                loops += data[offset] == _LOOP
                offset += 2
                continue
            cursor.offset = offset
            self._look(cursor, found)
            offset = cursor.offset
        found.blocks += blocks
        found.loops += loops
        return found

    def _look(self, cursor: Cursor, found: _Found) -> None:
        """Take in the instruction at the cursor."""
        opcode = read_opcode(cursor)[1]
        start = cursor.offset
        if opcode.name in _BLOCKS:
            found.blocks += 1
            found.loops += opcode.name == "loop"
            found.values += self._block_values(cursor)
        elif opcode.name in _CALLS:
            found.called += self._call_values(cursor, opcode)
        elif opcode.name == "br_table":
            found.targets += cursor.count()
        cursor.offset = start
        for kind in opcode.immediates:
            skip_immediate(cursor, kind)

    def _block_values(self, cursor: Cursor) -> int:
        first = cursor.peek()
        if first < _TWO_BYTES and first & _EMPTY:
            return first != _EMPTY
        return self._of(cursor.signed(33), self._arity)

    def _call_values(self, cursor: Cursor, opcode: Opcode) -> int:
        index = cursor.u32()
        if opcode.immediates == ("func",):
            index = self._of(index, self._module.function_type_indices)
        return self._arity[index] if index in self._many else 0

    @staticmethod
    def _of(index: int, values: Sequence[int]) -> int:
        """Return a value; none for an index that the engine will refuse."""
        return values[index] if 0 <= index < len(values) else 0


def _depth(cursor: Cursor) -> int:
    """Return how many blocks of a function lie inside each other at most."""
    match = plain_run(frozenset(), _BLOCKS | _ENDS).match
    depth = deepest = 0
    while cursor.remaining:
        run = match(cursor.data, cursor.offset, cursor.end)
        if run:
            cursor.offset = run.end()
            continue
        opcode = read_opcode(cursor)[1]
        if opcode.name in _BLOCKS:
            depth += 1
            deepest = max(deepest, depth)
        elif opcode.name in _ENDS:
            depth -= 1
        for kind in opcode.immediates:
            skip_immediate(cursor, kind)
    return deepest
