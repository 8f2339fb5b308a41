"""A rewritten module is the same program: run by the engine, before and after."""

from __future__ import annotations

import pytest
from c_guests import compile_c
from oracle import Live, validate, wat

from extism._wasm.assembly import (
    DROP,
    END,
    I32_WRAP_I64,
    call,
    const,
    data_drop,
    global_get,
    global_set,
    local_get,
    local_set,
    memory_grow,
    memory_init,
    ref_func,
    ref_null,
)
from extism._wasm.builder import Builder
from extism._wasm.externs import (
    FuncType,
    GlobalType,
    Import,
    Limits,
    MemoryType,
    TableType,
    TagType,
)
from extism._wasm.model import DataSegment, SectionId
from extism._wasm.names import module_name, names_of, producers
from extism._wasm.reader import Module, read
from extism._wasm.writer import new_custom, write_sections
from extism.errors import WasmError

I32 = FuncType((), ("i32",))
WIDE = FuncType(("i64",) * 5, ("i64",))

GUEST = wat(
    """(module $guest
      (type $unary (func (param i32) (result i32)))
      (import "host" "twice" (func $twice (param i32) (result i32)))
      (import "host" "next" (func $next (param i32) (result i32)))
      (memory (export "memory") 1) (table $table (export "table") 4 4 funcref)
      (global $started (mut i32) (i32.const 0)) (global $handler funcref (ref.func $square))
      (tag $oops (param i32))
      (elem (i32.const 0) $square $twice $deep) (elem declare func $next)
      (data $text "abcd")
      (func $boot (global.set $started (call $next (i32.const 40))))
      (start $boot)
      (func $square (export "square") (type $unary) (i32.mul (local.get 0) (local.get 0)))
      (func $deep (type $unary)
        (if (result i32) (i32.eqz (local.get 0))
          (then (i32.const 7)) (else (return_call $deep (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "started") (result i32) (global.get $started))
      (func (export "indirect") (param i32 i32) (result i32)
        (call_indirect (type $unary) (local.get 1) (local.get 0)))
      (func (export "tail") (param i32) (result i32)
        (return_call_indirect (type $unary) (local.get 0) (i32.const 1)))
      (func (export "reference") (param i32) (result i32)
        (table.set $table (i32.const 3) (ref.func $next))
        (call_indirect (type $unary) (local.get 0) (i32.const 3)))
      (func $pair (param i32) (result i32 i32) (call $twice (local.get 0)) (call $next (local.get 0)))
      (func (export "multi") (param i32) (result i32) (call $pair (local.get 0)) i32.sub)
      (func (export "simd") (param i32) (result i32)
        (i32x4.extract_lane 3 (i32x4.mul (i32x4.splat (call $square (local.get 0)))
          (v128.const i32x4 0x10101010 0x10101010 0x10101010 3))))
      (func (export "caught") (param i32) (result i32)
        (block $out (result i32)
          (try_table (catch $oops $out) (throw $oops (call $twice (local.get 0))))
          unreachable))
      (func (export "switch") (param i32) (result i32)
        (block $c (block $b (block $a (br_table $a $b $c (local.get 0))))
          (return (call $twice (i32.const 10))) )
        (call $next (i32.const 20)))
      (func (export "text") (result i32)
        (memory.init $text (i32.const 16) (i32.const 0) (i32.const 4)) (data.drop $text)
        (i32.load offset=8 (i32.const 8)))
      (func (export "by handler") (param i32) (result i32)
        (table.set $table (i32.const 3) (global.get $handler))
        (call_indirect (type $unary) (local.get 0) (i32.const 3))))"""
)
"""Calls of every kind in one module, so that an index that fails to move gives another number."""

HOST = {
    ("host", "twice"): lambda n: n * 2,
    ("host", "next"): lambda n: n + 1,
    ("more", "one"): lambda *args: sum(args),
    ("more", "two"): lambda: None,
}

CALLS = [
    ("started",),
    ("square", 9),
    ("indirect", 0, 5),
    ("indirect", 1, 5),
    ("indirect", 2, 100_000),
    ("tail", 21),
    ("reference", 6),
    ("multi", 10),
    ("simd", 5),
    ("caught", 4),
    ("switch", 0),
    ("switch", 1),
    ("switch", 2),
    ("text",),
    ("by handler", 3),
]


