"""Group L: whatever is loaded, the host gets a plug-in or an error of bounded, harmless text."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import struct
import time
from pathlib import Path

import pytest
from in_a_child import in_a_child
from patience import ROOM
from wasi_puppet import WASI
from wat_guests import ECHO, UNREACHABLE, wat

import extism
from extism._engine.engine import shared_engine, wat_to_wasm
from extism.abi import ENV, USER
from extism.errors import (
    CallError,
    CompileError,
    Error,
    FunctionNotFound,
    LinkError,
    ManifestError,
    OutOfMemory,
    SourceError,
    Trap,
)

ECHO_BYTES = wat_to_wasm(ECHO)

# What could act on a terminal, hide, or pretend to be another line.
ACTIVE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NASTY = "evil\0\r\nError: forged\n\x1b[2J\x9b1m\u202edrow\u2066\u200e" + "long" * 20_000


def check_text(error: BaseException) -> None:
    """The text of an error is short, and nothing in it acts; nothing of `NASTY` begins a line."""
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    assert ACTIVE.findall(text) == []
    assert "\nError: forged" not in text
    assert len(text) < 8000


def check_works() -> None:
    """A good plug-in loads and answers."""
    with extism.Plugin(ECHO_BYTES) as plugin:
        assert plugin.call("echo", b"still here") == b"still here"


def refused(source, kind=Error, **options) -> Error:
    with pytest.raises(kind) as caught:
        extism.Plugin(source, **options)
    check_text(caught.value)
    check_works()
    return caught.value


NO_MODULES = {
    "empty": b"",
    "magic": b"\0asm",
    "magic and version": b"\0asm\1\0\0\0\xff",
    "version 2": b"\0asm\2\0\0\0",
    "cut": ECHO_BYTES[:-7],
    "half": ECHO_BYTES[: len(ECHO_BYTES) // 2],
    "random": random.Random(1).randbytes(5000),
    "random after magic": b"\0asm\1\0\0\0" + random.Random(2).randbytes(5000),
    "elf": b"\x7fELF\2\1\1" + bytes(1000),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "zip": b"PK\3\4" + bytes(1000),
    "gzip": b"\x1f\x8b\x08" + bytes(1000),
    "zip after magic": b"\0asm\1\0\0\0PK\3\4" + bytes(1000),
    "html": b"<html>\x1b[2J</html>",
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("name", NO_MODULES)
def test_l01_what_is_no_module(tmp_path, name):
    """An error, given as bytes, in a manifest or in a file."""
    data = NO_MODULES[name]
    path = tmp_path / "module.wasm"
    path.write_bytes(data)

    refused(data)
    refused({"wasm": [{"data": data}]})
    refused({"wasm": [{"path": str(path)}]})
    refused(path)


def flips(rounds: int, seed: int) -> dict:
    """Load modules with a few bits flipped, and call what they export."""
    chance = random.Random(seed)
    ends = {"works": 0, "error": 0, "long": 0}
    sources = [
        ECHO_BYTES,
        wat_to_wasm(UNREACHABLE),
        wat_to_wasm(wat('(table 5 funcref) (func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 9)))')),
    ]  # fmt: skip
    for _ in range(rounds):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            data[chance.randrange(8, len(data))] ^= 1 << chance.randrange(8)
        try:
            source = {"wasm": [{"data": bytes(data)}], "timeout_ms": 200}
            with extism.Plugin(source) as plugin:
                for export in plugin.exports:
                    if export.is_callable:
                        plugin.call(export.name, b"x")
            ends["works"] += 1
        except Error as error:
            ends["error" if len(str(error)) < 70_000 else "long"] += 1
    return ends


def test_l02_flipped_bits(monkeypatch):
    """Whatever bits are wrong, the module works or there is an error; 100 times as many in `make fuzz`."""
    found = in_a_child(flips, 400, 7, seconds=100, env={"EXTISM_NATIVE_CACHE_DIR": ""})

    assert found["works"] + found["error"] == 400
    assert found["works"] > 20
    assert found["error"] > 20


def test_l03_native_code():
    """What the engine has serialized is no module, by whatever name it comes."""
    native = shared_engine().compile(ECHO_BYTES).serialize()
    for data in (native, b"\0asm\1\0\0\0" + native):
        refused(data)
        refused({"wasm": [{"data": data}]})


def test_l04_a_component(tmp_path):
    """The error says what it is."""
    for data in (b"\0asm\x0d\0\1\0", b"\0asm\x0d\0\1\0" + ECHO_BYTES, b"(component)"):
        path = tmp_path / "component.wasm"
        path.write_bytes(data)
        assert "component" in str(refused(data)).lower()
        assert "component" in str(refused(path)).lower()


MANIFESTS = {
    "broken JSON": '{"wasm": [',
    "broken TOML": "[[wasm",
    "list": "[]",
    "empty object": "{}",
    "null": '{"wasm": null}',
    "no sources": '{"wasm": []}',
    "unknown key": '{"wasm": [{"path": "x"}], "wsam": 1}',
    "unknown key of a source": '{"wasm": [{"path": "x", "sha": ""}]}',
    "two origins": '{"wasm": [{"path": "x", "url": "http://x"}]}',
    "wrong type": '{"wasm": {"path": "x"}}',
    "number for text": '{"wasm": [{"path": 5}]}',
    "negative": '{"wasm": [{"path": "x"}], "timeout_ms": -1}',
    "fraction": '{"wasm": [{"path": "x"}], "timeout_ms": 1.5}',
    "infinite": '{"wasm": [{"path": "x"}], "timeout_ms": 1e999}',
    "not a number": '{"wasm": [{"path": "x"}], "timeout_ms": NaN}',
    "true": '{"wasm": [{"path": "x"}], "timeout_ms": true}',
    "enormous": '{"wasm": [{"path": "x"}], "timeout_ms": ' + "9" * 4000 + "}",
    "more digits than Python reads": '{"wasm": [{"path": "x"}], "timeout_ms": '
    + "9" * 100_000
    + "}",
    "TOML with such a number": "timeout_ms = " + "9" * 100_000,
    "hexadecimal in TOML": "timeout_ms = 0x" + "f" * 100_000,
    "deep": '{"wasm":' * 100_000,
    "deep list": '{"wasm":' + "[" * 100_000,
    "deep TOML": "x = " + "[" * 100_000,
    "deep tables in TOML": "[" + "a." * 100_000 + "a]",
    "deep inline tables": "x = " + "{a=" * 50_000,
    "twice": '{"wasm": [{"path": "x"}], "wasm": []}',
    "escapes": '{"wasm": [{"path": "x"}], "\\u001b[2J\\u202e\\n": 1}',
    "surrogate": '{"wasm": [{"path": "x"}], "\\ud800": 1}',
    "escapes in a value": '{"wasm": [{"path": "x"}], "timeout_ms": "\\u001b[2J\\n"}',
    "base64": '{"wasm": [{"data": "\\u001b[2J\\n!"}]}',
    "address": '{"wasm": [{"data": {"ptr": 4096, "len": 100}}]}',
    "not UTF-8": b'{"wasm": "\xff"}',
    "NUL": '{"wasm"\0: []}',
    "escapes in the text": '{"wasm": \x1b[2J}',
    "escapes in TOML": "wasm = \x1b[2J\u202e",
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_l05_broken_manifests(name):
    """A ManifestError in bounded time; what is wrong has its name in it."""
    began = time.monotonic()
    refused(MANIFESTS[name], CompileError if name == "not UTF-8" else ManifestError)
    assert time.monotonic() - began < ROOM


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("unknown key", "wsam"),
        ("unknown key of a source", "wasm[0].sha"),
        ("number for text", "wasm[0].path"),
        ("negative", "timeout_ms"),
        ("no sources", "wasm"),
    ],
)
def test_l05_the_key_is_named(name, where):
    """In the text and as an attribute."""
    error = refused(MANIFESTS[name], ManifestError)

    assert error.where == where
    assert where.rpartition(".")[2] in str(error)


@pytest.mark.parametrize("value", [5, 1.5, b"s3cret", True, ["x"], {"a": "b"}, Path()], ids=repr)
def test_l06_configuration_that_is_no_text(value):
    """TypeError that names the key and not the value; None takes a key away."""
    with pytest.raises(TypeError, match="key") as caught:
        extism.Plugin(ECHO_BYTES, config={"key": value})
    assert "s3cret" not in str(caught.value)
    with extism.Plugin(ECHO_BYTES, config={"key": None}) as plugin:
        assert plugin.call("echo", b"x") == b"x"


CONFIG = wat('(func (export "get") (call $give (call $config_get (call $copy_input))))')


def test_l07_a_value_larger_than_the_memory(plugin):
    """Out of memory; a small value is read, before and after."""
    made = plugin(CONFIG, config={"big": "x" * (50 << 20), "small": "y"}, memory={"max_pages": 16})

    assert made.call("get", b"small") == b"y"
    with pytest.raises(OutOfMemory):
        made.call("get", b"big")
    assert made.call("get", b"small") == b"y"


@pytest.mark.parametrize(
    "key", [b"\xff\xfe", b"", b"missing", b"k" * (5 << 20), b"a\0b"], ids=lambda key: repr(key[:20])
)
def test_l08_keys_of_any_kind(plugin, key):
    """Not there, or an error of bounded text."""
    made = plugin(CONFIG, config={"a": "1"})
    try:
        assert made.call("get", key) == b""
    except CallError as error:
        check_text(error)
    assert made.call("get", b"a") == b"1"


def test_l09_odd_characters_in_configuration(plugin):
    """Keys and values arrive as they are."""
    odd = "nul\0 \"quotes\" 'and' \\ \n \x1b[2J 𝄞 é \u202e"
    made = plugin(CONFIG, config={odd: odd})

    assert made.call("get", odd) == odd.encode()


def linked(*modules, **options):
    """Modules by name and text, `main` last."""
    return {"wasm": [{"data": text.encode(), "name": name} for name, text in modules], **options}


def importing(space, name="f", kind="(func)"):
    return f'(module (import "{space}" "{name}" {kind}) (func (export "f")))'


def test_l10_modules_in_a_circle():
    """The error names it; a chain works."""
    circle = linked(
        ("a", importing("b")),
        ("b", importing("c")),
        ("c", importing("a")),
        ("main", importing("a")),
    )
    assert "a -> b -> c -> a" in str(refused(circle, LinkError))
    chain = linked(
        ("a", importing("b")), ("b", '(module (func (export "f")))'), ("main", importing("a"))
    )
    with extism.Plugin(chain) as plugin:
        assert plugin.call("f", b"") == b""


def test_l11_a_module_that_imports_itself():
    """The same."""
    source = linked(("a", importing("a")), ("main", importing("a")))
    assert "a -> a" in str(refused(source, LinkError))
    assert "main -> main" in str(refused(linked(("main", importing("main"))), LinkError))


def test_l12_two_modules_of_one_name():
    """Refused; the name is in the text."""
    text = '(module (func (export "f")))'
    assert "twin" in str(
        refused(linked(("twin", text), ("twin", text), ("main", text)), ManifestError)
    )
    assert "main" in str(refused(linked(("main", text), ("main", text)), ManifestError))


@pytest.mark.parametrize("name", [ENV, WASI])
@pytest.mark.parametrize("wasi", [True, False])
def test_l13_reserved_names(name, wasi):
    """No module is called as what the host gives; l14 is about its functions."""
    fake = '(module (func (export "alloc") (param i64) (result i64) (i64.const 8)) (func (export "fd_close") (param i32) (result i32) (i32.const 0)))'
    error = refused(linked((name, fake), ("main", ECHO)), wasi=wasi)
    assert name in str(error)
    with extism.Plugin(linked(("library", fake), ("main", ECHO)), wasi=wasi) as plugin:
        assert plugin.call("echo", b"x") == b"x"


def test_l14_host_functions_are_not_shadowed():
    """A module that exports what is a host function is refused; WASI's name is taken."""

    @extism.host_fn(name="f", namespace=USER)
    def shout(text: str) -> str:
        return text.upper()

    fake = '(module (func (export "f") (param i64) (result i64) (i64.const 8)))'
    refused(linked((USER, fake), ("main", ECHO)), LinkError, functions=[shout])
    refused(linked((WASI, fake), ("main", ECHO)), LinkError, wasi=True)
    with extism.Plugin(linked(("main", ECHO)), functions=[shout]) as plugin:
        assert plugin.call("echo", b"x") == b"x"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("memory", "(memory 1)"),
        ("extism_context", "(global externref)"),
        ("extism_context", "(global (mut i64))"),
        ("data", "(memory 1)"),
        ("metadata", "(memory 0)"),
        ("alloc", "(memory 1)"),
        ("table", "(table 1 funcref)"),
    ],
)
def test_l15_the_kernels_own_things(name, kind):
    """Only its functions are for import."""
    refused(importing(ENV, name, kind).encode(), LinkError)


