"""The budget against a model of it in Python: any growth, of anything, in any order, over any number of calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from wat_guests import wat

import extism
from extism.errors import OutOfMemory

PAGE = 65536
KERNEL = 16
"""Pages of blocks that every plug-in has from the start."""

THINGS = {
    # name: unit in bytes, size at first, the largest there can be
    "a": (PAGE, 1, 65536),
    "b": (PAGE, 0, 6),
    "t": (16, 10, 40_000),
    "u": (16, 0, 2**32 - 1),
    "lib": (PAGE, 2, 65536),
}

GROW = {
    "a": "(memory.grow $a (call $n))",
    "b": "(memory.grow $b (call $n))",
    "t": "(table.grow $t (ref.null func) (call $n))",
    "u": "(table.grow $u (ref.null extern) (call $n))",
    "lib": "(call $lib (call $n))",
}


def main(names):
    exports = "".join(
        f'(func (export "{name}") (call $give_i64 (i64.extend_i32_s {GROW[name]})))'
        for name in names
    )
    return f"""{exports}
      (func $n (result i32) (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
      (func (export "block") (call $give_i64 (call $length (call $alloc (i64.shl
        (call $input_load_u64 (i64.const 0)) (i64.const 16))))))
      (memory $a 1) (memory $b 0 6) (table $t 10 40000 funcref) (table $u 0 externref)"""


LIBRARY = """(module (memory 2) (func (export "grow") (param i32) (result i32)
  (memory.grow (local.get 0))))"""
IMPORT = '(import "library" "grow" (func $lib (param i32) (result i32)))'

ALONE = {"wasm": [{"data": wat(main("abtu"), memory="").encode()}]}
BESIDE = {
    "wasm": [
        {"name": "library", "data": LIBRARY.encode()},
        {"name": "main", "data": wat(main(GROW), before=IMPORT, memory="").encode()},
    ]
}


@dataclass
class Model:
    """What is left of the budget, and how large everything is."""

    left: int
    is_strict: bool
    sizes: dict[str, int] = field(default_factory=lambda: {n: row[1] for n, row in THINGS.items()})
    blocks: int = KERNEL

    def grow(self, name, by):
        unit, _, most = THINGS[name]
        old = self.sizes[name]
        if by * unit > self.left:
            return "oom" if self.is_strict else -1
        if old + by > most:
            return -1
        self.left -= by * unit
        self.sizes[name] += by
        return old

    def block(self, pages):
        # The block begins behind the kernel's first 2048 bytes and the input.
        more = max(0, pages + 1 - self.blocks)
        if not pages or more * PAGE > self.left:
            return 0 if not pages or not self.is_strict else "oom"
        self.left -= more * PAGE
        self.blocks += more
        return pages * PAGE


def act(plugin, name, amount):
    try:
        return int.from_bytes(
            plugin.call(name, amount.to_bytes(8, "little")), "little", signed=True
        )
    except OutOfMemory as error:
        return str(error)


AMOUNTS = st.one_of(
    st.integers(0, 5), st.sampled_from([8, 4095, 4096, 4097, 60_000, 65_535, 65_536, 2**32 - 1])
)
STEP = st.tuples(st.sampled_from([*"abtu"]), AMOUNTS) | st.tuples(
    st.just("block"), st.integers(0, 60)
)
LIBRARY_STEP = STEP | st.tuples(st.just("lib"), AMOUNTS)
LIMITS = st.one_of(
    st.integers(3, 20).map(lambda pages: (pages * PAGE, True)),
    st.integers(3 * PAGE, 20 * PAGE).map(lambda length: (length, False)),
)


def follow(source, limit, is_strict, steps):
    """Do the same with a plug-in and with the model."""
    if is_strict:
        source = {**source, "memory": {"max_pages": limit // PAGE}}
    model = Model(limit & -16, is_strict)
    with extism.Plugin(source, functions=[], max_memory=limit) as plugin:
        for name, amount in steps:
            if name == "block":
                expected = model.block(amount)
            else:
                expected = model.grow(name, amount)

            assert act(plugin, name, amount) == expected, (name, amount, model)


@settings(max_examples=60, deadline=None)
@given(limit=LIMITS, steps=st.lists(STEP, max_size=25))
def test_one_module_grows_as_the_model_says(limit, steps):
    """Two memories, two tables and the blocks of the kernel."""
    follow(ALONE, *limit, steps)


@settings(max_examples=40, deadline=None)
@given(limit=LIMITS, steps=st.lists(LIBRARY_STEP, max_size=25))
def test_two_modules_grow_as_the_model_says(limit, steps):
    """The same with the memory of a library."""
    follow(BESIDE, *limit, steps)
