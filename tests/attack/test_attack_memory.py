"""Group M, limits: however memory is taken, it comes out of one budget, and want of it is an error."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from in_a_child import in_a_child, peak_memory
from patience import ROOM
from wat_guests import ECHO, wat

import extism
from extism.errors import CapabilityDenied, Error, OutOfMemory

PAGE = 65536
MB = 1 << 20


def outcome(function) -> str:
    """The name of the error, or `fine`."""
    try:
        function()
    except Error as exc:
        return type(exc).__name__
    return "fine"


def manifest(module: str, pages: int | None, **memory) -> dict:
    limits = {**memory, **({} if pages is None else {"max_pages": pages})}
    return {"wasm": [{"data": module.encode()}], "memory": limits, "timeout_ms": 20_000}


def attack(module: str, pages: int | None, calls: list[str]) -> tuple[list[str], int]:
    """How creation and calls end, and by how many bytes the process has grown for them."""
    before = peak_memory()
    try:
        plugin = extism.Plugin(manifest(module, pages), functions=[])
    except Error as exc:
        return [type(exc).__name__], peak_memory() - before
    found = ["created", *(outcome(lambda each=each: plugin.call(each, "")) for each in calls)]
    return found, peak_memory() - before


GROWS = """
  (func $fill (param $from i32) (param $to i32)
    (loop $next
      (i32.store8 (i32.mul (local.get $from) (i32.const 4096)) (i32.const 1))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $from) (local.get $to)))))
  (func (export "a_little") (if (i32.eq (memory.grow (i32.const 4)) (i32.const -1)) (then unreachable)))
  (func (export "much") (local $pages i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (local.set $pages (memory.size))
    (call $fill (i32.const 0) (i32.mul (local.get $pages) (i32.const 16))))
  (func (export "noop"))"""


def many_memories(count: int, start: int, grow: int) -> str:
    """So many memories, each of which is grown by `grow` pages and written to."""
    memories = "".join(f"(memory $m{i} {start})" for i in range(count))
    code = "".join(
        f"(drop (memory.grow $m{i} (i32.const {grow}))) (memory.fill $m{i} (i32.const 0)"
        f" (i32.const 1) (i32.mul (memory.size $m{i}) (i32.const {PAGE})))"
        for i in range(count)
    )
    return f'(module {memories} (func (export "much") {code}) (func (export "noop")))'


BLOCKS = wat(
    """(func (export "much") (drop (call $alloc (i64.const 67108864))))
    (func (export "many") (local $n i32) (loop $more
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.and
        (i64.ne (call $alloc (i64.const 65536)) (i64.const 0))
        (i32.lt_u (local.get $n) (i32.const 1024))))))
    (func (export "a_little") (if (i64.eqz (call $alloc (i64.const 65536))) (then unreachable)))"""
)
TABLES = """(module (table $t 1 funcref)
  (func (export "much") (drop (table.grow $t (ref.null func) (i32.const 100000000))))
  (func (export "a_little")
    (if (i32.eq (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)) (then unreachable))))"""
MANY_TABLES = f"""(module {"".join("(table 9000000 funcref)" for _ in range(90))}
  (func (export "noop")))"""


@pytest.mark.parametrize(
    ("module", "pages", "calls", "expected", "most"),
    [
        pytest.param(
            wat(GROWS, memory="(memory 1)"), 32, ["a_little", "much", "a_little"],
            ["created", "fine", "OutOfMemory", "fine"], 4 * MB, id="M43-memory.grow",
        ),
        pytest.param(
            BLOCKS, 16, ["a_little", "much", "many", "a_little"],
            ["created", "fine", "OutOfMemory", "OutOfMemory", "fine"], 8 * MB, id="M44-blocks",
        ),
        pytest.param(
            many_memories(60, 32, 0), 40, [], ["OutOfMemory"], 4 * MB, id="M45-at the start",
        ),
        pytest.param(
            many_memories(60, 1, 31), 40, ["noop", "much", "noop"], ["OutOfMemory"], 8 * MB,
            id="M45-small start",
        ),
        pytest.param(
            many_memories(20, 1, 31), 40, ["noop", "much", "noop"],
            ["created", "fine", "OutOfMemory", "fine"], 8 * MB, id="M45-growing",
        ),
        pytest.param(
            many_memories(60, 1, 546), 1000, ["noop", "much", "noop"],
            ["created", "fine", "OutOfMemory", "fine"], 90 * MB, id="M46-spread",
        ),
        pytest.param(
            wat(GROWS, memory="(memory 30000)"), 16, [], ["OutOfMemory"], 4 * MB, id="M47-start",
        ),
        pytest.param(
            TABLES, 16, ["a_little", "much", "a_little"],
            ["created", "fine", "OutOfMemory", "fine"], 4 * MB, id="M48-table.grow",
        ),
        pytest.param(
            '(module (table 9000000 funcref) (func (export "noop")))', 16, [],
            ["OutOfMemory"], 4 * MB, id="M49-one table",
        ),
        pytest.param(MANY_TABLES, 16, [], ["OutOfMemory"], 8 * MB, id="M50-many tables"),
        pytest.param(
            '(module (table 90000 funcref) (func (export "noop")))', 16, ["noop"],
            ["created", "fine"], 8 * MB, id="M49-control",
        ),
        pytest.param(
            many_memories(10, 1, 3), 40, ["much"], ["created", "fine"], 16 * MB, id="M45-control",
        ),
        pytest.param(
            wat(GROWS, memory="(memory 16)"), 16, ["a_little"], ["created", "fine"], 8 * MB,
            id="M47-control",
        ),
    ],
)  # fmt: skip
def test_within_max_pages(module, pages, calls, expected, most, both_ways):
    """What is over the manifest's limit ends as `oom`, what is in it works, and what was not granted is not taken."""
    found, grown = in_a_child(attack, module, pages, calls)

    assert found == expected
    assert grown < most + 24 * MB  # what the compiler and the interpreter themselves take


