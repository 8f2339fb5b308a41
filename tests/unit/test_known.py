"""Module files that were read before are not read again, until anything about them changes."""

from __future__ import annotations

import os
import sys

import pytest

import extism
from extism._engine.engine import wat_to_wasm
from extism._known import FileNote, KnownFiles
from extism._vault import Vault
from extism.errors import HashMismatch, SourceError
from extism.modules import _outlines
from extism.recipe import _programs

LONG_AGO = 1_000_000_000

opened: list[str] = []


def _listen(event, arguments):
    if event == "open" and str(arguments[0]).endswith("plugin.wasm") and arguments[1] is None:
        opened.append(str(arguments[0]))


sys.addaudithook(_listen)


def module(answer, *, size=1 << 17):
    """A module of that size whose `run` gives that digit."""
    text = f'(data (i32.const 8) "{"x" * size}")'
    return wat_to_wasm(f"""(module
      (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
      (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
      (import "extism:host/env" "output_set" (func $output (param i64 i64)))
      (memory 9) {text}
      (func (export "run") (local $h i64)
        (local.set $h (call $alloc (i64.const 1)))
        (call $store (local.get $h) (i32.const {48 + answer}))
        (call $output (local.get $h) (i64.const 1))))""")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file that was last changed long ago, as far as the file system tells, with a cache of its own."""
    monkeypatch.setenv("EXTISM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("EXTISM_NATIVE_CACHE_DIR", raising=False)
    monkeypatch.setattr("extism._known._SETTLED_AFTER", -1.0)
    path = tmp_path / "plugin.wasm"
    path.write_bytes(module(1))
    os.utime(path, (LONG_AGO, LONG_AGO))
    opened.clear()
    yield path
    _programs.clear()


def answer(path, **source):
    """What a plugin of the file says, made without anything that this process remembers."""
    _programs.clear()
    _outlines.clear()
    manifest = {"wasm": [{"path": str(path), **source}]}
    with extism.Plugin(manifest, functions=[]) as plugin:
        return plugin.call("run", b"")


def test_the_second_load_does_not_open_the_file(path):
    """Its native code is found by what was noted of it."""
    first = answer(path)
    reads = len(opened)
    second = answer(path)

    assert (first, second) == (b"1", b"1")
    assert (reads, len(opened)) == (1, 1)


def changed_content(path):
    path.write_bytes(module(2))
    os.utime(path, (LONG_AGO, LONG_AGO))


def replaced(path):
    other = path.with_name("other")
    other.write_bytes(module(2))
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(path)


@pytest.mark.parametrize("change", [changed_content, replaced])
def test_a_changed_file_is_read_again(path, change):
    """Also one of the same size and the same time."""
    answer(path)
    change(path)

    assert answer(path) == b"2"


def test_a_file_that_was_just_changed_is_not_noted(path, monkeypatch):
    """A second change within a tick of the clock would not show."""
    monkeypatch.setattr("extism._known._SETTLED_AFTER", 3600.0)
    for _ in range(2):
        answer(path)

    assert len(opened) == 2


def test_a_small_file_is_simply_read(path):
    """A note would take as long."""
    path.write_bytes(module(1, size=10))
    for _ in range(2):
        answer(path)

    assert len(opened) == 2


def test_what_has_to_have_a_hash_is_always_read(path):
    """The promise of a manifest, or of a policy, is never believed of a note."""
    answer(path)
    with pytest.raises(HashMismatch):
        answer(path, hash="0" * 64)
    with pytest.raises(HashMismatch):
        extism.Plugin(str(path), policy=extism.SourcePolicy(digests=["0" * 64]))


def test_the_bytes_are_read_after_all_where_code_must_be_made(path, tmp_path):
    """The note is there, and the native code has gone."""
    answer(path)
    for each in (tmp_path / "cache" / "native").glob("*.cwasm"):
        each.unlink()
    extism.compiled._caches.clear()
    reads = len(opened)

    assert answer(path) == b"1"
    assert len(opened) == reads + 1


def test_a_file_that_changes_while_it_is_loaded_is_refused(path, tmp_path, monkeypatch):
    """What was noted, and what is there now, are two modules."""
    answer(path)
    for each in (tmp_path / "cache" / "native").glob("*.cwasm"):
        each.unlink()
    extism.compiled._caches.clear()
    note = KnownFiles(Vault(tmp_path / "cache" / "native")).find(str(path))
    monkeypatch.setattr(KnownFiles, "find", lambda *_: note)
    changed_content(path)
    with pytest.raises(SourceError, match="was changed while it was being loaded"):
        answer(path)


def test_a_forged_note_is_none(path, tmp_path):
    """Whatever is in the folder must be signed with its secret."""
    answer(path)
    (noted,) = (tmp_path / "cache" / "native").glob("*.file")
    noted.write_bytes(bytes(32) + bytes(32) + module(2))

    assert answer(path) == b"1"


def test_what_a_module_shows_is_noted_and_not_read_again(path, monkeypatch):
    """From a file or from bytes; whatever was written there by another is none."""
    first = answer(path)
    monkeypatch.setattr("extism._wasm.reader.read", None)
    second = answer(path)
    _outlines.clear()
    with extism.Plugin(path.read_bytes(), functions=[], max_memory=None) as plugin:
        third = plugin.call("run", b"")

    assert (first, second, third) == (b"1", b"1", b"1")


def test_a_forged_outline_is_none(path, tmp_path):
    """It must be signed with the secret of the folder; the module is read, and noted again."""
    answer(path)
    (noted,) = (tmp_path / "cache" / "native").glob("*.outline")
    right = noted.read_bytes()
    noted.write_bytes(bytes(32) + right[32:])

    assert answer(path) == b"1"
    assert noted.read_bytes() == right


def test_a_note_is_what_was_noted(tmp_path):
    """Digest and size; nothing for a file that is not there."""
    path = tmp_path / "plugin.wasm"
    path.write_bytes(bytes(1 << 16))
    os.utime(path, (LONG_AGO, LONG_AGO))
    files = KnownFiles(Vault(tmp_path / "vault"))
    status = path.stat()
    files.was_read(str(path), status, status)
    files.note(str(path), b"d" * 32)

    assert files.find(str(path)) == FileNote(b"d" * 32, 1 << 16)
    assert files.find(str(tmp_path / "other")) is None
