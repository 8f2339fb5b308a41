"""Renumbering: every index in code moves by its own space, and nothing else changes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import wat

from extism._wasm import relocate
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import Section, SectionId
from extism._wasm.reader import read
from extism._wasm.relocate import Renumbering, Shift, renumber_code, renumber_expression
from extism._wasm.writer import new_section, write_list
from extism.errors import WasmError

ALL_SPACES = ("type", "func", "table", "memory", "global", "tag", "elem", "data")


@pytest.fixture(scope="module", autouse=True, params=["short", "long"])
def kind_of_code(request):
    """Every test twice: in long code, what needs no look is skipped."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "long":
            patch.setattr(relocate, "_SHORT", -1)
        yield


def code_of(*bodies: bytes, locals_: bytes = b"\x00") -> Section:
    entries = [write_unsigned(len(locals_ + body)) + locals_ + body for body in bodies]
    return new_section(SectionId.CODE, write_list(entries))


def moved(body: bytes, locals_: bytes = b"\x00", **shifts: Shift) -> bytes:
    """Return the body behind locals after renumbering."""
    section = renumber_code(code_of(body, locals_=locals_), Renumbering(shifts))  # type: ignore[arg-type]
    return bytes(section.payload[2:])


BY_5 = Shift(1, 5)

CASES = [
    pytest.param("func", b"\x10\x00\x10\x01\x0b", b"\x10\x00\x10\x06\x0b", id="call"),
    pytest.param("func", b"\x10\x81\x80\x80\x80\x00\x0b", b"\x10\x06\x0b", id="padded-call"),
    pytest.param("func", b"\x10\x80\x80\x00\x0b", b"\x10\x00\x0b", id="padded-call-unmoved"),
    pytest.param("func", b"\x10\x7b\x0b", b"\x10\x80\x01\x0b", id="call-that-grows"),
    pytest.param("func", b"\x12\x01\x0b", b"\x12\x06\x0b", id="return_call"),
    pytest.param("func", b"\xd2\x01\x1a\x0b", b"\xd2\x06\x1a\x0b", id="ref.func"),
    pytest.param("type", b"\x11\x01\x01\x0b", b"\x11\x06\x01\x0b", id="call_indirect-type"),
    pytest.param("table", b"\x11\x01\x01\x0b", b"\x11\x01\x06\x0b", id="call_indirect-table"),
    pytest.param("type", b"\x13\x01\x00\x0b", b"\x13\x06\x00\x0b", id="return_call_indirect"),
    pytest.param("type", b"\x14\x01\x15\x01\x0b", b"\x14\x06\x15\x06\x0b", id="call_ref"),
    pytest.param("type", b"\x02\x01\x0b\x0b", b"\x02\x06\x0b\x0b", id="block-of-type"),
    pytest.param("type", b"\x03\x3b\x0b\x0b", b"\x03\xc0\x00\x0b\x0b", id="loop-type-that-grows"),
    pytest.param("type", b"\x04\x40\x05\x0b\x0b", b"\x04\x40\x05\x0b\x0b", id="if-of-none"),
    pytest.param("type", b"\x02\x7f\x0b\x0b", b"\x02\x7f\x0b\x0b", id="block-of-i32"),
    pytest.param("type", b"\x02\x63\x01\x0b\x0b", b"\x02\x63\x06\x0b\x0b", id="block-of-reference"),
    pytest.param("type", b"\x02\x64\x70\x0b\x0b", b"\x02\x64\x70\x0b\x0b", id="block-of-ref-func"),
    pytest.param("type", b"\x1c\x01\x63\x01\x0b", b"\x1c\x01\x63\x06\x0b", id="select-t"),
    pytest.param("type", b"\xd0\x01\x0b", b"\xd0\x06\x0b", id="ref.null-index"),
    pytest.param("type", b"\xd0\x70\x0b", b"\xd0\x70\x0b", id="ref.null-func"),
    pytest.param(
        "type", b"\xfb\x18\x03\x00\x01\x70\x0b", b"\xfb\x18\x03\x00\x06\x70\x0b", id="br_on_cast"
    ),
    pytest.param("type", b"\xfb\x02\x01\x01\x0b", b"\xfb\x02\x06\x01\x0b", id="struct.get"),
    pytest.param("type", b"\xfb\x11\x01\x01\x0b", b"\xfb\x11\x06\x06\x0b", id="array.copy"),
    pytest.param("data", b"\xfb\x09\x01\x01\x0b", b"\xfb\x09\x01\x06\x0b", id="array.new_data"),
    pytest.param("elem", b"\xfb\x0a\x01\x01\x0b", b"\xfb\x0a\x01\x06\x0b", id="array.new_elem"),
    pytest.param("global", b"\x23\x01\x24\x01\x0b", b"\x23\x06\x24\x06\x0b", id="global"),
    pytest.param("table", b"\x25\x01\x26\x00\x0b", b"\x25\x06\x26\x00\x0b", id="table.get-set"),
    pytest.param("table", b"\xfc\x0e\x01\x00\x0b", b"\xfc\x0e\x06\x00\x0b", id="table.copy"),
    pytest.param("table", b"\xfc\x0f\x01\x0b", b"\xfc\x0f\x06\x0b", id="table.grow"),
    pytest.param("elem", b"\xfc\x0c\x01\x01\x0b", b"\xfc\x0c\x06\x01\x0b", id="table.init-elem"),
    pytest.param("table", b"\xfc\x0c\x01\x01\x0b", b"\xfc\x0c\x01\x06\x0b", id="table.init-table"),
    pytest.param("elem", b"\xfc\x0d\x01\x0b", b"\xfc\x0d\x06\x0b", id="elem.drop"),
    pytest.param("memory", b"\x3f\x01\x40\x01\x0b", b"\x3f\x06\x40\x06\x0b", id="memory.grow"),
    pytest.param("memory", b"\xfc\x0a\x01\x00\x0b", b"\xfc\x0a\x06\x00\x0b", id="memory.copy"),
    pytest.param("memory", b"\xfc\x08\x01\x01\x0b", b"\xfc\x08\x01\x06\x0b", id="memory.init"),
    pytest.param("data", b"\xfc\x08\x01\x01\x0b", b"\xfc\x08\x06\x01\x0b", id="memory.init-data"),
    pytest.param("memory", b"\x28\x42\x01\x08\x0b", b"\x28\x42\x06\x08\x0b", id="load-of-memory-1"),
    pytest.param("memory", b"\x28\x02\x08\x0b", b"\x28\x02\x08\x0b", id="load-of-memory-0"),
    pytest.param(
        "memory", b"\xfd\x54\x40\x01\x00\x0f\x0b", b"\xfd\x54\x40\x06\x00\x0f\x0b", id="load-lane"
    ),
    pytest.param("memory", b"\xfe\x03\x00\x0b", b"\xfe\x03\x00\x0b", id="atomic.fence"),
    pytest.param("tag", b"\x08\x01\x0b", b"\x08\x06\x0b", id="throw"),
    pytest.param("tag", b"\x06\x40\x07\x01\x0b\x0b", b"\x06\x40\x07\x06\x0b\x0b", id="old-catch"),
    pytest.param(
        "tag",
        b"\x1f\x40\x04\x00\x01\x01\x01\x01\x01\x02\x01\x03\x01\x0b\x0b",
        b"\x1f\x40\x04\x00\x06\x01\x01\x06\x01\x02\x01\x03\x01\x0b\x0b",
        id="try_table",
    ),
    pytest.param(
        "type", b"\x1f\x01\x01\x02\x01\x0b\x0b", b"\x1f\x06\x01\x02\x01\x0b\x0b", id="try"
    ),
    pytest.param(
        "tag",
        b"\xe3\x01\x02\x00\x01\x01\x01\x01\x0b",
        b"\xe3\x01\x02\x00\x06\x01\x01\x06\x0b",
        id="resume",
    ),
    pytest.param("tag", b"\xe4\x01\x01\x00\x0b", b"\xe4\x01\x06\x00\x0b", id="resume_throw"),
    pytest.param("tag", b"\xe2\x01\xe6\x01\x01\x0b", b"\xe2\x06\xe6\x01\x06\x0b", id="switch"),
    pytest.param(
        "func",
        b"\x0e\x02\x10\x10\x10\x10\x01\x0b",
        b"\x0e\x02\x10\x10\x10\x10\x06\x0b",
        id="br_table",
    ),
    pytest.param(
        "func",
        b"\x41\x10\xfd\x0c" + b"\x10\x01" * 8 + b"\x10\x01\x0b",
        b"\x41\x10\xfd\x0c" + b"\x10\x01" * 8 + b"\x10\x06\x0b",
        id="calls-inside-constants-stay",
    ),
    pytest.param(
        "func",
        b"\xfc\x8b\x80\x00\x00\x10\x01\x0b",
        b"\xfc\x8b\x80\x00\x00\x10\x06\x0b",
        id="padded-opcode",
    ),
]


