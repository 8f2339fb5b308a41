"""Manifests, on both packages: what is taken for what, which keys and values are allowed, names, hashes."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import wasmtime
from peer_guests import data, module
from wat_guests import wat

from peer import Case

pytestmark = pytest.mark.peer

TEXT = wat("""
  (func (export "run") (call $give_i64 (i64.const 7)))
  (func (export "config") (call $give (call $config_get (call $copy_input))))""")
WASM = bytes(wasmtime.wat2wasm(TEXT))
SOURCE = data(WASM)
HASH = hashlib.sha256(WASM).hexdigest()
TEXT_HASH = hashlib.sha256(TEXT.encode()).hexdigest()
B64 = SOURCE["data"]
RUN = ("run",)


def manifest(**keys: object) -> dict:
    return {"wasm": [SOURCE], **keys}


def toml(rest: str = "", before: str = "") -> str:
    return f'{before}\n[[wasm]]\ndata = "{B64}"\n{rest}'


# What the first argument may be; the plug-in is made in each case.
FORMS = {
    "a dict": manifest(),
    "JSON text": json.dumps(manifest()),
    "JSON text with white space": f"\n\t {json.dumps(manifest(), indent=4)} \n",
    "TOML text": toml(),
    "TOML text with tables": toml("[config]\na = 'b'\n[memory]\nmax_pages = 10\n"),
    "TOML text with a comment": f"# a comment\n{toml()}",
    "wasm bytes": WASM,
    "WAT text": TEXT,
    "WAT bytes": TEXT.encode(),
    "WAT with a comment": f";; a comment\n{TEXT}",
    "WAT with a block comment": f"(; a comment ;)\n{TEXT}",
    "WAT with a comment after spaces": f"  ;; a comment\n{TEXT}",
    "WAT with a space inside": TEXT.replace("(module", "( module", 1),
    "WAT as data": manifest(wasm=[data(TEXT)]),
    "JSON bytes": json.dumps(manifest()).encode(),
}

# What is not recognised, or recognised and wrong.
NOT_FORMS = {
    "WAT after a line break": f"\n{TEXT}",
    "WAT after a space": f" {TEXT}",
    "fields of WAT without a module": '(func (export "run"))',
    "nothing": "",
    "no bytes": b"",
    "a word": "hello",
    "a number": "42",
    "a JSON list": "[]",
    "a JSON list of sources": json.dumps([SOURCE]),
    "a JSON text": '"text"',
    "JSON null": "null",
    "JSON with a comment": json.dumps(manifest()) + "// comment",
    "JSON with a comma too many": '{"wasm": [],}',
    "JSON with a key twice": '{"wasm": [], "wasm": []}',
    "JSON with a byte order mark": "\ufeff" + json.dumps(manifest()),
    "JSON cut off": json.dumps(manifest())[:-1],
    "TOML with a key twice": toml("timeout_ms = 1\ntimeout_ms = 2"),
    "bytes that are no text": b"\xff\xfe\x00",
    "a URL": "https://127.0.0.1:1/plugin.wasm",
    "a path that is not there": "no/such/file.wasm",
    "YAML": f"wasm:\n  - data: {B64}\n",
}

FORMS_HERE = {
    *["WAT after a line break", "WAT after a space", "fields of WAT without a module"],
    *["JSON with a byte order mark"],
}

VALUES = {
    "no sources": ({"wasm": []}, False),
    "no key wasm": ({}, False),
    "an unknown key": (manifest(extra=1), False),
    "a key in camelCase": (manifest(timeoutMs=5), False),
    "null for memory": (manifest(memory=None), False),
    "an empty memory": (manifest(memory={}), True),
    "null limits": (
        manifest(
            memory={"max_pages": None, "max_http_response_bytes": None, "max_var_bytes": None}
        ),
        True,
    ),
    "an unknown limit": (manifest(memory={"max": 5}), False),
    "a negative limit": (manifest(memory={"max_pages": -1}), False),
    "a limit with a fraction": (manifest(memory={"max_pages": 1.5}), False),
    "a limit as text": (manifest(memory={"max_pages": "5"}), False),
    "max_pages beyond 32 bits": (manifest(memory={"max_pages": 2**32}), False),
    "max_pages of 32 bits": (manifest(memory={"max_pages": 2**32 - 1}), True),
    "max_var_bytes of 64 bits": (manifest(memory={"max_var_bytes": 2**64 - 1}), True),
    "max_var_bytes beyond 64 bits": (manifest(memory={"max_var_bytes": 2**64}), False),
    "null for config": (manifest(config=None), False),
    "a number in config": (manifest(config={"a": 1}), False),
    "null in config": (manifest(config={"a": None}), False),
    "a list for config": (manifest(config=["a"]), False),
    "null for allowed_hosts": (manifest(allowed_hosts=None), True),
    "a text for allowed_hosts": (manifest(allowed_hosts="*"), False),
    "a number in allowed_hosts": (manifest(allowed_hosts=[1]), False),
    "null for allowed_paths": (manifest(allowed_paths=None), True),
    "a list for allowed_paths": (manifest(allowed_paths=["/tmp"]), False),
    "allowed_paths without WASI": (manifest(allowed_paths={"/no/such/folder": "/data"}), True),
    "null for timeout_ms": (manifest(timeout_ms=None), True),
    "a timeout_ms of 64 bits": (manifest(timeout_ms=2**63), True),
    "a negative timeout_ms": (manifest(timeout_ms=-1), False),
    "a timeout_ms with a fraction": (manifest(timeout_ms=1.0), False),
    "a timeout_ms as text": (manifest(timeout_ms="5"), False),
    "true for timeout_ms": (manifest(timeout_ms=True), False),
    "a text as source": (manifest(wasm=["plugin.wasm"]), False),
    "one source, not in a list": (manifest(wasm=SOURCE), False),
    "a source of nothing": (manifest(wasm=[{}]), False),
    "a source of a name only": (manifest(wasm=[{"name": "main"}]), False),
    "a source of two kinds": (manifest(wasm=[{**SOURCE, "path": "x"}]), False),
    "an unknown key in a source": (manifest(wasm=[{**SOURCE, "extra": 1}]), False),
    "null for name and hash": (manifest(wasm=[{**SOURCE, "name": None, "hash": None}]), True),
    "headers for data": (manifest(wasm=[{**SOURCE, "headers": {}}]), False),
    "base64 without padding": (manifest(wasm=[{"data": B64.rstrip("=")}]), B64.rstrip("=") == B64),
    "base64 with a line break": (manifest(wasm=[{"data": B64[:40] + "\n" + B64[40:]}]), False),
    "base64 of URLs": (
        manifest(wasm=[{"data": base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode()}]),
        False,
    ),
    "base64 of no module": (manifest(wasm=[{"data": "aGVsbG8="}]), False),
    "data that is a list": (manifest(wasm=[{"data": [0, 97]}]), False),
    "null for data": (manifest(wasm=[{"data": None}]), False),
    "null for path": (manifest(wasm=[{"path": None}]), False),
    "a source in req": (manifest(wasm=[{"req": {"url": "http://127.0.0.1:1/"}}]), False),
    "no data at all": (manifest(wasm=[{"data": ""}]), False),
}

HASHES = {
    "the right one": (HASH, WASM, True),
    "of the text, for text": (TEXT_HASH, TEXT, True),
    "of the binary, for text": (HASH, TEXT, False),
    "in capitals": (HASH.upper(), WASM, None),
    "a wrong one": ("0" * 64, WASM, False),
    "with a prefix": (f"sha256:{HASH}", WASM, False),
    "cut off": (HASH[:-1], WASM, False),
    "empty": ("", WASM, False),
    "no hash": ("hello", WASM, False),
}

FILES = {"plugin.wasm": WASM, "plugin.wat": TEXT.encode(), "folder/inner.wasm": WASM}
FILES |= {"manifest.json": json.dumps(manifest()).encode(), "manifest.toml": toml().encode()}
FILES |= {
    "relative.json": b'{"wasm": [{"path": "plugin.wasm"}]}',
    "empty.wasm": b"",
    "odd.txt": TEXT.encode(),
}

PATHS = {
    "of a module": "<folder>/plugin.wasm",
    "of text": "<folder>/plugin.wat",
    "of text in a file of another ending": "<folder>/odd.txt",
    "of a JSON manifest": "<folder>/manifest.json",
    "of a TOML manifest": "<folder>/manifest.toml",
    "in a manifest": {"wasm": [{"path": "<folder>/plugin.wasm"}]},
    "in a manifest, to text": {"wasm": [{"path": "<folder>/plugin.wat"}]},
    "in a manifest, relative": {"wasm": [{"path": "folder/inner.wasm"}]},
    "in a manifest, with a hash": {"wasm": [{"path": "<folder>/plugin.wasm", "hash": HASH}]},
    "in a manifest that is a file, relative to the working directory": "relative.json",
    "relative": "folder/../plugin.wasm",
}
NO_PATHS = {
    "of a missing file": {"wasm": [{"path": "<folder>/missing.wasm"}]},
    "of a folder": {"wasm": [{"path": "<folder>/folder"}]},
    "of an empty file": {"wasm": [{"path": "<folder>/empty.wasm"}]},
    "of no file": {"wasm": [{"path": ""}]},
    "of a folder, as the plug-in": "<folder>/folder",
    "of an empty file, as the plug-in": "<folder>/empty.wasm",
    "with a wrong hash": {"wasm": [{"path": "<folder>/plugin.wasm", "hash": "0" * 64}]},
}

NAMES = {
    "one of any name": ["app"],
    "one called main": ["main"],
    "one of the host's name": ["extism:host/env"],
    "one of WASI's name": ["wasi_snapshot_preview1"],
    "the second main": ["lib", "main"],
    "the first main": ["main", "lib"],
    "the last without a name": ["lib", None],
    "the first without a name": [None, "lib"],
    "the last of several": ["a", "b", "c"],
    "main in the middle": ["a", "main", "c"],
    "two of the last name": ["a", "b", "b"],
}
NAMES_REFUSED = {
    "two without names": [None, None],
    "two of the same name": ["a", "a", "main"],
    "two called main": ["main", "main"],
    "unnamed and main": [None, "main"],
}


def numbered(names: list[str | None]) -> dict:
    """Modules that give their own number."""
    sources = [
        data(wat(f'(func (export "run") (call $give_i64 (i64.const {n})))'))
        | ({"name": name} if name else {})
        for n, name in enumerate(names)
    ]
    return {"wasm": sources}


CASES = [
    *[Case(f"from {name}", plugin, RUN) for name, plugin in FORMS.items()],
    *[
        Case(f"not from {name}", plugin, RUN, refused=name not in FORMS_HERE)
        for name, plugin in NOT_FORMS.items()
    ],
    *[
        Case(f"value: {name}", plugin, RUN, refused=not is_right)
        for name, (plugin, is_right) in VALUES.items()
    ],
    *[
        Case(f"value in JSON text: {name}", json.dumps(plugin), RUN, refused=not is_right)
        for name, (plugin, is_right) in list(VALUES.items())[::3]
    ],
    *[
        Case(f"hash {name}", {"wasm": [data(content, hash=digest)]}, RUN, refused=is_right is False)
        for name, (digest, content, is_right) in HASHES.items()
    ],
    *[
        Case(f"path {name}", plugin, RUN, files=FILES, in_folder=True)
        for name, plugin in PATHS.items()
    ],
    *[
        Case(
            f"path {name}",
            plugin,
            RUN,
            files=FILES,
            in_folder=True,
            refused=name != "of a folder, as the plug-in",
        )
        for name, plugin in NO_PATHS.items()
    ],
    *[Case(f"names: {name}", numbered(names), RUN) for name, names in NAMES.items()],
    *[
        Case(f"names: {name}", numbered(names), RUN, refused=True)
        for name, names in NAMES_REFUSED.items()
    ],
    Case(
        "TOML: everything",
        toml(
            "name = 'main'\n[config]\na = 'b'\n[memory]\nmax_pages = 50\nmax_var_bytes = 100\n[allowed_paths]\n'/no' = '/x'\n",
            before="timeout_ms = 5000\nallowed_hosts = ['a', 'b']",
        ),
        ("run", ("config", "a")),
    ),
    Case("TOML: an unknown key", toml("[extra]\na = 1\n"), RUN, refused=True),
    Case("TOML: a number in config", toml("[config]\na = 1\n"), RUN, refused=True),
    Case("TOML: a date in config", toml("[config]\na = 2020-01-01\n"), RUN, refused=True),
    Case("TOML: a hash", toml(f"hash = '{HASH}'\n"), RUN),
    Case("TOML: a wrong hash", toml(f"hash = '{'0' * 64}'\n"), RUN, refused=True),
    Case("config with bytes", {**module('(func (export "run"))'), "config": {"a": "x"}}, RUN),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_manifests(duel, case):
    """The same plug-ins are made of the same manifests; the same ones are refused, with at least upstream's words."""
    assert duel(case) == []
