"""`seccomp`: the filter refuses what is on its list, and lets everything else through."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from extism._isolation.seccomp import refusing

ALLOWED, REFUSED = 0x7FFF0000, 0x00050001
NAMES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
TGKILL = {"x86_64": 234, "aarch64": 131}
IO_URING_SETUP = 425
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
            holds = value == constant if what == 0x15 else value >= constant
            at += yes if holds else no


@pytest.mark.parametrize("machine", NAMES)
def test_exactly_the_list_is_refused(machine):
    """Of all numbers that there are; some of them are the same on all processors."""
    found = {number for number in range(600) if verdict(machine, number) != ALLOWED}

    assert {SOCKET[machine], IO_URING_SETUP, TGKILL[machine]} < found
    assert 24 <= len(found) <= 31
    assert {verdict(machine, number) for number in found} == {REFUSED}


@pytest.mark.parametrize("machine", NAMES)
def test_only_its_own_threads_may_be_signalled(machine):
    """Which is how a process aborts."""
    assert verdict(machine, TGKILL[machine], ME) == ALLOWED
    assert verdict(machine, TGKILL[machine], ME + 1) == REFUSED


@pytest.mark.parametrize("machine", NAMES)
def test_calls_of_another_convention_are_refused(machine):
    """They have other numbers, and would go past the list."""
    assert verdict(machine, 1, processor=0x40000003) == REFUSED
    assert verdict(machine, 0x40000001) == REFUSED


ATTEMPTS = """
import os, signal, socket, subprocess, sys
sys.path[:0] = sys.argv[1:]
from extism._isolation.confinement import confine, seal
folder = os.getcwd()
confine({"memory_bytes": 1 << 30, "cpu_seconds": 60, "open_files": 64, "file_bytes": 1 << 20})
seal({f"{folder}/rw": "/rw", f"ro:{folder}/ro": "/ro"})

def tried(what):
    try:
        what()
    except OSError as exc:
        return type(exc).__name__
    return "done"

def put(path):
    with open(path, "w") as file:
        file.write("x")

print(*[tried(what) for what in (
    lambda: put("rw/new"), lambda: os.rename("rw/new", "rw/other"), lambda: os.mkdir("rw/folder"),
    lambda: os.remove("rw/other"), lambda: open("ro/there").read(),
    lambda: put("ro/new"), lambda: os.remove("ro/there"), lambda: open("outside").read(),
    lambda: os.listdir("/"), lambda: os.mkfifo("rw/fifo"), lambda: open("/proc/self/mem"),
    lambda: socket.socket(), lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    lambda: os.kill(os.getppid(), 0), lambda: os.execv(sys.executable, ["python"]),
    lambda: subprocess.run([sys.executable, "-c", ""]),
)])
import difflib, zoneinfo
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has these")
def test_a_sealed_process_reaches_what_it_was_granted_and_nothing_else(tmp_path):
    """Files of the granted folders; no other file, no network, no other process, no program."""
    for folder in ("rw", "ro"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ro" / "there").write_text("x")
    (tmp_path / "outside").write_text("x")
    if not has_landlock():
        pytest.skip("this system has no Landlock")
    script = tmp_path / "attempts.py"
    script.write_text(ATTEMPTS)
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, *filter(None, sys.path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.split() == ["done"] * 5 + ["PermissionError"] * 11


def has_landlock():
    code = (
        "import ctypes, sys; "
        "sys.exit(ctypes.CDLL(None).syscall(ctypes.c_long(444), None, ctypes.c_long(0), ctypes.c_long(1)) < 1)"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="needs uname")
def test_there_is_a_filter_for_this_machine():
    """Where the suite runs, workers are confined by it."""
    assert refusing(os.uname().machine, 1)
