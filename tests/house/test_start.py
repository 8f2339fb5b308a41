"""What a start loads: each module more is time that every process pays, so each is on a list here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import extism
from extism._engine.engine import wat_to_wasm

ROOT = Path(__file__).parents[2]

STDLIB = {
    "__future__", "_ctypes", "_struct", "struct",  # the engine's C
    "_operator", "_weakref", "errno", "itertools",  # built in
}  # fmt: skip
"""Beside what every Python has loaded before a program begins."""

FIRST_USE = {"_sha256", "_sha2"}
"""The digest of the module."""

NEVER = {
    "collections", "ctypes", "dataclasses", "enum", "functools", "hashlib", "inspect", "json", "logging", "pathlib",
    "platformdirs", "re", "signal", "tempfile", "threading", "typing", "urllib3", "uuid", "wasmtime",
}  # fmt: skip
"""What loads many more, and is easily imported by accident."""

READER = {f"extism._wasm.{name}" for name in ("cursor", "entries", "leb128", "reader", "valtypes")}
BARE_WORLD = {"extism._engine.wasi_bare"}
WORLD = BARE_WORLD | {
    "extism._capabilities", "extism._capabilities.paths", "extism._engine.wasi", "extism.secret", "extism.world",
}  # fmt: skip
FILES = {"extism._known"}
HOST = {"extism._runtime.env"}
SECOND = {
    "extism._engine.slots", "mmap", "resource",  # whether there is address space for slots
}  # fmt: skip

MODULES = 53
"""Of ours, for an import: more are a reason to think."""

ECHO = """
(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  {imports}
  (memory (export "memory") 1)
  (func (export "echo") (call $output (call $offset) (call $length))))
"""

PROGRAM = """
import json, os, sys
before = set(sys.modules)
import extism
steps = [sorted(set(sys.modules) - before)]
if len(sys.argv) > 1:
    before = set(sys.modules)
    with extism.Plugin({source}) as plugin:
        assert plugin.call("echo", b"x") == b"x"
    steps.append(sorted(set(sys.modules) - before))
print(json.dumps(steps))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("start")


IMPORTS = """
  (import "extism:host/env" "http_request" (func (param i64 i64) (result i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
"""


def start(folder, source="", runs=3, imports=""):
    """What a fresh process loads: for the import, and for a plugin; in the third run its native code is in the cache."""
    (folder / "echo.wasm").write_bytes(wat_to_wasm(ECHO.replace("{imports}", imports)))
    command = [
        sys.executable,
        "-S",
        "-c",
        PROGRAM.replace("{source}", source),
        *([source] if source else []),
    ]
    paths = [str(ROOT / "src"), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {"PYTHONPATH": ":".join(paths), "HOME": str(folder)}
    for _ in range(runs if source else 1):  # compiles, checks, starts
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    return [set(step) for step in json.loads(done.stdout)]


def test_an_import_loads_what_a_plugin_needs(folder):
    """Nothing of the stdlib but what `ctypes` is made of; nothing of ours that only some programs use."""
    (loaded,) = start(folder)
    ours = {name for name in loaded if name.partition(".")[0] == "extism"}

    assert loaded - ours <= STDLIB
    assert not loaded & NEVER
    assert ours >= {"extism._wasm.outline", "extism.plugin"}
    assert not ours & {"extism._runtime.fuse", "extism._wasm.rebuild", "extism.functions"}
    assert not ours & (READER | WORLD | FILES | HOST | SECOND)
    assert len(ours) <= MODULES


def test_a_plugin_from_bytes_loads_nothing_more(folder):
    """With native code in the cache: no hashlib, no logging, no HTTP, none of what makes code."""
    _, loaded = start(folder, 'open("echo.wasm", "rb").read()')

    assert loaded <= FIRST_USE


@pytest.mark.parametrize("imports", ["", IMPORTS], ids=["imports nothing", "imports what waits"])
def test_a_plugin_by_path_with_wasi_loads_an_empty_world(folder, imports):
    """And nothing else: what functions of WASI and of the host stand on is loaded when they are called."""
    source = '{"wasm": [{"path": "echo.wasm"}]}, wasi=True'
    _, loaded = start(folder, source, imports=imports)

    assert loaded <= FIRST_USE | FILES | BARE_WORLD | (HOST if imports else set())


def test_a_plugin_with_a_limit_loads_its_purse(folder):
    """And nothing of the stdlib for it."""
    source = '{"wasm": [{"path": "echo.wasm"}], "memory": {"max_pages": 40}, "config": {"a": "b"}}'
    _, loaded = start(folder, source)

    assert loaded <= FIRST_USE | FILES | {"extism._runtime.purse", "extism._engine.global_cell"}


def test_a_plugin_that_is_granted_a_folder_loads_a_world(folder):
    """What may be granted, and nothing else."""
    source = '{"wasm": [{"path": "echo.wasm"}], "allowed_paths": {"ro:.": "/here"}}, wasi=True'
    _, loaded = start(folder, source)

    assert loaded <= FIRST_USE | FILES | WORLD


def test_compiling_a_small_plugin_loads_no_tools(tmp_path):
    """What makes code needs neither regular expressions nor what generates classes; and nobody hears what is logged."""
    _, loaded = start(tmp_path, 'open("echo.wasm", "rb").read()', runs=1)

    assert loaded & {"extism._runtime.fuse", "extism._wasm.weigh"}
    assert not loaded & NEVER


def test_every_public_name_has_its_home():
    """The names that are loaded late are found, in the module that type checkers are told, and listed by `dir`."""
    code = "import extism; print(*(f'{n}={getattr(extism, n) is not None}' for n in extism.__all__), *dir(extism))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    words = done.stdout.split()

    assert {f"{name}=True" for name in extism.__all__} <= set(words)
    assert set(extism.__all__) | {"extism"} <= set(words)


def test_names_can_be_taken_all_at_once():
    """`import *` gives what `__all__` says, `from extism import` any of it, and the module of upstream's name."""
    code = (
        "from extism import *\n"
        "from extism import extism as module, errors, host_fn\n"
        "import extism.extism\n"
        "assert module is extism.extism and Pool.__name__ == 'Pool'\n"
        "import pickle\n"
        "assert pickle.loads(pickle.dumps(Manifest)) is Manifest\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
