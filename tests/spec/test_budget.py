"""The budget: all growth of all memories and tables of a plug-in, added up to the byte."""

from __future__ import annotations

import pytest
from wat_guests import ECHO, wat

import extism
from extism.errors import OutOfMemory, Trap

PAGE = 65536

GROWS = """
  (func $n (result i32) (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
  (func (export "first") (call $give_i64 (i64.extend_i32_s (memory.grow 0 (call $n)))))
  (func (export "second") (call $give_i64 (i64.extend_i32_s (memory.grow 1 (call $n)))))
  (func (export "table") (call $give_i64 (i64.extend_i32_s
    (table.grow $t (ref.null func) (call $n)))))
  (func (export "block") (call $give_i64 (call $length (call $alloc (i64.shl
    (call $input_load_u64 (i64.const 0)) (i64.const 16))))))
  (func (export "break") (unreachable))
  (func (export "grow_and_break") (drop (memory.grow 0 (call $n))) (unreachable))
  (table $t 1 funcref)"""

HIDDEN = wat(GROWS, memory="(memory 1) (memory 1 4)")
"""Nothing of what grows is exported."""

LIBRARY = """(module (memory (export "memory") 1) (table (export "table") 1 funcref)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""

COMMAND = """(module (memory 3) (func (export "_start"))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""

BESIDE = wat(
    """(func $n (result i32) (i32.wrap_i64 (call $input_load_u64 (i64.const 0))))
    (global $calls (mut i64) (i64.const 0))
    (func (export "own") (call $give_i64 (i64.extend_i32_s (memory.grow $own (call $n)))))
    (func (export "theirs") (call $give_i64 (i64.extend_i32_s (call $grow (call $n)))))
    (func (export "count") (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (call $give_i64 (global.get $calls)))
    (memory $own 1)""",
    before='(import "library" "grow" (func $grow (param i32) (result i32)))',
    memory="",
)

BORROWS = """(module
  (import "library" "memory" (memory 1)) (import "library" "table" (table 1 funcref))
  (import "extism:host/env" "input_load_u8" (func $n (param i64) (result i32)))
  (func (export "memory") (result i32)
    (i32.eq (memory.grow (call $n (i64.const 0))) (i32.const -1)))
  (func (export "table") (result i32)
    (i32.eq (table.grow (ref.null func) (i32.shl (call $n (i64.const 0)) (i32.const 12))) (i32.const -1))))"""


def number(output):
    return int.from_bytes(output, "little", signed=True)


def by(value):
    return value.to_bytes(8, "little")


def beside(library, main=BESIDE, **options):
    """A plug-in of two modules."""
    sources = [
        {"name": "library", "data": library.encode()},
        {"name": "main", "data": main.encode()},
    ]
    return extism.Plugin({"wasm": sources, **options}, functions=[])


def ends(plugin, *calls):
    """What each call gave, `oom` for want of memory."""
    found = []
    for name, value in calls:
        try:
            found.append(number(plugin.call(name, by(value))))
        except OutOfMemory as error:
            found.append(str(error))
    return found


def test_memories_that_nobody_sees_count(plugin):
    """Two hidden memories share what is granted, to the page."""
    made = plugin(HIDDEN, memory={"max_pages": 5})

    assert ends(made, ("first", 3), ("second", 3), ("second", 2), ("first", 1), ("first", 0)) == [
        1, "oom", 1, "oom", 4,
    ]  # fmt: skip


def test_growth_beyond_the_memory_s_own_maximum_costs_nothing(plugin):
    """It gives -1, under a limit as without one, and up to the maximum there is no refusal."""
    made = plugin(HIDDEN, memory={"max_pages": 5})

    assert ends(made, ("second", 4), ("second", 3), ("second", 1), ("first", 2)) == [-1, 1, -1, 1]


def test_an_element_of_a_table_counts_16_bytes(plugin):
    """4096 of them are a page."""
    made = plugin(HIDDEN, memory={"max_pages": 2})

    assert ends(made, ("table", 4095), ("first", 1), ("table", 2), ("table", 1), ("first", 1)) == [
        1, 1, "oom", 4096, "oom",
    ]  # fmt: skip


@pytest.mark.parametrize("elements", [100_000_000, 2**32 - 1])
def test_a_table_without_measure_is_refused(plugin, elements):
    """A hundred million elements are 1.6 GB."""
    strict = plugin(HIDDEN, memory={"max_pages": 16})
    lenient = plugin(HIDDEN)

    assert ends(strict, ("table", elements), ("table", 1)) == ["oom", 1]
    assert ends(lenient, ("table", elements), ("table", 1)) == [-1, 1]


def test_blocks_and_memories_share_the_budget(plugin):
    """A block of 20 pages needs 5 more than the kernel has; they are kept for later calls."""
    made = plugin(HIDDEN, memory={"max_pages": 8})

    assert ends(made, ("block", 20), ("first", 4), ("block", 20), ("first", 3), ("block", 21)) == [
        20 * PAGE, "oom", 20 * PAGE, 1, "oom",
    ]  # fmt: skip


def test_inputs_take_from_the_same_budget(plugin):
    """What one large input has taken is there for the next, and is not to be had by memories."""
    made = plugin(HIDDEN, memory={"max_pages": 8})
    with pytest.raises(OutOfMemory, match="oom"):
        made.call("first", bytes(24 * PAGE))
    large = [number(made.call("first", by(1) + bytes(20 * PAGE))) for _ in range(2)]

    assert large == [1, 2]
    assert ends(made, ("first", 2), ("first", 1)) == ["oom", 3]


def test_modules_share_the_budget():
    """A library grows at the plug-in's expense."""
    with beside(LIBRARY, memory={"max_pages": 6}) as plugin:
        assert ends(plugin, ("own", 2), ("theirs", 5), ("theirs", 4), ("own", 1)) == [
            1, "oom", 1, "oom",
        ]  # fmt: skip


def test_who_grows_a_borrowed_memory_or_table_pays():
    """They are the library's; the budget is the plug-in's."""
    with beside(LIBRARY, BORROWS, memory={"max_pages": 6}) as plugin:
        assert plugin.call("memory", b"\4") == b""
        assert plugin.call("table", b"\2") == b""
        for name in ("memory", "table"):
            with pytest.raises(OutOfMemory):
                plugin.call(name, b"\1")


def test_a_command_pays_for_each_of_its_instances():
    """Three pages a call; when they are used up the plug-in starts anew, and those of old are gone."""
    with beside(COMMAND, memory={"max_pages": 7}) as plugin:
        ended = ends(plugin, ("count", 0), ("theirs", 1), ("theirs", 0), ("theirs", 0))

        assert ended == [1, 3, 3, "oom"]
        assert ends(plugin, ("count", 0), ("theirs", 1), ("theirs", 0)) == [1, 3, 3]


def test_commands_are_limited_without_a_limit():
    """They cannot be told that there is no more, so the call ends."""
    with beside(COMMAND) as plugin:
        plugin.call("count", "")
    sources = [
        {"name": "library", "data": COMMAND.encode()},
        {"name": "main", "data": BESIDE.encode()},
    ]
    with extism.Plugin({"wasm": sources}, functions=[], max_memory=5 * PAGE) as plugin:
        assert ends(plugin, ("theirs", 0), ("theirs", 0)) == [3, "oom"]


START = """(module (memory 1) (func $s (drop (memory.grow (i32.const {}))))  (start $s)
  (func $grow (export "more") (drop (memory.grow (i32.const 1))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "_initialize") (call $grow)))"""


@pytest.mark.parametrize(("pages", "fits"), [(4, True), (5, False)])
def test_start_functions_and_initialisers_pay(plugin, pages, fits):
    """What they take is gone for the calls; if it is too much there is no plug-in."""
    if fits:
        with pytest.raises(OutOfMemory):
            plugin(START.format(pages), memory={"max_pages": 5}).call("more", "")
        return
    with pytest.raises(OutOfMemory, match="Unable to create Extism plugin: oom"):
        plugin(START.format(pages), memory={"max_pages": 5})


def test_start_functions_and_initialisers_of_libraries_pay():
    """They run when the plug-in is created, too."""
    with beside(START.format(2), memory={"max_pages": 5}) as plugin:
        assert ends(plugin, ("theirs", 3), ("theirs", 2)) == ["oom", 4]


@pytest.mark.parametrize("end", ["restart", "_start"])
def test_a_new_instance_has_a_new_budget(plugin, end):
    """After a restart, and after `_start`."""
    made = plugin(HIDDEN.replace('(export "break") (unreachable)', '(export "_start")'),
                  memory={"max_pages": 5})  # fmt: skip
    before = ends(made, ("first", 5), ("first", 1))
    if end == "restart":
        made.restart()
    else:
        made.call("_start", "")

    assert before == [1, "oom"]
    assert ends(made, ("first", 5), ("first", 1)) == [1, "oom"]


def test_a_trap_is_no_new_budget(plugin):
    """The instance goes on, as upstream."""
    made = plugin(HIDDEN, memory={"max_pages": 5})
    made.call("first", by(4))
    with pytest.raises(Trap):
        made.call("break", "")

    assert ends(made, ("first", 2), ("first", 1)) == ["oom", 5]


# ---------------------------------------------------------------- without a limit


def test_without_a_limit_the_guest_is_told():
    """-1 and a null block at the limit of the house, as at the end of all that there can be."""
    with extism.Plugin(HIDDEN, functions=[], max_memory=4 * PAGE) as plugin:
        assert ends(plugin, ("first", 5), ("block", 30), ("table", 5 << 12), ("first", 4)) == [
            -1, 0, -1, 1,
        ]  # fmt: skip
        assert ends(plugin, ("first", 1), ("second", 1), ("table", 1)) == [-1, -1, -1]


def test_a_limit_that_is_no_number_of_pages_is_kept_to_16_bytes():
    """`max_memory` counts bytes."""
    with extism.Plugin(HIDDEN, functions=[], max_memory=2 * PAGE + 47) as plugin:
        assert ends(plugin, ("first", 2), ("table", 3), ("table", 2), ("table", 1)) == [
            1, -1, 1, -1,
        ]  # fmt: skip


def test_without_a_limit_an_input_that_does_not_fit_is_out_of_memory():
    """The host cannot be told -1."""
    with extism.Plugin(ECHO, functions=[], max_memory=PAGE) as plugin:
        with pytest.raises(OutOfMemory, match="oom"):
            plugin.call("echo", bytes(18 * PAGE))
        assert plugin.call("echo", bytes(16 * PAGE)) == bytes(16 * PAGE)


def test_a_guest_that_was_told_and_breaks_keeps_its_trap():
    """With a note that says why it may have broken, and what to do about it."""
    with extism.Plugin(HIDDEN, functions=[], max_memory=4 * PAGE) as plugin:
        with pytest.raises(Trap) as caught:
            plugin.call("grow_and_break", by(5))
        with pytest.raises(Trap) as later:
            plugin.call("break", "")

    assert not isinstance(caught.value, OutOfMemory)
    assert caught.value.kind == "unreachable"
    (note,) = caught.value.__notes__
    assert note.startswith("the plugin was refused memory before: max_pages in the manifest")
    assert not hasattr(later.value, "__notes__")


def test_a_table_may_grow_as_far_as_the_budget():
    """Thirty million elements are within the default."""
    with extism.Plugin(HIDDEN, functions=[]) as plugin:
        assert ends(plugin, ("table", 30_000_000), ("table", 5_000_000), ("table", 1_000_000)) == [
            1, -1, 30_000_001,
        ]  # fmt: skip


WIDE = """(module (import "extism:host/env" "input_load_u64" (func $n (param i64) (result i64)))
  (memory i64 1) (table $t i64 1 funcref)
  (func (export "memory") (result i32)
    (i64.eq (memory.grow (call $n (i64.const 0))) (i64.const -1)))
  (func (export "table") (result i32)
    (i64.eq (table.grow $t (ref.null func) (call $n (i64.const 0))) (i64.const -1))))"""


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("memory", 6),
        ("memory", 1 << 48),
        ("memory", (1 << 48) + 1),
        ("memory", 2**64 - 1),
        ("table", (5 << 12) + 1),
        ("table", 1 << 60),
        ("table", (1 << 60) + 1),
        ("table", 2**64 - 1),
    ],
)
def test_memories_and_tables_of_64_bits_count_too(name, count):
    """What would be a small number of bytes in 64 bits is none."""
    source = {"wasm": [{"data": WIDE.encode()}]}
    strict = {**source, "memory": {"max_pages": 5}}
    with extism.Plugin(strict, functions=[], features=["memory64"]) as plugin:
        with pytest.raises(OutOfMemory):
            plugin.call(name, by(count))
        assert plugin.call("memory", by(5)) == b""
    limits = {"functions": [], "features": ["memory64"], "max_memory": 5 * PAGE}
    with extism.Plugin(source, **limits) as plugin:
        with pytest.raises(extism.errors.GuestError, match="Error code: 1"):
            plugin.call(name, by(count))
        assert plugin.call("memory", by(5)) == b""


