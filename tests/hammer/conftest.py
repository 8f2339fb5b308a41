"""Threads that change hands as often as they can, and a cache of native code of their own."""

from __future__ import annotations

import sys
import threading

import pytest


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("native")


@pytest.fixture(autouse=True)
def restless(native_cache, monkeypatch):
    """Python changes threads after every microsecond."""
    monkeypatch.setenv("EXTISM_NATIVE_CACHE_DIR", str(native_cache))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def together():
    """Run functions at once, each on a thread of its own; what one raises fails the test."""

    def run(*functions):
        failures = []
        gate = threading.Barrier(len(functions))

        def guarded(function):
            try:
                gate.wait(30)
                function()
            except BaseException as exc:  # noqa: BLE001 - it is told below
                failures.append(exc)

        threads = [threading.Thread(target=guarded, args=(each,)) for each in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(110)
        assert not any(thread.is_alive() for thread in threads)
        assert failures == []

    return run
