"""Group M, handles: no length, handle or address that a guest makes up is believed."""

from __future__ import annotations

import contextlib
import io
import logging

import pytest
from in_a_child import in_a_child, peak_memory
from wat_guests import wat

import extism
from extism.errors import CallTimeout, Error

IMPORTS = '(import "extism:host/user" "measure" (func $measure (param i64) (result i64)))'

SINKS = {
    "log": "(call $log_error (local.get $h))",
    "config": "(drop (call $config_get (local.get $h)))",
    "var_get": "(drop (call $var_get (local.get $h)))",
    "var_set": "(call $var_set (local.get $h) (local.get $h))",
    "http": "(drop (call $http_request (local.get $h) (local.get $h)))",
    "output": "(call $output_set (local.get $h) (call $length (local.get $h)))",
    "error": "(call $error_set (local.get $h))",
    "host function": "(call $give (call $measure (local.get $h)))",
}
"""Ways to hand the block `$h` to the host."""

FORGE = "".join(
    f"(call $store_u64 (i64.add (local.get $h) (i64.const {offset})) (i64.const {value}))"
    for offset in range(-64, 16, 8)
    for value in (-1,)
)
"""Writes all over what stands before the block, and over the block."""


def sink(name: str, fused: str) -> tuple[list[str], int]:
    """What comes of a true block, of one that was refused, of one that was forged, and of a true one again."""

    @extism.host_fn(name="measure")
    def measure(data: bytes) -> str:
        return f"{len(data)} bytes"

    logging.basicConfig(stream=io.StringIO())
    give = SINKS[name]
    module = wat(
        f"""(data (i32.const 64) "key")
        (func (export "true") (local $h i64)
          (local.set $h (call $put (i32.const 64) (i32.const 3))) {give})
        (func (export "refused") (local $h i64)
          (local.set $h (call $alloc (i64.const -1))) {give})
        (func (export "refused_and_more") (local $h i64)
          (local.set $h (i64.add (call $alloc (i64.const -1)) (i64.const 1024))) {give})
        (func (export "forged") (local $h i64)
          (drop (call $alloc (i64.const 64)))
          (local.set $h (call $alloc (i64.const 16))) {FORGE} {give})""",
        before=IMPORTS if name == "host function" else "",
    )
    plugin = extism.Plugin(module, functions=[measure], fuse=fused == "fused")
    found = []
    for export in ("true", "refused", "refused_and_more", "forged", "true"):
        try:
            found.append(plugin.call(export, "").decode(errors="replace"))
        except Error as exc:
            found.append(type(exc).__name__)
    return found, peak_memory()


BAD_TEXT = "CallError"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("log", ["", "", BAD_TEXT, "", ""], id="M10-M20-log"),
        pytest.param("config", ["", "", BAD_TEXT, BAD_TEXT, ""], id="M11-M21-config"),
        pytest.param("var_get", ["", "", BAD_TEXT, BAD_TEXT, ""], id="M12-M22-var_get"),
        pytest.param("var_set", ["", "", BAD_TEXT, BAD_TEXT, ""], id="M13-M23-var_set"),
        pytest.param("http", ["CallError"] * 5, id="M14-M24-http"),
        pytest.param("output", ["key", "", "", "\ufffd" * 16, "key"], id="M15-M25-output"),
        pytest.param(
            "error", ["GuestError", "", "", "GuestError", "GuestError"], id="M16-M26-error"
        ),
        pytest.param(
            "host function",
            ["3 bytes", "0 bytes", "HostFunctionError", "16 bytes", "3 bytes"],
            id="M30-M31-host function",
        ),
    ],
)
def test_forged_blocks(name, expected, both_ways):
    """The host sees the 16 bytes that the block has, or says that there is no block; and reads no gigabytes."""
    found, peak = in_a_child(sink, name, both_ways)

    assert found == expected
    assert peak < 200 << 20


FIRST = 2048
"""The first handle; below it lies what the kernel believes."""

MADE_UP = [
    1,
    8,
    31,
    256,
    512,
    2047,
    FIRST,
    2049,
    4096,
    2**20,
    2**31,
    2**32 - 32,
    2**32,
    2**62,
    2**63 - 32,
    -1,
    -8,
    -(2**63),
]
"""No handles, in a call that has none but its input's."""


