"""The outline of a module: one list of entries drives reading and writing; nothing malformed passes."""

from __future__ import annotations

import contextlib

import pytest
from bombs import grouped_types, many_sections
from hypothesis import given
from hypothesis import strategies as st
from oracle import validate, wat

from extism._wasm.cursor import Cursor
from extism._wasm.dump import dump
from extism._wasm.entries import (
    read_data,
    read_element,
    read_export,
    read_global,
    read_table,
)
from extism._wasm.externs import (
    Export,
    FuncType,
    GlobalType,
    Import,
    Limits,
    MemoryType,
    TableType,
    TagType,
)
from extism._wasm.leb128 import write_unsigned
from extism._wasm.model import (
    ArrayType,
    DataSegment,
    ElementSegment,
    FieldType,
    Global,
    Section,
    SectionId,
    StructType,
    SubType,
)
from extism._wasm.names import names_of, producers
from extism._wasm.reader import HEADER, Module, read
from extism._wasm.valtypes import (
    read_globaltype,
    read_memorytype,
    read_tabletype,
    read_valtype,
    write_functype,
    write_globaltype,
    write_memorytype,
    write_tabletype,
    write_valtype,
)
from extism._wasm.writer import (
    new_custom,
    new_section,
    write,
    write_data,
    write_element,
    write_export,
    write_global,
    write_import,
    write_list,
    write_sections,
    write_table,
)
from extism.errors import WasmError

I64_TO_I64 = FuncType(("i64",), ("i64",))

ENTRIES = [
    pytest.param(read_valtype, write_valtype, b"\x7f", "i32", id="i32"),
    pytest.param(read_valtype, write_valtype, b"\x7b", "v128", id="v128"),
    pytest.param(read_valtype, write_valtype, b"\x70", "funcref", id="funcref"),
    pytest.param(read_valtype, write_valtype, b"\x6f", "externref", id="externref"),
    pytest.param(read_valtype, write_valtype, b"\x71", "nullref", id="nullref"),
    pytest.param(read_valtype, write_valtype, b"\x73", "nullfuncref", id="nullfuncref"),
    pytest.param(read_valtype, write_valtype, b"\x69", "exnref", id="exnref"),
    pytest.param(read_valtype, write_valtype, b"\x64\x70", "(ref func)", id="ref-func"),
    pytest.param(read_valtype, write_valtype, b"\x63\xc0\x00", "(ref null 64)", id="ref-null-64"),
    pytest.param(read_valtype, write_valtype, b"\x64\x05", "(ref 5)", id="ref-5"),
    pytest.param(
        read_memorytype, write_memorytype, b"\x00\x01", MemoryType(Limits(1)), id="memory"
    ),
    pytest.param(
        read_memorytype,
        write_memorytype,
        b"\x01\x01\x80\x80\x04",
        MemoryType(Limits(1, 65536)),
        id="memory-with-max",
    ),
    pytest.param(
        read_memorytype,
        write_memorytype,
        b"\x03\x01\x02",
        MemoryType(Limits(1, 2, is_shared=True)),
        id="shared-memory",
    ),
    pytest.param(
        read_memorytype,
        write_memorytype,
        b"\x04" + write_unsigned(2**48),
        MemoryType(Limits(2**48, is_64=True)),
        id="memory64",
    ),
    pytest.param(
        read_memorytype,
        write_memorytype,
        b"\x09\x0a\x14\x00",
        MemoryType(Limits(10, 20), page_size_log2=0),
        id="memory-of-bytes",
    ),
    pytest.param(
        read_tabletype,
        write_tabletype,
        b"\x70\x01\x01\x02",
        TableType("funcref", Limits(1, 2)),
        id="table",
    ),
    pytest.param(
        read_globaltype, write_globaltype, b"\x7e\x01", GlobalType("i64", mutable=True), id="global"
    ),
    pytest.param(
        read_global,
        write_global,
        b"\x7f\x00\x41\x2a\x0b",
        Global(GlobalType("i32"), b"\x41\x2a\x0b"),
        id="global-with-value",
    ),
    pytest.param(
        read_table,
        lambda pair: write_table(*pair),
        b"\x40\x00\x64\x70\x00\x03\xd2\x00\x0b",
        (TableType("(ref func)", Limits(3)), b"\xd2\x00\x0b"),
        id="table-with-value",
    ),
    pytest.param(
        read_export,
        lambda item: write_export(item.name, item.kind, item.index),
        b"\x03\xe2\x82\xac\x02\x05",
        Export("€", "memory", 5),
        id="export",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x00\x41\x01\x0b\x02\x05\x06",
        ElementSegment("active", "funcref", 0, b"\x41\x01\x0b", (5, 6)),
        id="element-0",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x01\x00\x01\x05",
        ElementSegment("passive", "funcref", 0, b"", (5,)),
        id="element-1",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x02\x03\x41\x01\x0b\x00\x01\x05",
        ElementSegment("active", "funcref", 3, b"\x41\x01\x0b", (5,)),
        id="element-2",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x03\x00\x02\x05\x06",
        ElementSegment("declarative", "funcref", 0, b"", (5, 6)),
        id="element-3",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x04\x41\x01\x0b\x01\xd2\x05\x0b",
        ElementSegment("active", "funcref", 0, b"\x41\x01\x0b", (b"\xd2\x05\x0b",)),
        id="element-4",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x05\x6f\x01\xd0\x6f\x0b",
        ElementSegment("passive", "externref", 0, b"", (b"\xd0\x6f\x0b",)),
        id="element-5",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x06\x00\x41\x01\x0b\x6f\x01\xd0\x6f\x0b",
        ElementSegment("active", "externref", 0, b"\x41\x01\x0b", (b"\xd0\x6f\x0b",)),
        id="element-6",
    ),
    pytest.param(
        read_element,
        write_element,
        b"\x07\x64\x00\x01\xd2\x05\x0b",
        ElementSegment("declarative", "(ref 0)", 0, b"", (b"\xd2\x05\x0b",)),
        id="element-7",
    ),
    pytest.param(
        read_data,
        lambda item: b"".join(write_data(item)),
        b"\x00\x41\x08\x0b\x03abc",
        DataSegment(memoryview(b"abc"), 0, b"\x41\x08\x0b"),
        id="data-0",
    ),
    pytest.param(
        read_data,
        lambda item: b"".join(write_data(item)),
        b"\x01\x03abc",
        DataSegment(memoryview(b"abc")),
        id="data-1",
    ),
    pytest.param(
        read_data,
        lambda item: b"".join(write_data(item)),
        b"\x02\x01\x42\x08\x0b\x03abc",
        DataSegment(memoryview(b"abc"), 1, b"\x42\x08\x0b"),
        id="data-2",
    ),
]


