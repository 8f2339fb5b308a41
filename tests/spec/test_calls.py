"""Calling an export: what goes in, what comes out, what can be called at all."""

from __future__ import annotations

import array
import struct
import uuid

import pytest
from wat_guests import ECHO, LOOP, STATEFUL, wat

import extism

TYPED = wat(
    """
    (global (export "number") i32 (i32.const 7))
    (table (export "table") 1 funcref)
    (func (export "none"))
    (func (export "i32") (result i32) (i32.const 0))
    (func (export "i64") (result i64) (i64.const 0))
    (func (export "f32") (result f32) (f32.const 0))
    (func (export "f64") (result f64) (f64.const 0))
    (func (export "v128") (result v128) (v128.const i64x2 0 0))
    (func (export "externref") (result externref) (ref.null extern))
    (func (export "two") (result i32 i32) (i32.const 0) (i32.const 0))
    (func (export "one") (param i32))
    (func (export "seven") (result i32) (i32.const 7))
    (func (export "") (call $give (call $input_offset)))""",
    memory='(memory (export "memory") 1)',
)


@pytest.mark.parametrize(
    "data",
    ["", "text", "grüß dich 👋", b"", b"bytes\0\xff", b"x" * 65_537, b"\xa5" * 1_500_000],
    ids=["no text", "text", "emoji", "no bytes", "bytes", "65537", "1500000"],
)
def test_a_call_takes_text_or_bytes_and_gives_bytes(plugin, data):
    """Text goes in as UTF-8, and what the guest gives comes out to the last byte."""
    expected = data.encode() if isinstance(data, str) else data

    assert plugin(ECHO).call("echo", data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"a-b-c-")[::2], b"abc"),
        (memoryview(b"abcdef").cast("B", (2, 3)), b"abcdef"),
        (array.array("H", [0x6261, 0x6463]), b"abcd"),
    ],
    ids=["bytearray", "memoryview", "every second byte", "two dimensions", "array"],
)
def test_anything_with_a_buffer_is_an_input(plugin, data, expected):
    """Whatever lends its bytes can be given, in one row and without gaps or not."""
    assert plugin(ECHO).call("echo", data) == expected


@pytest.mark.parametrize("data", [None, 7, 1.5, ["a"], {"a": 1}], ids=repr)
def test_an_input_of_another_type_is_refused_before_the_call(plugin, data):
    """What is neither text nor bytes raises a TypeError that names the type; nothing has run."""
    made = plugin(STATEFUL)
    with pytest.raises(TypeError, match=f"str or bytes-like, not {type(data).__name__}"):
        made.call("count", data)

    assert made.call("count", b"") == struct.pack("<q", 1)


def test_the_input_is_required(plugin):
    """As upstream, a call without data is a mistake of the caller's."""
    with pytest.raises(TypeError, match="data"):
        plugin(ECHO).call("echo")


def test_parse_makes_the_result(plugin):
    """The output goes through `parse`, and what that raises comes out unchanged."""
    made = plugin(ECHO)

    assert made.call("echo", "[1]", parse=lambda data: data.decode().upper()) == "[1]"
    assert made.call("echo", "42", parse=int) == 42
    with pytest.raises(ValueError, match="invalid literal"):
        made.call("echo", "x", parse=int)


def test_without_parse_the_output_is_a_view_of_the_callers_own(plugin):
    """`parse=None` gives a buffer of its own that later calls and the plug-in's end do not change."""
    made = plugin(ECHO)
    view = made.call("echo", "first", None)
    made.call("echo", "other")
    made.close()

    assert (view[:], bytes(view), len(view)) == (b"first", b"first", 5)


def test_state_of_the_guest_lives_from_call_to_call(plugin):
    """Globals of a reactor keep their values."""
    made = plugin(STATEFUL)

    assert [made.call("count", "") for _ in range(3)] == [struct.pack("<q", n) for n in (1, 2, 3)]


def test_output_of_an_earlier_call_is_not_seen_again(plugin):
    """A call that gives nothing gives b"", whatever was given before."""
    made = plugin(
        wat("""
        (func (export "echo") (call $give (call $input_offset)))
        (func (export "nothing"))""")
    )
    made.call("echo", "something")

    assert made.call("nothing", "something") == b""


def test_the_last_output_wins_and_may_be_empty(plugin):
    """output_set may be called many times; a length of 0 makes the output empty."""
    made = plugin(
        wat("""
        (func (export "twice") (call $output_set (call $input_offset) (i64.const 1))
                               (call $output_set (call $input_offset) (i64.const 2)))
        (func (export "emptied") (call $give (call $input_offset))
                                 (call $output_set (call $input_offset) (i64.const 0)))""")
    )

    assert (made.call("twice", "abc"), made.call("emptied", "abc")) == (b"ab", b"")


