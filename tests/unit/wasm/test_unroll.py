"""Loops written out: the same turns in the same order, however a loop is closed or left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extism._engine.engine import shared_engine, wat_to_wasm
from extism._engine.linker import Linker
from extism._engine.store import Store
from extism._wasm.model import SectionId
from extism._wasm.reader import read
from extism._wasm.rebuild import Changes, rebuild
from extism._wasm.unroll import unroll_code
from extism._wasm.writer import write_sections

TAKEN = frozenset({0})

GUEST = """(module
  (func $note (param i64) (result i64)
    (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (local.get 0)))
    (global.get $sum))
  (func $other)
  (global $sum (mut i64) (i64.const 1))
  (func (export "run") (param $n i64) (result i64) (local $i i64)
    LOOPS
    (i64.add (global.get $sum) (local.get $i))))"""

TURN = """(drop (call $note (local.get $i)))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))"""
MORE = "(i64.lt_u (local.get $i) (local.get $n))"
ENOUGH = "(i64.ge_u (local.get $i) (local.get $n))"

SHAPES = {
    "checked above": f"(block $done (loop $next (br_if $done {ENOUGH}) {TURN} (br $next)))",
    "checked below": f"(loop $next {TURN} (br_if $next {MORE}))",
    "both": f"(block $done (loop $next (br_if $done {ENOUGH}) {TURN} (br_if $next {MORE})))",
    "continues early": f"""(loop $next {TURN}
        (br_if $next (i64.eqz (i64.rem_u (local.get $i) (i64.const 3))))
        (drop (call $note (i64.const 77)))
        (br_if $next {MORE}))""",
    "leaves from within": f"""(block $far (block $near (loop $next
        (if (i64.eq (local.get $i) (i64.const 13)) (then (br $far)))
        {TURN}
        (block $skip (br_if $skip {MORE}) (br $near))
        (br_if $next (i64.lt_u (local.get $i) (i64.const 50)))))
        (drop (call $note (i64.const 5))))""",
    "leaves and turns": f"""(block $far (block $near (loop $next
        (br_if $far (i64.eq (local.get $i) (i64.const 21)))
        (br_if $near {ENOUGH})
        {TURN}
        (br $next)))
        (drop (call $note (i64.const 5))))""",
    "returns": f"(loop $next (if {ENOUGH} (then (return (global.get $sum)))) {TURN} (br $next))",
    "inside another": f"""(loop $outer (local.set $i (i64.const 0))
        (block $done (loop $next (br_if $done {ENOUGH}) {TURN} (br $next)))
        (local.set $n (i64.sub (local.get $n) (i64.const 3)))
        (br_if $outer (i64.gt_s (local.get $n) (i64.const 0))))""",
    "two in a row": f"""(loop $next {TURN} (br_if $next {MORE}))
        (local.set $n (i64.mul (local.get $n) (i64.const 2)))
        (loop $next {TURN} (br_if $next {MORE}))""",
    "values left on the stack": f"""(block $done (loop $next
        (br_if $done {ENOUGH}) {TURN} (i64.const 1) (br $next)))""",
    "never turns": f"(loop $next {TURN} (br_if $next (i32.const 0)))",
}

LEFT_ALONE = {
    "calls another": f"(loop $next (call $other) {TURN} (br_if $next {MORE}))",
    "calls none": "(loop $next (local.set $i (i64.const 1)) (br_if $next (i32.const 0)))",
    "gives a value": f"(drop (loop $next (result i64) {TURN} (br_if $next {MORE}) (i64.const 1)))",
    "goes on behind": f"(loop $next {TURN} (br_if $next {MORE}) (nop))",
    "never repeats": f"(loop $next {TURN})",
    "jumps by table": f"(loop $next {TURN} (br_table 0 1 (i32.wrap_i64 (local.get $n))))",
    "is long": f"(loop $next {TURN * 40} (br_if $next {MORE}))",
    "is the outer one": f"""(loop $next (loop (local.set $i (local.get $i))) {TURN}
        (br_if $next {MORE}))""",
}


def unrolled(wasm):
    module = read(wasm)
    changes = Changes()
    changes.replaced[SectionId.CODE] = unroll_code(module.section(SectionId.CODE), TAKEN)
    return write_sections(rebuild(module, changes))


def results(wasm, turns):
    engine = shared_engine()
    compiled, found = engine.compile(wasm), []
    for count in turns:
        instance = Linker(engine).instantiate(Store(engine), compiled)
        run = instance.function("run", ("i64",), ("i64",))
        assert run(None, count) is None
        found.append(run.results[0])
    return found


@pytest.mark.parametrize("loops", SHAPES.values(), ids=SHAPES)
def test_each_turn_is_made_once(loops):
    """None to more turns than there are copies, and the same order of what they do."""
    wasm = wat_to_wasm(GUEST.replace("LOOPS", loops))
    new = unrolled(wasm)

    assert len(new) > len(wasm)
    assert results(new, range(40)) == results(wasm, range(40))


@pytest.mark.parametrize("loops", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_other_loops_stay_to_the_byte(loops):
    """Those that do more than copy, or end in another way."""
    wasm = wat_to_wasm(GUEST.replace("LOOPS", loops))

    assert unrolled(wasm) == wasm


def test_a_module_grows_by_so_much_and_no_more():
    """However many such loops it has."""
    many = " ".join([SHAPES["checked below"]] * 20)
    functions = f"(func (param $n i64) (local $i i64) {many})" * 100
    wasm = wat_to_wasm(GUEST.replace("LOOPS", "")[:-1] + functions + ")")

    assert len(wasm) < len(unrolled(wasm)) < len(wasm) + (70 << 10)


STEPS = st.recursive(
    st.sampled_from(
        [
            TURN,
            "(drop (call $note (i64.const 9)))",
            "(br_if $next (i64.eqz (i64.and (local.get $i) (i64.const 3))))",
            "(br_if $near (i64.eq (local.get $i) (i64.const 17)))",
            "(br_if $far (i64.eq (local.get $i) (i64.const 23)))",
        ]
    ),
    lambda inner: st.builds(
        "(block (if (i64.eqz (i64.rem_u (local.get $i) (i64.const {}))) (then {}) (else {})))".format,
        st.integers(2, 5),
        inner,
        inner,
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=3), st.booleans())
def test_generated_loops_do_the_same(steps, is_checked_below):
    """Branches to the start, out by one block and out by two, from any depth."""
    body = TURN + " ".join(steps)
    closing = f"(br_if $next {MORE})" if is_checked_below else f"(br_if $near {ENOUGH}) (br $next)"
    loops = f"""(block $far (block $near (loop $next {body} {closing}))
                (drop (call $note (i64.const 3))))"""
    wasm = wat_to_wasm(GUEST.replace("LOOPS", loops))

    assert results(unrolled(wasm), (1, 2, 7, 8, 9, 31)) == results(wasm, (1, 2, 7, 8, 9, 31))