def test_no_limit_at_all():
    """`max_memory=None`: growth past the default is granted."""
    with extism.Plugin(HIDDEN, functions=[], max_memory=None) as plugin:
        assert ends(plugin, ("first", 9000), ("first", 65536), ("table", 1)) == [1, -1, 1]


# ---------------------------------------------------------------- what modules begin with


@pytest.mark.parametrize(
    ("fields", "pages", "fits"),
    [
        pytest.param("(memory 32)" * 60, 40, False, id="60 memories of 32 pages"),
        pytest.param("(memory 32)" * 60, 1920, True, id="60 memories that fit"),
        pytest.param("(memory 30000)", 16, False, id="a memory of 30000 pages"),
        pytest.param("(table 9000000 funcref)", 16, False, id="a table of 9 million"),
        pytest.param("(table 9000000 funcref)" * 90, 16, False, id="90 of them"),
        pytest.param("(table 100000 funcref)" * 2, 16, False, id="two tables of 100,000"),
        pytest.param("(table 100000 funcref)", 0, True, id="100,000 elements are free"),
        pytest.param("(table 104096 funcref)", 1, True, id="4096 more are a page"),
        pytest.param("(table 104097 funcref)", 1, False, id="and one"),
        pytest.param("(table 104096 funcref) (memory 1)", 1, False, id="both together"),
        pytest.param("(memory 1 1)", 1, True, id="a memory that can never grow"),
    ],
)
def test_what_modules_begin_with_has_to_fit(plugin, fields, pages, fits):
    """Memories, and what tables have beyond 100,000 elements, are within the limit before anything grows."""
    text = f'(module {fields} (func (export "f")))'
    if fits:
        assert plugin(text, memory={"max_pages": pages}).call("f", "") == b""
        return
    with pytest.raises(OutOfMemory, match="Unable to create Extism plugin: oom"):
        plugin(text, memory={"max_pages": pages})


