"""A pool under threads that call, trap, time out, give up, close and collect, switching as often as Python can."""

from __future__ import annotations

import contextlib
import functools
import gc
import random
import struct
import threading
import weakref

import pytest
from wat_guests import wat

import extism
from extism.errors import PluginClosed, PoolTimeout, Trap

GUEST = wat(
    """
    (func (export "echo") (call $give (call $input_offset)))
    (func (export "traps") unreachable)
    (func (export "run") (call $give (call $visit (call $copy_input))))""",
    before='(import "extism:host/user" "visit" (func $visit (param i64) (result i64)))',
)

THREADS, ROUNDS, MAXIMUM = 8, 150, 3


def as_threads(number, work):
    return [functools.partial(work, index) for index in range(number)]


def made(visits, **options):
    @extism.host_fn()
    def visit(text: str) -> str:
        with visits.counted():
            return text.upper()

    return extism.Pool(GUEST, MAXIMUM, functions=[visit], **options)


class Visits:
    """How many guests are in the host function, and how many were at most."""

    def __init__(self):
        self._lock = threading.Lock()
        self.now = self.most = 0

    @contextlib.contextmanager
    def counted(self):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        yield
        with self._lock:
            self.now -= 1


def test_every_thread_gets_its_own_answers(together):
    """Calls, traps and short waits in any mixture: no answer is lost or mixed up, nobody waits for ever."""
    visits = Visits()
    pool = made(visits, max_calls=17)
    done = []

    def work(index):
        chance = random.Random(index)
        for round_ in range(ROUNDS):
            text = f"{index}-{round_}"
            what = chance.randrange(10)
            if what < 6:
                assert pool.call("run", text + "x") == f"{text}X".encode()
            elif what < 8:
                with pytest.raises(Trap):
                    pool.call("traps", "")
            else:
                with contextlib.suppress(PoolTimeout), pool.plugin(timeout=0.0001) as plugin:
                    assert plugin.call("echo", text) == text.encode()
        done.append(index)

    with pool:
        together(*as_threads(THREADS, work))
        statistics = pool.statistics

    assert sorted(done) == list(range(THREADS))
    assert visits.most <= MAXIMUM
    assert (statistics.busy, statistics.waiting) == (0, 0)
    assert statistics.idle == statistics.created - statistics.recycled <= MAXIMUM
    assert statistics.lent + statistics.timed_out == THREADS * ROUNDS


def test_closing_under_load_leaves_nobody_behind(together):
    """Whoever is inside finishes, whoever waits or comes later is told; every copy is closed."""
    for round_ in range(10):
        pool = made(Visits())
        copies = weakref.WeakSet()

        def work(index, pool=pool, copies=copies, round_=round_):
            try:
                for count in range(100_000):
                    with pool.plugin() as plugin:
                        copies.add(plugin)
                        assert plugin.call("echo", struct.pack("<q", count))
                    if index == 0 and count == 5 + round_:
                        pool.close()
            except PluginClosed:
                return
            raise AssertionError("the pool was never closed")  # 100,000 calls take a minute

        together(*as_threads(THREADS, work))

        assert repr(pool) == f"<Pool, closed: 0 busy, 0 idle, {MAXIMUM} most | 0 waiting>"
        assert [plugin.plugin for plugin in copies] == [-1] * len(copies)


def test_generators_collected_anywhere_give_back(together):
    """Loans that only the collector ends, in cycles, while all threads use the lock: none is lost, none blocks."""
    pool = made(Visits(), timeout=20)
    before = gc.get_threshold()

    def borrowed():
        with pool.plugin() as plugin:
            yield plugin

    def work(_):
        for count in range(60):
            reading = borrowed()
            cycle = [next(reading)]
            cycle.append(cycle)
            cycle.append(reading)
            del reading, cycle
            if count % 10 == 0:
                gc.collect()
            with contextlib.suppress(PoolTimeout), pool.plugin(timeout=0.001):
                pass
            gc.collect(0)

    gc.set_threshold(10, 2, 2)
    try:
        with pool:
            together(*as_threads(4, work))
            gc.collect()
            statistics = pool.statistics
    finally:
        gc.set_threshold(*before)

    assert (statistics.busy, statistics.waiting) == (0, 0)