@pytest.mark.parametrize(("reader", "writer", "raw", "value"), ENTRIES)
def test_an_entry_both_ways(reader, writer, raw: bytes, value) -> None:
    """An entry reads from its bytes to the last of them, and the value writes to the same bytes."""
    cursor = Cursor(raw + b"\0")

    assert reader(cursor) == value
    assert cursor.offset == len(raw)
    assert writer(value) == raw


@pytest.mark.parametrize(("reader", "writer", "raw", "value"), ENTRIES)
def test_an_entry_cut_off_anywhere_is_refused(reader, writer, raw: bytes, value) -> None:
    """At each byte before its last an entry fails, with the offset inside what was given."""
    for length in range(len(raw)):
        with pytest.raises(WasmError) as caught:
            reader(Cursor(raw[:length]))

        assert 0 <= caught.value.offset <= length


EVERYTHING = wat(
    """(module $everything
      (type $binary (func (param i64 i64) (result i64 i64)))
      (import "host" "log" (func $log (param i64)))
      (import "host" "table" (table 2 8 externref))
      (import "host" "memory" (memory 1 3 shared))
      (import "host" "global" (global $base (mut i32)))
      (import "host" "tag" (tag $problem (param i32)))
      (table $own 3 funcref)
      (memory $wide i64 1 5)
      (global $answer i32 (i32.const 42))
      (tag $local (param f32 f64))
      (func $swap (export "swap") (type $binary) local.get 1 local.get 0)
      (func $main)
      (export "own" (table $own)) (export "wide" (memory $wide)) (export "answer" (global $answer))
      (export "local" (tag $local)) (export "log again" (func $log))
      (start $main)
      (elem (table $own) (i32.const 1) func $swap $main)
      (data (memory $wide) (i64.const 8) "hello"))"""
)


