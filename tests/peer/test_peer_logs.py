"""Logging, on both packages: which lines of guests come out, at which level, in which form."""

from __future__ import annotations

import pytest
from peer_guests import guest, in_every_language, module

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

LEVELS = ["trace", "debug", "info", "warn", "error", "off"]
GUEST = """
  (func (export "info") (call $log_info (call $copy_input)))
  (func (export "error") (call $log_error (call $copy_input)))
  (func (export "level") (call $give_i64 (i64.extend_i32_u (call $get_log_level))))
  (func (export "freed") (local $h i64) (local.set $h (call $copy_input))
    (call $log_trace (local.get $h)) (call $give_i64 (call $length (local.get $h))))
  (func (export "null") (call $log_error (i64.const 0)))
  (func (export "nonsense_trace") (call $log_trace (i64.const 4242)))
  (func (export "nonsense_error") (call $log_error (i64.const 4242)))"""

MESSAGES = {
    "a line": b"one line",
    "several lines": b"one\ntwo\n",
    "wide letters": "grüße 𝄞".encode(),
    "nothing": b"",
    "a NUL": b"a\0b",
    "no UTF-8": b"a\xff",
    "escape sequences": b"\x1b[31mred",
    "quotes": b'say "hi" \\ there',
}


def step(name: str, data: bytes = b"") -> list:
    import base64

    return ["log", name, base64.b64encode(data).decode()]


CASES = [
    *[
        Case(
            f"logs of {language} at {level}", guest(name), (step("log_all"), "log_level"), log=level
        )
        for language, name in in_every_language("logs")
        for level in LEVELS
    ],
    *[
        Case(f"log of {name}", module(GUEST), (step("info", text), step("error", text)), log="info")
        for name, text in MESSAGES.items()
    ],
    Case("a long log", module(GUEST), (step("error", b"x" * 20_000),), log="info"),
    *[
        Case(
            f"log handles at {level}",
            module(GUEST),
            (("freed", "x"), "nonsense_trace", "nonsense_error", step("null"), "level"),
            log=level,
        )
        for level in ("trace", "error", "off")
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_logs(duel, case):
    """The same lines come out at the same levels, but for times and ids."""
    assert duel(case) == []
