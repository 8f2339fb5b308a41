"""What a person sees of a module."""

from __future__ import annotations

import pytest
from oracle import wat

from extism._wasm.builder import Builder
from extism._wasm.dump import dump, quoted
from extism._wasm.reader import HEADER, read
from extism._wasm.writer import new_custom, write_sections

GUEST = wat(
    """(module $demo
      (import "extism:host/env" "alloc" (func (param i64) (result i64)))
      (import "host" "m" (memory 1 2 shared))
      (memory (export "memory") i64 17) (table 3 3 funcref)
      (func $s) (start $s)
      (func (export "count_vowels") (result i32) (i32.const 0)))"""
)


def test_a_module_is_listed() -> None:
    """Imports, exports, memories, tables, producers and sections, in columns."""
    builder = Builder(read(GUEST))
    builder.stamp("extism-py", "2.0")

    assert dump(read(builder.build())).splitlines() == [
        'module "demo", 180 bytes',
        "imports",
        '  (func (param i64) (result i64))  "extism:host/env" "alloc"',
        '  (memory 1 2 shared)              "host" "m"',
        "exports",
        '  (memory i64 17)      "memory"',
        '  (func (result i32))  "count_vowels"',
        "memories",
        "  (memory 1 2 shared)",
        "  (memory i64 17)",
        "tables",
        "  (table 3 3 funcref)",
        "producers",
        '  processed-by  "extism-py" "2.0"',
        "start function 1",
        "sections (offset, bytes, entries)",
        "  type                  8  15  3",
        "  import               23  38  2",
        "  function             61   5  2",
        "  table                66   7  1",
        "  memory               73   5  1",
        "  export               78  27  2",
        "  start               105   3",
        "  code                108  11  2",
        '  custom "name"       119  20',
        '  custom "producers"  139  41',
    ]


def test_an_empty_module_is_one_line() -> None:
    """Nothing in it, nothing listed."""
    assert dump(read(HEADER)) == "module, 8 bytes"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain €", '"plain €"'),
        ('say "hi" \\', '"say \\u{22}hi\\u{22} \\u{5c}"'),
        ("\x1b[2J\n\x9b", '"\\u{1b}[2J\\u{a}\\u{9b}"'),
        ("a\u202eb\u2066", '"a\\u{202e}b\\u{2066}"'),
    ],
    ids=["plain", "quotes", "terminal", "bidi"],
)
def test_names_cannot_play_tricks(text: str, shown: str) -> None:
    """Quotes, control characters and direction marks are shown as escapes of the text format."""
    assert quoted(text) == shown


def test_malformed_custom_sections_do_not_hide_the_rest() -> None:
    """A bad name section is passed over, a bad producers section is said to be bad."""
    wasm = write_sections([new_custom("name", b"\1"), new_custom("producers", b"\5")])
    lines = dump(read(wasm)).splitlines()

    assert lines[0] == "module, 29 bytes"
    assert lines[2].startswith("  malformed  5 items are announced")
    assert len(lines) == 6
