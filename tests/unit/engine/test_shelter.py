"""`shelter.py`: what the handler of a signal raises is raised inside the function, not before it."""

import ctypes
import os
import signal
import sys
import threading

import pytest

from extism._engine.shelter import sheltered

COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LENGTH = 30_000


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are another matter there")
def test_what_a_signal_raises_is_raised_in_the_function(monkeypatch):
    """Wherever it comes while C calls back, the callback's own `except` gets it: nothing is dropped."""
    dropped, caught = [], []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)

    def body():
        return 0

    def compare(_a, _b):
        try:
            return body()
        except BaseException as exc:  # noqa: BLE001 - that is the point
            caught.append(type(exc))
            return 0

    numbers = (ctypes.c_int * LENGTH)()
    callback = COMPARE(sheltered(compare))
    for _ in range(20):
        timer = threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            ctypes.CDLL(None).qsort(numbers, LENGTH, 4, callback)
            timer.join()
        except (
            KeyboardInterrupt
        ) as exc:  # it came before C was entered, or when it had just returned
            caught.append(type(exc))
        timer.join()

    assert dropped == []
    assert caught == [KeyboardInterrupt] * 20


def test_nothing_else_of_a_function_changes():
    """Closures, defaults and results are what they were; the function is returned."""
    outer = 3

    def plain(a, b=4, *rest, key=5):
        return a + b + outer + key + sum(rest)

    before = plain.__code__.co_code
    same = sheltered(plain)

    assert same is plain
    assert plain(1) == 13
    assert plain(1, 2, 3, key=6) == 15
    assert sum(a != b for a, b in zip(before, plain.__code__.co_code, strict=True)) == 1


def test_signals_are_heard_behind_the_first_line():
    """Shelter holds for the beginning alone: a loop inside can be interrupted as ever."""

    @sheltered
    def loop():
        signal.raise_signal(signal.SIGINT)
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        loop()