def answers(wasm: bytes) -> list:
    live = Live(wasm, HOST)
    return [live.call(*each) for each in CALLS]


RIGHT = [41, 81, 25, 10, 7, 42, 7, 9, 75, 8, 20, 20, 21, 0x64636261, 9]


def test_the_guest_answers() -> None:
    """The program that the other tests rewrite gives these answers as it was assembled."""
    assert answers(GUEST) == RIGHT


def test_a_builder_without_changes_gives_the_same_bytes() -> None:
    """Nothing noted, nothing changed: byte for byte."""
    assert Builder(read(GUEST)).build() == GUEST


@pytest.mark.parametrize("count", [1, 3, 200])
def test_added_imports_move_every_function_and_change_no_answer(count: int) -> None:
    """Calls, tail calls, tables, references, start, exports: all find their functions again."""
    builder = Builder(read(GUEST))
    indices = [builder.add_import("more", "one", WIDE) for _ in range(count)]
    wasm = builder.build()

    assert indices == list(range(2, 2 + count))
    assert answers(wasm) == RIGHT


def test_added_imports_of_every_kind_change_no_answer() -> None:
    """Tables, memories, globals and tags move their own index spaces as functions do."""
    builder = Builder(read(GUEST))
    kinds = [
        TableType("funcref", Limits(1)),
        MemoryType(Limits(1)),
        GlobalType("i64", mutable=True),
        TagType(FuncType(("i64",))),
        FuncType(),
    ]
    indices = [builder.add_import("more", f"{place}", type_) for place, type_ in enumerate(kinds)]
    wasm = builder.build()
    module = read(wasm)
    validate(wasm)

    assert indices == [0, 0, 0, 0, 2]
    assert [item.type for item in module.imports[2:]] == kinds
    assert [str(table) for table in module.tables] == ["(table 1 funcref)", "(table 4 4 funcref)"]
    assert module.exports[0].index == module.exports[1].index == 1
    assert module.elements[0].table == 1
    assert module.elements[0].items == (4, 0, 5)


def test_names_follow_their_functions() -> None:
    """The name section speaks of the same functions afterwards; new ones are added in their places."""
    old = names_of(read(GUEST))
    builder = Builder(read(GUEST))
    builder.add_import("more", "one", WIDE)
    index = builder.add_function(I32, const("i32", 1), name="last")
    module = read(builder.build())
    moved = {at + (at >= 2): name for at, name in old.items()}

    assert old == {0: "twice", 1: "next", 2: "boot", 3: "square", 4: "deep", 9: "pair"}
    assert names_of(module) == moved | {index: "last"}
    assert names_of(module, "table") == {0: "table"}
    assert module_name(module) == "guest"


def test_added_functions_run_under_their_exports() -> None:
    """Functions appended behind all others call old ones; nothing moves, old bodies stay verbatim."""
    module = read(GUEST)
    builder = Builder(module)
    square = builder.exported("square")
    for number in range(130):
        body = const("i32", number) + call(square)
        builder.add_export(f"n{number}", "func", builder.add_function(I32, body))
    wasm = builder.build()
    live = Live(wasm, HOST)
    code = module.section(SectionId.CODE)
    assert code is not None

    assert [live.call(f"n{number}") for number in (0, 9, 129)] == [0, 81, 129 * 129]
    assert answers(wasm) == RIGHT
    assert bytes(code.payload[1:]) in wasm