def test_imports_carry_their_full_types() -> None:
    """Functions, tables, memories, globals and tags are told with everything that linking compares."""
    assert read(EVERYTHING).imports == (
        Import("host", "log", "func", FuncType(("i64",)), 1),
        Import("host", "table", "table", TableType("externref", Limits(2, 8))),
        Import("host", "memory", "memory", MemoryType(Limits(1, 3, is_shared=True))),
        Import("host", "global", "global", GlobalType("i32", mutable=True)),
        Import("host", "tag", "tag", TagType(FuncType(("i32",))), 2),
    )


def test_exports_carry_kind_and_index_and_lead_to_types() -> None:
    """Each export's type is found through its index, imported entries first."""
    module = read(EVERYTHING)

    assert {item.name: (item.index, str(module.type_of(item))) for item in module.exports} == {
        "swap": (1, "(func (param i64 i64) (result i64 i64))"),
        "own": (1, "(table 3 funcref)"),
        "wide": (1, "(memory i64 1 5)"),
        "answer": (1, "(global i32)"),
        "local": (1, "(tag (param f32 f64))"),
        "log again": (0, "(func (param i64))"),
    }
    assert module.exported_functions() == {
        "swap": FuncType(("i64", "i64"), ("i64", "i64")),
        "log again": FuncType(("i64",)),
    }
    assert module.export("own") == Export("own", "table", 1)
    assert module.export("none") is None


def test_index_spaces_hold_imported_then_own() -> None:
    """Tables, memories, globals, tags and functions each count the imported ones first."""
    module = read(EVERYTHING)

    assert module.tables == (TableType("externref", Limits(2, 8)), TableType("funcref", Limits(3)))
    assert [str(memory) for memory in module.memories] == [
        "(memory 1 3 shared)",
        "(memory i64 1 5)",
    ]
    assert module.globals == (GlobalType("i32", mutable=True), GlobalType("i32"))
    assert module.own_globals == (Global(GlobalType("i32"), b"\x41\x2a\x0b"),)
    assert [str(tag) for tag in module.tags] == ["(tag (param i32))", "(tag (param f32 f64))"]
    assert [str(module.func_type(index)) for index in range(3)] == [
        "(func (param i64))",
        "(func (param i64 i64) (result i64 i64))",
        "(func)",
    ]
    assert [module.imported_count(kind) for kind in ("func", "memory")] == [1, 1]


def test_start_elements_and_data_are_read() -> None:
    """The start function, element segments, and data segments without a copy."""
    module = read(EVERYTHING)

    assert module.start == 2
    assert module.elements == (ElementSegment("active", "funcref", 1, b"\x41\x01\x0b", (1, 2)),)
    assert module.data_segments == (DataSegment(memoryview(b"hello"), 1, b"\x42\x08\x0b"),)
    assert module.data_count is None


def test_an_empty_module_has_nothing() -> None:
    """Eight bytes are a module; every question has an empty answer."""
    module = read(HEADER)

    assert (module.types, module.imports, module.exports, module.start) == ((), (), (), None)
    assert (module.memories, module.elements, module.data_segments) == ((), (), ())
    assert write(module) == HEADER


def test_types_of_the_garbage_collected_heap_are_read() -> None:
    """Structs, arrays, recursion groups, subtypes and typed references are told in the text's words."""
    module = read(
        wat(
            """(module
              (rec (type $a (sub (struct (field i8) (field (mut (ref null $b))))))
                   (type $b (array (mut i32))))
              (type $f (func (param (ref $a) (ref null extern)) (result (ref null $b) i31ref)))
              (type $c (sub final $a (struct (field i8) (field (mut (ref null $b))) (field i16))))
              (type $k (cont $f))
              (func (import "m" "f") (type $f)))"""
        )
    )

    assert [str(entry) for entry in module.types] == [
        "(sub (struct (field i8) (field (mut (ref null 1)))))",
        "(array (mut i32))",
        "(func (param (ref 0) externref) (result (ref null 1) i31ref))",
        "(sub final 0 (struct (field i8) (field (mut (ref null 1))) (field i16)))",
        "(cont 2)",
    ]
    first = StructType((FieldType("i8"), FieldType("(ref null 1)", mutable=True)))
    assert module.types[0] == SubType(first, is_final=False, group=2)
    assert module.types[1] == SubType(ArrayType(FieldType("i32", mutable=True)), group=2)
    assert [entry.is_plain for entry in module.types] == [False, False, True, False, True]
    assert module.type_of(module.imports[0]) == module.func_type(0)