def test_m32_made_up_handles(plugin, both_ways):
    """Annotated functions are not called, others are given nothing."""
    given = []

    @extism.host_fn(name="text")
    def text(value: str) -> None:
        given.append(value)

    @extism.host_fn(name="block", signature=([extism.ValType.I64], []))
    def block(current, inputs, _outputs):
        given.append(current.input_bytes(inputs[0]))

    module = wat(
        """(func (export "text") (call $text (call $input_load_u64 (i64.const 0))))
        (func (export "block") (call $block (call $input_load_u64 (i64.const 0))))
        (func (export "true") (call $text (call $input_offset)))""",
        before="""(import "extism:host/user" "text" (func $text (param i64)))
          (import "extism:host/user" "block" (func $block (param i64)))""",
    )
    made = plugin(module, functions=[text, block])
    for handle in MADE_UP:
        number = handle.to_bytes(8, "little", signed=True)
        if handle == FIRST:  # the input itself
            made.call("block", number)
            assert given.pop() == number
            continue
        with pytest.raises(Error):
            made.call("text", number)
        made.call("block", number)
        assert given.pop() == b""

    made.call("true", "a true one")
    assert given == ["a true one"]


ALLOCATES = wat(
    """(func (export "alloc")
         (call $give_i64 (call $alloc (call $input_load_u64 (i64.const 0)))))
       (func (export "echo") (call $give (call $input_offset)))"""
)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(10 << 30, id="M01-10 GB"),
        pytest.param(-1, id="M02-2^64 - 1"),
        pytest.param(-20, id="M03-2^64 - 20"),
        pytest.param(-8, id="M03-2^64 - 8"),
        pytest.param(2**63, id="M03-2^63"),
        pytest.param(2**32 - 1, id="M01-4 GB"),
    ],
)
def test_absurd_blocks(plugin, size, both_ways):
    """There is no block, whatever the limit; no memory can have as much, so nobody is out of it."""
    number = (size % 2**64).to_bytes(8, "little")
    made, strict = plugin(ALLOCATES), plugin(ALLOCATES, memory={"max_pages": 16})

    assert (made.call("alloc", number), strict.call("alloc", number)) == (bytes(8), bytes(8))
    assert (made.call("echo", "on"), strict.call("echo", "on")) == (b"on", b"on")
    assert made.call("alloc", (64).to_bytes(8, "little")) != bytes(8)


OUTPUTS = wat(
    """(data (i32.const 64) "twenty bytes of text")
    (func (export "set") (local $h i64)
      (local.set $h (call $put (i32.const 64) (i32.const 20)))
      (call $output_set (i64.add (local.get $h) (call $input_load_u64 (i64.const 0)))
        (call $input_load_u64 (i64.const 8))))
    """
)


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(0, 2**40, id="M35-2^40"),
        pytest.param(0, 2**63, id="M35-2^63"),
        pytest.param(0, -1, id="M35-minus 1"),
        pytest.param(2**40, 20, id="M35-far"),
        pytest.param(-(2**62), 2**63, id="M35-both"),
        pytest.param(0, -50, id="M36-minus 50"),
        pytest.param(64, -50, id="M36-wraps"),
        pytest.param(-1000, 2000, id="M36-before the memory"),
    ],
)
def test_output_outside(plugin, offset, length, both_ways):
    """An error, or nothing; never a byte from outside the memory that the guest may read."""
    made = plugin(OUTPUTS)
    numbers = [(each % 2**64).to_bytes(8, "little") for each in (offset, length)]
    with contextlib.suppress(Error):
        assert made.call("set", b"".join(numbers)) == b""

    assert made.call("set", bytes(8) + (20).to_bytes(8, "little")) == b"twenty bytes of text"


ERRORS = wat(
    """(data (i32.const 64) "what went wrong")
    (func (export "number") (call $error_set (call $input_load_u64 (i64.const 0))))
    (func (export "freed") (local $h i64)
      (local.set $h (call $put (i32.const 64) (i32.const 15)))
      (call $free (local.get $h)) (call $error_set (local.get $h)))
    (func (export "freed_later") (local $h i64)
      (local.set $h (call $put (i32.const 64) (i32.const 15)))
      (call $error_set (local.get $h)) (call $free (local.get $h)))
    (func (export "inside") (local $h i64)
      (local.set $h (call $put (i32.const 64) (i32.const 15)))
      (call $error_set (i64.add (local.get $h) (i64.const 1))))
    (func (export "true") (call $error_set (call $put (i32.const 64) (i32.const 15))))"""
)