def test_a_single_file_plugin_is_emitted_as_the_compiler_does() -> None:
    """Imports wrapped to (i64 x5) -> i64 in new table slots, functions with exports, a removed export."""
    base = wat(
        """(module
          (type $wide (func (param i64 i64 i64 i64 i64) (result i64)))
          (memory (export "memory") 1) (table 3 3 funcref) (elem (i32.const 1) $invoke $slot)
          (func $slot (param i32 i64 i64) (result i64)
            (call_indirect (type $wide) (local.get 1) (local.get 2) (i64.const 0) (i64.const 0)
              (i64.const 0) (local.get 0)))
          (func $invoke (export "py_invoke") (param i32) (result i32)
            (i32.wrap_i64 (call $slot
              (i32.add (i32.const 3) (local.get 0)) (i64.const 30) (i64.const 12))))
          (func (export "py_load") (result i32) (i32.const 0)))"""
    )
    builder = Builder(read(base))
    add = builder.add_import("user", "add", FuncType(("i64", "i64"), ("i64",)))
    note = builder.add_import("user", "note", FuncType(("i32",)))
    wrappers = [
        builder.add_function(WIDE, local_get(0) + local_get(1) + call(add), name="wrap add"),
        builder.add_function(WIDE, local_get(0) + I32_WRAP_I64 + call(note) + const("i64", 5)),
    ]
    first = builder.grow_table(len(wrappers))
    builder.add_elements(wrappers, first)
    invoke = builder.exported("py_invoke")
    for number, name in enumerate(["plus", "noted"]):
        body = const("i32", number) + call(invoke)
        builder.add_export(name, "func", builder.add_function(I32, body, name=name))
    builder.remove_export("py_load")
    builder.stamp("extism-py", "2.0")
    wasm = builder.build()
    seen: list[int] = []
    live = Live(wasm, {("user", "add"): lambda a, b: a + b, ("user", "note"): seen.append})
    module = read(wasm)

    assert first == 3
    assert (live.call("plus"), live.call("noted"), seen) == (42, 5, [30])
    assert [item.name for item in module.exports] == ["memory", "py_invoke", "plus", "noted"]
    assert module.tables == (TableType("funcref", Limits(5, 5)),)
    assert producers(module) == {"processed-by": {"extism-py": "2.0"}}
    assert names_of(module)[wrappers[0]] == "wrap add"


def test_a_module_is_built_from_nothing() -> None:
    """Imports, memory, table, globals, data, elements, start and functions make a valid module."""
    builder = Builder()
    builder.add_import("host", "next", FuncType(("i32",), ("i32",)))
    memory = builder.add_memory(MemoryType(Limits(1, 4)))
    table = builder.add_table(TableType("funcref", Limits(2)))
    base = builder.add_global(GlobalType("i32"), const("i32", 100))
    passive = builder.add_data([DataSegment(memoryview(b"passive!"))])
    active = builder.add_data([DataSegment(memoryview(b"hello"), 0, global_get(base) + END)])
    next_ = builder.add_function(
        FuncType((), ("i64",)),
        memory_grow(memory).join([const("i32", 1), DROP])
        + const("i32", 8) + const("i32", 0) + const("i32", 8) + memory_init(passive)
        + data_drop(passive)
        + const("i32", 41) + call(0) + b"\xac",
    )  # fmt: skip
    builder.add_elements([next_, 0], 0, table)
    builder.add_export("run", "func", next_)
    builder.add_export("memory", "memory", memory)
    builder.set_start(builder.add_function(FuncType(), ref_func(next_) + DROP + ref_null() + DROP))
    builder.set_custom("note", b"hi")
    wasm = builder.build()
    live = Live(wasm, HOST)

    assert (passive, active) == (0, 1)
    assert live.call("run") == 42
    assert live.memory("memory")[:16] == b"\0" * 8 + b"passive!"
    assert live.memory("memory")[100:105] == b"hello"
    assert len(live.memory("memory")) == 2 * 65536
    assert read(wasm).data_count == 2
    assert bytes(read(wasm).custom["note"].payload) == b"hi"


def test_sections_are_put_where_they_belong() -> None:
    """New sections stand in the order of the spec, before trailing custom sections."""
    builder = Builder(read(wat('(module $named (func $f) (export "f" (func $f)))')))
    builder.add_memory(MemoryType(Limits(1)))
    builder.add_data([DataSegment(memoryview(b"x"), 0, const("i32", 0) + END)])
    builder.set_start(0)
    wasm = builder.build()
    validate(wasm)

    assert [section.name for section in read(wasm).sections] == [
        "type",
        "function",
        "memory",
        "export",
        "start",
        "code",
        "data",
        "name",
    ]


def test_types_are_reused() -> None:
    """A function type that the module has, or that was added, is not added again."""
    builder = Builder(read(GUEST))
    unary = FuncType(("i32",), ("i32",))
    twice = [builder.add_type(unary), builder.add_type(WIDE), builder.add_type(WIDE)]

    assert twice == [0, len(read(GUEST).types), len(read(GUEST).types)]
    assert read(builder.build()).types[twice[1]].composite == WIDE