def test_l16_missing_imports():
    """All are named, with a hint where they could come from."""
    text = """(module (import "nowhere" "one" (func)) (import "extism:host/user" "two" (func (param i64)))
        (import "nowhere" "three" (global i32)) (func (export "f")))"""
    error = refused(text.encode(), LinkError)

    assert all(name in str(error) for name in ("one", "two", "three"))
    assert "functions=" in str(error)


def test_l17_a_trap_at_the_start():
    """An error; the next plug-in works, and the same text without the trap."""
    trapping = '(module (func $f unreachable) (start $f) (func (export "g")))'
    refused(trapping.encode(), Trap)
    with extism.Plugin(trapping.replace("unreachable", "nop").encode()) as plugin:
        assert plugin.call("g", b"") == b""


def loads(text: str, repeat: int) -> str:
    try:
        extism.Plugin((text * repeat).encode()).close()
    except Error as error:
        return type(error).__name__
    return "loaded"


@pytest.mark.parametrize(
    "text", ["(", "(module ", "(module (func (block ", "(;", '(module (func (export "f") ']
)
def test_l18_text_nested_without_end(text):
    """Refused at once and without a crash; nested a hundred times it is read."""
    assert in_a_child(loads, text, 200_000, seconds=60) == "CompileError"
    nested = f"(module (func {'(block ' * 90}{')' * 90}))"
    assert in_a_child(loads, nested, 1) == "loaded"


