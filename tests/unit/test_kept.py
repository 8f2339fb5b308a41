"""What is kept for later is bounded, in number, in bytes and in time."""

from __future__ import annotations

import weakref

import pytest

from extism import _kept
from extism._kept import Kept


class Thing:
    """Something that can be referred to weakly."""


@pytest.fixture
def clock(monkeypatch):
    """The time, to be set."""
    now = [1000.0]
    monkeypatch.setattr(_kept.time, "monotonic", lambda: now[0])
    return now


def test_what_was_put_is_there():
    """Under its key, the last one put."""
    kept = Kept(2, 100)
    kept.put("a", 1, 10)
    kept.put("a", 2, 20)

    assert (kept.get("a"), kept.get("b"), len(kept)) == (2, None, 1)


def test_the_least_recently_used_goes_first():
    """Asking for one is a use."""
    kept = Kept(2, 100)
    kept.put("a", 1, 1)
    kept.put("b", 2, 1)
    kept.get("a")
    kept.put("c", 3, 1)

    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_all_together_have_so_many_bytes():
    """As many go as is needed; what is too large alone is not taken, and its older self is no longer there."""
    kept = Kept(10, 100)
    for key, size in (("a", 40), ("b", 40), ("c", 100), ("d", 101), ("c", 101)):
        kept.put(key, key, size)

    assert [kept.get(key) for key in "abcd"] == [None, None, None, None]
    kept.put("e", "e", 100)
    assert kept.get("e") == "e"


def test_what_nobody_asked_for_goes_with_the_next(clock):
    """Five minutes after its last use."""
    kept = Kept(10, 100)
    kept.put("old", 1, 1)
    kept.put("used", 2, 1)
    clock[0] += 200
    kept.get("used")
    clock[0] += 200
    kept.put("new", 3, 1)

    assert [kept.get(key) for key in ("old", "used", "new")] == [None, 2, 3]


def test_what_has_gone_is_freed():
    """Nothing else refers to it."""
    kept = Kept(1, 100)
    first, second = Thing(), Thing()
    references = [weakref.ref(first), weakref.ref(second)]
    kept.put(1, first, 1)
    del first
    kept.put(2, second, 1)
    del second
    before = [each() is not None for each in references]
    kept.clear()

    assert before == [False, True]
    assert references[1]() is None
    assert len(kept) == 0
