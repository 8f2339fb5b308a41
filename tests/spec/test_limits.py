"""Memory: how much a plug-in may take, and what it sees when there is no more."""

from __future__ import annotations

import pytest
from wat_guests import ECHO, wat

import extism
from extism.errors import OutOfMemory, Trap

PAGE = 65536

GROWS = wat(
    """
    ;; Grows by as many pages as the first byte of the input says; gives what memory.grow gave.
    (func $grow (result i32) (memory.grow (call $input_load_u8 (i64.const 0))))
    (func (export "grow") (call $give_i64 (i64.extend_i32_s (call $grow))))
    (func (export "grow_or_trap") (if (i32.eq (call $grow) (i32.const -1)) (then unreachable)))
    (func (export "page_by_page") (loop $next
      (br_if $next (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable)
    (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
    (func (export "say") (result i32) (call $error_set (call $input_offset)) (i32.const 1))
    (func (export "ok"))""",
    memory='(memory (export "memory") 2)',
)

ALLOCATES = wat("""
    (func $get (result i64) (call $alloc (call $input_load_u64 (i64.const 0))))
    (func (export "alloc") (call $give_i64 (call $length (call $get))))
    (func (export "alloc_or_trap") (if (i64.eqz (call $get)) (then unreachable)))
    (func (export "alloc_or_say") (result i32)
      (if (i64.eqz (call $get)) (then (call $error_set (call $input_offset)))) (i32.const 0))
    (func (export "ok"))""")


def number(output):
    return int.from_bytes(output, "little", signed=True)


def u64(value):
    return value.to_bytes(8, "little")


@pytest.mark.parametrize("pages", [1, 4, 5])
def test_memory_may_grow_by_max_pages(plugin, pages):
    """Growth up to the limit is granted, whatever the memory started with."""
    made = plugin(GROWS, memory={"max_pages": 5})

    assert number(made.call("grow", bytes([pages]))) == 2


def test_growth_over_the_limit_fails_the_call(plugin):
    """One page more than granted is `oom`."""
    made = plugin(GROWS, memory={"max_pages": 5})
    with pytest.raises(OutOfMemory) as caught:
        made.call("grow", bytes([6]))

    assert str(caught.value) == "oom"
    assert isinstance(caught.value, (Trap, MemoryError))


def test_growth_adds_up_over_calls(plugin):
    """The limit is for the life of an instance, not for a call."""
    made = plugin(GROWS, memory={"max_pages": 5})
    made.call("grow", bytes([3]))
    made.call("grow", bytes([2]))

    with pytest.raises(OutOfMemory):
        made.call("grow", bytes([1]))


def test_after_want_of_memory_a_plugin_answers_again(plugin):
    """The instance is kept, with what it had; what was refused has cost nothing."""
    made = plugin(GROWS, memory={"max_pages": 5})
    made.call("grow", bytes([1]))
    with pytest.raises(OutOfMemory):
        made.call("grow", bytes([5]))

    assert made.call("ok", "") == b""
    assert number(made.call("grow", bytes([4]))) == 3


def test_a_guest_that_takes_all_there_is_gets_no_more(plugin):
    """Page after page the host's memory is safe, and the trap that ends it is `oom`."""
    made = plugin(GROWS, memory={"max_pages": 20})
    with pytest.raises(OutOfMemory) as caught:
        made.call("page_by_page", "")

    assert "wasm backtrace" in caught.value.backtrace
    assert made.call("ok", "") == b""


def test_another_trap_at_the_limit_keeps_its_name(plugin):
    """A division by zero is none the less one when no page is left."""
    made = plugin(GROWS, memory={"max_pages": 5})
    made.call("grow", bytes([5]))
    with pytest.raises(Trap) as caught:
        made.call("divide", "")

    assert caught.value.kind == "integer divide by zero"


def test_an_error_text_at_the_limit_keeps_its_words(plugin):
    """What the guest says is not overruled by a memory that happens to be full."""
    made = plugin(GROWS, memory={"max_pages": 5})
    made.call("grow", bytes([5]))

    with pytest.raises(extism.errors.GuestError, match="no such user"):
        made.call("say", "no such user")


@pytest.mark.parametrize(("pages", "fits"), [(2, True), (1, False), (0, False)])
def test_what_a_module_begins_with_has_to_fit(plugin, pages, fits):
    """A memory of two pages needs a limit of two; creation fails otherwise."""
    if fits:
        assert plugin(GROWS, memory={"max_pages": pages}).call("ok", "") == b""
        return
    with pytest.raises(OutOfMemory, match="Unable to create Extism plugin: oom"):
        plugin(GROWS, memory={"max_pages": pages})


def test_memories_of_all_modules_begin_together(plugin):
    """Two modules of three pages each need six."""
    sources = [
        {"name": name, "data": b'(module (memory (export "m") 3) (func (export "f")))'}
        for name in ("lib", "main")
    ]
    with extism.Plugin({"wasm": sources, "memory": {"max_pages": 6}}) as made:
        assert made.call("f", "") == b""
    with pytest.raises(OutOfMemory):
        extism.Plugin({"wasm": sources, "memory": {"max_pages": 5}})


@pytest.mark.parametrize("pages", [0, 1, 15])
def test_a_module_without_a_memory_needs_no_pages(plugin, pages):
    """What the kernel begins with is free, as upstream."""
    assert plugin(ECHO, memory={"max_pages": pages}).call("echo", "hello") == b"hello"