def test_l19_a_manifest_is_not_changed():
    """Neither the dict nor what is in it."""
    source = {
        "wasm": [{"data": ECHO_BYTES, "name": "main"}],
        "config": {"a": "b"},
        "allowed_hosts": ["*"],
        "memory": {"max_pages": 50},
        "timeout_ms": 1000,
    }
    copy = json.dumps(source, default=lambda data: base64.b64encode(data).decode())
    for _ in range(2):
        with extism.Plugin(source, config={"a": "c"}) as plugin:
            plugin.call("echo", b"x")

    assert json.dumps(source, default=lambda data: base64.b64encode(data).decode()) == copy


def test_l20_an_exception_that_nobody_catches(plugin):
    """An ordinary error; one that is caught is none."""
    made = plugin(
        """(module (tag $e (param i32))
        (func (export "throws") (throw $e (i32.const 1)))
        (func (export "catches") (block $h (result i32)
          (try_table (catch $e $h) (throw $e (i32.const 1))) (i32.const 0)) drop))"""
    )
    with pytest.raises(CallError) as caught:
        made.call("throws", b"")
    check_text(caught.value)
    assert made.call("catches", b"") == b""


def test_l21_thousands_of_imports_and_exports():
    """Read in bounded time: missing ones are told shortly, exports can be called."""
    imports = "".join(f'(import "space" "f{number}" (func))' for number in range(10_000))
    began = time.monotonic()
    refused(f"(module {imports})".encode(), LinkError)
    exports = "".join(f'(export "e{number}" (func 0))' for number in range(50_000))
    with extism.Plugin(f"(module (func) {exports})".encode()) as plugin:
        assert plugin.call("e49999", b"") == b""
        with pytest.raises(FunctionNotFound) as caught:
            plugin.call("e50000", b"")
        check_text(caught.value)
    assert time.monotonic() - began < 60