def test_many_memories_that_grow_are_one(plugin):
    """60 memories under 1000 pages: what they get together is 1000."""
    grows = "".join(
        f"(loop $l{at} (br_if $l{at} (i32.ge_s (memory.grow {at} (i32.const 17)) (i32.const 0))))"
        for at in range(60)
    )
    sizes = "".join(f"(memory.size {at}) i32.add " for at in range(60))
    text = wat(
        f"""(func (export "grow") {grows})
        (func $sizes (result i32) i32.const 0 {sizes})
        (func (export "size") (call $give_i64 (i64.extend_i32_u (call $sizes))))""",
        memory="(memory 0)" * 60,
    )
    made = plugin(text, memory={"max_pages": 1000})
    with pytest.raises(OutOfMemory):
        made.call("grow", "")

    assert number(made.call("size", "")) == 1000 // 17 * 17


# ---------------------------------------------------------------- nothing of it shows


def test_exports_and_imports_are_the_module_s():
    """What was appended and imported for the budget is nowhere to be seen."""
    with beside(LIBRARY) as plugin:
        assert [each.name for each in plugin.exports] == ["own", "theirs", "count"]
        assert {each.name for each in plugin.imports} == {
            "grow", "input_load_u64", "alloc", "store_u64", "output_set",
        }  # fmt: skip