def test_an_empty_input_is_the_null_handle(plugin):
    """input_offset is 0 when the input is empty, so that it can be given on as nothing."""
    made = plugin(wat('(func (export "offset") (call $give_i64 (call $input_offset)))'))

    assert made.call("offset", "") == bytes(8)


def test_input_past_its_end_reads_as_zero(plugin):
    """input_load_u64 gives no partial read; input_load_u8 gives 0 behind the end."""
    made = plugin(
        wat("""
        (func (export "u64") (call $give_i64 (call $input_load_u64 (i64.const 0))))
        (func (export "u8") (call $give_i64 (i64.extend_i32_u (call $input_load_u8 (i64.const 5)))))""")
    )

    assert (made.call("u64", "hello"), made.call("u8", "hello")) == (bytes(8), bytes(8))


def test_what_one_call_wrote_the_next_cannot_read(plugin):
    """A block of the next call reads as zero even where the last call's secret lay."""
    made = plugin(
        wat("""
        (func (export "echo") (call $give (call $input_offset)))
        (func (export "peek") (call $give (call $alloc (i64.const 64))))
        (func (export "raw") (call $give_i64 (call $load_u64 (i64.const 2048))))""")
    )
    made.call("echo", "secret! " * 8)

    assert made.call("peek", "") == bytes(64)
    assert made.call("raw", "") == bytes(8)


@pytest.mark.parametrize("name", ["none", "i32", ""])
def test_a_function_without_parameters_and_with_no_result_or_an_i32_is_callable(plugin, name):
    """These two types are what an export needs, whatever its name."""
    made = plugin(TYPED)

    assert made.function_exists(name) is True
    assert made.call(name, "") == b""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("i64", "result of type i64, expected i32 or none"),
        ("f32", "result of type f32, expected i32 or none"),
        ("f64", "result of type f64, expected i32 or none"),
        ("v128", "result of type v128, expected i32 or none"),
        ("externref", "result of type externref, expected i32 or none"),
        ("two", "Function two has 2 results, expected 0 or 1"),
        ("one", "expected 1 arguments, got 0"),
    ],
)
def test_a_function_of_another_type_is_refused_by_its_type(plugin, name, text):
    """The error says what is wrong with the export, and it does not count as existing."""
    made = plugin(TYPED)
    with pytest.raises(extism.errors.CallError) as caught:
        made.call(name, "")

    assert text in str(caught.value)
    assert caught.value.function == name
    assert made.function_exists(name) is False


@pytest.mark.parametrize("name", ["nope", "number", "table", "memory", "none\0", "None", "\ud800"])
def test_what_is_no_function_is_not_found(plugin, name):
    """The error carries the name and lists what there is; names are compared exactly, to the last NUL."""
    made = plugin(TYPED)
    with pytest.raises(extism.errors.FunctionNotFound) as caught:
        made.call(name, "")

    shown = name.encode("unicode_escape", "surrogatepass").decode()
    assert str(caught.value).startswith(f"Function not found: {shown}\n")
    assert (caught.value.name, caught.value.available) == (name, ("none", "i32", "seven", ""))
    assert isinstance(caught.value, LookupError)
    assert made.function_exists(name) is False


def test_a_name_that_is_nearly_right_gets_a_hint(plugin):
    """A slip of the finger is answered with what was probably meant."""
    with pytest.raises(extism.errors.FunctionNotFound, match="Did you mean noop"):
        plugin(LOOP).call("nop", "")


@pytest.mark.parametrize("name", [None, b"echo", 7], ids=repr)
def test_a_name_is_a_str(plugin, name):
    """A name of another type is a TypeError."""
    with pytest.raises(TypeError, match="function_name must be a str"):
        plugin(ECHO).call(name, "")


def test_a_plugin_has_an_id_of_its_own():
    """Each is a random UUID, also of two plug-ins from one CompiledPlugin."""
    compiled = extism.CompiledPlugin(ECHO.encode())
    with extism.Plugin(compiled) as one, extism.Plugin(compiled) as other:
        ids = (one.id, other.id)

    assert all(isinstance(each, uuid.UUID) and each.version == 4 for each in ids)
    assert ids[0] != ids[1]


def test_many_calls_go_well(plugin):
    """Ten thousand calls in a row each give their own answer."""
    made = plugin(ECHO)

    assert all(made.call("echo", str(n)) == str(n).encode() for n in range(10_000))
