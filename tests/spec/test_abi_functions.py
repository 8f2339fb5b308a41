"""Every function of `extism:host/env`, called by a hand-written guest through the public door."""

from __future__ import annotations

import struct

import pytest
from http_server import serve
from wat_guests import calls, wat

from extism.abi import FUNCTIONS

I64 = struct.Struct("<q")

KEY = '(data (i32.const 0) "key") (data (i32.const 16) "value")'
ANSWER = "the answer's body"

CASES = {
    "alloc": ("(call $give_i64 (call $length (call $alloc (i64.const 9))))", "", I64.pack(9)),
    "free": (
        """(local $h i64) (local.set $h (call $alloc (i64.const 9)))
           (call $free (local.get $h)) (call $give_i64 (call $length (local.get $h)))""",
        "",
        I64.pack(0),
    ),
    "length": ("(call $give_i64 (call $length (call $input_offset)))", "12345", I64.pack(5)),
    "length_unsafe": (
        "(call $give_i64 (call $length_unsafe (call $input_offset)))",
        "12345",
        I64.pack(5),
    ),
    "load_u8": (
        "(call $give_i64 (i64.extend_i32_u (call $load_u8 (call $input_offset))))",
        "\x7f",
        I64.pack(0x7F),
    ),
    "load_u64": ("(call $give_i64 (call $load_u64 (call $input_offset)))", "12345678", b"12345678"),
    "store_u8": (
        """(call $store_u8 (call $input_offset) (i32.const 0x14a))
           (call $give (call $input_offset))""",
        "jump",
        b"Jump",
    ),
    "store_u64": (
        """(call $store_u64 (call $input_offset) (i64.const 0x4847464544434241))
           (call $give (call $input_offset))""",
        "12345678!",
        b"ABCDEFGH!",
    ),
    "input_load_u8": (
        "(call $give_i64 (i64.extend_i32_u (call $input_load_u8 (i64.const 2))))",
        "abc",
        I64.pack(ord("c")),
    ),
    "input_load_u64": (
        "(call $give_i64 (call $input_load_u64 (i64.const 1)))",
        "012345678",
        b"12345678",
    ),
    "input_length": ("(call $give_i64 (call $input_length))", "four", I64.pack(4)),
    "input_offset": (
        "(call $output_set (call $input_offset) (i64.const 2))",
        "four",
        b"fo",
    ),
    "input_set": (
        """(call $input_set (i64.add (call $input_offset) (i64.const 1)) (i64.const 2))
           (call $output_set (call $input_offset) (call $input_length))""",
        "four",
        b"ou",
    ),
    "output_set": ("(call $output_set (call $input_offset) (i64.const 4))", "four", b"four"),
    "output_offset": (
        """(call $give (call $input_offset))
           (call $give_i64 (i64.sub (call $output_offset) (call $input_offset)))""",
        "four",
        I64.pack(0),
    ),
    "output_length": (
        "(call $give (call $input_offset)) (call $give_i64 (call $output_length))",
        "four",
        I64.pack(4),
    ),
    "error_set": (
        """(call $error_set (call $input_offset)) (call $error_set (i64.const 0))
           (call $give (call $input_offset))""",
        "no error after all",
        b"no error after all",
    ),
    "error_get": (
        """(call $error_set (call $input_offset))
           (call $give_i64 (i64.sub (call $error_get) (call $input_offset)))
           (call $error_set (i64.const 0))""",
        "text",
        I64.pack(0),
    ),
    "reset": ("(call $reset) (call $give_i64 (call $input_length))", "gone", I64.pack(0)),
    "memory_bytes": ("(call $give_i64 (call $memory_bytes))", "", I64.pack(16 * 65536)),
    "config_get": ("(call $give (call $config_get (call $copy_input)))", "colour", b"blue"),
    "var_get": (
        """(call $var_set (call $put (i32.const 0) (i32.const 3)) (call $copy_input))
           (call $give (call $var_get (call $put (i32.const 0) (i32.const 3))))""",
        "kept",
        b"kept",
    ),
    "var_set": (
        """(call $var_set (call $put (i32.const 0) (i32.const 3)) (call $copy_input))
           (call $var_set (call $put (i32.const 0) (i32.const 3)) (i64.const 0))
           (call $give_i64 (call $var_get (call $put (i32.const 0) (i32.const 3))))""",
        "kept",
        I64.pack(0),
    ),
    "http_request": (
        "(call $give (call $http_request (call $copy_input) (i64.const 0)))",
        '{"url": "URL"}',
        ANSWER.encode(),
    ),
    "http_status_code": (
        """(drop (call $http_request (call $copy_input) (i64.const 0)))
           (call $give_i64 (i64.extend_i32_u (call $http_status_code)))""",
        '{"url": "URL"}',
        I64.pack(418),
    ),
    "http_headers": ("(call $give_i64 (call $http_headers))", "", I64.pack(0)),
    **{
        f"log_{level}": (
            f"(call $log_{level} (call $copy_input)) (call $give (call $input_offset))",
            "said",
            b"said",
        )
        for level in ("trace", "debug", "info", "warn", "error")
    },
    "get_log_level": (
        "(call $give_i64 (i64.extend_i32_u (call $get_log_level)))",
        "",
        I64.pack(3),  # warn: what the root logger of the test run wants
    ),
}


@pytest.fixture(scope="module")
def server():
    with serve() as server:
        server.answer("/", 418, ANSWER.encode())
        yield server


def test_the_list_is_complete():
    """Each function of the ABI table has its case, and its guest does call it."""
    assert set(CASES) == set(FUNCTIONS)
    assert [
        name for name, (body, _, _) in CASES.items() if name not in calls(wat(body), FUNCTIONS)
    ] == []


@pytest.mark.parametrize("name", CASES)
def test_a_guest_gets_what_the_table_promises(name, plugin, server, fresh_log_sink):
    """A function, called as the ABI says, does what the ABI says."""
    body, given, expected = CASES[name]
    made = plugin(
        wat(f'(func (export "run") {body}) {KEY}'),
        config={"colour": "blue"},
        allowed_hosts=[server.host],
    )

    assert made.call("run", given.replace("URL", server.url("/"))) == expected