FIXTURES = [
    pytest.param(EVERYTHING, id="everything"),
    pytest.param(wat('(module (memory 1) (data $d "abc") (func data.drop $d))'), id="data-count"),
    pytest.param(HEADER, id="empty"),
    pytest.param(HEADER + b"\x00\x83\x80\x00\x01\x61\xff" * 2, id="padded-size-and-twins"),
]


@pytest.mark.parametrize("wasm", FIXTURES)
def test_writing_what_was_read_gives_the_same_bytes(wasm: bytes) -> None:
    """Not one byte differs, also where sizes are padded and custom sections repeat."""
    assert write(read(wasm)) == wasm


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_will_do(kind) -> None:
    """bytes, bytearray and memoryview read alike."""
    assert read(kind(EVERYTHING)).imports == read(EVERYTHING).imports


def ask_everything(module: Module) -> None:
    """Decode every section."""
    for name in dir(Module):
        if not name.startswith("_"):
            getattr(module, name)
    for index in range(len(module.function_type_indices)):
        module.func_type(index)
    names_of(module)
    producers(module)
    dump(module)


def test_a_module_cut_off_anywhere_is_refused() -> None:
    """Every prefix fails with an offset inside it, except where a section ends: that is a module."""
    ends = {section.end for section in read(EVERYTHING).sections} | {len(HEADER)}
    for length in set(range(len(EVERYTHING))) - ends:
        with pytest.raises(WasmError) as caught:
            ask_everything(read(EVERYTHING[:length]))

        assert 0 <= caught.value.offset <= length


def test_a_section_cut_off_anywhere_is_refused() -> None:
    """Each section, shortened by any number of bytes under a matching size, fails by its own name."""
    module = read(EVERYTHING)
    for place, section in enumerate(module.sections):
        if section.id in {SectionId.CUSTOM, SectionId.CODE}:
            continue
        for length in range(len(section.payload)):
            short = new_section(section.id, [section.payload[:length]])
            sections = [*module.sections[:place], short, *module.sections[place + 1 :]]
            with pytest.raises(WasmError) as caught:
                ask_everything(read(write_sections(sections)))

            assert caught.value.section == section.name


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "not a WebAssembly module: it starts with nothing"),
        (b"\x7fELF\x02", "not a WebAssembly module: it starts with 7f 45 4c 46"),
        (b"\0asm", "WebAssembly of an unknown version: none given"),
        (b"\0asm\2\0\0\0", "WebAssembly of an unknown version: 02 00 00 00"),
        (
            b"\0asm\x0d\0\1\0",
            "this is a component; a core module is wanted (build for wasm32-wasip1)",
        ),
        (b"\n (module)", "this is WebAssembly text; assemble it first (wat2wasm)"),
        (HEADER + b"\x0e\x00", "unknown section 14 (at byte 8)"),
        (
            HEADER + b"\x01\x05\x00",
            "5 bytes are announced, 1 are left (at byte 10 of section 'type')",
        ),
        (HEADER + b"\x03\x01\x00\x01\x01\x00", "section 'type' is doubled or out of order"),
        (HEADER + b"\x01\x01\x00" * 2, "section 'type' is doubled or out of order"),
        (
            HEADER + b"\x00\x02\x01\xff",
            "a name is not UTF-8 (at byte 10 of section 'custom')",
        ),
    ],
    ids=[
        "nothing",
        "elf",
        "magic-only",
        "version-2",
        "component",
        "text",
        "unknown-section",
        "size",
        "order",
        "twice",
        "name",
    ],
)
def test_what_is_no_module_is_refused(raw: bytes, text: str) -> None:
    """The error says what it is instead, or what is wrong and where."""
    with pytest.raises(WasmError) as caught:
        read(raw)

    assert str(caught.value) == text


def one(id_: SectionId, payload: bytes, types: bytes = b"\x01\x60\x00\x00") -> Module:
    """Return a module with one type and this section."""
    first = [new_section(SectionId.TYPE, [types])] if id_ != SectionId.TYPE else []
    return read(write_sections([*first, new_section(id_, [payload])]))


