"""The manifest: what is read, what is refused and in which words, what is dumped."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from extism.errors import ManifestError
from extism.manifest import Manifest, MemoryOptions, WasmData, WasmFile, WasmUrl, sniff
from extism.secret import Secret

FULL = {
    "wasm": [
        {"path": "lib.wasm", "name": "lib", "hash": "ab" * 32},
        {"data": b"\0asm\1\0\0\0", "name": "inline"},
        {"url": "https://example.com/main.wasm", "headers": {"x": "y"}, "method": "post"},
    ],
    "memory": {"max_pages": 17, "max_http_response_bytes": 0, "max_var_bytes": None},
    "config": {"greeting": "hello"},
    "allowed_hosts": ["*.example.com"],
    "allowed_paths": {"ro:/data": "/in"},
    "timeout_ms": 1000,
}

FULL_TOML = """
timeout_ms = 1000
allowed_hosts = ["*.example.com"]
[[wasm]]
path = "lib.wasm"
name = "lib"
hash = "abababababababababababababababababababababababababababababababab"
[[wasm]]
data = "AGFzbQEAAAA="
name = "inline"
[[wasm]]
url = "https://example.com/main.wasm"
headers = { x = "y" }
method = "post"
[memory]
max_pages = 17
max_http_response_bytes = 0
[config]
greeting = "hello"
[allowed_paths]
"ro:/data" = "/in"
"""

FULL_PARSED = Manifest(
    wasm=(
        WasmFile("lib.wasm", name="lib", hash="ab" * 32),
        WasmData(b"\0asm\1\0\0\0", name="inline"),
        WasmUrl("https://example.com/main.wasm", headers={"x": "y"}, method="POST"),
    ),
    memory=MemoryOptions(max_pages=17, max_http_response_bytes=0),
    config={"greeting": "hello"},
    allowed_hosts=("*.example.com",),
    allowed_paths={"ro:/data": "/in"},
    timeout_ms=1000,
)


def as_json(manifest):
    return json.dumps(manifest, default=lambda data: "AGFzbQEAAAA=")


@pytest.mark.parametrize(
    "form",
    [
        FULL,
        as_json(FULL),
        as_json(FULL).encode(),
        "\ufeff" + as_json(FULL),
        FULL_TOML,
        b"\xef\xbb\xbf" + FULL_TOML.encode(),
        FULL_PARSED,
    ],
    ids=["dict", "json", "json bytes", "json with BOM", "toml", "toml with BOM", "manifest"],
)
def test_every_form_says_the_same(form):
    """A dict, JSON and TOML, text or bytes, with or without a byte order mark, give one manifest."""
    assert Manifest.parse(form) == FULL_PARSED


def test_only_wasm_is_required():
    """Everything but `wasm` has a default, and by default nothing is granted."""
    parsed = Manifest.parse({"wasm": [{"path": "a.wasm"}]})

    assert parsed == Manifest(wasm=(WasmFile("a.wasm"),))
    assert (parsed.allowed_hosts, parsed.allowed_paths, parsed.timeout_ms) == ((), {}, None)
    assert (parsed.memory.http_response_limit, parsed.memory.var_limit) == (52428800, 1048576)


def test_zero_is_a_limit_and_null_is_none():
    """A limit of 0 stays 0; only null stands for the default."""
    memory = MemoryOptions(max_http_response_bytes=0, max_var_bytes=0, max_pages=0)

    assert (memory.http_response_limit, memory.var_limit, memory.max_pages) == (0, 0, 0)


def test_null_hosts_and_paths_are_empty():
    """`null` for allowed_hosts and allowed_paths grants nothing."""
    parsed = Manifest.parse('{"wasm":[{"path":"a"}],"allowed_hosts":null,"allowed_paths":null}')

    assert (parsed.allowed_hosts, parsed.allowed_paths) == ((), {})


def test_pathlib_paths_are_paths():
    """A `pathlib.Path` stands wherever a path of the host does."""
    parsed = Manifest.parse(
        {"wasm": [{"path": Path("a.wasm")}], "allowed_paths": {Path("d"): "/d"}}
    )

    assert parsed.wasm == (WasmFile("a.wasm"),)
    assert parsed.allowed_paths == {"d": "/d"}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_data_may_be_any_bytes(kind):
    """`data` takes bytes, bytearray and memoryview and keeps a copy."""
    assert Manifest.parse({"wasm": [{"data": kind(b"abc")}]}).wasm == (WasmData(b"abc"),)


def test_the_callers_dict_is_not_changed_and_not_kept():
    """Parsing leaves the dict alone, and changing the dict later changes no manifest."""
    given = copy.deepcopy(FULL)
    parsed = Manifest.parse(given)

    assert given == FULL
    given["config"]["greeting"] = "bye"
    given["wasm"].clear()
    assert parsed == FULL_PARSED


def one(**more):
    return {"wasm": [{"path": "a.wasm"}], **more}


NO_FILES = "No wasm files specified in Extism manifest"
UNKNOWN = "Unknown manifest format: "

REFUSED = [
    ({}, "wasm", NO_FILES),
    ("", "wasm", NO_FILES),
    ({"wasm": []}, "wasm", NO_FILES),
    ([], "", f"{UNKNOWN}the manifest is a list; allowed: an object (a dict, a TOML table)"),
    (None, "", f"{UNKNOWN}the manifest is null; allowed: an object (a dict, a TOML table)"),
    ("{", "", f"{UNKNOWN}not JSON: Expecting property name enclosed in double quotes"),
    ('{"wasm": [] // no comments\n}', "", f"{UNKNOWN}not JSON: "),
    ("[1, 2]", "", f"{UNKNOWN}not TOML (and JSON begins with a brace): "),
    ("nope.wasm", "", f"{UNKNOWN}not TOML (and JSON begins with a brace): "),
    (b"\xff\xfe", "", f"{UNKNOWN}not UTF-8 text ('utf-8' codec can't decode byte 0xff"),
    ('{"a":' * 100_000, "", f"{UNKNOWN}nested too deeply"),
    ('{"wasm": [], "wasm": []}', "wasm", f"{UNKNOWN}the key 'wasm' is there twice"),
    ("wasm = []\nwasm = []", "", f"{UNKNOWN}not TOML"),
    ('{"timeout_ms": ' + "9" * 5000 + "}", "", f"{UNKNOWN}not JSON: Exceeds the limit"),
    (
        one(allowed_host=[]),
        "allowed_host",
        (
            f"{UNKNOWN}'allowed_host' is no key of the manifest; did you mean allowed_hosts? allowed: "
            "wasm, memory, config, allowed_hosts, allowed_paths, timeout_ms"
        ),
    ),
    (
        one(memory={"maxPages": 3}),
        "memory.maxPages",
        (
            f"{UNKNOWN}'maxPages' is no key of memory; did you mean max_pages? allowed: "
            "max_pages, max_http_response_bytes, max_var_bytes"
        ),
    ),
    ({3: 4}, "3", f"{UNKNOWN}3 is no key of the manifest; allowed: wasm, "),
    ({"wasm": {}}, "wasm", f"{UNKNOWN}wasm is an object; allowed: a list"),
    ({"wasm": None}, "wasm", f"{UNKNOWN}wasm is null; allowed: a list"),
    ({"wasm": ["a.wasm"]}, "wasm[0]", f"{UNKNOWN}wasm[0] is a text; allowed: an object"),
    (
        {"wasm": [{}]},
        "wasm[0]",
        f"{UNKNOWN}wasm[0] has the keys none; allowed: exactly one of path, data, url",
    ),
    (
        {"wasm": [{"path": "a"}, {"path": "b", "url": "c"}]},
        "wasm[1]",
        f"{UNKNOWN}wasm[1] has path and url; allowed: exactly one of path, data, url",
    ),
    (
        {"wasm": [{"path": "a", "headers": {}}]},
        "wasm[0].headers",
        f"{UNKNOWN}'headers' is no key of wasm[0]; allowed: path, name, hash",
    ),
    (
        {"wasm": [{"path": "a"}, {"path": "b", "hash": 5}]},
        "wasm[1].hash",
        f"{UNKNOWN}wasm[1].hash is a number; allowed: a text or null",
    ),
    ({"wasm": [{"path": None}]}, "wasm[0].path", f"{UNKNOWN}wasm[0].path is null; allowed: a text"),
    ({"wasm": [{"path": b"a"}]}, "wasm[0].path", f"{UNKNOWN}wasm[0].path is bytes"),
    (
        {"wasm": [{"data": "AGFzbQEAAAA"}]},
        "wasm[0].data",
        f"{UNKNOWN}wasm[0].data is 'AGFzbQEAAAA', not base64 (Incorrect padding); allowed: ",
    ),
    ({"wasm": [{"data": "AGFz\nbQ=="}]}, "wasm[0].data", f"{UNKNOWN}wasm[0].data is 'AGFz\\nbQ=='"),
    ({"wasm": [{"data": "-_-_"}]}, "wasm[0].data", f"{UNKNOWN}wasm[0].data is '-_-_', not base64"),
    ({"wasm": [{"data": "ä"}]}, "wasm[0].data", f"{UNKNOWN}wasm[0].data is 'ä', not base64"),
    (
        {"wasm": [{"data": {"ptr": 4096, "len": 8}}]},
        "wasm[0].data",
        f"{UNKNOWN}wasm[0].data is a raw address; allowed: bytes or base64 text; addresses are ",
    ),
    ({"wasm": [{"url": "http://a", "headers": None}]}, "wasm[0].headers", f"{UNKNOWN}wasm[0].hea"),
    ({"wasm": [{"url": "http://a", "method": 1}]}, "wasm[0].method", f"{UNKNOWN}wasm[0].method is"),
    (one(memory=None), "memory", f"{UNKNOWN}memory is null; allowed: an object"),
    *(
        (
            one(memory={"max_pages": value}),
            "memory.max_pages",
            f"{UNKNOWN}memory.max_pages is {shown}; allowed: a whole number from 0 to 4294967295, ",
        )
        for value, shown in [
            (-1, "-1"),
            (2**32, "4294967296"),
            (1.0, "1.0"),
            (float("nan"), "nan"),
            ("17", "'17'"),
            (True, "true or false"),
            ([], "a list"),
            (10**6000, "an enormous number"),
        ]
    ),
    (one(timeout_ms=2**64), "timeout_ms", f"{UNKNOWN}timeout_ms is 18446744073709551616; allowed"),
    (one(config=None), "config", f"{UNKNOWN}config is null; allowed: an object"),
    (
        one(config={"a": 5}),
        "config.a",
        f"{UNKNOWN}config.a is a number; allowed: a text, or extism",
    ),
    (
        one(config={"a b": None}),
        "config['a b']",
        f"{UNKNOWN}config['a b'] is null; allowed: a text",
    ),
    (
        one(config={"a": b"x"}),
        "config.a",
        f"{UNKNOWN}config.a is bytes; allowed: a text, or extism",
    ),
    (
        one(config={5: "x"}),
        "config",
        f"{UNKNOWN}config has a number among its keys; allowed: texts",
    ),
    (one(allowed_hosts="a"), "allowed_hosts", f"{UNKNOWN}allowed_hosts is a text; allowed: a list"),
    (one(allowed_hosts=["a", 5]), "allowed_hosts[1]", f"{UNKNOWN}allowed_hosts[1] is a number; "),
    (one(allowed_paths={"/a": 1}), "allowed_paths[/a]".replace("/a", "'/a'"), UNKNOWN),
    (
        {"wasm": [{"path": "a"}, {"path": "b"}]},
        "wasm[1].name",
        "Duplicate module name found in Extism manifest: main (an entry without a name is called",
    ),
    (
        {"wasm": [{"path": p, "name": "x"} for p in "abc"]},
        "wasm[1].name",
        "Duplicate module name found in Extism manifest: x",
    ),
    (
        {"wasm": [{"path": "a", "name": "extism:host/env"}, {"path": "b"}]},
        "wasm[0].name",
        "Duplicate module name found in Extism manifest: extism:host/env (it belongs to ",
    ),
]


@pytest.mark.parametrize(
    ("value", "where", "text"),
    REFUSED,
    ids=[f"{number}-{row[1]}" for number, row in enumerate(REFUSED)],
)
def test_a_wrong_manifest_is_refused_with_its_key(value, where, text):
    """The error begins with upstream's words and says which key, what was found, what is allowed."""
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(value)

    assert caught.value.where == where
    assert str(caught.value)[: len(text)] == text