GC = """(module (type $a (array (mut i64))) (type $list (array (mut (ref null $a))))
  (func (export "much") (local $n i32) (local $all (ref null $list))
    (local.set $all (array.new_default $list (i32.const 4000)))
    (loop $more
      (array.set $list (local.get $all) (local.get $n) (array.new_default $a (i32.const 100000)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $n) (i32.const 4000))))))"""

WIDE = """(module (memory i64 1)
  (func (export "much") (drop (memory.grow (i64.const 50000)))
    (memory.fill (i64.const 0) (i32.const 1) (i64.mul (memory.size) (i64.const 65536)))))"""


@pytest.mark.parametrize(
    ("module", "pages"),
    [
        pytest.param(WIDE, 100, id="M51-memory64"),
        pytest.param(GC, 16, id="M52-gc"),
        pytest.param(WIDE, None, id="M54-memory64"),
    ],
)
def test_what_is_off(module, pages):
    """Refused before anything is taken."""
    found, grown = in_a_child(attack, module, pages, ["much"])

    assert found == ["CompileError"]
    assert grown < 16 * MB


def test_m52_gc_where_it_is_on():
    """The heap of the collector has a limit too; a few objects are made."""
    a_little, found, grown = in_a_child(attack_gc, GC)

    assert a_little == "fine"
    assert found != "fine"
    assert grown < 700 * MB


def attack_gc(module: str) -> tuple[str, str, int]:
    """How a few objects and many end where the proposal was turned on, and what that took."""
    before = peak_memory()
    few = module.replace("(i32.const 4000)", "(i32.const 4)").replace("100000", "100")
    ends = []
    for text in (few, module):
        plugin = extism.Plugin(manifest(text, 16), functions=[], features={"gc"})
        ends.append(outcome(lambda each=plugin: each.call("much", "")))
    return ends[0], ends[1], peak_memory() - before


