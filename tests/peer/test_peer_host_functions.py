"""Host functions, on both packages: what crosses, in which direction, and what happens when one fails."""

from __future__ import annotations

import struct

import pytest
from peer_guests import guest, in_every_language, module

from peer import Case, call

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


def calling(
    name: str,
    params: str = "i64",
    result: str = "i64",
    body: str = "",
    namespace: str = "extism:host/user",
) -> dict:
    """
    A module that calls one host function, by default with a copy of the input, and gives the block that it gives.

    Args:
        name: The function.
        params: Its parameters.
        result: Its result, or nothing.
        body: What `run` does instead.
        namespace: Where the function is imported from.
    """
    results = f"(result {result})" if result else ""
    before = f'(import "{namespace}" "{name}" (func $host (param {params}) {results}))'
    plain = (
        "(call $give (call $host (call $copy_input)))"
        if result
        else "(call $host (call $copy_input))"
    )
    again = '(func (export "fine") (call $give (call $input_offset)))'
    return module(f'(func (export "run") {body or plain}) {again}', before=before)


def case(name: str, function: str, plugin: dict, *steps: object, label: str = "") -> Case:
    return Case(name, plugin, steps, functions=(label or function,))


RAW = "(call $give_i64 (call $host (call $copy_input)))"
NUMBER = "(call $give (call $host (i64.const {})))"
TEXTS = ["text", "", "grüße €𝄞", "a\0b", "x" * 70_000]


def float_bytes(value: float) -> bytes:
    return struct.pack("<d", value)


