"""`extism inspect`: facts about a module, on paper and as JSON."""

from __future__ import annotations

import hashlib
import json

import pytest
from cli_guests import LINKED, TOOLBOX, WASI

from extism._cli.facts import callable_names, facts, outline
from extism._cli.main import run
from extism._engine.engine import wat_to_wasm
from extism.errors import WasmError

SHOW = """(module $show
  (import "extism:host/env" "http_request" (func (param i64 i64) (result i64)))
  (import "extism:host/env" "config_get" (func (param i64) (result i64)))
  (import "extism:host/user" "notify" (func (param i64) (result i64)))
  (import "library" "add" (func (param i32 i32) (result i32)))
  (import "library" "memory" (memory 1 4))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (table 3 7 funcref)
  (func (export "_initialize"))
  (func (export "greet") (result i32) (i32.const 0))
  (func (export "takes") (param i32))
  (func (export "wide") (result i64) (i64.const 0))
  (func $begin)
  (start $begin))
"""


@pytest.fixture
def inspect(tmp_path, monkeypatch, capfdbinary):
    """A function from a module's text and flags to exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def inspected(content, *flags):
        (tmp_path / "x.wasm").write_bytes(content)
        code = run(["inspect", "x.wasm", *flags])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return inspected


def test_the_facts_of_a_module():
    """Every fact of a module that has something of everything."""
    wasm = wat_to_wasm(SHOW.encode(), "show")
    found = facts(wasm)

    assert found["size"] == len(wasm)
    assert found["sha256"] == hashlib.sha256(wasm).hexdigest()
    assert (found["format"], found["name"]) == ("binary", "show")
    assert [tuple(item.values()) for item in found["exports"]] == [
        ("memory", "memory", "(memory 2)", False, None),
        ("_initialize", "func", "(func)", True, "initialiser"),
        ("greet", "func", "(func (result i32))", True, None),
        ("takes", "func", "(func (param i32))", False, None),
        ("wide", "func", "(func (result i64))", False, None),
    ]
    assert {
        group: [item["name"] for item in items] for group, items in found["imports"].items()
    } == {
        "kernel": ["http_request", "config_get"],
        "wasi": ["fd_write"],
        "host_functions": ["notify"],
        "modules": ["add", "memory"],
    }
    assert found["imports"]["modules"][1] == {
        "module": "library",
        "name": "memory",
        "kind": "memory",
        "type": "(memory 1 4)",
    }
    assert found["memories"] == [
        {"type": "(memory 1 4)", "min": 1, "max": 4, "imported": True, "page_size": 65536},
        {"type": "(memory 2)", "min": 2, "max": None, "imported": False, "page_size": 65536},
    ]
    assert found["tables"] == [
        {"type": "(table 3 7 funcref)", "min": 3, "max": 7, "imported": False}
    ]
    assert found["start"] is True
    assert [section["name"] for section in found["custom_sections"]] == ["name"]
    assert found["needs"] == {"wasi": True, "host_functions": ["notify"], "modules": ["library"]}
    assert found["may"] == ["http", "config"]
    assert found["warnings"] == []


SMALL = """(module
  (import "python" "py_invoke" (func $invoke (param i32) (result i32)))
  (import "shelf" "put" (func))
  (func (export "greet") (result i32) (call $invoke (i32.const 0)))
  (@custom "extism.runtime" "WORDS"))
"""


def test_the_runtime_of_a_small_plugin(inspect):
    """It is no module that has to be given; what it needs itself is needed."""
    words = f"python {'ab' * 32} wheel==1"
    small = SMALL.replace("WORDS", words).encode()
    found = facts(small)
    _, out, _ = inspect(small)

    assert found["runtime"] == {"name": "python", "sha256": "ab" * 32, "package": "wheel==1"}
    assert found["needs"] == {"wasi": True, "host_functions": [], "modules": ["shelf"]}
    assert "  runtime python  supplied where it is; it is in wheel==1\n" in out


def test_a_runtime_that_cannot_be_read(inspect):
    """It is said, as when the plug-in is loaded."""
    code, out, err = inspect(SMALL.replace("WORDS", "python").encode())

    assert (code, out) == (1, "")
    assert "extism.runtime should be a name, a SHA-256 and a package, not 'python'" in err


def test_the_page_of_a_module(inspect):
    """What a person sees."""
    code, out, err = inspect(SHOW.encode())
    digest = hashlib.sha256(SHOW.encode()).hexdigest()

    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
x.wasm: {len(SHOW):,} bytes of WebAssembly text
sha256 {digest}
calls itself "show"

Functions to call
  greet  (func (result i32))

Other exports
  memory       (memory 2)
  _initialize  (func)               run when the plug-in is created
  takes        (func (param i32))
  wide         (func (result i64))

Needs
  WASI                  --wasi, wasi=True
  host function notify  functions=[...]
  module library        --link library=FILE, or functions=[...]

May, where it is granted
  send HTTP requests      --allow-host PATTERN, allowed_hosts
  read its configuration  --config KEY=VALUE, config

Imports from the kernel (extism:host/env)
  http_request, config_get

Imports from WASI (wasi_snapshot_preview1)
  fd_write

Imports of host functions (extism:host/user)
  extism:host/user  notify  (func (param i64) (result i64))

Imports from other modules
  library  add     (func (param i32 i32) (result i32))
  library  memory  (memory 1 4)

Memories
  1 page (64 KiB)    at most 4 pages    imported
  2 pages (128 KiB)  no maximum

Tables
  (table 3 7 funcref)

Start
  code runs while it is instantiated

Custom sections
  name  24 bytes
"""
    )