def test_m54_memory64_where_it_is_on(plugin):
    """Under the same budget as any memory: what is in it is given."""
    options = {"features": {"memory64"}}
    made = plugin(WIDE, memory={"max_pages": 100}, options=options)
    with pytest.raises(OutOfMemory):
        made.call("much", "")
    modest = plugin(WIDE.replace("50000", "50"), memory={"max_pages": 100}, options=options)

    assert modest.call("much", "") == b""


def test_m53_without_a_limit(both_ways):
    """512 MiB, and not a page more; the guest is told so and goes on."""
    found, grown = in_a_child(
        attack, wat(GROWS, memory="(memory 1)"), None, ["a_little", "much", "noop"]
    )

    assert found == ["created", "fine", "fine", "fine"]
    assert 500 * MB < grown < 580 * MB


def test_m53_the_limit_is_lifted_by_name(plugin):
    """`max_memory` says another one, None none."""
    module = '(module (memory 1) (func (export "run") (result i32) (i32.ne (memory.grow (i32.const 9000)) (i32.const 1))))'
    with pytest.raises(Error, match="Error code: 1"):
        plugin(module).call("run", "")

    assert plugin(module, options={"max_memory": None}).call("run", "") == b""


def big_result(size: int) -> tuple[str, str, int]:
    """A result of a host function that does not fit, and one that does."""

    @extism.host_fn(name="give_much")
    def give_much(count: str) -> bytes:
        return b"x" * int(count)

    module = wat(
        '(func (export "run") (call $give (call $give_much (call $copy_input))))',
        before='(import "extism:host/user" "give_much" (func $give_much (param i64) (result i64)))',
    )
    plugin = extism.Plugin(manifest(module, 16), functions=[give_much])
    found = outcome(lambda: plugin.call("run", str(size)))
    return found, plugin.call("run", "3").decode(), peak_memory()


def test_m33_a_result_that_does_not_fit(both_ways):
    """The host function's call fails with the plug-in's want of memory; nothing is written anywhere."""
    found, answer, peak = in_a_child(big_result, 100 * MB)

    assert (found, answer) == ("OutOfMemory", "xxx")
    assert peak < 300 * MB


def test_m34_an_input_that_does_not_fit(plugin, both_ways):
    """As clean an error, and the next input is read."""
    made = plugin(ECHO, memory={"max_pages": 16})
    with pytest.raises(OutOfMemory, match="oom"):
        made.call("echo", bytes(100 * MB))

    assert made.call("echo", "small") == b"small"


def test_m55_after_want_of_memory(plugin, both_ways):
    """The plug-in answers, time and again."""
    made = plugin(
        wat(
            GROWS + '(func (export "echo") (call $give (call $input_offset)))', memory="(memory 1)"
        ),
        memory={"max_pages": 8},
    )
    for number in range(5):
        with pytest.raises(OutOfMemory):
            made.call("much", "")

        assert made.call("echo", str(number)) == str(number).encode()


def test_m56_a_million_blocks(plugin, both_ways):
    """Quick while there is room, and the end when there is none."""
    module = wat(
        """(func $some (param $n i32) (param $size i64) (loop $more
              (drop (call $alloc (local.get $size)))
              (local.set $n (i32.sub (local.get $n) (i32.const 1)))
              (br_if $more (local.get $n))))
          (func (export "fits") (call $some (i32.const 100000) (i64.const 8)))
          (func (export "million") (call $some (i32.const 1000000) (i64.const 8)))
          (func (export "noop"))"""
    )
    made = plugin(module, memory={"max_pages": 200})
    started = time.monotonic()
    made.call("fits", "")
    with pytest.raises(OutOfMemory):
        made.call("million", "")
    made.call("noop", "")

    assert time.monotonic() - started < 2 * ROOM


