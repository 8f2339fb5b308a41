"""`reports`: errors and ends of calls cross whole; what is none of them is a breach and nothing else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extism import errors
from extism._engine.faults import Fault, FaultKind
from extism._isolation.frames import REPORT_BYTES, Breach
from extism._isolation.reports import (
    RaisedByParent,
    error_from,
    exit_from,
    report_of_error,
    report_of_exit,
    text_of,
    told,
)
from extism._runtime.outcome import Exit, settle

EXAMPLES = {
    "exit_code": 7,
    "line": 3,
    "offset": 9,
    "returncode": -9,
    "available": ("one", "two"),
}
"""Attributes that are no texts."""


def there_and_back(error):
    return error_from(told(json.dumps(report_of_error(error)).encode()))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_crosses_with_all_that_it_carries(name):
    """Class, text, attributes, notes."""
    kind = getattr(errors, name)
    empty = kind("")
    given_ = {key: EXAMPLES.get(key, f"the {key}") for key in vars(empty)}
    error = kind("what happened\n\ud800", **given_)
    error.add_note("and where")
    found = there_and_back(error)

    assert type(found) is kind
    assert (str(found), vars(found)) == (str(error), vars(error))


def test_causes_cross_with_their_errors():
    """A chain of them, also of errors that are not ours, by the closest class that is known."""
    error = errors.CallError("outer")
    error.__cause__ = ValueError("middle")
    error.__cause__.__cause__ = UnicodeError("inner")
    found = there_and_back(error)

    assert [type(each) for each in (found, found.__cause__, found.__cause__.__cause__)] == [
        errors.CallError,
        ValueError,
        ValueError,
    ]
    assert str(found.__cause__.__cause__) == "inner"


def test_a_chain_without_end_is_cut():
    """Errors that cause each other are told of a few times."""
    error = errors.CallError("round")
    error.__cause__ = errors.CallError("and round")
    error.__cause__.__cause__ = error

    assert str(there_and_back(error)) == "round"


ENDS = [
    Exit(),
    Exit(code=-(2**31), output=b"out", error=b"", is_late=True),
    Exit(Fault(FaultKind.TRAP, "text\n\ud800", trap="unreachable"), error=b"\xff"),
    Exit(Fault(FaultKind.EXIT, "", exit_status=-1), is_out_of_memory=True),
    Exit(Fault(FaultKind.FUEL, "t", trap="out of fuel")),
]


@pytest.mark.parametrize("end", ENDS, ids=range(len(ENDS)))
def test_every_end_of_a_call_crosses(end):
    """All of its fields."""
    report = told(json.dumps(report_of_exit(end)).encode())

    assert exit_from(report, end.output, end.error, None) == end


def test_what_the_parent_raised_is_put_back():
    """The worker has a stand-in; the parent puts the very exception in its place."""
    own = KeyboardInterrupt()
    end = Exit(Fault(FaultKind.HOST, "backtrace", raised=RaisedByParent("")))
    report = told(json.dumps(report_of_exit(end)).encode())

    assert exit_from(report, b"", None, own).fault.raised is own
    with pytest.raises(Breach):
        exit_from(report, b"", None, None)


def test_what_the_worker_raised_itself_crosses():
    """Errors of the functions that are in the worker."""
    end = Exit(Fault(FaultKind.HOST, "b", raised=errors.OutOfMemory("oom", function="f")))
    found = exit_from(report_of_exit(end), b"", None, None).fault.raised

    assert (type(found), str(found), found.function) == (errors.OutOfMemory, "oom", "f")


GOOD = report_of_error(errors.LinkError("t", module="m", available=("a",)))


@pytest.mark.parametrize(
    "change",
    [
        {"class": "SystemExit"},
        {"class": "Exception"},
        {"class": "eval"},
        {"class": ["LinkError"]},
        {"class": None},
        {"text": 1},
        {"text": None},
        {"attributes": []},
        {"attributes": {"__class__": "x"}},
        {"attributes": {"args": "x"}},
        {"attributes": {"module": 1}},
        {"attributes": {"available": "abc"}},
        {"attributes": {"available": [1]}},
        {"notes": "x"},
        {"notes": [1]},
        {"cause": "x"},
        {"cause": {}},
    ],
    ids=str,
)
def test_an_error_that_is_none_is_a_breach(change):
    """No class that is not known, no attribute that it does not have, no value of another type."""
    with pytest.raises(Breach):
        error_from({**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"code": True},
        {"code": 1.5},
        {"is_late": 1},
        {"is_late": None},
        {"fault": []},
        {"fault": {"kind": "NONE", "text": "", "trap": "", "exit_status": 0, "raised": None}},
        {
            "fault": {
                "kind": FaultKind.HOST,
                "text": "",
                "trap": "",
                "exit_status": 0,
                "raised": None,
            }
        },
        {
            "fault": {
                "kind": FaultKind.TRAP,
                "text": "",
                "trap": "",
                "exit_status": 0,
                "raised": "x",
            }
        },
        {
            "fault": {
                "kind": FaultKind.TRAP,
                "text": "",
                "trap": "",
                "exit_status": "0",
                "raised": None,
            }
        },
        {"fault": {"kind": FaultKind.TRAP, "text": "", "trap": ""}},
    ],
    ids=str,
)
def test_an_end_that_is_none_is_a_breach(change):
    """Every field has its type, and a fault has a kind that goes with what was raised."""
    with pytest.raises(Breach):
        exit_from({**report_of_exit(Exit()), **change}, b"", None, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000, b" " * (REPORT_BYTES + 1)],
    ids=["empty", "torn", "no text", "deep", "long number", "too long"],
)
def test_what_is_no_report_is_a_breach(body):
    """Neither recursion nor numbers nor length get any further."""
    with pytest.raises(Breach):
        told(body)


def test_what_is_no_text_is_a_breach():
    """Keys are UTF-8; halves of surrogate pairs pass, as Python's texts may hold them."""
    assert text_of("k\ud800".encode("utf-8", "surrogatepass")) == "k\ud800"
    with pytest.raises(Breach):
        text_of(b"\xff")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["LinkError", "parent", FaultKind.TRAP, FaultKind.HOST, FaultKind.MEMORY]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [*GOOD, *report_of_exit(ENDS[2]), "kind", "raised", "exit_status", "trap"]
            ),
            inner,
            max_size=8,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from([*GOOD, "fault", "code", "is_late"]), JSON))
def test_any_json_is_understood_or_a_breach(whole, changes):
    """Nothing else is ever raised, and nothing but errors comes of it."""
    for read in (
        error_from,
        lambda report: exit_from(report, b"", None, None),
    ):
        for report in (whole, {**GOOD, **changes}, {**report_of_exit(Exit()), **changes}):
            try:
                found = read(report)
            except Breach:
                continue
            if isinstance(found, Exit):
                with contextlib.suppress(errors.Error):
                    assert settle("f", found) == b""
            else:
                assert isinstance(found, Exception)
