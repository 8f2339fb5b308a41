"""What a plug-in can be made of: manifests in three forms, modules, paths, hashes, names."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from http_server import serve
from wat_guests import ECHO, wat

import extism
from extism import Manifest, WasmData, WasmFile
from extism.errors import CompileError, HashMismatch, ManifestError, SourceError

WASM = bytes.fromhex(
    "0061736d01000000"  # magic, version
    "010401600000"  # one type, () -> ()
    "03020100"  # one function
    "070801046e6f6f700000"  # exported as noop
    "0a040102000b"  # which does nothing
)
"""The smallest module with a function: `noop`."""

ECHO_BYTES = ECHO.encode()
ECHO_HASH = hashlib.sha256(ECHO_BYTES).hexdigest()
BASE64 = base64.b64encode(ECHO_BYTES).decode()


def echoes(source, **options):
    with extism.Plugin(source, functions=[], **options) as plugin:
        return plugin.call("echo", "x") == b"x"


def data(**more):
    return {"wasm": [{"data": ECHO_BYTES, **more}]}


@pytest.mark.parametrize(
    "source",
    [
        ECHO,
        ECHO_BYTES,
        bytearray(ECHO_BYTES),
        memoryview(ECHO_BYTES),
        "\n  " + ECHO,
        ";; a comment\n" + ECHO,
        "(; a comment ;)" + ECHO,
        data(),
        {"wasm": [{"data": BASE64}]},
        json.dumps({"wasm": [{"data": BASE64}]}),
        json.dumps({"wasm": [{"data": BASE64}]}).encode(),
        f'[[wasm]]\ndata = "{BASE64}"',
        Manifest(wasm=(WasmData(ECHO_BYTES),)),
    ],
    ids=[
        "text",
        "bytes",
        "bytearray",
        "memoryview",
        "text after white space",
        "text after a comment",
        "text after a block comment",
        "dict with bytes",
        "dict with base64",
        "JSON",
        "JSON bytes",
        "TOML",
        "Manifest",
    ],
)
def test_a_plugin_is_made_of_a_module_or_a_manifest(source):
    """What the argument is is seen from its content."""
    assert echoes(source)


@pytest.mark.parametrize("kind", ["str", "Path"])
@pytest.mark.parametrize("form", ["module", "JSON", "TOML"])
def test_a_plugin_is_made_of_a_file(tmp_path, kind, form):
    """A path may lead to a module or to a manifest."""
    path = tmp_path / "plug-in"
    path.write_text(
        {
            "module": ECHO,
            "JSON": json.dumps({"wasm": [{"data": BASE64}]}),
            "TOML": f'[[wasm]]\ndata = "{BASE64}"',
        }[form]
    )

    assert echoes(str(path) if kind == "str" else path)


def test_a_binary_module_is_taken_as_it_is():
    """Bytes that begin with the magic number are wasm."""
    from extism._engine.engine import wat_to_wasm

    assert echoes(wat_to_wasm(ECHO))


def test_a_path_of_the_manifest_starts_at_the_working_directory(tmp_path, monkeypatch):
    """Not at the manifest's own place, as upstream."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "m.wat").write_text(ECHO)
    (tmp_path / "manifest.json").write_text('{"wasm": [{"path": "m.wat"}]}')
    monkeypatch.chdir(tmp_path / "here")

    assert echoes(tmp_path / "manifest.json")
    assert echoes({"wasm": [{"path": "m.wat"}]})
    assert echoes(Manifest(wasm=(WasmFile("m.wat"),)))


def test_a_url_is_fetched():
    """The module may come from a server; `allowed_hosts` is for the guest and does not matter."""
    with serve() as server:
        source = {"url": server.answer("/m.wat", body=ECHO_BYTES), "headers": {"X-Token": "t"}}

        assert echoes({"wasm": [source]})
        assert (server.seen[0].method, server.seen[0].header("X-Token")) == ("GET", "t")


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, ECHO_BYTES, "http status: 404"),
        (500, ECHO_BYTES, "http status: 500"),
        (204, b"", "it is empty"),
    ],
)
def test_a_url_that_does_not_answer_well_is_a_source_error(status, body, text):
    """The status is told, or that there is nothing; the body of an error is no module."""
    with serve() as server:
        url = server.answer("/m.wat", status, body=body)
        with pytest.raises(SourceError, match=text):
            echoes({"wasm": [{"url": url}]})


@pytest.mark.parametrize(
    ("kind", "hash_"),
    [
        (kind, hash_)
        for kind in ("data", "path", "url")
        for hash_ in (ECHO_HASH, ECHO_HASH.upper(), None)
    ],
)
def test_a_right_hash_lets_a_module_in(tmp_path, kind, hash_):
    """SHA-256 of the bytes as they are supplied, in lower case or upper."""
    (tmp_path / "m.wat").write_bytes(ECHO_BYTES)
    with serve() as server:
        source = {
            "data": {"data": ECHO_BYTES},
            "path": {"path": str(tmp_path / "m.wat")},
            "url": {"url": server.answer("/m.wat", body=ECHO_BYTES)},
        }[kind]

        assert echoes({"wasm": [{**source, "hash": hash_}]})


@pytest.mark.parametrize("hash_", ["0" * 64, f"sha256:{ECHO_HASH}", "", ECHO_HASH[:-1]])
def test_a_wrong_hash_keeps_a_module_out(hash_):
    """The error has upstream's words, and both hashes as attributes."""
    with pytest.raises(HashMismatch) as caught:
        echoes(data(hash=hash_))

    assert str(caught.value).startswith(
        f"Unable to compile Extism plugin: Hash mismatch, found {ECHO_HASH} but expected {hash_}"
    )
    assert (caught.value.expected, caught.value.found) == (hash_, ECHO_HASH)


