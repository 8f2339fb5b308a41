"""Plug-ins as people write them, in C, Zig and AssemblyScript, on both packages."""

from __future__ import annotations

import pytest
from peer_guests import LANGUAGES, guest, in_every_language

from peer import Case

# Guests are compiled when they are first needed.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

TEXTS = ["Hello, World!", "", "xyz", "aeiouAEIOU" * 500, "grüße 🌍 über"]
SIZES = (0, 1, 7, 8, 9, 15, 16, 17, 255, 4096, 65535, 65536, 100_003)
ECHOES = ["echo_bytes", "echo_words", "echo_copy", "echo_handle"]
FAILURES = {
    **dict.fromkeys(("fail", "code", "fail_and_return_zero", "fail_then_succeed"), LANGUAGES),
    **dict.fromkeys(("crash", "fail_then_crash", "recurse", "wrong_handle"), LANGUAGES),
    **dict.fromkeys(("divide", "read_wildly"), ("c",)),
    **dict.fromkeys(("past_the_end",), ("zig", "assemblyscript")),
    "overflow": ("zig",),
    "throws": ("assemblyscript",),
}

CASES = [
    *[
        Case(f"count_vowels in {language} of nothing at first", guest(name), ("count_vowels",))
        for language, name in in_every_language("count_vowels")
    ],
    *[
        Case(
            f"count_vowels in {language}",
            guest(name),
            tuple(("count_vowels", text) for text in TEXTS),
        )
        for language, name in in_every_language("count_vowels")
    ],
    *[
        Case(
            f"count_vowels in {language}, configured",
            guest(name, config={"vowels": "lo"}),
            (("count_vowels", "Hello, World!"), ("count_vowels", "lol")),
        )
        for language, name in in_every_language("count_vowels")
    ],
    *[
        Case(
            f"count_vowels in {language}, twice from one CompiledPlugin",
            guest(name),
            (
                ("count_vowels", "aaa"),
                ["another", {"vowels": "b"}],
                ("count_vowels", "abb"),
                ["switch", 0],
                ("count_vowels", "a"),
            ),
            compiled=True,
        )
        for language, name in in_every_language("count_vowels")
    ],
    *[
        Case(
            f"{export} in {language}",
            guest(name),
            tuple((export, bytes(i % 253 for i in range(size))) for size in SIZES),
        )
        for language, name in in_every_language("echo")
        for export in ECHOES
    ],
    *[
        Case(
            f"{export} in {language}, failing",
            guest(name),
            ((export, b"\xff"), "fail_then_succeed"),
        )
        for language, name in in_every_language("failures")
        for export, languages in FAILURES.items()
        if language in languages
    ],
    *[
        Case(
            f"codes of {language}",
            guest(name),
            tuple(("code", bytes([n])) for n in (0, 1, 2, 100, 255)),
        )
        for language, name in in_every_language("failures")
    ],
    *[
        Case(f"state in {language}", guest(name), ("count", "count", "count_and_crash", "count"))
        for language, name in in_every_language("state")
    ],
    *[
        Case(
            f"exports of {language}",
            guest(name),
            tuple(
                ["exists", export]
                for export in ("count", "_initialize", "memory", "abort", "_start")
            ),
        )
        for language, name in in_every_language("state")
    ],
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plugins(duel, case):
    """Compiled plug-ins give the same outputs, codes, texts and traps, call after call."""
    assert duel(case) == []