def test_a_type_inside_a_recursion_group_is_not_reused() -> None:
    """An equal function type that is part of a group is another type to the engine."""
    builder = Builder(read(wat("(module (rec (type (func)) (type (struct))))")))

    assert builder.add_type(FuncType()) == 2


def test_limits_of_memories_and_tables_change() -> None:
    """Own memories and tables get other limits, the initial value of a table stays."""
    builder = Builder(
        read(wat("(module (memory 1 2) (table 1 1 (ref func) (ref.func $f)) (func $f))"))
    )
    builder.set_memory_limits(Limits(3))
    first = builder.grow_table(4)
    again = builder.grow_table(2)
    wasm = builder.build()
    validate(wasm)

    assert read(wasm).memories == (MemoryType(Limits(3)),)
    assert (first, again) == (1, 5)
    assert read(wasm).tables == (TableType("(ref func)", Limits(7, 7)),)


def test_a_table_without_bound_stays_without() -> None:
    """Growing a table sets no maximum where there was none, and keeps one that is large enough."""
    builder = Builder(read(wat("(module (table 1 funcref) (table 1 9 funcref))")))
    builder.grow_table(2, 0)
    builder.grow_table(2, 1)

    assert [table.limits for table in read(builder.build()).tables] == [Limits(3), Limits(3, 9)]


def test_elements_of_a_64_bit_table_have_64_bit_offsets() -> None:
    """The offset is an i64 constant where the table is addressed so, in an imported table too."""
    builder = Builder(read(wat("(module (func $f))")))
    builder.add_import("m", "t", TableType("funcref", Limits(3, is_64=True)))
    builder.add_elements([0], 2)
    wasm = builder.build()
    validate(wasm)

    assert read(wasm).elements[0].offset == const("i64", 2) + END


@pytest.mark.parametrize(
    ("type_", "value", "seen"),
    [
        ("i32", -1, -1),
        ("i32", 2**32 - 1, -1),
        ("i32", b"\xfe\xff\xff\xff", -2),
        ("i64", 2**63, -(2**63)),
        ("i64", -(2**63), -(2**63)),
        ("f32", 1.5, 1.5),
        ("f64", float("inf"), float("inf")),
        ("f64", 3, 3.0),
        ("f64", b"\0" * 6 + b"\xf0\x3f", 1.0),
    ],
)
def test_globals_get_other_values(type_: str, value, seen) -> None:
    """The new value is what the engine sees; integers may be given signed or unsigned, all as bytes."""
    old = (
        f'(module (global i32 (i32.const 1)) (global (export "g") (mut {type_}) ({type_}.const 0)))'
    )
    builder = Builder(read(wat(old)))
    builder.set_global(1, value)

    assert Live(builder.build()).value("g") == seen


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("i32", 2**32),
        ("i32", -(2**31) - 1),
        ("i64", 2**64),
        ("i32", 1.0),
        ("i32", b"\0" * 8),
        ("f32", 1e300),
        ("f32", b"\0"),
        ("v128", 1),
        ("funcref", 0),
    ],
)
def test_values_that_do_not_fit_are_refused(type_: str, value) -> None:
    """A value outside its type's range or of another type is an error, not another value."""
    with pytest.raises(WasmError):
        const(type_, value)


def test_a_vector_is_given_as_bytes() -> None:
    """A v128 constant is its sixteen bytes, and the engine takes it."""
    builder = Builder()
    builder.add_global(GlobalType("v128"), const("v128", bytes(range(16))))
    wasm = builder.build()
    validate(wasm)

    assert read(wasm).own_globals[0].init == b"\xfd\x0c" + bytes(range(16)) + END


def test_data_is_added_and_counted() -> None:
    """Added data keeps the count that stands before the code true."""
    builder = Builder(read(GUEST))
    first = builder.add_data([DataSegment(memoryview(b"12"), 0, const("i32", 500) + END)])
    wasm = builder.build()
    live = Live(wasm, HOST)

    assert (first, read(wasm).data_count) == (1, 2)
    assert live.memory("memory")[500:502] == b"12"
    assert answers(wasm) == RIGHT


