"""The truth table of a call's end: each row, and which of two rows wins."""

from __future__ import annotations

from itertools import pairwise

import pytest

from extism._engine.faults import Fault, FaultKind
from extism._engine.interrupts import StopReason
from extism._runtime.outcome import MAX_ERROR_BYTES, Exit, creation_error, settle
from extism.errors import (
    CallError,
    CallTimeout,
    Cancelled,
    CapabilityDenied,
    GuestError,
    GuestExit,
    HostFunctionError,
    LinkError,
    OutOfFuel,
    OutOfMemory,
    SignatureError,
    Trap,
)

TEXT = (
    "error while executing at wasm backtrace:\n    0:  0x1 - m!inner\n    1:  0x2 - m!run"
    "\n\nCaused by:\n    wasm trap: reason"
)


def raised(exception):
    return Fault(FaultKind.HOST, TEXT, raised=exception)


TRAP = Fault(FaultKind.TRAP, TEXT, trap="unreachable")
FUEL = Fault(FaultKind.FUEL, TEXT, trap="out of fuel")
CANCELLED = Fault(FaultKind.INTERRUPT, TEXT, trap=StopReason.CANCELLED)
DEADLINE = Fault(FaultKind.INTERRUPT, TEXT, trap=StopReason.DEADLINE)
REFUSED = Fault(FaultKind.ERROR, "the engine refused")
STARVED = Fault(FaultKind.MEMORY, "mmap failed\n\nCaused by:\n    no memory (os error 12)")
EXIT_0 = Fault(FaultKind.EXIT, TEXT)
EXIT_3 = Fault(FaultKind.EXIT, TEXT, exit_status=3)

ROWS = [
    pytest.param(
        Exit(raised(KeyboardInterrupt())), KeyboardInterrupt, "", None, id="BaseException"
    ),
    pytest.param(
        Exit(raised(HostFunctionError("broken"))),
        HostFunctionError,
        "broken",
        -1,
        id="host function",
    ),
    pytest.param(Exit(raised(CapabilityDenied("no"))), CapabilityDenied, "no", -1, id="capability"),
    pytest.param(
        Exit(raised(OverflowError("large"))),
        HostFunctionError,
        "OverflowError: large",
        -1,
        id="values",
    ),
    pytest.param(
        Exit(raised(SignatureError("wrong"))), HostFunctionError, "wrong", -1, id="signature"
    ),
    pytest.param(Exit(FUEL), OutOfFuel, "plugin ran out of fuel", -1, id="fuel"),
    pytest.param(Exit(CANCELLED), Cancelled, "timeout", -1, id="cancelled"),
    pytest.param(Exit(DEADLINE), CallTimeout, "timeout", -1, id="deadline"),
    pytest.param(Exit(is_late=True), CallTimeout, "timeout", -1, id="late"),
    pytest.param(Exit(is_out_of_memory=True), OutOfMemory, "oom", -1, id="memory"),
    pytest.param(Exit(TRAP, is_out_of_memory=True), OutOfMemory, "oom", -1, id="memory and trap"),
    pytest.param(
        Exit(STARVED), OutOfMemory, "no memory (os error 12)\n(mmap failed)", -1, id="system"
    ),
    pytest.param(Exit(error=b"said"), GuestError, "said", 0, id="error text"),
    pytest.param(Exit(error=b"said", code=5), GuestError, "said", 5, id="error text and code"),
    pytest.param(Exit(TRAP, error=b"said"), GuestError, "said", 134, id="error text and trap"),
    pytest.param(Exit(EXIT_3, error=b"said"), GuestError, "said", 3, id="error text and exit"),
    pytest.param(Exit(EXIT_0, error=b"said"), GuestError, "said", 0, id="error text and good exit"),
    pytest.param(Exit(REFUSED, error=b"said"), GuestError, "said", -1, id="error text and refusal"),
    pytest.param(Exit(EXIT_3), GuestExit, "Exited with i32 exit status 3", 3, id="exit"),
    pytest.param(Exit(TRAP), Trap, TEXT, 134, id="trap"),
    pytest.param(Exit(REFUSED), Trap, "the engine refused", -1, id="refusal"),
    pytest.param(Exit(code=7), GuestError, "Error code: 7", 7, id="code"),
    pytest.param(Exit(code=-1), GuestError, "Error code: -1", -1, id="negative code"),
]


@pytest.mark.parametrize(("exit_", "error", "text", "code"), ROWS)
def test_an_end_is_one_error(exit_, error, text, code):
    """Each way to end badly has its class, its text and its exit code."""
    with pytest.raises(error) as caught:
        settle("run", exit_)

    assert caught.type is error
    assert str(caught.value) == text
    if code is not None:
        assert (caught.value.function, caught.value.exit_code) == ("run", code)


@pytest.mark.parametrize("exit_", [Exit(output=b"out"), Exit(EXIT_0, output=b"out")])
def test_a_good_end_is_the_output(exit_):
    """Returning 0 or nothing, and leaving with 0."""
    assert settle("run", exit_) == b"out"


