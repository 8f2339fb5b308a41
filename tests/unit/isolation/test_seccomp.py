"""`seccomp`: the filter refuses what is on its list, and lets everything else through."""

from __future__ import annotations

import os
import struct

import pytest

from extism._isolation.seccomp import refusing

ALLOWED, REFUSED, MISSING = 0x7FFF0000, 0x00050001, 0x00050026
NAMES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
TGKILL = {"x86_64": 234, "aarch64": 131}
PRLIMIT = {"x86_64": 302, "aarch64": 261}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3, IO_URING_SETUP = 435, 425
ME = 4711


def verdict(machine, number, argument=0, processor=None):
    """Run the filter as the kernel would."""
    name = NAMES[machine] if processor is None else processor
    data = struct.pack("=IIQ6Q", number, name, 0, argument, 0, 0, 0, 0, 0)
    code = refusing(machine, ME)
    rows = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at = value = 0
    while True:
        what, yes, no, constant = rows[at]
        at += 1
        if what == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
        elif what == 0x06:
            return constant
        else:
            tests = {0x15: value == constant, 0x35: value >= constant, 0x45: value & constant}
            holds = tests[what]
            at += yes if holds else no


@pytest.mark.parametrize("machine", NAMES)
def test_exactly_the_list_is_refused(machine):
    """Of all numbers that there are; some of them are the same on all processors."""
    verdicts = {number: verdict(machine, number, ME + 1) for number in range(600)}
    found = {number for number, said in verdicts.items() if said == REFUSED}
    odd = {number: said for number, said in verdicts.items() if said not in {ALLOWED, REFUSED}}

    assert {SOCKET[machine], IO_URING_SETUP, TGKILL[machine], PRLIMIT[machine]} < found
    assert len(found) == {"x86_64": 64, "aarch64": 59}[machine]
    assert odd == {CLONE3: MISSING}


@pytest.mark.parametrize("machine", NAMES)
def test_only_its_own_threads_may_be_signalled(machine):
    """Which is how a process aborts."""
    assert verdict(machine, TGKILL[machine], ME) == ALLOWED
    assert verdict(machine, TGKILL[machine], ME + 1) == REFUSED


@pytest.mark.parametrize("machine", NAMES)
def test_only_its_own_limits_may_be_set(machine):
    """0 is the process itself."""
    assert (
        verdict(machine, PRLIMIT[machine], 0) == verdict(machine, PRLIMIT[machine], ME) == ALLOWED
    )
    assert verdict(machine, PRLIMIT[machine], ME + 1) == REFUSED


@pytest.mark.parametrize("machine", NAMES)
def test_threads_may_be_started_and_processes_not(machine):
    """Both are `clone`; its successor, whose flags no filter sees, seems not to be there."""
    assert verdict(machine, CLONE[machine], 0x3D0F00) == ALLOWED
    assert verdict(machine, CLONE[machine], 0x01200011) == REFUSED
    assert verdict(machine, CLONE3) == MISSING


@pytest.mark.parametrize("machine", NAMES)
def test_calls_of_another_convention_are_refused(machine):
    """They have other numbers, and would go past the list."""
    assert verdict(machine, 1, processor=0x40000003) == REFUSED
    assert verdict(machine, 0x40000001) == REFUSED


@pytest.mark.skipif(os.name != "posix", reason="needs uname")
def test_there_is_a_filter_for_this_machine():
    """Where the suite runs, workers are confined by it."""
    assert refusing(os.uname().machine, 1)