def test_m37_odd_errors(plugin, both_ways):
    """What is no block is no error; a block is, and its text comes out."""
    made = plugin(ERRORS)
    for handle in MADE_UP:
        if handle != FIRST:
            assert made.call("number", handle.to_bytes(8, "little", signed=True)) == b""
    for export in ("freed", "freed_later", "inside"):
        assert made.call(export, "") == b""

    with pytest.raises(Error, match=r"^what went wrong$"):
        made.call("true", "")


def test_m38_freed_blocks(plugin, both_ways):
    """Their length is 0, freeing again does nothing, and no two blocks share a byte."""
    made = plugin(
        wat(
            """(func (export "freed") (local $h i64)
              (local.set $h (call $alloc (i64.const 100)))
              (call $free (local.get $h))
              (call $give_i64 (call $length (local.get $h))))
            (func (export "twice") (local $a i64) (local $b i64) (local $c i64)
              (local.set $a (call $alloc (i64.const 100)))
              (drop (call $alloc (i64.const 100)))
              (call $free (local.get $a)) (call $free (local.get $a)) (call $free (local.get $a))
              (local.set $b (call $alloc (i64.const 100)))
              (local.set $c (call $alloc (i64.const 100)))
              (call $store_u8 (local.get $b) (i32.const 1))
              (call $store_u8 (local.get $c) (i32.const 2))
              (call $give_i64 (i64.extend_i32_u (i32.add
                (i32.mul (i32.const 10) (call $load_u8 (local.get $b)))
                (call $load_u8 (local.get $c))))))
            (func (export "live") (call $give_i64 (call $length (call $alloc (i64.const 100)))))"""
        )
    )

    assert made.call("freed", "") == bytes(8)
    assert made.call("twice", "")[0] == 12
    assert made.call("live", "")[0] == 100


def test_m39_any_address(plugin, both_ways):
    """Reading, writing, measuring and freeing anywhere changes nothing for the next call."""
    made = plugin(
        wat(
            """(func $at (param $p i64)
              (drop (call $length (local.get $p))) (drop (call $length_unsafe (local.get $p)))
              (drop (call $load_u8 (local.get $p))) (drop (call $load_u64 (local.get $p)))
              (drop (call $input_load_u8 (local.get $p))) (drop (call $input_load_u64 (local.get $p)))
              (call $store_u8 (local.get $p) (i32.const 255))
              (call $store_u64 (local.get $p) (i64.const -1))
              (call $free (local.get $p)))
            (func (export "everywhere") (local $p i64) (local $bit i64)
              (loop $next
                (call $at (local.get $p))
                (local.set $p (i64.add (local.get $p) (i64.const 7)))
                (br_if $next (i64.lt_u (local.get $p) (i64.const 100000))))
              (loop $bits
                (local.set $p (i64.shl (i64.const 1) (local.get $bit)))
                (call $at (local.get $p)) (call $at (i64.sub (i64.const 0) (local.get $p)))
                (call $at (i64.sub (local.get $p) (i64.const 4)))
                (local.set $bit (i64.add (local.get $bit) (i64.const 1)))
                (br_if $bits (i64.lt_u (local.get $bit) (i64.const 64)))))
            (func (export "echo") (call $give (call $input_offset)))"""
        )
    )
    made.call("everywhere", "x" * 1000)

    assert made.call("echo", "x" * 1000) == b"x" * 1000


BELOW = wat(
    """(func $at (param $p i64) (result i64)
      (call $store_u8 (local.get $p) (i32.const 255))
      (call $store_u64 (local.get $p) (i64.const -1))
      (call $free (local.get $p))
      (call $output_set (local.get $p) (i64.const 8))
      (call $input_set (local.get $p) (i64.const 5000))
      (call $error_set (i64.or (local.get $p) (i64.const 1)))
      (i64.or (i64.or (call $load_u64 (local.get $p)) (call $length (local.get $p)))
              (i64.extend_i32_u (call $load_u8 (local.get $p)))))
    (func $all (result i64) (local $p i64) (local $seen i64)
      (loop $next
        (local.set $seen (i64.or (local.get $seen) (call $at (local.get $p))))
        (local.set $seen (i64.or (local.get $seen)
          (call $at (i64.or (local.get $p) (i64.shl (i64.const 1) (i64.const 32))))))
        (local.set $p (i64.add (local.get $p) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $p) (i64.const 2047))))
      (local.get $seen))
    (func (export "below") (local $kept i64) (local $seen i64)
      (local.set $kept (call $alloc (i64.const 300)))
      (call $free (call $alloc (i64.const 40)))
      (drop (call $alloc (i64.const 5000)))
      (local.set $seen (i64.or (call $all) (i64.or
        (i64.xor (call $length (local.get $kept)) (i64.const 300))
        (i64.or (i64.xor (call $input_length) (i64.const 100))
                (i64.or (call $output_length) (call $error_get))))))
      (call $give_i64 (i64.or (local.get $seen) (call $load_u64 (local.get $kept)))))
    (func (export "echo") (call $give (call $copy_input)))"""
)


