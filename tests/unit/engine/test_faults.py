"""Every way in which the engine reports a bad end becomes one `Fault`."""

from __future__ import annotations

import pytest

from extism._engine.bindings import lib
from extism._engine.faults import (
    Fault,
    FaultKind,
    ProgramExit,
    cause_first,
    error_text,
    from_error,
    from_trap,
)


def new_error(text):
    return lib.wasmtime_error_new(text)


def new_trap(text):
    return lib.wasmtime_trap_new(text, len(text))


def test_an_error_gives_its_text():
    """As the engine has it."""
    assert error_text(new_error("äö".encode())) == "äö"


def test_an_error_is_a_refusal():
    """Where nobody raised anything."""
    assert from_error(new_error(b"no")) == Fault(FaultKind.ERROR, "no")


@pytest.mark.parametrize(
    "text",
    [
        "mmap failed to reserve 0x104000000 bytes\n\nCaused by:\n    Cannot allocate memory (os error 12)",
        "The paging file is too small for this operation to complete. (os error 1455)",
    ],
)
def test_want_of_memory_is_told_from_refusals(text):
    """The system has none left; nothing is wrong with the module."""
    assert from_error(new_error(text.encode())) == Fault(FaultKind.MEMORY, text)


def test_a_trap_without_a_code_is_a_trap():
    """It has no name."""
    assert from_trap(new_trap(b"text")) == Fault(FaultKind.TRAP, "text")


@pytest.mark.parametrize(
    "make", [lambda r: from_error(new_error(b"x"), r), lambda r: from_trap(new_trap(b"x"), r)]
)
def test_what_a_host_function_raised_decides(make):
    """The carrier does not matter."""
    raised = ValueError("v")

    assert make(raised) == Fault(FaultKind.HOST, "x", raised=raised)
    assert make(ProgramExit(5)) == Fault(FaultKind.EXIT, "x", exit_status=5)


def test_text_that_is_no_utf8_is_shown():
    """The engine replaces what cannot be read; nothing raises."""
    assert from_trap(new_trap(b"a\xffb")).text == "a\ufffdb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("failed\n\nCaused by:\n    the reason", "the reason\n(failed)"),
        ("a\n\nCaused by:\n    0: b\n    1: c", "c\n(a; b)"),
    ],
)
def test_the_cause_comes_first(text, expected):
    """What is wrong, then where."""
    assert cause_first(text) == expected