@pytest.mark.parametrize(
    ("id_", "payload", "text"),
    [
        (
            SectionId.TYPE,
            b"\xff\xff\xff\xff\x0f",
            "4294967295 items are announced, 0 bytes are left",
        ),
        (SectionId.TYPE, b"\x01\x4e\xff\xff\xff\x7f", "268435455 items are announced"),
        (SectionId.TYPE, b"\x01\x60\xff\xff\x03\x7f", "65535 items are announced"),
        (SectionId.TYPE, b"\x01\x4e\x01\x4e\x01\x60\x00\x00", "0x4e is no form of type"),
        (SectionId.TYPE, b"\x01\x60\x01\x40\x00", "0x40 is no value type"),
        (SectionId.TYPE, b"\x01\x60\x01\x64\x40\x00", "-64 is no heap type"),
        (SectionId.TYPE, b"\x01\x60\x01\x64\xf0\x7e\x00", "-144 is no heap type"),
        (SectionId.TYPE, b"\x01\x5e\x7f\x02", "0x02 is neither const nor mut"),
        (SectionId.TYPE, b"\x01\x5d\x70", "'func' where a type index belongs"),
        (SectionId.TYPE, b"\x01\x60\x00\x00\x00", "1 bytes are left over"),
        (SectionId.IMPORT, b"\x01\x00\x00\x00\x01", "type 1 of 1"),
        (SectionId.IMPORT, b"\x01\x00\x00\x05\x00", "0x05 is no kind of import or export"),
        (SectionId.IMPORT, b"\x01\x00\x00\x04\x01\x00", "a tag with an unknown attribute"),
        (
            SectionId.IMPORT,
            b"\x02" + b"\x00\x00\x00\x00",
            "2 items are announced, 4 bytes are left",
        ),
        (SectionId.FUNCTION, b"\x01\x07", "type 7 of 1"),
        (SectionId.TABLE, b"\x01\x40\x01\x70\x00\x01", "a table of an unknown form"),
        (SectionId.TABLE, b"\x01\x70\x08\x01", "limits with unknown flags 0x08"),
        (SectionId.MEMORY, b"\x01\x10\x01", "limits with unknown flags 0x10"),
        (SectionId.MEMORY, b"\x01\x08\x01\x40", "a page of 2^64 bytes"),
        (SectionId.GLOBAL, b"\x01\x7f\x00\x27\x0b", "unknown opcode 0x27"),
        (SectionId.EXPORT, b"\x01\x01f\x00\x05", "function 5 of 0"),
        (SectionId.EXPORT, b"\x01\x01m\x02\x00", "export 'm' names memory 0 of 0"),
        (SectionId.START, b"\x00\x00", "1 bytes are left over"),
        (SectionId.ELEMENT, b"\x01\x08\x00", "an element segment with unknown flags 0x8"),
        (SectionId.ELEMENT, b"\x01\x01\x01\x00", "0x01 is no kind of element"),
        (SectionId.ELEMENT, b"\x01\x01\x00\xff\xff\xff\xff\x0f", "4294967295 items are announced"),
        (SectionId.DATA, b"\x01\x03\x00", "a data segment with unknown flags 0x3"),
        (SectionId.DATA, b"\x01\x01\xff\xff\xff\xff\x0f", "4294967295 bytes are announced"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, SectionId) else None,
)
def test_malformed_sections_are_refused(id_: SectionId, payload: bytes, text: str) -> None:
    """A promise that the bytes cannot keep, an index into nothing, an unknown form: each has its text."""
    with pytest.raises(WasmError) as caught:
        ask_everything(one(id_, payload))

    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "params", "results"),
    [
        (b"\x60\x02\x7f\x70\x01\x7e", ("i32", "funcref"), ("i64",)),
        (b"\x60\x81\x00\x7f\x80\x00", ("i32",), ()),
        (b"\x60\x01\x63\x70\x01\x64\x00", ("funcref",), ("(ref 0)",)),
        (b"\x60\x80\x01" + b"\x7f" * 128 + b"\x00", ("i32",) * 128, ()),
        (b"\x60\x00\x80\x01" + b"\x7d" * 128, (), ("f32",) * 128),
    ],
    ids=["plain", "long counts", "references", "many parameters", "many results"],
)
def test_a_function_type_is_read_however_it_is_written(entry, params, results) -> None:
    """Counts may take several bytes, and so may value types; what follows is read from the right place."""
    types = one(SectionId.TYPE, b"\x02" + entry + b"\x60\x00\x01\x7c").types

    assert [each.composite for each in types] == [
        FuncType(params, results),
        FuncType((), ("f64",)),
    ]


