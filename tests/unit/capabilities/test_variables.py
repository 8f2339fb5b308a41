"""Variables: bytes by key, within a budget."""

from __future__ import annotations

import time

import pytest
from patience import ROOM

from extism._capabilities.variables import Variables
from extism.errors import CapabilityDenied


def test_set_get_and_remove():
    """A value comes back until it is removed; an empty value is a value."""
    variables = Variables()
    variables.set("k", b"v")
    variables.set("", b"")

    assert (variables.get("k"), variables.get(""), variables.get("no")) == (b"v", b"", None)
    assert variables.snapshot() == {"k": b"v", "": b""}
    variables.remove("k")
    variables.remove("never there")
    assert (variables.get("k"), len(variables), variables.used) == (None, 1, 48)


@pytest.mark.parametrize(
    ("limit", "key", "value", "fits"),
    [
        (50, "k", b"v", True),
        (49, "k", b"v", False),
        (1048576, "k", bytes(1048576 - 49), True),
        (1048576, "k", bytes(1048576 - 48), False),
        (1048576, "x" * 3_000_000, b"", False),
        (51, "ä", b"v", True),
        (50, "ä", b"v", False),
    ],
)
def test_a_variable_costs_48_and_its_bytes(limit, key, value, fits):
    """48 + UTF-8 bytes of the key + bytes of the value, to the byte."""
    variables = Variables(limit)
    if not fits:
        with pytest.raises(CapabilityDenied, match=r"^Variable store is full: "):
            variables.set(key, value)
    else:
        variables.set(key, value)

    assert variables.get(key) == (value if fits else None)


def test_the_error_says_limit_and_need():
    """A refusal begins with upstream's words and gives both numbers."""
    variables = Variables(100)
    variables.set("a", b"1")
    with pytest.raises(CapabilityDenied) as caught:
        variables.set("b", b"22222")

    assert str(caught.value) == (
        "Variable store is full: 104 bytes needed, memory.max_var_bytes is 100 "
        "(a variable counts 48 + key + value)"
    )
    assert (caught.value.capability, caught.value.wanted) == ("vars", "b")
    assert variables.snapshot() == {"a": b"1"}


def test_overwriting_counts_the_new_state_only():
    """A value of the same length always fits over the old one, however often."""
    variables = Variables(48 + 1 + 40)
    for round_number in range(500):
        variables.set("k", bytes([round_number % 256]) * 40)

    assert (variables.used, len(variables)) == (89, 1)
    variables.set("k", b"")
    assert variables.used == 49


def test_zero_switches_writing_off():
    """With a budget of 0 nothing is set or removed; reading still works."""
    variables = Variables(0)
    for change in (lambda: variables.set("k", b""), lambda: variables.remove("k")):
        with pytest.raises(CapabilityDenied, match=r"^Vars are disabled by this host: "):
            change()

    assert variables.get("k") is None


def test_the_budget_is_counted_incrementally():
    """Twenty thousand keys are set without counting all of them each time."""
    variables = Variables(1 << 30)
    began = time.monotonic()
    for number in range(20_000):
        variables.set(str(number), b"x" * 1024)

    assert time.monotonic() - began < ROOM
    assert variables.used == sum(48 + len(str(n)) + 1024 for n in range(20_000))