@pytest.mark.parametrize(("space", "before", "after"), CASES)
def test_the_indices_of_one_space_move(space: str, before: bytes, after: bytes) -> None:
    """Indices of that space from 1 on move by 5; labels, constants and other spaces keep their bytes."""
    assert moved(before, **{space: BY_5})[1:] == after


@pytest.mark.parametrize(("space", "before", "after"), CASES)
def test_what_moves_by_nothing_keeps_its_bytes(space: str, before: bytes, after: bytes) -> None:
    """A walk in which no index changes keeps the body, but for padding; also with all spaces moving."""
    shortest = moved(before, **{space: Shift(0, 0)})

    assert moved(after, **dict.fromkeys(ALL_SPACES, Shift(0, 0)))[1:] == after
    assert moved(shortest[1:], **{space: Shift(0, 0)}) == shortest


def test_loads_of_the_first_memory_learn_its_new_number() -> None:
    """When memory 0 becomes memory 1, a load gets the flag and the index that it went without."""
    assert moved(b"\x28\x02\x08\x0b", memory=Shift(0, 1)) == b"\x00\x28\x42\x01\x08\x0b"


def test_locals_of_reference_types_move_with_their_types() -> None:
    """The types of locals are renumbered as well, without the code having to change."""
    before, after = b"\x02\x03\x7f\x01\x63\x01", b"\x02\x03\x7f\x01\x63\x06"

    assert moved(b"\x01\x0b", before, type=BY_5) == after + b"\x01\x0b"
    assert moved(b"\x10\x01\x0b", before, func=BY_5) == before + b"\x10\x06\x0b"