PRECEDENCE = [
    ("raised", {"fault": raised(HostFunctionError("h"))}, HostFunctionError),
    ("fuel", {"fault": FUEL}, OutOfFuel),
    ("cancelled", {"fault": CANCELLED}, Cancelled),
    ("late", {"is_late": True}, CallTimeout),
    ("memory", {"is_out_of_memory": True}, OutOfMemory),
    ("text", {"error": b"said"}, GuestError),
    ("exit", {"fault": EXIT_3}, GuestExit),
    ("code", {"code": 7}, GuestError),
]


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (first, second)
        for index, first in enumerate(PRECEDENCE)
        for second in PRECEDENCE[index + 1 :]
        if not ("fault" in first[1] and "fault" in second[1])
    ],
    ids=lambda row: row[0],
)
def test_of_two_reasons_the_upper_one_wins(winner, loser):
    """In the order of the design, whatever else is the case."""
    with pytest.raises(winner[2]) as caught:
        settle("run", Exit(**{**loser[1], **winner[1]}))

    assert caught.type is winner[2]


def test_the_order_is_the_designs():
    """Neighbours of the list above are neighbours of the table: nothing is between them."""
    assert [name for name, _, _ in PRECEDENCE] == [
        "raised", "fuel", "cancelled", "late", "memory", "text", "exit", "code",
    ]  # fmt: skip
    assert all(first[0] != second[0] for first, second in pairwise(PRECEDENCE))


def test_the_original_object_is_raised():
    """A BaseException is the very object; the cause of a wrapped one is too."""
    interrupt, overflow = KeyboardInterrupt(), OverflowError("x")
    with pytest.raises(KeyboardInterrupt) as first:
        settle("run", Exit(raised(interrupt), error=b"said"))
    with pytest.raises(HostFunctionError) as second:
        settle("run", Exit(raised(overflow)))

    assert first.value is interrupt
    assert second.value.__cause__ is overflow


def test_an_error_keeps_the_function_that_it_names():
    """A CallError that was raised with a function is not renamed."""
    with pytest.raises(CallError) as caught:
        settle("outer", Exit(raised(CallError("x", function="inner"))))

    assert caught.value.function == "inner"


def test_what_the_guest_said_goes_along_as_a_note():
    """Beside a host's failure, and so does a backtrace that names functions."""
    with pytest.raises(HostFunctionError) as caught:
        settle("run", Exit(raised(HostFunctionError("h")), error=b"guest"))

    assert caught.value.__notes__ == [
        "the plugin had set this error before: guest",
        TEXT.partition("\n\nCaused by:")[0],
    ]


def test_a_trap_carries_kind_and_backtrace():
    """The reason is in the text, the frames alone in `backtrace`."""
    with pytest.raises(Trap) as caught:
        settle("run", Exit(TRAP))

    assert caught.value.kind == "unreachable"
    assert caught.value.backtrace == TEXT.partition("\n\nCaused by:")[0]
    assert str(caught.value).endswith("wasm trap: reason")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (b"\xff", "\\xff"),
        (b"a\0b", "a\0b"),
        (b"x" * MAX_ERROR_BYTES, "x" * MAX_ERROR_BYTES),
        (b"x" * (MAX_ERROR_BYTES + 1), "x" * MAX_ERROR_BYTES + "... (1 bytes more)"),
    ],
    ids=["not UTF-8", "NUL", "the longest", "too long"],
)
def test_a_text_is_shown_to_its_end_or_cut(error, text):
    """Every byte that fits."""
    with pytest.raises(GuestError) as caught:
        settle("run", Exit(error=error))

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("exit_", "error", "text"),
    [
        (Exit(DEADLINE), CallTimeout, "timeout"),
        (Exit(is_late=True), CallTimeout, "timeout"),
        (Exit(CANCELLED), Cancelled, "timeout"),
        (Exit(REFUSED), LinkError, "the engine refused"),
        (Exit(REFUSED, is_out_of_memory=True), OutOfMemory, "oom"),
        (Exit(EXIT_0), GuestExit, "it called proc_exit(0) while it was initialised"),
        (Exit(EXIT_3), GuestExit, "Exited with i32 exit status 3"),
        (Exit(raised(HostFunctionError("h"))), HostFunctionError, "h"),
        (Exit(raised(CapabilityDenied("no"))), CapabilityDenied, "no"),
    ],
)
def test_a_failed_creation_is_told_as_one(exit_, error, text):
    """The same errors, with upstream's words before them."""
    found = creation_error(exit_)

    assert type(found) is error
    assert str(found) == f"Unable to create Extism plugin: {text}"


def test_a_trap_in_creation_begins_with_its_reason():
    """As upstream's text, and the backtrace follows."""
    backtrace = TEXT.partition("\n\nCaused by:")[0]

    assert str(creation_error(Exit(TRAP))) == (
        f"Unable to create Extism plugin: wasm trap: reason\n({backtrace})"
    )


def test_what_is_no_exception_passes_creation_too():
    """Ctrl-C in a start function is Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        creation_error(Exit(raised(KeyboardInterrupt())))