def test_active_data_follows_its_memory() -> None:
    """Data of a memory that an import pushes on goes to the same memory, at the same global's offset."""
    builder = Builder(
        read(
            wat(
                """(module (import "m" "g" (global $g i32)) (memory (export "m") 1)
                     (data (offset (global.get $g)) "by global") (data "passive"))"""
            )
        )
    )
    builder.add_import("m", "other", MemoryType(Limits(1)))
    builder.add_import("m", "later", GlobalType("i32"))
    wasm = builder.build()
    validate(wasm)

    assert [(item.memory, item.offset) for item in read(wasm).data_segments] == [
        (1, global_get(0) + END),
        (None, b""),
    ]


def test_removed_data_is_gone() -> None:
    """Without its data a memory starts empty; the count says so too."""
    builder = Builder(read(wat('(module (memory (export "m") 1) (data (i32.const 0) "x"))')))
    builder.remove_data()

    assert Live(builder.build()).memory("m") == bytes(65536)


def test_start_is_replaced_and_removed() -> None:
    """Another start function runs, or none; an index given is a new one and is not moved again."""
    old = read(GUEST)
    without, other = Builder(old), Builder(old)
    without.set_start(None)
    other.add_import("more", "two", FuncType())
    other.set_start(2)

    assert Live(without.build(), HOST).call("started") == 0
    assert Live(other.build(), HOST).call("started") == 0
    assert read(without.build()).start is None
    assert read(other.build()).start == 2


def test_code_that_moves_takes_its_debug_information_away() -> None:
    """Offsets into moved code would lie, so those sections go; others stay where they were."""
    lies = [".debug_info", "metadata.code.branch_hint", "sourceMappingURL", "linking"]
    customs = [new_custom(name, b"?") for name in ["keep", *lies]]
    module = read(write_sections([*customs, *read(GUEST).sections]))
    moving, still = Builder(module), Builder(module)
    moving.add_import("more", "two", FuncType())
    still.add_export("again", "func", 0)

    assert [*read(moving.build()).custom] == ["keep", "name"]
    assert [*read(still.build()).custom] == ["keep", *lies, "name"]
    assert read(moving.build()).sections[0].name == "keep"


def test_code_moves_also_when_its_count_grows_by_a_byte() -> None:
    """128 functions need a longer count than 127: everything behind it lies one byte later."""
    module = read(wat(f"(module {'(func)' * 127})"))
    module = read(write_sections([*module.sections, new_custom(".debug_line", b"?")]))
    builder = Builder(module)
    builder.add_function(FuncType(), b"")

    assert [*read(builder.build()).custom] == []


def test_a_malformed_name_section_is_left_out_where_it_would_move() -> None:
    """Engines ignore it; names that are no longer true are worse than none."""
    bare = [section for section in read(GUEST).sections if section.name != "name"]
    module = read(write_sections([*bare, new_custom("name", b"\x01\x7f\x00")]))
    moving, still = Builder(module), Builder(module)
    moving.add_import("more", "two", FuncType())
    still.add_export("again", "func", 0)

    assert "name" not in read(moving.build()).custom
    assert bytes(read(still.build()).custom["name"].payload) == b"\x01\x7f\x00"
    assert answers(moving.build()) == RIGHT


def test_custom_sections_are_replaced_and_removed() -> None:
    """A replaced custom section stays in its place, a removed one is gone."""
    module = read(write_sections([new_custom("a", b"1"), new_custom("b", b"2")]))
    builder = Builder(module)
    builder.set_custom("a", b"3")
    builder.set_custom("b", None)
    new = read(builder.build())

    assert [(section.name, bytes(section.payload)) for section in new.sections] == [("a", b"3")]


def test_stamps_add_up() -> None:
    """A tool joins those that are named already, or replaces its own older version."""
    builder = Builder()
    builder.stamp("clang", "22", field="language")
    first = builder.build()
    builder = Builder(read(first))
    builder.stamp("extism-py", "1")
    builder = Builder(read(builder.build()))
    builder.stamp("extism-py", "2")

    assert producers(read(builder.build())) == {
        "language": {"clang": "22"},
        "processed-by": {"extism-py": "2"},
    }


