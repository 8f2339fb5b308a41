"""What was checked once is not read again, until anything about the file changes."""

from __future__ import annotations

import os
import sys
import time

import pytest

from extism._engine import cache as cache_module
from extism._engine.cache import ModuleCache
from extism._engine.engine import wat_to_wasm
from extism._vault import Vault

WASM = wat_to_wasm('(module (func (export "get") (result i32) (i32.const 7)))')
OTHER = wat_to_wasm('(module (func (export "get") (result i32) (i32.const 8)))')

opened: list[str] = []


def _listen(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".cwasm"):
        opened.append(str(arguments[0]))


sys.addaudithook(_listen)


@pytest.fixture
def reads():
    """The artefacts that Python opened to read them; the engine's own mapping is not among them."""
    opened.clear()
    return opened


def load(engine, folder, wasm=WASM):
    return ModuleCache(folder).module(engine, wasm)


def artefact(folder):
    (path,) = folder.glob("*.cwasm")
    return path


def test_the_second_load_reads_nothing(engine, tmp_path, reads):
    """The first load after compiling checks the artefact; later ones only map it."""
    load(engine, tmp_path)
    counts = []
    for _ in range(3):
        reads.clear()
        load(engine, tmp_path)
        counts.append(len(reads))

    assert counts == [1, 0, 0]


@pytest.mark.parametrize("change", ["touched", "rewritten", "replaced", "grown"])
def test_any_change_of_the_file_has_it_checked_again(engine, tmp_path, reads, change):
    """Times, inode and size: one that differs is enough, though the content be the same."""
    for _ in range(2):
        load(engine, tmp_path)
    path = artefact(tmp_path)
    status, data = path.stat(), path.read_bytes()
    if change == "touched":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 1))
    elif change == "rewritten":
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "replaced":
        copy = path.with_name("copy")
        copy.write_bytes(data)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
        copy.replace(path)
    else:
        path.write_bytes(data + b"\0")
    reads.clear()
    load(engine, tmp_path)

    assert reads == [str(path)]


def test_a_note_of_another_entry_is_not_believed(engine, tmp_path, reads):
    """The note is bound to its key: copied to another artefact it says nothing."""
    for wasm in (WASM, OTHER):
        for _ in range(2):
            load(engine, tmp_path, wasm)
    first, second = sorted(tmp_path.glob("*.cwasm"))
    second.with_suffix(".seen").write_bytes(first.with_suffix(".seen").read_bytes())
    reads.clear()
    for wasm in (WASM, OTHER):
        load(engine, tmp_path, wasm)

    assert reads == [str(second)]


def test_after_a_day_the_artefact_is_checked_again(engine, tmp_path, reads, monkeypatch):
    """The note grows old, so that a disk that forgets is noticed and the use is noted."""
    for _ in range(2):
        load(engine, tmp_path)
    now = time.time()
    monkeypatch.setattr(cache_module.time, "time", lambda: now + 86_500)
    reads.clear()
    load(engine, tmp_path)

    assert len(reads) == 1


def test_where_nothing_can_be_noted_the_artefact_is_checked_each_time(
    engine, tmp_path, reads, monkeypatch
):
    """A folder that cannot be written to still serves what is in it."""
    load(engine, tmp_path)

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(Vault, "put", refuse)
    counts = []
    for _ in range(2):
        reads.clear()
        load(engine, tmp_path)
        counts.append(len(reads))

    assert counts == [1, 1]