# Names in errors ------------------------------------------------------------------------------------


def leb(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(out)


def name_of(text: str) -> bytes:
    data = text.encode()
    return leb(len(data)) + data


def section(number: int, body: bytes) -> bytes:
    return bytes([number]) + leb(len(body)) + body


VERSION = b"\0asm\1\0\0\0"
TYPES = section(1, b"\2\x60\0\0\x60\1\x7f\0")


def importing_bytes(space: str, name: str) -> bytes:
    return VERSION + TYPES + section(2, b"\1" + name_of(space) + name_of(name) + b"\0\0")


def exporting_bytes(
    name: str, *, kind: int = 0, custom: str = "custom", trap: bool = True
) -> bytes:
    body = b"\3\0\0\x0b" if trap else b"\2\0\x0b"
    names = section(
        0, name_of("name") + b"\1" + leb(2 + len(name_of(name))) + b"\1\0" + name_of(name)
    )
    return (
        VERSION
        + TYPES
        + section(3, bytes([1, kind]))
        + section(7, b"\1" + name_of(name) + b"\0\0")
        + section(10, b"\1" + body)
        + section(0, name_of(custom) + b"x")
        + names
    )


@pytest.mark.parametrize("name", ["a\0b", "\0", NASTY])
def test_l22_a_nul_in_the_name_of_an_import(name):
    """An error, in a process that lives; a good name is linked."""
    refused(importing_bytes("space", name), LinkError)
    refused(importing_bytes(name, "f"), LinkError)
    refused(importing_bytes(ENV, name), LinkError)
    refused(importing_bytes(WASI, name), LinkError, wasi=True)
    refused(importing_bytes(USER, name), LinkError)


def test_l22_control():
    """A host function may even have such a name, and is called."""
    called = []
    name = "a\0b\n"

    @extism.host_fn(name=name, namespace=USER)
    def odd() -> None:
        called.append(name)

    data = (
        VERSION
        + TYPES
        + section(2, b"\1" + name_of(USER) + name_of(name) + b"\0\0")
        + section(3, b"\1\0")
        + section(7, b"\1" + name_of("f") + b"\0\1")
        + section(10, b"\1\4\0\x10\0\x0b")
    )
    with extism.Plugin(data, functions=[odd]) as plugin:
        plugin.call("f", b"")
    assert called == [name]


def test_l23_names_of_exports():
    """Not found, not callable, trapped, or suggested: the name does nothing."""
    with extism.Plugin(exporting_bytes(NASTY)) as plugin:
        for call in ("missing", NASTY[:-1], "\x1b[2J\n", "evil"):
            with pytest.raises(FunctionNotFound) as caught:
                plugin.call(call, b"")
            check_text(caught.value)
        with pytest.raises(Trap) as trapped:
            plugin.call(NASTY, b"")
        check_text(trapped.value)
        assert plugin.function_exists(NASTY)
        assert ACTIVE.findall(repr(plugin) + repr(plugin.compiled_plugin)) == []
    with extism.Plugin(exporting_bytes(NASTY, kind=1)) as plugin:
        with pytest.raises(CallError) as caught:
            plugin.call(NASTY, b"")
        check_text(caught.value)
    with extism.Plugin(exporting_bytes(NASTY, trap=False)) as plugin:
        assert plugin.call(NASTY, b"") == b""


@pytest.mark.parametrize("start", ["", "(start $f)"], ids=["call", "start"])
def test_l23_a_function_that_poses_as_a_frame(start, both_ways):
    """A line break in a name begins no line of the backtrace."""
    name = r"real\u{a}    1: 0x12 - main!innocent"
    module = f'''(module (func $f (@name "{name}") unreachable) {start}
      (func (export "run") (call $f)))'''
    with pytest.raises(Error) as caught:
        extism.Plugin(module, functions=[]).call("run", b"")
    lines = str(caught.value).splitlines()

    assert not any(line.startswith("    1: 0x12") for line in lines)
    assert any(r"real\n    1: 0x12" in line for line in lines)


def test_l23_names_of_modules_files_and_urls(tmp_path):
    """In manifests, paths and URLs as well."""
    short = NASTY[:100]
    module = '(module (func (export "f")))'
    refused(linked((NASTY, module), (NASTY, module), ("main", module)), ManifestError)
    refused(
        linked((NASTY, importing(NASTY.encode("unicode_escape").decode()[:10])), ("main", module))
    )
    refused({"wasm": [{"path": str(tmp_path / short.replace("\0", ""))}]}, SourceError)
    refused({"wasm": [{"path": short}]}, SourceError)
    refused({"wasm": [{"url": f"http://127.0.0.1:9/{short}"}]}, SourceError)
    refused({"wasm": [{"url": short}]}, SourceError)
    refused({"wasm": [{"data": ECHO_BYTES, "hash": NASTY}]}, SourceError)
    refused({"wasm": [{"data": ECHO_BYTES}], NASTY: 1}, ManifestError)
    refused({"wasm": [{"data": ECHO_BYTES}], "config": {NASTY: 1}}, ManifestError)
    refused(
        {"wasm": [{"data": ECHO_BYTES}], "allowed_paths": {short: "/x"}}, ManifestError, wasi=True
    )
    refused(
        linked(("a", importing("b", "f")), ("b", importing("a")), ("main", importing(NASTY[:4])))
    )


def test_l23_names_of_malformed_modules():
    """What the engine or the toolkit says about a module that has such names."""
    good = exporting_bytes(NASTY)
    twice = section(7, b"\2" + 2 * (name_of(NASTY) + b"\0\0"))
    refused(
        VERSION + TYPES + section(3, b"\1\0") + twice + section(10, b"\1\2\0\x0b"), CompileError
    )
    refused(good[:-1], Error)
    refused(f"(module (func $f (call ${NASTY[:60]})))".encode(), Error)
    refused(f'(module (import "{NASTY[40:60]}" "x" (func)))'.encode(), Error)


@pytest.mark.parametrize("key", ["path", "url"])
def test_l24_text_format_where_a_path_belongs(key):
    """An error of bounded text; as data it is a module."""
    refused({"wasm": [{key: ECHO}]}, SourceError)
    refused({"wasm": [{key: ECHO * 1000}]}, SourceError)
    with extism.Plugin({"wasm": [{"data": ECHO.encode()}]}) as plugin:
        assert plugin.call("echo", b"x") == b"x"


def stalls(folder: str) -> list[str]:
    """Load what is no regular file, or names one only by detours."""
    os.mkfifo(f"{folder}/fifo")
    Path(folder, "link").symlink_to("fifo")
    found = []
    for path in (
        f"{folder}/fifo",
        f"{folder}/link",
        "/dev/zero",
        "/dev/null",
        folder,
        "/proc/self/mem",
    ):
        try:
            extism.Plugin({"wasm": [{"path": path}]}).close()
            found.append("loaded")
        except Error as error:
            found.append(type(error).__name__)
    try:
        extism.Plugin("/dev/zero")  # a pipe may be named here: only its length is bounded
    except Error as error:
        found.append(type(error).__name__)
    return found


def test_l24_paths_that_are_no_files(tmp_path):
    """FIFOs and devices hold nobody up; a link to a module is followed."""
    found = in_a_child(stalls, str(tmp_path), seconds=60)
    assert set(found) <= {"SourceError", "ManifestError", "CompileError"}

    (tmp_path / "module.wasm").write_bytes(ECHO_BYTES)
    (tmp_path / "alias.wasm").symlink_to("module.wasm")
    with extism.Plugin({"wasm": [{"path": str(tmp_path / "alias.wasm")}]}) as plugin:
        assert plugin.call("echo", b"x") == b"x"


def test_l24_a_sparse_file_without_end(tmp_path):
    """A file is no larger than what a URL may give; a policy keeps other people's manifests in their folder."""
    huge = tmp_path / "huge.wasm"
    with huge.open("wb") as file:
        file.write(struct.pack("<II", 0x6D736100, 1))
        file.truncate(1 << 40)
    refused({"wasm": [{"path": str(huge)}]}, SourceError)
    refused(huge, SourceError)

    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.wasm").symlink_to(huge)
    policy = extism.SourcePolicy(schemes=["path"], folders=[tmp_path / "inside"])
    refused(
        {"wasm": [{"path": str(tmp_path / "inside" / "link.wasm")}]}, SourceError, policy=policy
    )
    refused({"wasm": [{"data": ECHO_BYTES}]}, SourceError, policy=policy)
