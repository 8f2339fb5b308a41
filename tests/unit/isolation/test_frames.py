"""`frames`: whole frames or an error, whatever is at the other end."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest
from patience import ROOM

from extism._isolation.frames import Breach, Frame, Gone, Kind, Late, Link


@pytest.fixture
def ends():
    """A link, and the socket at its other end."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield Link(mine, 4 << 20), theirs


@pytest.fixture
def links():
    """Two links that lead to each other."""
    one, other = socket.socketpair()
    with one, other:
        yield Link(one, 4 << 20), Link(other, 4 << 20)


def head(length, kind=Kind.DONE):
    return struct.pack("<BBHIqdQ", kind, 0, 0, 0, 0, 0.0, length)


def test_a_frame_arrives_as_it_was_sent(links):
    """Every field, with the largest values that it takes."""
    one, other = links
    one.send(Kind.CALL, b"body", 255, 2**32 - 1, -(2**63), float("inf"))

    assert other.receive() == Frame(Kind.CALL, 255, 2**32 - 1, -(2**63), float("inf"), b"body")


@pytest.mark.parametrize("size", [0, 1, 4096, 3 << 20])
def test_a_body_of_any_size_arrives_whole(links, size):
    """Also one that no buffer of the system holds."""
    one, other = links
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    sender = threading.Thread(target=one.send, args=(Kind.CALL, body))
    sender.start()
    frame = other.receive()
    sender.join()

    assert frame.body == body


def test_frames_of_two_threads_are_not_mixed(links):
    """Each arrives in one piece."""
    one, other = links
    threads = [
        threading.Thread(target=lambda b=b: [one.send(Kind.PRINTED, b * 70_000) for _ in range(30)])
        for b in (b"a", b"b")
    ]
    for thread in threads:
        thread.start()
    bodies = [other.receive().body for _ in range(60)]
    for thread in threads:
        thread.join()

    assert sorted(set(bodies)) == [b"a" * 70_000, b"b" * 70_000]


@pytest.mark.parametrize("said", [b"", b"x", head(5), head(5) + b"1234"])
def test_an_end_in_the_middle_is_an_end(ends, said):
    """Nothing is made of half a frame."""
    link, theirs = ends
    theirs.sendall(said)
    theirs.close()

    with pytest.raises(Gone):
        link.receive()


def test_sending_to_nobody_is_an_error(ends):
    """As soon as the system knows."""
    link, theirs = ends
    theirs.close()

    with pytest.raises(Gone):
        link.send(Kind.CALL, b"x")


@pytest.mark.parametrize("length", [(4 << 20) + 1, 2**63, 2**64 - 1])
def test_a_length_beyond_the_limit_is_not_believed(ends, length):
    """No memory is taken for it."""
    link, theirs = ends
    theirs.sendall(head(length))

    with pytest.raises(Breach, match=f"a frame of {length} bytes, where {4 << 20} are the most"):
        link.receive()


@pytest.mark.parametrize("said", [b"", head(9), head(9) + b"1"])
def test_silence_ends_at_the_time_that_was_set(ends, said):
    """Before a frame, and in the middle of one."""
    link, theirs = ends
    theirs.sendall(said)
    started = time.monotonic()
    link.wait_until(started + 0.05)
    with pytest.raises(Late):
        link.receive()

    assert 0.05 <= time.monotonic() - started < 0.05 + ROOM


def test_talking_without_end_ends_too(ends):
    """Somebody who always has one frame more gains no time by it."""
    link, theirs = ends
    theirs.sendall(head(0) * 1000)
    link.wait_until(time.monotonic() + 0.01)
    time.sleep(0.02)

    with pytest.raises(Late):
        link.receive()


def test_drops_of_a_body_gain_no_time(ends):
    """A byte now and then is not an answer."""
    link, theirs = ends
    stop = threading.Event()

    def drip():
        theirs.sendall(head(100_000))
        while not stop.wait(0.01):
            theirs.sendall(b"x")  # the last one comes in a quarter of an hour

    thread = threading.Thread(target=drip)
    thread.start()
    started = time.monotonic()
    link.wait_until(started + 0.2)
    try:
        with pytest.raises(Late):
            link.receive()
    finally:
        stop.set()
        thread.join()

    assert time.monotonic() - started < 0.2 + ROOM


def test_who_does_not_read_is_not_waited_for(ends):
    """A send ends at its time as well."""
    link, _ = ends
    link.wait_until(time.monotonic() + 0.1)

    with pytest.raises(Late):
        link.send(Kind.CALL, bytes(64 << 20))


def test_a_limit_is_lifted_again(ends):
    """The next wait has no end."""
    link, theirs = ends
    link.wait_until(time.monotonic() + 0.01)
    time.sleep(0.05)
    link.wait_until(None)
    threading.Timer(0.1, theirs.sendall, (head(0),)).start()

    assert link.receive().kind == Kind.DONE