CASES = [
    *[
        case(f"a text of {len(text)} letters", "shout", calling("shout"), ("run", text))
        for text in TEXTS
    ],
    case("a text of no UTF-8", "shout", calling("shout"), ("run", b"\xff\xfe"), ("fine", "after")),
    *[
        case(f"{n} bytes", "reverse", calling("reverse"), ("run", bytes(range(256)) * n))
        for n in (0, 1, 300)
    ],
    case(
        "a function without a result",
        "tell",
        calling("tell", result=""),
        ("run", "one"),
        ("run", "two"),
    ),
    case(
        "a null handle as text",
        "shout",
        calling("shout", body="(call $give (call $host (i64.const 0)))"),
        "run",
    ),
    case(
        "a handle that is no block",
        "shout",
        calling("shout", body="(call $give (call $host (i64.const 4242)))"),
        "run",
        ("fine", "after"),
    ),
    case(
        "a freed handle",
        "shout",
        calling(
            "shout",
            body="(local $h i64) (local.set $h (call $copy_input)) (call $free (local.get $h)) (call $give (call $host (local.get $h)))",
        ),
        ("run", "x"),
    ),
    case(
        "the block given stays with the guest",
        "shout",
        calling(
            "shout",
            body="(local $h i64) (local.set $h (call $copy_input)) (drop (call $host (local.get $h))) (call $give (local.get $h))",
        ),
        ("run", "mine"),
    ),
    *[
        case(
            f"an int of {n}",
            "hear_number",
            calling("hear_number", result="", body=f"(call $host (i64.const {n}))"),
            "run",
        )
        for n in (0, 1, -1, 2**63 - 1, -(2**63))
    ],
    *[
        case(
            f"a float of {n}",
            "hear_float",
            calling("hear_float", "f64", "", body=f"(call $host (f64.const {n}))"),
            "run",
        )
        for n in ("0", "-1.5", "1e300", "inf")
    ],
    *[
        case(
            f"a bool of {n}",
            "hear_bool",
            calling("hear_bool", "i32", "", body=f"(call $host (i32.const {n}))"),
            "run",
        )
        for n in (0, 1, 2)
    ],
    case(
        "an int as result is a handle", "measure", calling("measure"), ("run", "12345"), ("run", "")
    ),
    *[
        case(f"twice {n}", "double", calling("double", body=NUMBER.format(n)), "run")
        for n in (0, 21, 2**62)
    ],
    case(
        "a negative int as result",
        "double",
        calling("double", body=NUMBER.format(-3)),
        "run",
        ("fine", "after"),
    ),
    case(
        "a float as result",
        "half",
        calling(
            "half",
            "f64",
            "f64",
            "(call $give_i64 (i64.reinterpret_f64 (call $host (f64.const 5))))",
        ),
        "run",
    ),
    case(
        "a bool as result",
        "negate",
        calling(
            "negate", "i32", "i32", "(call $give_i64 (i64.extend_i32_u (call $host (i32.const 0))))"
        ),
        "run",
    ),
    case(
        "a tuple as result",
        "pair",
        calling(
            "pair",
            "i64",
            "i64 i64",
            "(local $n i64) (call $host (call $copy_input)) (local.set $n) (call $give)",
        ),
        ("run", "text"),
    ),
    case("JSON", "keys_of", calling("keys_of"), ("run", '{"b": 1, "a": [2]}'), ("run", "{}")),
    case("JSON that is none", "keys_of", calling("keys_of"), ("run", "{no"), ("fine", "after")),
    case("JSON of nothing", "keys_of", calling("keys_of"), ("run", ""), ("fine", "after")),
    case("a codec for a parameter", "decoded", calling("decoded"), ("run", "some words")),
    case("a codec for a result", "encoded", calling("encoded"), ("run", "text")),
    case("a pickle as result", "pickled", calling("pickled"), ("run", "text")),
    case("a pickle as parameter", "unpickled", calling("unpickled"), ("run", b"\x80\x04K\x05.")),
    case(
        "the host context",
        "context_text",
        calling("context_text", "", body="(call $give (call $host))"),
        "run",
        call("run", b"", "context"),
        call("run", b"", {"a": [1]}),
        "run",
    ),
    case(
        "user data", "with_user_data", calling("with_user_data"), ("run", "given"), ("run", "again")
    ),
    case("user data of bytes", "with_bytes", calling("with_bytes"), ("run", "given ")),
    case(
        "explicit, every number",
        "hear_all",
        calling(
            "hear_all",
            "i32 i64 f32 f64",
            "",
            "(call $host (i32.const -5) (i64.const -6) (f32.const 0.5) (f64.const -0.25))",
        ),
        "run",
    ),
    case(
        "explicit, i32",
        "explicit_i32",
        calling(
            "explicit_i32",
            "i32",
            "i32",
            "(call $give_i64 (i64.extend_i32_s (call $host (i32.const 7))))",
        ),
        "run",
    ),
    case(
        "explicit, f32",
        "explicit_f32",
        calling(
            "explicit_f32",
            "f32",
            "f32",
            "(call $give_i64 (i64.extend_i32_u (i32.reinterpret_f32 (call $host (f32.const 3)))))",
        ),
        "run",
    ),
    case(
        "explicit, two results",
        "two_results",
        calling(
            "two_results",
            "",
            "i64 i32",
            "(local $n i32) (call $host) (local.set $n) (call $give_i64)",
        ),
        "run",
    ),
    case(
        "explicit, a result left alone",
        "nothing_set",
        calling("nothing_set", body=RAW),
        ("run", "x"),
    ),
    case(
        "explicit, sums",
        "add",
        calling(
            "add", "i64 i64", "i64", "(call $give_i64 (call $host (i64.const 40) (i64.const 2)))"
        ),
        "run",
    ),
    case(
        "explicit, a sum that wraps",
        "add",
        calling(
            "add",
            "i64 i64",
            "i64",
            "(call $give_i64 (call $host (i64.const 0x7fffffffffffffff) (i64.const 1)))",
        ),
        "run",
    ),
    case("blocks by hand", "by_hand", calling("by_hand"), ("run", "text"), ("run", "x" * 1000)),
    case(
        "blocks by shortcut", "by_shortcut", calling("by_shortcut"), ("run", "text"), ("run", "é")
    ),
    case("an exception", "fails", calling("fails"), ("run", "this"), ("fine", "after")),
    case("SystemExit", "leaves", calling("leaves"), ("run", "this"), ("fine", "after")),
    case(
        "a result of a wrong type",
        "wrong_result",
        calling("wrong_result"),
        ("run", "this"),
        ("fine", "after"),
    ),
    case(
        "a function of a namespace",
        "test::hello",
        calling("hello", "", namespace="test", body="(call $give (call $host))"),
        "run",
    ),
    case("called often", "shout", calling("shout"), ["repeat", "run", "QUJD", 500]),
    case("from several threads", "tell", calling("tell", result=""), ["threads", "run", "QUJD", 6]),
    *[
        Case(
            f"texts and numbers in {language}",
            guest(name),
            (
                ("sum", struct.pack("<qq", 40, 2)),
                ("sum", "short"),
                ("loud", "grüße"),
                ("loud", ""),
                ("say", "heard"),
            ),
            functions=("add", "shout", "tell", "price"),
        )
        for language, name in in_every_language("host_functions")
    ],
    *[
        Case(
            f"a double of the host in {language}",
            guest(name),
            (("buy", "apple"),),
            functions=("add", "shout", "tell", "price"),
        )
        for language, name in in_every_language("host_functions")
    ],
    *[
        Case(
            f"a missing function in {language}",
            guest(name),
            ("sum",),
            functions=("add", "shout"),
            refused=True,
        )
        for language, name in in_every_language("host_functions")
    ],
    *[
        case(
            f"inputs of {n} to {n + 9} bytes",
            "reverse",
            calling("reverse"),
            *[("run", bytes(i % 251 for i in range(m))) for m in range(n, n + 10)],
        )
        for n in (1, 60, 4090, 65530)
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_host_functions(duel, case):
    """The same values reach the host function and the guest; a failing one ends the call here."""
    assert duel(case) == []