def test_json_is_the_facts(inspect):
    """`--json` gives them with the path, for text format too."""
    code, out, err = inspect(WASI.encode(), "--json")

    assert (code, err) == (0, "")
    assert json.loads(out) == {"path": "x.wasm", **facts(WASI.encode())}
    assert json.loads(out)["format"] == "text"
    assert json.loads(out)["may"] == ["paths"]


def test_verbose_lists_every_section(inspect):
    """`-v` adds the listing."""
    code, out, _ = inspect(LINKED.encode(), "-v")

    assert code == 0
    assert 'imports\n  (func (result i32))  "library" "code"\n' in out
    assert "sections (offset, bytes, entries)" in out


def test_nothing_is_compiled(inspect):
    """Code that the engine would refuse is not looked at."""
    broken = wat_to_wasm(b'(module (func (export "f") nop))', "x").replace(b"\x01\x0b", b"\xff\x0b")

    code, out, err = inspect(broken)

    assert (code, err) == (0, "")
    assert "Functions to call\n  f  (func)\n" in out


def test_names_cannot_act_on_a_terminal(inspect):
    """Escapes and blanks in a name are shown in quotes."""
    text = """(module (import "extism:host/env" "\\1b[32m" (func))
      (func (export "a\\1b[31m")) (func (export "b c")) (func (export "")))"""
    _, out, _ = inspect(text.encode())

    assert "\x1b" not in out
    assert r'"a\u{1b}[31m"' in out
    assert '"b c"' in out
    assert '\n  ""' in out


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("(module)", "nothing to call: no exported function has no parameters, and an i32 or no"),
        ('(module (func (export "_start")))', "nothing to call: "),
        ('(module (import "extism:host/env" "nope" (func)))', "extism:host/env has no nope"),
        (
            '(module (import "extism:host/env" "alloc" (func (param i32))))',
            "extism:host/env alloc is (func (param i64) (result i64)), not (func (param i32))",
        ),
        ("(module (memory i64 1))", "a memory with 64-bit addresses: the engine has them switched"),
    ],
)
def test_what_will_not_work_is_remarked(text, warning):
    """Each warning says what is wrong."""
    assert any(line.startswith(warning) for line in facts(text.encode())["warnings"])


def test_what_made_the_module_is_told(inspect):
    """The producers section; one that is malformed is no fault of the module."""
    section = b"\x01\x08language\x01\x04Rust\x041.80"
    wasm = b"\0asm\x01\0\0\0"
    named = b"\x09producers" + section

    _, out, _ = inspect(wasm + bytes([0, len(named)]) + named)
    assert "Made with\n  language  Rust 1.80\n" in out
    code, out, err = inspect(wasm + bytes([0, len(named) - 1]) + named[:-1])
    assert (code, err) == (0, "")
    assert "Made with" not in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Error: x.wasm: not a WebAssembly module: it starts with nothing"),
        (b"\0asm\x0d\0\x01\0", "Error: x.wasm: this is a component; a core module is wanted"),
        (b"\0asm\x01\0\0\0\x01\x7f", "Error: x.wasm: "),
        (b"(module (nonsense))", "Error: x.wasm: "),
    ],
    ids=["empty", "component", "cut off", "text"],
)
def test_what_is_no_module_is_an_error(inspect, content, words):
    """Exit code 1, with the name of the file."""
    code, out, err = inspect(content)

    assert (code, out) == (1, "")
    assert err.startswith(words)


def test_a_module_cut_off_anywhere_is_an_error():
    """Every beginning of a module is one with fewer sections, or none at all; never a crash."""
    wasm = wat_to_wasm(SHOW.encode(), "show")
    refused = 0
    for length in range(len(wasm)):
        try:
            facts(wasm[:length])
        except WasmError:
            refused += 1

    assert refused > len(wasm) * 0.8


def test_a_file_that_does_not_exist(inspect, capfdbinary):
    """As everywhere."""
    assert run(["inspect", "y.wasm"]) == 1
    assert capfdbinary.readouterr().err.startswith(b"Error: open y.wasm: no such file or directory")


def test_what_can_be_called_leaves_out_what_is_not_there_for_it():
    """Neither other types nor what toolchains leave."""
    assert callable_names(outline(SHOW.encode())) == ("greet",)
    assert "echo" in callable_names(outline(TOOLBOX.encode()))