KEEPS = wat(
    """(func (export "set")
      (call $var_set (call $put (i32.const 64) (i32.const 3)) (call $copy_input)))
    (func (export "get") (call $give (call $var_get (call $put (i32.const 64) (i32.const 3)))))
    (func (export "set_long_key") (call $var_set (call $copy_input) (call $alloc (i64.const 0))))
    (func (export "set_key") (call $var_set (call $copy_input) (call $put (i32.const 64) (i32.const 3))))
    (func (export "many") (local $n i32) (loop $more
      (i32.store (i32.const 128) (i32.or (local.get $n) (i32.const 0x20000000)))
      (i32.store (i32.const 128) (i32.and (i32.load (i32.const 128)) (i32.const 0x2f7f7f7f)))
      (call $var_set (call $put (i32.const 128) (i32.const 4)) (call $put (i32.const 256) (i32.const 1024)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $n) (i32.const 100000)))))
    (data (i32.const 64) "key")"""
)


def test_m57_a_variable_that_is_too_large(plugin):
    """Refused; the text says how much was needed, and what the limit is called."""
    made = plugin(KEEPS)
    with pytest.raises(
        CapabilityDenied, match=r"2097203 bytes needed, memory.max_var_bytes is 1048576"
    ):
        made.call("set", bytes(2 * MB))
    made.call("set", bytes(MB // 2))

    assert made.call("get", "") == bytes(MB // 2)


def test_m58_many_variables(plugin):
    """They count together; with those that fitted the plug-in goes on."""
    made = plugin(KEEPS)
    started = time.monotonic()
    with pytest.raises(CapabilityDenied, match="Variable store is full"):
        made.call("many", "")
    made.vars.clear()
    made.call("set", "small")

    assert made.call("get", "") == b"small"
    assert time.monotonic() - started < 2 * ROOM


def test_m59_one_variable_again_and_again(plugin):
    """What is overwritten counts no more."""
    made = plugin(KEEPS)
    for number in range(500):
        made.call("set", bytes([number % 256]) * (MB - 100))

    assert made.call("get", "")[:1] == bytes([499 % 256])


def test_m60_variables_turned_off(plugin):
    """Every change is refused; calls that need none work."""
    made = plugin(KEEPS, memory={"max_var_bytes": 0})
    with pytest.raises(CapabilityDenied, match="Vars are disabled"):
        made.call("set", "x")

    assert made.call("get", "") == b""


def test_m61_long_names(plugin):
    """A name of 3 MB is refused, whatever it names; a short one with no value is none."""
    made = plugin(KEEPS)
    with pytest.raises(CapabilityDenied):
        made.call("set_key", b"k" * (3 * MB))
    made.call("set_long_key", b"k" * (3 * MB))
    made.call("set_key", "short")

    assert dict(made.vars) == {"short": b"key"}


def test_m62_variables_are_ones_own():
    """Not even plug-ins of the same code share them."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": KEEPS.encode()}]}, functions=[])
    first, second = extism.Plugin(compiled), extism.Plugin(compiled)
    first.call("set", "secret")

    assert (first.call("get", ""), second.call("get", "")) == (b"secret", b"")


def starved(room: int) -> list[str]:
    """What creating many plug-ins comes to where the process has so many bytes of address space left."""
    compiled = extism.CompiledPlugin({"wasm": [{"data": ECHO.encode()}]}, functions=[])
    extism.Plugin(compiled).call("echo", "warm")
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    now = int(pages) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))
    kept, found = [], set()
    for _ in range(40):
        try:
            kept.append(extism.Plugin(compiled))
        except OutOfMemory as exc:
            found.add(type(exc).__name__)
            break
    made = len(kept)
    answer = kept[0].call("echo", "on") if kept else b"none"
    kept.clear()
    extism.Plugin(compiled).call("echo", "again")
    return [*sorted(found), answer.decode(), "some" if made else "none"]


@pytest.mark.parametrize("gigabytes", [14, 30])
def test_m47_no_address_space_left(gigabytes):
    """Where the system gives no more, a new plug-in is an error; old ones go on, and later ones too (SK13)."""
    found = in_a_child(starved, gigabytes << 30, env={"EXTISM_SLOTS": "0"})

    assert found == ["OutOfMemory", "on", "some"]