def test_a_backtrace_names_the_plugin_s_own_functions(plugin):
    """By the numbers that they have in its module; only where it wanted too much, that stands on top."""
    made = plugin(HIDDEN, memory={"max_pages": 5})
    with pytest.raises(Trap) as broken:
        made.call("break", "")
    with pytest.raises(OutOfMemory) as outgrown:
        made.call("first", by(6))

    def functions(error):
        return [line.partition("!")[2] for line in error.value.backtrace.splitlines()[1:]]

    assert len(functions(broken)) == 1
    assert functions(outgrown)[0] == "memory.grow"
    assert len(functions(outgrown)) == 2


HOARDS = """(module (tag $t (param i64)) (table $held 0 exnref)
  (func $thrown (result exnref) (block $h (result exnref)
    (try_table (result exnref) (catch_all_ref $h) (throw $t (i64.const 1)))))
  (func (export "hoard") (local $i i32)
    (loop $next
      (drop (table.grow $held (call $thrown) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const {})))))
  (func (export "ok")))"""


@pytest.mark.parametrize(("count", "fits"), [(1000, True), (60_000, False)])
def test_exceptions_that_are_held_are_limited(plugin, count, fits):
    """They lie in a heap of the engine's, which has the same limit by itself."""
    made = plugin(HOARDS.format(count), memory={"max_pages": 16})
    if fits:
        assert made.call("hoard", "") == b""
        return
    with pytest.raises(Trap, match="GC heap out of memory"):
        made.call("hoard", "")

    assert made.call("ok", "") == b""
