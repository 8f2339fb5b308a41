"""One budget for all memory, on both packages: several memories, several modules, the kernel, many calls."""

from __future__ import annotations

from typing import Any

import pytest
from peer_guests import data, module
from wat_guests import wat

from peer import Case

pytestmark = pytest.mark.peer

GROW = """(func $n (result i32) (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
  (func (export "grow") (call $give_i64 (i64.extend_i32_s (memory.grow (call $n)))))
  (func (export "size") (call $give_i64 (i64.extend_i32_u (memory.size))))
  (func (export "alloc") (call $give_i64 (call $length (call $alloc (i64.shl
    (call $input_load_u64 (i64.const 0)) (i64.const 16))))))"""

SECOND = (
    '(func (export "grow_second") (call $give_i64 (i64.extend_i32_s (memory.grow 1 (call $n)))))'
)
TABLE = """(table $t 1 funcref)
  (func (export "grow_table") (call $give_i64 (i64.extend_i32_s
    (table.grow $t (ref.null func) (call $n)))))"""

LIBRARY = """(module (memory (export "memory") 1)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""
COMMAND = """(module (memory 2) (func (export "_start"))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""
USES = """(func (export "grow_library") (call $give_i64 (i64.extend_i32_s
  (call $in_library (call $n)))))"""
IMPORT = '(import "library" "grow" (func $in_library (param i32) (result i32)))'
MEMORY = '(import "library" "memory" (memory 1))'


def by(name: str, pages: int) -> tuple[str, bytes]:
    """A call of that export with that many pages."""
    return name, pages.to_bytes(8, "little")


def limited(pages: int | None, body: str = "", memory: str = "(memory 1)") -> dict[str, Any]:
    return {**module(GROW + body, memory=memory), "memory": {"max_pages": pages}}


def linked(pages: int | None, library: str, *imports: str, memory: str = "(memory 1)") -> Any:
    main = wat(GROW + USES, before=" ".join((IMPORT, *imports)), memory=memory)
    sources = [data(library, name="library"), data(main, name="main")]
    return {"wasm": sources, "memory": {"max_pages": pages}}


CASES = [
    Case(
        "two memories share the budget",
        limited(10, SECOND, "(memory 1) (memory 1)"),
        (by("grow", 6), by("grow_second", 5), by("grow_second", 4), by("grow", 1), "size"),
    ),
    Case(
        "memory and blocks share the budget",
        limited(40),
        (by("grow", 30), by("alloc", 60), "size", by("grow", 20)),
    ),
    Case(
        "a refused growth costs nothing",
        limited(10),
        (by("grow", 11), by("grow", 11), by("grow", 10), by("grow", 1), "size"),
    ),
    Case(
        "growth that the memory itself refuses",
        limited(None, memory="(memory 1 4)"),
        (by("grow", 4), by("grow", 3), by("grow", 1), "size"),
    ),
    Case("growth by nothing", limited(1), (by("grow", 0), by("grow", 1), by("grow", 0))),
    Case("growth past all that there can be", limited(None), (by("grow", 65536), "size")),
    Case("a block past all that there can be", limited(None), (by("alloc", 65536),)),
    Case("a growth past all that there can be, limited", limited(5), (by("grow", 65536), "size")),
    Case(
        "a table within its budget",
        limited(2, TABLE),
        (by("grow_table", 1000), by("grow_table", 1000), by("grow", 1)),
    ),
    Case(
        "a library grows within the budget",
        linked(10, LIBRARY),
        (by("grow_library", 6), by("grow", 5), by("grow", 4), by("grow_library", 1)),
    ),
    Case(
        "a memory that another module gives",
        linked(10, LIBRARY, MEMORY, memory=""),
        (by("grow", 6), by("grow_library", 5), by("grow_library", 4), "size"),
    ),
    Case(
        "a command pays for each of its instances",
        linked(10, COMMAND),
        (*[by("grow_library", 0)] * 5, by("grow", 0)),
    ),
    Case(
        "a command grows within the budget",
        linked(10, COMMAND),
        (by("grow_library", 3), by("grow_library", 3), by("grow", 1)),
    ),
    Case(
        "libraries begin with more than the limit",
        linked(4, LIBRARY.replace(" 1)", " 5)")),
        (by("grow", 4),),
    ),
    Case(
        "two memories begin with more than the limit",
        limited(5, memory="(memory 3) (memory 3)"),
        ("size",),
    ),
    Case(
        "memory that start functions take",
        limited(5, "(func $s (drop (memory.grow (i32.const 6)))) (start $s)"),
        ("size",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_budget(duel, case):
    """What is granted and what is refused is the same, to the page."""
    assert duel(case) == []
