"""notes: what builds have found out is there for the next, and does not grow for ever."""

from __future__ import annotations

import os
import time

import pytest

from extism._compiler import notes as module
from extism._compiler.notes import Notes


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "notes"


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "secret")


def test_a_note_is_found_again(folder):
    """By this build and by the next; another name has none."""
    Notes(folder).keep("a", b"one")

    assert Notes(folder).find("a") == b"one"
    assert Notes(folder).find("b") is None


def test_notes_of_nothing():
    """Without a place nothing is kept, and nothing fails."""
    notes = Notes(None)
    notes.keep("a", b"one")

    assert notes.find("a") is None


def test_a_note_that_cannot_be_read_is_none(folder):
    """Whatever lies in its place."""
    Notes(folder).keep("a", b"one")
    (folder / "b").mkdir()

    assert Notes(folder).find("b") is None


def test_what_was_used_least_recently_goes(folder, monkeypatch):
    """Each build that adds something deletes what was too much before; being found counts as use."""
    old = time.time() - 10 * 86400
    first = Notes(folder)
    for age, name in enumerate(("used", "older", "newer")):
        first.keep(name, bytes(1000))
        os.utime(folder / name, (old + age, old + age))
    Notes(folder).find("used")
    monkeypatch.setattr(module, "MAX_BYTES", 2500)
    Notes(folder).keep("fresh", bytes(1000))

    assert names(folder) == ["fresh", "newer", "used"]


def test_what_cannot_be_kept_is_said_once(folder, caplog):
    """A cache that cannot be written costs a warning, which says what is not kept, and no build."""
    notes = Notes(folder)
    notes.keep("a", b"one")
    (folder / "b").mkdir()
    notes.keep("b", b"two")
    notes.keep("c", b"three")

    (record,) = caplog.records
    assert record.getMessage().startswith(
        "what builds have prepared is not kept on disk from now on: "
    )
    assert names(folder) == ["a", "b"]
