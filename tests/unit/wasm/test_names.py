"""The custom sections `name` and `producers`, read, written and renumbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from oracle import wat

from extism._wasm.names import (
    module_name,
    names_of,
    producers,
    renumber_names,
    write_names,
    write_producers,
)
from extism._wasm.reader import Module, read
from extism._wasm.relocate import Renumbering, Shift
from extism._wasm.writer import new_custom, write_sections
from extism.errors import WasmError

if TYPE_CHECKING:
    from extism._wasm.model import Section

BY_2 = Renumbering({"func": Shift(1, 2)})


def module_of(*sections: Section) -> Module:
    return read(write_sections(sections))


def test_names_are_read_from_what_an_assembler_writes() -> None:
    """Names of the module and of every index space that has them."""
    module = read(
        wat(
            """(module $demo (type $t (func)) (memory $m 1) (table $tab 1 funcref) (data $d "x")
                 (global $g i32 (i32.const 0)) (tag $e) (elem $el func) (func $f) (func) (func $h))"""
        )
    )

    assert module_name(module) == "demo"
    assert names_of(module) == {0: "f", 2: "h"}
    assert [names_of(module, space) for space in ("type", "memory", "table", "global")] == [
        {0: "t"},
        {0: "m"},
        {0: "tab"},
        {0: "g"},
    ]
    assert [names_of(module, space) for space in ("tag", "elem", "data")] == [
        {0: "e"},
        {0: "el"},
        {0: "d"},
    ]


def test_a_module_without_names_has_none() -> None:
    """No section, no names; no error either."""
    assert (module_name(module_of()), names_of(module_of()), producers(module_of())) == (
        None,
        {},
        {},
    )


def test_written_names_read_back() -> None:
    """Names come out as they were put in, in the order of their indices."""
    section = write_names({"memory": {0: "m"}, "func": {7: "späte", 2: "frühe"}}, "all")
    module = module_of(section)

    assert bytes(section.payload[:10]) == b"\x00\x04\x03all\x01\x11\x02\x02"
    assert module_name(module) == "all"
    assert names_of(module) == {2: "frühe", 7: "späte"}
    assert names_of(module, "memory") == {0: "m"}


def test_renumbered_names_keep_their_owners() -> None:
    """Functions, their locals and labels move together; other subsections keep their bytes."""
    unknown = b"\x63\x02??"
    old = new_custom(
        "name",
        b"\x00\x02\x01m"
        b"\x01\x07\x02\x00\x01a\x01\x01b"
        b"\x02\x0b\x02\x00\x01\x00\x01x\x01\x01\x05\x01y"
        b"\x03\x06\x01\x01\x01\x00\x01l"
        b"\x06\x04\x01\x01\x01M" + unknown,
    )
    new = renumber_names(old, BY_2, {"func": {5: "new"}, "memory": {2: "N"}, "table": {0: "t"}})

    assert bytes(new.payload) == (
        b"\x00\x02\x01m"
        b"\x01\x0c\x03\x00\x01a\x03\x01b\x05\x03new"
        b"\x02\x0b\x02\x00\x01\x00\x01x\x03\x01\x05\x01y"
        b"\x03\x06\x01\x03\x01\x00\x01l"
        b"\x06\x07\x02\x01\x01M\x02\x01N" + unknown + b"\x05\x04\x01\x00\x01t"
    )


def test_names_are_made_where_there_were_none() -> None:
    """Without an old section the new one has the new names."""
    section = renumber_names(None, BY_2, {"func": {3: "three"}})

    assert names_of(module_of(section)) == {3: "three"}


NAMES = write_names({"func": {0: "a", 1: "b"}}, "m")


def test_a_name_section_cut_off_anywhere_is_refused() -> None:
    """Every prefix but those that end with a subsection is an error."""
    payload = bytes(NAMES.payload)
    for length in {*range(1, len(payload))} - {4}:
        module = module_of(new_custom("name", payload[:length]))
        with pytest.raises(WasmError) as caught:
            names_of(module)

        assert caught.value.section == "name"


def test_producers_both_ways() -> None:
    """Fields, tools and versions read back, byte by byte as the convention has it."""
    fields = {"language": {"C11": ""}, "processed-by": {"clang": "22.1", "lld": "1"}}
    section = write_producers(fields)

    assert producers(module_of(section)) == fields
    assert bytes(section.payload[:16]) == b"\x02\x08language\x01\x03C11\x00"


@pytest.mark.parametrize("length", range(1, len(write_producers({"a": {"b": "c"}}).payload)))
def test_producers_cut_off_anywhere_are_refused(length: int) -> None:
    """Each shortened section is an error."""
    payload = write_producers({"a": {"b": "c"}}).payload[:length]
    with pytest.raises(WasmError):
        producers(module_of(new_custom("producers", payload)))
