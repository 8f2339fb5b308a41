"""Workers that die at any moment, and workers that lie: each call is right or an error, and nothing is left over."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from patience import until
from wat_guests import wat
from worker_processes import is_alive, new_worker, workers

import extism
from extism.errors import Cancelled, WorkerDied

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks at processes in /proc"
)

KILLS = 25
SEEDS = 3
CALLS = 5
CANCELS = 60
POOL_CALLS = 40

GUEST = wat(
    """
    (data (i32.const 8) "k")
    (func (export "echo") (call $give (call $input_offset)))
    (func (export "host") (call $give (call $host (call $copy_input))))
    (func (export "keep") (call $var_set (call $put (i32.const 8) (i32.const 1)) (call $copy_input)))
    (func (export "fail") (result i32) (call $error_set (call $input_offset)) (i32.const 1))
    (func (export "loop") (loop $l (br $l)))
    (func (export "trap") unreachable)""",
    before='(import "extism:host/user" "host" (func $host (param i64) (result i64)))',
)


@extism.host_fn(name="host")
def host(current: extism.CurrentPlugin, text: str) -> str:
    current.vars["seen"] = text
    return current.read(current.write(text.encode())).decode()


extism.HOST_FN_REGISTRY.remove(host)


def made(start_seconds=60.0):
    source = {"wasm": [{"data": GUEST.encode()}]}
    limits = extism.WorkerLimits(start_seconds=start_seconds)
    return extism.Plugin(source, functions=[host], isolation=limits)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timeout(300)
def test_a_worker_killed_at_any_moment_costs_one_call():
    """Each time: the call is right or `WorkerDied`, the next one right, and nothing is left over."""
    rng = random.Random(1)
    died = 0
    with new_worker() as found:
        plugin = made()
    (process,) = found
    before = descriptors()
    with plugin:
        for number in range(KILLS):
            at, name = rng.random() * 0.003, rng.choice(["echo", "host"])
            data = f"{number} ".encode() * rng.choice([1, 50_000])
            killer = threading.Thread(target=kill_after, args=(process, at))
            killer.start()
            try:
                for _ in range(200):
                    assert plugin.call(name, data) == data
                    if not killer.is_alive():
                        break
            except WorkerDied as exc:
                died += exc.returncode == -signal.SIGKILL
            killer.join()
            assert until(lambda dead=process: not is_alive(dead))
            try:
                assert plugin.call("echo", data) == data
            except WorkerDied:  # it was killed between two calls, and the second one found out
                died += 1
                assert plugin.call("echo", data) == data
            (process,) = workers()
        assert descriptors() <= before + 1

    assert died == KILLS
    assert until(lambda: not workers())


@pytest.mark.timeout(300)
def test_a_pool_outlives_its_workers():
    """While they are killed at random, each answer is right or an error of ours, and afterwards all are right."""
    limits = extism.WorkerLimits(start_seconds=60.0)
    before, ends, is_over = descriptors(), [], threading.Event()
    source = {"wasm": [{"data": GUEST.encode()}]}
    with extism.Pool(source, 2, functions=[host], isolation=limits) as pool:
        killer = threading.Thread(target=kill_at_random, args=(is_over, ends))
        threads = [threading.Thread(target=ask, args=(pool, n, ends)) for n in range(4)]
        for thread in (killer, *threads):
            thread.start()
        for thread in threads:
            thread.join(200)
        is_over.set()
        killer.join()
        for _ in range(4):
            with contextlib.suppress(WorkerDied):  # either copy's was killed after its last call
                pool.call("echo", b"")
        afterwards = [pool.call("host", str(number)) for number in range(4)]
        assert len(workers()) <= 2
    gc.collect()

    assert afterwards == [b"0", b"1", b"2", b"3"]
    assert set(ends) == {"right", "WorkerDied"}
    assert len(ends) == 4 * POOL_CALLS
    assert until(lambda: not workers())
    assert descriptors() <= before + 1


def ask(pool, number, ends):
    for turn in range(POOL_CALLS):
        nonce = f"{number} {turn}"
        try:
            end = (
                "right"
                if pool.call(["echo", "host"][turn % 2], nonce) == nonce.encode()
                else "wrong"
            )
        except extism.Error as exc:
            end = type(exc.__cause__ or exc).__name__
        ends.append(end)
        time.sleep(0.01)


def kill_at_random(is_over, ends):
    """Kill a worker some time after each right answer: where starts are slow, nobody would ever get to one else."""
    rng = random.Random(4)
    while not is_over.wait(rng.random() * 0.1):
        rights = ends.count("right")
        until(lambda seen=rights: is_over.is_set() or ends.count("right") > seen)
        for process in rng.sample(sorted(workers()), min(1, len(workers()))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_cancellation_overtakes_no_call_and_is_not_lost():
    """Wherever call and cancellation meet on their ways: the call ends, and the worker keeps what it has."""
    rng = random.Random(3)
    with new_worker() as found:
        plugin = made()
    threads, most = threading.active_count(), 0
    with plugin:
        for _ in range(CANCELS):
            ended = threading.Event()
            handle = plugin.cancel_handle()
            canceller = threading.Thread(target=cancel_until, args=(handle, rng.random(), ended))
            canceller.start()
            with pytest.raises(Cancelled) as caught:
                plugin.call("loop", b"")
            ended.set()
            canceller.join()
            most = max(most, threading.active_count())

            assert caught.value.__notes__ == ["the call was cancelled through its CancelHandle"]
            assert plugin.call("echo", b"alive") == b"alive"
        assert workers() >= set(found)

    # Who makes sure that a cancelled call ends does not outlive it.
    assert most <= threads + 10


def cancel_until(handle, share, ended):
    time.sleep(share * 0.0006)
    while not ended.is_set():
        handle.cancel()
        time.sleep(0.0002)


def kill_after(process, seconds):
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)


@pytest.mark.timeout(300)
def test_a_worker_that_lies_hurts_nobody(tmp_path, monkeypatch):
    """Whatever it says, a call gives bytes or one of our errors, in time, and the host keeps what it had."""
    guests = Path(__file__).parents[1] / "support" / "hostile_worker.py"
    ends = {"bytes": 0}
    before = descriptors()
    for module in ("remote", "line"):
        monkeypatch.setattr(f"extism._isolation.{module}.ANSWER_SECONDS", 2.0)
    for seed in range(SEEDS):
        interpreter = tmp_path / f"python-{seed}"
        interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{guests}" {seed} "$@"\n')
        interpreter.chmod(0o700)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(interpreter))
            suffer(ends, seed)
    gc.collect()

    assert ends["bytes"] > SEEDS
    assert sum(ends.values()) > 2 * ends["bytes"] > 0
    assert until(lambda: not workers())
    assert descriptors() <= before + 1


def suffer(ends, seed):
    """Make a plug-in of a liar, and call it in all ways."""
    rng = random.Random(seed)
    try:
        plugin = made(start_seconds=5.0)
    except extism.Error as exc:
        ends[type(exc).__name__] = ends.get(type(exc).__name__, 0) + 1
        return
    with plugin:
        for _ in range(CALLS):
            name = rng.choice(["echo", "host", "keep", "fail", "trap", "missing"])
            started = time.monotonic()
            try:
                found = plugin.call(name, b"data" * rng.choice([1, 5000]), timeout=0.3)
                kind = "bytes"
                assert isinstance(found, bytes)
            except extism.Error as exc:
                kind = type(exc).__name__
            ends[kind] = ends.get(kind, 0) + 1
            assert time.monotonic() - started < 30
            assert sum(map(len, plugin.vars.values())) <= 1 << 20