@pytest.mark.parametrize("length", range(2, 8))
def test_a_function_type_that_is_cut_off_is_refused(length: int) -> None:
    """Wherever the section ends inside of it, and whatever follows the section."""
    payload = b"\x01\x60\x02\x7f\x7f\x02\x7e\x7e"[:length]
    with pytest.raises(WasmError, match="of section 'type'"):
        _ = one(SectionId.TYPE, payload).types


def test_more_entries_than_any_compiler_makes_are_refused() -> None:
    """A list of over 300,000 entries is refused before it is made, although its bytes are there."""
    with pytest.raises(WasmError, match="300001 items are more than the 300000 that are read"):
        _ = one(SectionId.TYPE, write_unsigned(300_001) + b"\x4e\x00" * 300_001).types


@pytest.mark.parametrize(
    "text", ["", "int", "i8", "(ref)", "(ref null)", "(ref null foo)", "(ref -1)", "ref 1"]
)
def test_what_is_no_value_type_is_not_written(text: str) -> None:
    """Text that names no value type is an error."""
    with pytest.raises(WasmError):
        write_valtype(text)


def test_a_function_of_a_type_that_is_none_is_refused() -> None:
    """A function whose type index names a struct has no function type."""
    module = one(SectionId.FUNCTION, b"\x01\x00", types=b"\x01\x5f\x00")

    with pytest.raises(WasmError, match="no function type"):
        module.func_type(0)


@given(st.data())
def test_no_byte_string_breaks_the_reader(data: st.DataObject) -> None:
    """Whatever bytes are changed in a module, the reader answers or raises `WasmError`."""
    wasm = bytearray(EVERYTHING)
    for _ in range(data.draw(st.integers(1, 4))):
        wasm[data.draw(st.integers(8, len(wasm) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WasmError):
        ask_everything(read(wasm))


VALTYPES = st.sampled_from(["i32", "i64", "f32", "f64", "v128", "funcref", "externref"])
FUNC_TYPES = st.builds(
    FuncType,
    st.lists(VALTYPES, max_size=4).map(tuple),
    st.lists(VALTYPES, max_size=3).map(tuple),
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=6)
SIZES = st.integers(0, 100)
LIMITS = st.builds(
    lambda low, more: Limits(low, None if more is None else low + more), SIZES, st.none() | SIZES
)
EXTERN_TYPES = st.one_of(
    FUNC_TYPES,
    st.builds(TableType, st.sampled_from(["funcref", "externref"]), LIMITS),
    st.builds(MemoryType, LIMITS),
    st.builds(GlobalType, VALTYPES, st.booleans()),
    FUNC_TYPES.map(lambda func: TagType(FuncType(func.params))),
)
KIND_BY_TYPE = {
    FuncType: "func",
    TableType: "table",
    MemoryType: "memory",
    GlobalType: "global",
    TagType: "tag",
}


@given(st.lists(st.tuples(NAMES, NAMES, EXTERN_TYPES), max_size=8))
def test_what_is_written_reads_back_and_is_valid(wanted: list) -> None:
    """Any imports, written with their types, read back as they were; the engine finds them valid."""
    funcs = [type_.func if isinstance(type_, TagType) else type_ for _, _, type_ in wanted]
    types = [func for func in funcs if isinstance(func, FuncType)]
    imports = tuple(
        Import(
            module,
            name,
            KIND_BY_TYPE[type(type_)],
            type_,
            types.index(func) if isinstance(func, FuncType) else None,
        )
        for (module, name, type_), func in zip(wanted, funcs, strict=True)
    )
    sections: list[Section] = [
        new_section(SectionId.TYPE, write_list([write_functype(func) for func in types])),
        new_section(SectionId.IMPORT, write_list([write_import(item) for item in imports])),
        new_custom("note", b"anything"),
    ]
    wasm = write_sections(sections)
    module = read(wasm)

    assert module.imports == imports
    assert bytes(module.custom["note"].payload) == b"anything"
    assert write(module) == wasm
    validate(wasm)


@pytest.mark.parametrize(
    ("data", "ask", "what"),
    [
        (many_sections(10_000), lambda _: None, "more than the 10000 sections that are read"),
        (grouped_types(300_001), lambda m: m.types, "more than the 300000 types that are read"),
    ],
    ids=["sections", "types"],
)
def test_no_list_is_made_of_more_than_anybody_writes(data, ask, what):
    """Small modules that would become large lists of objects are refused where the list is made."""
    with pytest.raises(WasmError, match=what):
        ask(read(data))