def test_a_hash_is_looked_at_before_the_bytes():
    """What is not what was promised is not even read as a module."""
    with pytest.raises(HashMismatch):
        echoes({"wasm": [{"data": b"no module at all", "hash": "0" * 64}]})


def test_a_missing_file_is_named():
    """The path, and where relative ones start."""
    with pytest.raises(SourceError) as caught:
        echoes({"wasm": [{"path": "nowhere.wasm"}]})

    text = (
        'Unable to compile Extism plugin: Unable to load Wasm file "nowhere.wasm": entity not found'
    )
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, OSError)


def test_a_file_name_that_leads_nowhere_is_not_taken_for_a_manifest():
    """A str that ends like a file and is none says so."""
    with pytest.raises(SourceError, match=r'there is no file "nowhere.wasm"'):
        echoes("nowhere.wasm")


def test_a_directory_is_no_module(tmp_path):
    """Neither as argument nor as path."""
    with pytest.raises(SourceError, match=r"[Ii]s a directory"):
        echoes(tmp_path)
    with pytest.raises(SourceError, match="is a directory"):
        echoes({"wasm": [{"path": str(tmp_path)}]})


@pytest.mark.parametrize(
    ("manifest", "where"),
    [
        ({}, "wasm"),
        ({"wasm": []}, "wasm"),
        ({**data(), "extra": 1}, "extra"),
        ({"wasm": [{"data": ECHO_BYTES, "path": "x"}]}, "wasm[0]"),
        ({"wasm": [{}]}, "wasm[0]"),
        ({**data(), "timeout_ms": -1}, "timeout_ms"),
        ({**data(), "timeout_ms": "1"}, "timeout_ms"),
        ({**data(), "memory": {"max_pages": 1.5}}, "memory.max_pages"),
        ({**data(), "memory": {"pages": 1}}, "memory.pages"),
        ({**data(), "config": {"k": 1}}, "config"),
        ({**data(), "allowed_hosts": "host"}, "allowed_hosts"),
        ({**data(), "allowed_paths": ["/tmp"]}, "allowed_paths"),
    ],
)
def test_a_wrong_manifest_names_the_key(manifest, where):
    """Nothing is guessed and nothing ignored."""
    with pytest.raises(ManifestError) as caught:
        extism.Plugin(manifest)

    assert caught.value.where.startswith(where)
    assert str(caught.value).startswith("Unable to compile Extism plugin: ")


@pytest.mark.parametrize("text", ["{", "[[wasm]", "no manifest", "[]", '{"wasm": 1}', ""])
def test_text_that_is_nothing_is_an_unknown_format(text):
    """Broken text is a ManifestError."""
    with pytest.raises(ManifestError):
        extism.Plugin(text)


@pytest.mark.parametrize("source", [None, 7, 1.5, ["wasm"], object], ids=repr)
def test_an_argument_of_another_type_is_refused(source):
    """Neither text nor bytes nor path nor mapping."""
    with pytest.raises((TypeError, ManifestError)):
        extism.Plugin(source)


SAYS_ONE, SAYS_TWO = (
    wat(f'(func (export "run") (call $give_i64 (i64.const {n})))').encode() for n in (1, 2)
)


@pytest.mark.parametrize(
    ("names", "main"),
    [
        ((None,), 1),
        (("anything",), 1),
        (("main", "other"), 1),
        (("other", "main"), 2),
        ((None, "other"), 1),
        (("other", None), 2),
        (("one", "two"), 2),
    ],
    ids=str,
)
def test_which_module_is_main(names, main):
    """The one called main, or without a name; else the last."""
    texts = (SAYS_ONE, SAYS_TWO)
    sources = [
        {"data": text, **({"name": name} if name else {})}
        for name, text in zip(names, texts, strict=False)
    ]
    with extism.Plugin({"wasm": sources}) as plugin:
        assert plugin.call("run", "")[0] == main


@pytest.mark.parametrize("names", [("a", "a", "main"), ("main", "main"), (None, None)], ids=str)
def test_two_modules_of_one_name_are_refused(names):
    """Upstream's words."""
    sources = [{"data": ECHO_BYTES, "name": name} for name in names]
    with pytest.raises(ManifestError, match="Duplicate module name found in Extism manifest"):
        extism.Plugin({"wasm": sources})


def test_one_wrong_module_is_named():
    """Of several modules the error says which the engine refused."""
    sources = [{"name": "lib", "data": b"(module (func (result i32)))"}, {"data": ECHO_BYTES}]
    with pytest.raises(CompileError) as caught:
        extism.Plugin({"wasm": sources})

    assert caught.value.module == "lib"


def test_a_manifest_can_be_used_many_times():
    """The dict and the Manifest stay as they are."""
    manifest = data(name="main")
    before = json.dumps(manifest, default=repr)

    assert echoes(manifest)
    assert echoes(manifest)
    assert json.dumps(manifest, default=repr) == before


def test_a_compiled_plugin_needs_its_file_no_longer(tmp_path):
    """Sources are read once, when it is compiled."""
    path = tmp_path / "m.wat"
    path.write_text(ECHO)
    compiled = extism.CompiledPlugin({"wasm": [{"path": str(path)}]})
    path.unlink()

    assert echoes(compiled)


def test_the_smallest_binary_module_works():
    """Handmade bytes are as good as assembled ones."""
    with extism.Plugin(WASM) as plugin:
        assert plugin.call("noop", "") == b""