def test_what_is_not_there_cannot_be_changed() -> None:
    """Unknown exports, imported and missing memories: the error says what there is."""
    module = read(wat('(module (import "m" "m" (memory 1)) (func (export "f")))'))
    with pytest.raises(WasmError, match="no export 'g' to remove; there is: f"):
        Builder(module).remove_export("g")
    with pytest.raises(WasmError, match="no func is exported as 'g'; there is: f"):
        Builder(module).exported("g")
    with pytest.raises(WasmError, match="no memory is exported as 'f'; there is: none"):
        Builder(module).exported("f", "memory")
    with pytest.raises(WasmError, match="memory 0 is not the old module's own"):
        Builder(module).set_memory_limits(Limits(1))
    with pytest.raises(WasmError, match="table 0 of 0"):
        Builder(module).grow_table(1)
    with pytest.raises(WasmError, match="table 0 of 0"):
        Builder(module).add_elements([0], 0)
    with pytest.raises(WasmError, match="global 3 is not the old module's own"):
        Builder(module).set_global(3, 1)


def test_imports_come_first() -> None:
    """An import added after an index was given out would make it a lie; that is a mistake of ours."""
    builder = Builder(read(GUEST))
    builder.exported("square")
    with pytest.raises(AssertionError, match="imports come first"):
        builder.add_import("more", "two", FuncType())


def test_the_same_notes_give_the_same_bytes() -> None:
    """Building twice, from one builder or two, gives identical modules."""

    def noted() -> Builder:
        builder = Builder(read(GUEST))
        builder.add_import("more", "one", WIDE)
        builder.add_export("x", "func", builder.add_function(I32, const("i32", 1), name="x"))
        builder.stamp("tool", "1")
        return builder

    builder = noted()

    assert builder.build() == builder.build() == noted().build()


C_GUEST = r"""
typedef int (*binary)(int, int);
__attribute__((import_module("host"), import_name("next"))) int next(int);
static int add(int a, int b) { return a + b; }
static int mul(int a, int b) { return a * b; }
static int later(int a, int b) { return next(a) - b; }
static binary table[] = {add, mul, later};
static const char text[] = "the quick brown fox jumps over the lazy dog";
static long long seen[64];
int hash(int rounds, int which) {
    unsigned h = 2166136261u;
    for (int round = 0; round < rounds; round++)
        for (const char *at = text; *at; at++) {
            h = (h ^ (unsigned char)*at) * 16777619u;
            switch (h & 7) {
                case 0: h += 3; break;
                case 1: h ^= (unsigned)seen[h & 63]; break;
                case 4: seen[h & 63] += h; break;
                case 6: h = (unsigned)table[(which + h) % 3]((int)h, round); break;
            }
            seen[round & 63] += (long long)(h * 0.5);
        }
    return (int)h;
}
"""


@pytest.fixture(scope="module", params=["-Os", "-O3 -msimd128 -mtail-call -mbulk-memory"])
def c_guest(request, tmp_path_factory) -> bytes:
    """Return what a real compiler makes of `C_GUEST`, padded numbers and all."""
    options = [*request.param.split(), "-Wl,--export=hash"]
    return compile_c(C_GUEST, tmp_path_factory.mktemp("c"), *options)


def test_a_compiled_guest_is_the_same_program_with_more_imports(c_guest: bytes) -> None:
    """A module made by clang and lld keeps its results when its functions move."""
    builder = Builder(read(c_guest))
    for number in range(150):
        builder.add_import("more", "one", FuncType(("i64",) * (number % 3), ("i64",)))
    before, after = Live(c_guest, HOST), Live(builder.build(), HOST)
    calls = [(rounds, which) for rounds in (1, 10, 100) for which in (0, 1, 2)]

    assert [before.call("hash", *each) for each in calls] == [
        after.call("hash", *each) for each in calls
    ]


def test_small_instructions_run() -> None:
    """Locals and globals are written and read by the instructions of `assembly`."""
    builder = Builder()
    kept = builder.add_global(GlobalType("i32", mutable=True), const("i32", 0))
    body = const("i32", 6) + local_set(1) + local_get(1) + global_set(kept)
    body += global_get(kept) + local_get(0) + b"\x6c"
    type_ = FuncType(("i32",), ("i32",))
    builder.add_export("times six", "func", builder.add_function(type_, body, ["i32", "i64"]))

    assert Live(builder.build()).call("times six", 7) == 42


def test_a_module_with_nothing_of_its_own_gains_imports() -> None:
    """Imports are added to a module that has no section yet."""
    builder = Builder(Module(b"", ()))
    builder.add_import("m", "f", FuncType())

    assert read(builder.build()).imports == (Import("m", "f", "func", FuncType(), 0),)