def test_m41_what_lies_below_the_first_block(plugin, both_ways):
    """Root record and headers read as zeros, swallow stores, and are no output, input, error or handle."""
    made = plugin(BELOW)

    assert made.call("below", "i" * 100) == bytes(8)
    assert made.call("echo", "whole" * 1000) == b"whole" * 1000
    assert made.call("below", "i" * 100) == bytes(8)


SMASH = wat(
    """(func $smash (param $from i64) (param $to i64) (param $with i32)
      (loop $next
        (call $store_u8 (local.get $from) (local.get $with))
        (local.set $from (i64.add (local.get $from) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $from) (local.get $to)))))
    (func (export "zero") (local $n i32)
      (drop (call $alloc (i64.const 100)))
      (call $smash (i64.const 0) (i64.const 4096) (i32.const 0))
      (loop $next
        (call $free (call $alloc (i64.extend_i32_u (local.get $n))))
        (drop (call $alloc (i64.const 40)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $n) (i32.const 2000)))))
    (func (export "ones") (call $smash (i64.const 0) (i64.const 2048) (i32.const 255)))
    (func (export "all_ones") (call $smash (i64.const 0) (i64.const 1048576) (i32.const 255)))
    (func (export "echo") (call $give (call $copy_input)))"""
)


@pytest.mark.parametrize(
    "export",
    [
        pytest.param("zero", id="M40-zero"),
        pytest.param("ones", id="M41-ones"),
        pytest.param("all_ones", id="M41-all ones"),
    ],
)
def test_smashed_memory(plugin, export, both_ways):
    """What the kernel believes is not there: it neither loops nor loses anything."""
    made = plugin(SMASH, timeout_ms=60_000)
    try:
        made.call(export, "x")
    except CallTimeout:
        pytest.fail("the kernel went in circles")

    assert made.call("echo", "still right") == b"still right"


def test_m42_the_guest_resets(plugin, both_ways):
    """Its blocks die, its input is what it says; the next call is a call like any other."""
    made = plugin(
        wat(
            """(func (export "reset") (call $reset)
              (call $output_set (i64.const 512) (i64.const 100)))
            (func (export "reset_and_go_on") (call $reset)
              (call $give_i64 (call $length (call $alloc (i64.const 50)))))
            (func (export "input")
              (call $input_set (i64.const -1) (i64.const -1))
              (call $give_i64 (i64.extend_i32_u (call $input_load_u8 (i64.const 100)))))
            (func (export "huge_input")
              (call $input_set (i64.const 0) (i64.const 0x7fffffffffff))
              (call $give_i64 (call $input_load_u64 (i64.const 0x7fffffff0000))))
            (func (export "echo") (call $give (call $input_offset)))"""
        )
    )
    assert b"secret" not in made.call("reset", "secret")
    assert made.call("reset_and_go_on", "secret")[0] == 50
    for export in ("input", "huge_input"):
        assert made.call(export, "secret") == bytes(8)
        assert made.call("echo", "x") == b"x"


def test_m63_no_trace_of_earlier_calls(plugin, both_ways):
    """Whatever a guest reads, it is of its own call: old inputs, outputs and blocks are gone."""
    made = plugin(
        wat(
            """(func (export "leave") (drop (call $copy_input)) (call $give (call $copy_input)))
            (func (export "look") (local $p i64) (local $found i64)
              (drop (call $alloc (i64.const 300000)))
              (loop $next
                (local.set $found (i64.add (local.get $found)
                  (i64.extend_i32_u (i32.eq (call $load_u8 (local.get $p)) (i32.const 0x53)))))
                (local.set $p (i64.add (local.get $p) (i64.const 1)))
                (br_if $next (i64.lt_u (local.get $p) (call $memory_bytes))))
              (call $give_i64 (local.get $found)))"""
        )
    )
    made.call("leave", b"S" * 100_000)

    assert made.call("look", b"S" * 7)[0] == 7
