"""remembered: what the files of libraries say, known from builds before."""

from __future__ import annotations

import pytest

from extism._compiler import remembered
from extism._compiler.analyze import ModuleFacts
from extism._compiler.interface import Export
from extism._compiler.notes import Notes
from extism._compiler.references import Reference
from extism._compiler.remembered import Memory

FACTS = ModuleFacts((), (), (), (Reference("a", 1, ("b",), 7, is_optional=True),))


@pytest.fixture
def memory(tmp_path):
    """An empty memory."""
    return Memory(Notes(tmp_path / "notes"))


def test_what_was_kept_is_known(memory, tmp_path):
    """By content, in other processes too, with all that is said of an import."""
    memory.keep(b"source", FACTS)
    found = Memory(Notes(tmp_path / "notes")).facts(b"source")
    (row,) = found.references

    assert found == FACTS
    assert (row.line, row.is_optional, row.is_deferred) == (7, True, False)
    assert memory.facts(b"other") is None


def test_files_with_functions_of_plugins_are_read_again(memory):
    """Their paths and lines are part of what is told."""
    memory.keep(b"source", ModuleFacts((Export("f", "a.py", 1),), (), (), ()))
    memory.keep(b"other", ModuleFacts((), (), (), (), may_export_more=True))

    assert memory.facts(b"source") is None
    assert memory.facts(b"other") is None


def test_another_reader_reads_again(memory, monkeypatch):
    """What another version of this library has read is not believed: it may have seen less."""
    memory.keep(b"source", FACTS)
    monkeypatch.setattr(remembered, "_reader", lambda: b"newer")

    assert memory.facts(b"source") is None


def test_a_memory_of_nothing():
    """Without a place nothing is kept, and nothing fails."""
    memory = Memory(Notes(None))
    memory.keep(b"source", FACTS)

    assert memory.facts(b"source") is None