@pytest.mark.parametrize(("pages", "fits"), [(48, False), (49, True)])
def test_an_input_counts(plugin, pages, fits):
    """4 MiB and the kernel's own 2 KiB need 49 pages more than the 16 that there are."""
    made = plugin(ECHO, memory={"max_pages": pages})
    data = b"x" * (4 << 20)
    if fits:
        assert made.call("echo", data) == data
        return
    with pytest.raises(OutOfMemory, match="oom"):
        made.call("echo", data)

    assert made.call("echo", "small") == b"small"


@pytest.mark.parametrize("name", ["alloc", "alloc_or_trap", "alloc_or_say"])
def test_a_block_over_the_limit_ends_the_call(plugin, name):
    """At once, whatever the guest would have done about it."""
    made = plugin(ALLOCATES, memory={"max_pages": 4})
    with pytest.raises(OutOfMemory, match="oom"):
        made.call(name, u64(100 << 20))

    assert number(made.call("alloc", u64(1000))) == 1000


@pytest.mark.parametrize("size", [2**64 - 1, 2**64 - 20, 2**63, 2**32, 2**32 - 1])
def test_an_absurd_size_is_null(plugin, size):
    """Sizes near 2^64 do not wrap around to something small."""
    assert number(plugin(ALLOCATES).call("alloc", u64(size))) == 0


def test_a_million_small_blocks_are_no_trouble(plugin):
    """Allocating takes the same time whether there are ten blocks or a million."""
    made = plugin(
        wat("""(func (export "run") (local $i i32)
          (loop $next
            (if (i64.eqz (call $alloc (i64.const 8))) (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 1000000)))))"""),
        timeout_ms=60_000,
    )

    assert made.call("run", "") == b""


def test_there_is_a_limit_without_a_limit(plugin):
    """A manifest that names none grants 512 MiB; a guest cannot take the machine."""
    made = plugin(
        wat(
            """(func (export "run") (call $give_i64 (i64.extend_i32_s (memory.grow (i32.const 20000)))))
               (func (export "half") (call $give_i64 (i64.extend_i32_s (memory.grow (i32.const 8000)))))""",
            memory='(memory (export "memory") 1)',
        )
    )

    assert number(made.call("run", "")) == -1
    assert number(made.call("half", "")) == 1


@pytest.mark.parametrize(
    "text",
    [
        '(module (table 9000000 funcref) (func (export "f")))',
        '(module (memory 30000) (func (export "f")))',
    ],
    ids=["table", "memory"],
)
def test_a_module_that_begins_too_large_is_refused(plugin, text):
    """Tables and memories without measure fail creation."""
    with pytest.raises(extism.Error, match="Unable to create Extism plugin: "):
        plugin(text, memory={"max_pages": 16})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('(module (memory 1 1 shared) (func (export "f")))', "threads"),
        ('(module (memory i64 1) (func (export "f")))', "memory64"),
        ('(module (type $s (struct)) (func (export "f") (drop (struct.new $s))))', "gc"),
    ],
    ids=["threads", "memory64", "gc"],
)
def test_proposals_without_a_limit_are_off(plugin, text, word):
    """Shared memory, 64-bit memories and collected heaps are refused."""
    with pytest.raises(extism.errors.CompileError, match=word):
        plugin(text)


def test_proposals_in_wide_use_are_on(plugin):
    """SIMD, tail calls, bulk memory, exceptions, several memories and results work."""
    made = plugin(
        wat(
            """(tag $t (param i64))
            (memory $other 1)
            (func $two (result i64 i64) (i64.const 20) (i64.const 22))
            (func $sum (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
            (func $tail (result i64) (call $two) (return_call $sum))
            (func (export "run")
              (memory.fill $other (i32.const 0) (i32.const 1) (i32.const 16))
              (call $give_i64 (i64.add
                (block $caught (result i64)
                  (try_table (catch $t $caught) (throw $t (call $tail))) (i64.const 0))
                (i64x2.extract_lane 0 (v128.load $other (i32.const 0))))))""",
            memory='(memory (export "memory") 1)',
        )
    )

    assert number(made.call("run", "")) == 42 + 0x0101010101010101


HUNDRED_PAGES = """(module (memory (export "memory") 1)
  (func (export "grow") (result i32)
    (i32.eq (memory.grow (i32.const 100)) (i32.const -1))))"""


@pytest.mark.parametrize(
    ("max_memory", "is_refused"),
    [(100 * 65536, False), (50 * 65536, True), (None, False)],
    ids=["enough", "too little", "lifted"],
)
def test_without_max_pages_the_host_says_how_much(max_memory, is_refused):
    """`max_memory` is the limit in bytes where the manifest has none; None lifts it."""
    with extism.Plugin(HUNDRED_PAGES, functions=[], max_memory=max_memory) as plugin:
        if is_refused:
            with pytest.raises(extism.Error):
                plugin.call("grow", "")
        else:
            assert plugin.call("grow", "") == b""


def test_the_manifest_s_limit_goes_before_the_host_s_default():
    """`max_pages` holds whatever `max_memory` says."""
    manifest = {"wasm": [{"data": HUNDRED_PAGES.encode()}], "memory": {"max_pages": 10}}
    with (
        extism.Plugin(manifest, functions=[], max_memory=None) as plugin,
        pytest.raises(extism.Error),
    ):
        plugin.call("grow", "")