def test_an_error_is_short_whatever_was_given():
    """Texts of any length are cut before they are shown."""
    with pytest.raises(ManifestError) as caught:
        Manifest.parse({"x" * 10_000_000: 1})

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([None], ["main"]),
        (["lib"], ["main"]),
        ([None, "lib"], ["main", "lib"]),
        (["lib", None], ["lib", "main"]),
        (["main", "lib"], ["main", "lib"]),
        (["a", "b"], ["a", "main"]),
        (["a", "b", "c"], ["a", "b", "main"]),
        (["", "b"], ["", "main"]),
    ],
)
def test_main_is_the_unnamed_or_the_last(names, expected):
    """An entry without a name is main; without one of that name the last entry becomes it."""
    manifest = Manifest(wasm=tuple(WasmFile("a", name=name) for name in names))

    assert manifest.module_names == tuple(expected)


def test_a_manifest_built_by_hand_is_checked_too():
    """The constructors check, convert and name the key as parsing does."""
    with pytest.raises(ManifestError) as caught:
        Manifest(wasm=[{"path": "a"}, WasmFile(path=3)])

    assert caught.value.where == "path"
    assert Manifest(wasm=[{"path": "a"}]).wasm == (WasmFile("a"),)


def test_replace_gives_a_checked_copy():
    """`dataclasses.replace` is the builder: it checks, and the original stays."""
    first = Manifest(wasm=(WasmFile("a"),))
    second = replace(first, memory=replace(first.memory, max_pages=4))

    assert (first.memory.max_pages, second.memory.max_pages) == (None, 4)
    with pytest.raises(ManifestError):
        replace(first, timeout_ms=-1)
    with pytest.raises(FrozenInstanceError):
        first.timeout_ms = 3


