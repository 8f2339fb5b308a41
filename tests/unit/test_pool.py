"""The queue of a pool, one thread and no clock: who gets what, told by `repr` after each step."""

from __future__ import annotations

import inspect

import pytest

import extism
from extism.compiled import CompiledPlugin
from extism.errors import GuestError, HostFunctionError, PluginClosed, Trap
from extism.plugin import Plugin
from extism.pool import _COMPILE_OPTIONS, Pool, _Turn
from extism.pooled import PluginOptions, PooledPlugin, _leaves_doubt

GUEST = '(module (func (export "noop")) (func (export "trap") unreachable))'


@pytest.fixture(scope="module", autouse=True)
def own_native_cache(tmp_path_factory):
    """Small guests do not fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXTISM_NATIVE_CACHE_DIR", str(tmp_path_factory.mktemp("native")))
        yield


def arrive(pool):
    """Somebody draws a turn; what `_assign` says is done by the test."""
    turn = _Turn()
    pool._waiting.append(turn)
    return turn


def leave(pool, turn, copy=None):
    """Somebody gives back what they had, or made."""
    turn.copy = turn.copy or copy
    pool._returned.append(turn)


@pytest.fixture
def copy():
    """A function that makes copies outside of any pool."""
    compiled = CompiledPlugin(GUEST, functions=[])
    return lambda: PooledPlugin(compiled)


@pytest.fixture
def pool():
    with Pool(GUEST, 2, functions=[]) as made:
        yield made


def test_turns_are_taken_in_order_of_arrival(pool, copy):
    """Places first, then whatever comes back goes to who came first."""
    a, b, c, d = (arrive(pool) for _ in range(4))
    assert repr(pool) == "<Pool 0 busy, 0 idle, 2 most | 4 waiting>"

    assert pool._assign() == ([a, b], [])
    assert repr(pool) == "<Pool 2 busy, 0 idle, 2 most | 2 waiting>"
    assert pool._assign() == ([], [])

    first = copy()
    leave(pool, b, first)
    assert pool._assign() == ([c], [])
    assert c.copy is first
    assert repr(pool) == "<Pool 2 busy, 0 idle, 2 most | 1 waiting>"

    second = copy()
    leave(pool, a, second)
    leave(pool, c)
    assert pool._assign() == ([d], [])
    assert d.copy is first
    assert repr(pool) == "<Pool 1 busy, 1 idle, 2 most | 0 waiting>"


def test_the_copy_that_came_back_last_is_lent_first(pool, copy):
    """It is the one whose memory is still warm."""
    one, other = copy(), copy()
    for each in (one, other):
        turn = arrive(pool)
        pool._assign()
        turn.copy = None
        leave(pool, turn, each)
    turn = arrive(pool)
    pool._assign()

    assert turn.copy is other


def test_a_place_without_a_copy_is_free_again(pool):
    """Who could not make one leaves nothing behind, not even in the statistics."""
    a, b, c = (arrive(pool) for _ in range(3))
    pool._assign()
    leave(pool, a)
    assert pool._assign() == ([c], [])
    leave(pool, b)
    leave(pool, c)
    assert pool._assign() == ([], [])

    assert repr(pool) == "<Pool 0 busy, 0 idle, 2 most | 0 waiting>"
    assert (pool.statistics.created, pool.statistics.lent) == (0, 0)


def test_a_worn_copy_is_closed_and_its_place_given_on(pool, copy):
    """The next turn gets the place, to make a new copy."""
    a, b, c = (arrive(pool) for _ in range(3))
    pool._assign()
    worn = copy()
    worn._is_in_doubt = True
    leave(pool, a, worn)

    assert pool._assign() == ([c], [worn])
    assert c.copy is None
    assert b in pool._busy
    assert pool.statistics.recycled == 1


def test_a_closed_pool_refuses_who_waits_and_closes_what_is_idle(pool, copy):
    """What is lent is closed when it comes back."""
    a, b = arrive(pool), arrive(pool)
    pool._assign()
    leave(pool, a, idle := copy())
    pool._assign()
    c, d = arrive(pool), arrive(pool)
    pool._is_closed = True

    assert pool._assign() == ([c, d], [idle])
    assert [turn.is_refused for turn in (a, b, c, d)] == [False, False, True, True]
    with pytest.raises(PluginClosed, match="the pool is closed"):
        c.check()
    b.check()
    leave(pool, b, lent := copy())
    assert pool._assign() == ([], [lent])
    assert repr(pool) == "<Pool, closed: 0 busy, 0 idle, 2 most | 0 waiting>"


def test_a_copy_comes_back_while_the_lock_is_held(pool):
    """A generator that is collected there gives back at once, and whoever has the lock finds it afterwards."""
    lent = pool.plugin()
    lent.__enter__()
    with pool._lock:
        lent.__exit__(None, None, None)
        assert repr(pool) == "<Pool 1 busy, 0 idle, 2 most | 0 waiting>"
    assert pool.statistics.busy == 1

    assert repr(pool) == "<Pool 0 busy, 1 idle, 2 most | 0 waiting>"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GuestError("said so", exit_code=1), False),
        (GuestError("then trapped", exit_code=134), True),
        (GuestError("then stopped", exit_code=-1), True),
        (Trap("unreachable"), True),
        (HostFunctionError("raised"), True),
        (extism.errors.FunctionNotFound("nothing"), False),
        (extism.errors.PluginBusy("me"), False),
        (TypeError("input"), False),
        (ValueError("from parse"), False),
        (KeyboardInterrupt(), True),
        (SystemExit(), True),
    ],
    ids=lambda value: value if isinstance(value, bool) else f"{type(value).__name__} {value}",
)
def test_what_leaves_a_copy_in_doubt(error, expected):
    """Everything that ended a guest in its middle; not what the guest returned, or what never reached it."""
    assert _leaves_doubt(error) is expected


def test_a_copy_counts_its_calls_and_knows_its_end(copy):
    """A trap, the last call that it may run, and being closed are each an end."""
    one = copy()
    with pytest.raises(PluginClosed, match="given back to its pool"):
        one.call("noop", "")
    one.is_lent = True
    one.call("noop", "")

    assert (one.call_count, one.is_worn(None), one.is_worn(2), one.is_worn(1)) == (
        1,
        False,
        False,
        True,
    )
    with pytest.raises(Trap):
        one.call("trap", "")
    assert (one.call_count, one.is_worn(None)) == (2, True)
    other = copy()
    other.close()
    assert other.is_worn(None)


def test_the_options_are_those_of_plugins():
    """Nothing that `Plugin` takes is missing, and what `CompiledPlugin` takes is handed to it."""
    of_plugins = set(inspect.signature(Plugin).parameters) - {"plugin"}
    of_compiled = set(inspect.signature(CompiledPlugin).parameters) - {"plugin"}

    assert set(PluginOptions.__annotations__) == of_plugins
    assert set(_COMPILE_OPTIONS) == of_compiled


@pytest.mark.parametrize("options", [{"maximum": 0}, {"maximum": -1}, {"max_calls": 0}])
def test_numbers_below_one_are_refused(options):
    """A pool of nothing would wait for ever."""
    with pytest.raises(ValueError, match="must be at least 1, not"):
        Pool(GUEST, functions=[], **options)