def test_bodies_without_moving_indices_are_copied_with_their_padded_size() -> None:
    """Only the bodies that change are written anew; a padded size elsewhere stays."""
    plain = b"\x84\x80\x00" + b"\x00\x41\x01\x0b"
    calling = b"\x84\x00" + b"\x00\x10\x01\x0b"
    section = new_section(SectionId.CODE, [b"\x03", plain, calling, plain])

    new = renumber_code(section, Renumbering({"func": BY_5}))

    assert bytes(new.payload) == b"\x03" + plain + b"\x04\x00\x10\x06\x0b" + plain


@pytest.mark.parametrize(
    ("expression", "after"),
    [
        (b"\xd2\x01\x0b", b"\xd2\x06\x0b"),
        (b"\x23\x01\x41\x01\x6a\x0b", b"\x23\x06\x41\x01\x6a\x0b"),
        (b"\x41\x01\x0b", b"\x41\x01\x0b"),
        (b"", b""),
    ],
    ids=["ref.func", "global.get", "constant", "none"],
)
def test_constant_expressions_move(expression: bytes, after: bytes) -> None:
    """Functions and globals in a constant expression move, constants stay."""
    assert renumber_expression(expression, Renumbering({"func": BY_5, "global": BY_5})) == after


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x01\x03\x00\x27\x0b", "unknown opcode 0x27 (at byte 5 of section 'code')"),
        (b"\x01\x03\x00\x10\x0b\x00", "1 bytes are left over"),
        (b"\x01\x02\x00\x10", "without its end"),
        (b"\x01\x00", "1 items are announced"),
        (b"\x02\x00\x00", "2 items are announced"),
        (b"\x01\x00\x00", "without its end"),
        (b"\x01\x04\x00\x0e\x01\x0b", "the bytes end"),
        (b"\x01\x05\x01\x05\x40\x10\x0b", "no value type"),
        (b"\x01\x06\x00\x0e\xff\xff\x03\x0b", "65535 items are announced"),
    ],
    ids=[
        "opcode",
        "left-over",
        "no-end",
        "size",
        "counts",
        "empty-body",
        "cut-labels",
        "locals",
        "labels",
    ],
)
def test_malformed_code_is_refused(payload: bytes, text: str) -> None:
    """Unknown opcodes and bytes that end too early are errors that say where."""
    section = new_section(SectionId.CODE, [payload])
    with pytest.raises(WasmError) as caught:
        renumber_code(section, Renumbering({"func": Shift(0, 1)}))

    assert caught.value.section == "code"
    assert text in str(caught.value)