def test_dumps_read_back():
    """`to_dict` and `to_json` give what `parse` reads back to the same manifest."""
    assert Manifest.parse(FULL_PARSED.to_dict()) == FULL_PARSED
    assert Manifest.parse(FULL_PARSED.to_json(indent=2)) == FULL_PARSED
    assert pickle.loads(pickle.dumps(FULL_PARSED)) == FULL_PARSED


def test_dumps_leave_defaults_out():
    """Only what differs from the defaults is dumped."""
    manifest = Manifest(wasm=(WasmData(b"abc"),))

    assert manifest.to_dict() == {"wasm": [{"data": b"abc"}]}
    assert manifest.to_json() == '{"wasm": [{"data": "YWJj"}]}'


def test_secrets_never_leak():
    """A secret shows neither in repr nor in JSON nor in a pickle, and survives a dict."""
    manifest = Manifest(
        wasm=(WasmUrl("http://a", headers={"authorization": Secret("hunter2")}),),
        config={"token": Secret("hunter2")},
    )

    assert "hunter2" not in repr(manifest) + manifest.to_json() + repr(manifest.to_dict())
    assert Manifest.parse(manifest.to_dict()) == manifest
    assert json.loads(manifest.to_json())["config"] == {"token": "***"}
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(manifest)


def test_repr_does_not_print_the_module():
    """The bytes of a module are counted, not shown."""
    assert repr(WasmData(bytes(5_000_000))) == "WasmData(<5000000 bytes>, name=None, hash=None)"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0asm\1\0\0\0", "wasm"),
        ("\0asm\1\0\0\0", "wasm"),
        (b"\0asm" + b"\xff" * 10, "wasm"),
        (b"\xff\xfe\xfd", "wasm"),
        ("(module)", "wat"),
        (b"(  module)", "wat"),
        ("\n\t (module)", "wat"),
        ("\ufeff(module)", "wat"),
        (";; a comment\n(module)", "wat"),
        ("(; a comment ;) (module)", "wat"),
        ("  ;; indented", "wat"),
        ("(func)", "wat"),
        ("", "manifest"),
        ("{}", "manifest"),
        ("\ufeff{}", "manifest"),
        ("[[wasm]]", "manifest"),
        ("no such file.wasm", "manifest"),
        ("\ud800", "wasm"),
    ],
)
def test_sniff_tells_what_it_is(content, expected):
    """Binary modules by magic number, text modules by bracket or comment, the rest is a manifest."""
    assert sniff(content) == expected
