"""Limits, on both packages: time, cancellation, memory."""

from __future__ import annotations

import pytest
from peer_guests import guest, in_every_language, module

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

TIME = """
  (func (export "loop") (loop $again (br $again)))
  (func (export "recurse_and_loop") (loop $again (call $nothing) (br $again)))
  (func $nothing (export "nothing"))
  (func (export "count_to") (local $i i64)
    (loop $again (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get $i) (call $input_load_u64 (i64.const 0)))))
    (call $give_i64 (local.get $i)))"""

NAP = """
  (func (export "nap") (call $give (call $naps (call $copy_input))))
  (func (export "nap_and_loop") (drop (call $naps (call $copy_input))) (loop $again (br $again)))"""
NAPS = '(import "extism:host/user" "naps" (func $naps (param i64) (result i64)))'


def timed(timeout_ms: int | None, body: str = TIME, **keys: str) -> dict:
    return module(body, timeout_ms=timeout_ms, **keys)


def limited(max_pages: int | None, memory: str = "1") -> dict:
    """A module that grows its memory by the input's number of pages."""
    body = f"""(memory (export "memory") {memory})
      (func (export "grow") (call $give_i64 (i64.extend_i32_s
        (memory.grow (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))))
      (func (export "size") (call $give_i64 (i64.extend_i32_u (memory.size))))
      (func (export "alloc") (call $give_i64 (call $length
        (call $alloc (call $input_load_u64 (i64.const 0))))))
      (func (export "echo") (call $give (call $input_offset)))"""
    return {**module(body), "memory": {"max_pages": max_pages}}


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def echoing(max_pages: int) -> dict:
    """A module without a memory of its own."""
    body = '(func (export "echo") (call $give (call $input_offset)))'
    return {**module(body), "memory": {"max_pages": max_pages}}


BIG = bytes(128 * 1024)

CASES = [
    Case("a loop runs out of time", timed(500), ("nothing", "loop", "nothing", "loop")),
    Case("a loop of calls runs out of time", timed(500), ("recurse_and_loop", "nothing")),
    Case("a short call has time", timed(30_000), (("count_to", number(100_000)), "nothing")),
    Case("no time limit", timed(None), (("count_to", number(1_000_000)),)),
    Case("a time limit of 0, loop", timed(0), ("loop",), hangs_after=1.5),
    Case("a time limit of 0, short call", timed(0), ("nothing",)),
    Case(
        "a host function outlasts the time limit",
        timed(200, NAP, before=NAPS),
        (("nap", "0.4"), ("nap_and_loop", "0.4")),
        functions=("naps",),
    ),
    Case(
        "a host function has time",
        timed(30_000, NAP, before=NAPS),
        (("nap", "0.05"),),
        functions=("naps",),
    ),
    Case(
        "a call is cancelled",
        timed(None),
        (["cancel", "loop", 200], "nothing", ["cancel", "loop", 200]),
    ),
    Case("a cancellation of nothing", timed(None), (["cancel_idle"], "nothing", ["cancel_idle"])),
    Case(
        "a cancellation that comes too late",
        timed(None),
        (["cancel", "nothing", 50], ["sleep", 100], "nothing"),
    ),
    Case(
        "an initialiser that never ends",
        module(
            '(func (export "_initialize") (loop $again (br $again))) (func (export "f"))',
            timeout_ms=300,
        ),
        ("f",),
        hangs_after=1.5,
    ),
    Case(
        "a time-out leaves others alone",
        timed(300),
        ("loop", ["another", None], "nothing", ["switch", 0], "nothing"),
        compiled=True,
    ),
    *[
        Case(
            f"a loop in {language} runs out of time",
            guest(name, timeout_ms=500),
            ("loop", "fail_then_succeed"),
        )
        for language, name in in_every_language("failures")
    ],
    Case(
        "no memory limit",
        limited(None),
        (("grow", number(10)), "size", ("alloc", number(1_000_000))),
    ),
    Case(
        "growing within the limit", limited(20), (("grow", number(3)), ("grow", number(3)), "size")
    ),
    Case("growing past the limit", limited(20), (("grow", number(25)), "size")),
    Case(
        "growing past the module's own maximum",
        limited(None, "1 3"),
        (("grow", number(1)), ("grow", number(1)), ("grow", number(1)), "size"),
    ),
    Case(
        "growing to the module's own maximum under a limit",
        limited(50, "1 3"),
        (("grow", number(2)), "size"),
    ),
    Case(
        "growing past the module's own maximum under a limit",
        limited(50, "1 3"),
        (("grow", number(5)), "size"),
    ),
    Case("more memory than the limit at the start", limited(4, "5"), ("size",)),
    Case("as much memory as the limit at the start", limited(5, "5"), ("size",)),
    Case("a limit of 0 pages", limited(0), ("size",)),
    Case("a limit of 0 pages, no memory", echoing(0), ("echo",)),
    Case("128 KiB of input under 17 pages", echoing(17), (("echo", BIG),)),
    Case(
        "megabytes of input under 16 pages",
        echoing(16),
        (("echo", bytes(4_000_000)), ("echo", b"small")),
    ),
    *[
        Case(
            f"128 KiB of input to count_vowels in {language} under {pages} pages",
            guest(name, memory={"max_pages": pages}),
            (("count_vowels", b"a" * len(BIG)), ("count_vowels", "aa")),
        )
        for language, name in in_every_language("count_vowels")
        for pages in (8, 40)
    ],
    Case(
        "blocks past the limit",
        limited(20),
        (("alloc", number(100_000)), ("alloc", number(50_000_000)), ("alloc", number(10))),
    ),
    Case("the limit holds over calls", limited(10), (*[("grow", number(3))] * 5, "size")),
    Case(
        "a block of 4 GiB", limited(None), (("alloc", number(2**32)), ("alloc", number(2**32 - 1)))
    ),
    Case("a block of 2^63", limited(None), (("alloc", number(2**63)),)),
    Case("a block of 2^64 - 1", limited(None), (("alloc", number(2**64 - 1)),)),
    Case("8 MB of input", limited(None), (("echo", bytes(8_000_000)), ("echo", "small"))),
    *[
        Case(
            f"many blocks in {language}",
            guest(name),
            ("allocations", ("allocate", number(5000))),
        )
        for language, name in in_every_language("state")
    ],
    *[
        Case(
            f"too large a block in {language}",
            guest(name, memory={"max_pages": 30}),
            (("allocate", number(10_000_000)), ("allocate", number(100))),
        )
        for language, name in in_every_language("state")
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_limits(duel, case):
    """What exceeds a limit ends in the same way, what does not is left alone."""
    assert duel(case) == []
