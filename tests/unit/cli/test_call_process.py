"""`extism call` as a process: streams, pipes, signals, terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_guests import TOOLBOX, WASI
from extism_command import COMMAND, TIMEOUT, extism, plain_environment
from patience import ROOM

from extism._wasm.leb128 import write_unsigned

FULL = Path("/dev/full")

posix = pytest.mark.skipif(os.name != "posix", reason="terminals, signals and pipes of POSIX")

STEP = bytes.fromhex("2000 0440 2000 2001 6c 2202 2001 6a 2101 0b 2001 2002 6c 2100")
"""if $a (local.set $b (i32.add (local.tee $c (i32.mul $a $b)) $b)) end (local.set $a (i32.mul $b $c))"""


def slow_to_compile(functions):
    """A module that keeps the compiler busy for about 10 ms a function."""
    body = b"\x01\x03\x7f" + STEP * 300 + b"\x0b"
    code = write_unsigned(len(body)) + body
    sections = {
        1: b"\x01\x60\x00\x00",
        3: write_unsigned(functions) + bytes(functions),
        7: b"\x01\x01f\x00\x00",
        10: write_unsigned(functions) + code * functions,
    }
    parts = [bytes([id_]) + write_unsigned(len(data)) + data for id_, data in sections.items()]
    return b"\0asm\x01\0\0\0" + b"".join(parts)


@pytest.fixture
def toolbox(tmp_path):
    path = tmp_path / "toolbox.wat"
    path.write_text(TOOLBOX)
    return path


@pytest.fixture
def start():
    """A function that starts the command, and sees to it that it ends."""
    running = []

    def started(*args, **options):
        environment = plain_environment(**options.pop("environment", {}))
        process = subprocess.Popen([*COMMAND, *args], env=environment, **options)
        running.append(process)
        return process

    yield started
    for process in running:
        process.kill()
        process.wait(TIMEOUT)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def terminal():
    """Both ends of a terminal: what reads the screen, and what a process has as its stderr."""
    import pty

    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def read_until(end, wanted):
    """What appears on a screen, up to a text."""
    seen = b""
    until = time.monotonic() + TIMEOUT
    while wanted not in seen:
        assert time.monotonic() < until, seen
        seen += os.read(end, 65536)
    return seen


def test_stdin_is_the_input_to_its_end(toolbox):
    """All its bytes, whatever they are."""
    data = bytes(range(256)) * 400

    done = extism("call", toolbox, "echo", "--stdin", "--raw", data=data)

    assert (done.code, done.out, done.err) == (0, data, b"")


def test_stdin_is_left_alone_unless_asked_for(toolbox):
    """What is piped in is no input without the flag."""
    assert extism("call", toolbox, "echo", data=b"piped").out == b"\n"


@posix
def test_input_that_is_no_utf8_goes_in_as_it_was_typed(toolbox):
    """The bytes of the command line are the input."""
    assert extism("call", toolbox, "echo", "-i", b"\xff\xfe").out == b"\xff\xfe\n"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["echo"], 0),
        (["seven"], 1),
        (["echo", "--loop", "x"], 2),
        (["spin", "--timeout", "50"], 124),
    ],
    ids=["worked", "failed", "usage", "time-out"],
)
def test_the_process_ends_with_the_documented_code(toolbox, args, code):
    """0, 1, 2, 124."""
    assert extism("call", toolbox, *args).code == code


def test_the_guest_and_the_command_write_in_order(tmp_path):
    """What the guest prints in a call stands before the output of that call."""
    path = tmp_path / "wasi.wat"
    path.write_text(WASI)

    done = extism("call", path, "print", "--wasi", "--loop", "2")

    assert (done.out, done.err) == (b"to out\n\nto out\n\n", b"err\nerr\n")


@posix
def test_a_module_from_a_pipe(toolbox):
    """A pipe is read once, and is a module."""
    done = extism("call", "/dev/stdin", "echo", "-i", "x", data=toolbox.read_bytes())

    assert (done.code, done.out, done.err) == (0, b"x\n", b"")


@posix
def test_nobody_reads_the_output(toolbox, start):
    """The command ends quietly when its reader goes away, as if the signal had ended it."""
    args = ("call", toolbox, "echo", "-i", "x" * 1000, "--loop", "1000000")
    process = start(*args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1000) == b"x" * 1000
    process.stdout.close()

    assert process.wait(TIMEOUT) == 141
    assert process.stderr.read() == b""


@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full")
def test_the_output_does_not_fit(toolbox, start):
    """A full disk is an error, told in one line."""
    with FULL.open("wb") as full:
        process = start("call", toolbox, "echo", stdout=full, stderr=subprocess.PIPE)

        assert process.wait(TIMEOUT) == 1
    assert process.stderr.read() == b"Error: no space left on device\n"


@posix
def test_ctrl_c_ends_a_looping_guest(toolbox, start):
    """Exit code 130 and not a word, soon."""
    args = ("-v", "call", toolbox, "spin")
    process = start(*args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"calling spin" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.1)  # from that line into the guest
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()

    assert process.wait(TIMEOUT) == 130
    assert time.monotonic() - sent < ROOM
    assert process.stderr.read() == b""
    assert process.stdout.read() == b""


@posix
def test_ctrl_c_ends_the_wait_for_input(toolbox, start):
    """Exit code 130 and not a word."""
    args = ("-v", "call", toolbox, "echo", "--stdin")
    process = start(*args, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"loaded" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)

    assert process.wait(TIMEOUT) == 130
    assert process.stderr.read() == b""


@posix
def test_a_terminal_is_told_that_it_takes_long(tmp_path, start, terminal):
    """The name of the file appears on the screen while it is compiled; Ctrl-C ends that at once."""
    path = tmp_path / "slow.wasm"
    path.write_bytes(slow_to_compile(2000))
    screen, theirs = terminal
    process = start(
        "call",
        "slow.wasm",
        "f",
        cwd=tmp_path,
        stderr=theirs,
        environment={"EXTISM_NATIVE_CACHE_DIR": ""},
    )
    assert b"Loading slow.wasm" in read_until(screen, b"Loading slow.wasm")
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()

    assert process.wait(TIMEOUT) == 130
    assert time.monotonic() - sent < 5  # the compiler goes on for ten
    assert b"\x1b[?25h" in read_until(screen, b"\x1b[?25h")  # the cursor is shown again


def test_a_pipe_is_not_told_that_it_takes_long(tmp_path):
    """The same, seen by a program: nothing at all."""
    path = tmp_path / "slow.wasm"
    path.write_bytes(slow_to_compile(100))

    done = extism("call", path, "f", EXTISM_NATIVE_CACHE_DIR="")

    assert (done.code, done.out, done.err) == (0, b"\n", b"")


@posix
@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, b"\x1b[31m\x1b[1mError:\x1b[0m "), ({"NO_COLOR": "1"}, b"Error: ")],
    ids=["colour", "NO_COLOR"],
)
def test_errors_are_red_on_a_terminal(toolbox, start, terminal, environment, expected):
    """Unless NO_COLOR is set."""
    screen, theirs = terminal
    process = start("call", toolbox, "seven", stderr=theirs, environment=environment)

    assert process.wait(TIMEOUT) == 1
    assert read_until(screen, b"code: 7") == (expected + b"returned non-zero exit code: 7\r\n")


@posix
def test_log_lines_have_the_colour_of_their_level_on_a_terminal(toolbox, start, terminal):
    """The text is that of a pipe, in red for an error."""
    screen, theirs = terminal
    process = start("call", toolbox, "log", stdout=subprocess.DEVNULL, stderr=theirs)

    assert process.wait(TIMEOUT) == 0
    seen = read_until(screen, b"error")
    assert re.match(rb"\x1b\[31m\d{4}/\d\d/\d\d \d\d:\d\d:\d\d error", seen)
