"""The queue of a pool, one thread and no clock: who gets what, told by `str` after each step."""

from __future__ import annotations

import threading

import pytest

from extism.compiled import CompiledPlugin
from extism.errors import PluginClosed
from extism.pooled import PooledPlugin
from extism.turns import Turn, Turns

GUEST = '(module (func (export "noop")) (func (export "trap") unreachable))'


@pytest.fixture(scope="module", autouse=True)
def own_native_cache(tmp_path_factory):
    """Small guests do not fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXTISM_NATIVE_CACHE_DIR", str(tmp_path_factory.mktemp("native")))
        yield


def arrive(turns):
    """Somebody draws a turn; what `_assign` says is done by the test."""
    turn = Turn(threading.Lock())
    turns._waiting.append(turn)
    return turn


def leave(turns, turn, copy=None):
    """Somebody gives back what they had, or made."""
    turn.copy = turn.copy or copy
    turns._returned.append(turn)


@pytest.fixture
def copy():
    """A function that makes copies outside of any pool."""
    compiled = CompiledPlugin(GUEST, functions=[])
    return lambda: PooledPlugin(compiled)


@pytest.fixture
def turns(copy):
    return Turns(copy, 2)


def test_turns_are_taken_in_order_of_arrival(turns, copy):
    """Places first, then whatever comes back goes to who came first."""
    a, b, c, d = (arrive(turns) for _ in range(4))
    assert str(turns) == "0 busy, 0 idle, 2 most | 4 waiting"

    assert turns._assign() == ([a, b], [])
    assert str(turns) == "2 busy, 0 idle, 2 most | 2 waiting"
    assert turns._assign() == ([], [])

    first = copy()
    leave(turns, b, first)
    assert turns._assign() == ([c], [])
    assert c.copy is first
    assert str(turns) == "2 busy, 0 idle, 2 most | 1 waiting"

    second = copy()
    leave(turns, a, second)
    leave(turns, c)
    assert turns._assign() == ([d], [])
    assert d.copy is first
    assert str(turns) == "1 busy, 1 idle, 2 most | 0 waiting"


def test_the_copy_that_came_back_last_is_lent_first(turns, copy):
    """It is the one whose memory is still warm."""
    a, b = arrive(turns), arrive(turns)
    turns._assign()
    leave(turns, b, first := copy())
    leave(turns, a, last := copy())
    c, d = arrive(turns), arrive(turns)

    assert turns._assign() == ([c, d], [])
    assert (c.copy, d.copy) == (last, first)


def test_a_place_without_a_copy_is_free_again(turns):
    """Who could not make one leaves nothing behind, not even in the statistics."""
    a, b, c = (arrive(turns) for _ in range(3))
    turns._assign()
    leave(turns, a)
    assert turns._assign() == ([c], [])
    leave(turns, b)
    leave(turns, c)
    assert turns._assign() == ([], [])

    assert str(turns) == "0 busy, 0 idle, 2 most | 0 waiting"
    assert (turns.tally()["created"], turns.tally()["lent"]) == (0, 0)


def test_a_worn_copy_is_closed_and_its_place_given_on(turns, copy):
    """The next turn gets the place, to make a new copy."""
    a, b, c = (arrive(turns) for _ in range(3))
    turns._assign()
    worn = copy()
    worn._is_in_doubt = True
    leave(turns, a, worn)

    assert turns._assign() == ([c], [worn])
    assert c.copy is None
    assert b in turns._busy
    assert turns.tally()["recycled"] == 1


def test_a_closed_pool_refuses_who_waits_and_closes_what_is_idle(turns, copy):
    """What is lent is closed when it comes back."""
    a, b = arrive(turns), arrive(turns)
    turns._assign()
    leave(turns, a, idle := copy())
    turns._assign()
    c, d = arrive(turns), arrive(turns)
    turns.is_closed = True

    assert turns._assign() == ([c, d], [idle])
    assert [turn.is_refused for turn in (a, b, c, d)] == [False, False, True, True]
    with pytest.raises(PluginClosed, match="the pool is closed"):
        c.check()
    b.check()
    leave(turns, b, lent := copy())
    assert turns._assign() == ([], [lent])
    assert str(turns) == "0 busy, 0 idle, 2 most | 0 waiting"


def test_a_copy_comes_back_while_the_lock_is_held(turns):
    """A generator that is collected there gives back at once, and whoever has the lock finds it afterwards."""
    turn = turns.take(None)
    with turns._lock:
        turns.give_back(turn)
        assert str(turns) == "1 busy, 0 idle, 2 most | 0 waiting"
    assert turns.tally()["busy"] == 1

    assert str(turns) == "0 busy, 1 idle, 2 most | 0 waiting"