MIXED = read(
    wat(
        """(module
          (type $pair (func (param i32 i32) (result i32 i32)))
          (memory 1) (table 4 funcref) (global $g (mut i32) (i32.const 1)) (tag $t (param i32))
          (elem (i32.const 0) $a $b) (data "passive")
          (func $a (result i32) (local i64 v128 funcref)
            i32.const 65 call $b call $b drop
            block (param i32) (result i32) end
            ref.func $a drop
            v128.const i32x4 1 2 3 4 i32x4.extract_lane 2 i32.add)
          (func $b (param i32) (result i32)
            (block $out (result i32)
              (try_table (result i32) (catch $t $out)
                (br_table 0 0 (local.get 0) (i32.const 3)))
              (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))
            return_call $c)
          (func $c (param i32) (result i32)
            (call_indirect (type $pair) (local.get 0) (global.get $g) (i32.const 1)) i32.sub
            (f64.store offset=8 (i32.const 3) (f64.const 1.5))
            i64.const -5 drop))"""
    )
)


@given(st.dictionaries(st.sampled_from(ALL_SPACES), st.integers(0, 300)), st.integers(0, 3))
def test_moving_there_and_back_gives_the_same_code(by_space: dict, first: int) -> None:
    """A move by any amount in any spaces, undone, leaves the code that it was, byte for byte."""
    section = MIXED.section(SectionId.CODE)
    assert section is not None
    there = Renumbering({space: Shift(first, by) for space, by in by_space.items()})
    back = Renumbering({space: unshift(first, by) for space, by in by_space.items()})

    assert bytes(renumber_code(renumber_code(section, there), back).raw) == bytes(section.raw)


def unshift(first: int, by: int):
    return lambda index: index if index < first else index - by


def test_an_interpreter_s_worth_of_code_is_no_trouble() -> None:
    """3.3 MB with 54,000 calls, as our guest Python has, are walked and written in little time."""
    step = b"\x20\x02\x41\xd8\x00\x6a\x28\x02\x9c\x07\x20\x00\x46\x04\x40\x20\x03\x21\x01\x0b"
    body = (step * 3 + b"\x10\x81\x80\x80\x80\x00") * 6 + b"\x0b"
    section = code_of(*[body] * 9000)
    started = time.process_time()
    new = renumber_code(section, Renumbering({"func": BY_5}))

    assert len(section.raw) > 3_300_000
    assert new.payload[-2:] == b"\x06\x0b"
    assert time.process_time() - started < 8
