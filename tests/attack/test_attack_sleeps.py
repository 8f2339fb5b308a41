"""Group C, sleeps of WASI: they end with the call, and are otherwise as long as the guest asks for."""

from __future__ import annotations

import signal
import struct
import threading

import pytest
from in_a_child import in_a_child
from patience import AGES, repeating, took, within
from wasi_puppet import PUPPET, Puppet, wasi_import
from wat_guests import wat

import extism
from extism.errors import CallTimeout, Cancelled

REALTIME, MONOTONIC = 0, 1
RELATIVE, ABSOLUTE = 0, 1
MS = 1_000_000

SLEEPER = wat(
    """
    ;; Sleeps as many nanoseconds as the input says.
    (func (export "sleep")
      (i32.store (i32.const 16) (i32.const 1))
      (i64.store (i32.const 24) (call $input_load_u64 (i64.const 0)))
      (drop (call $poll_oneoff (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))
      (call $give_i64 (i64.extend_i32_u (i32.load (i32.const 256)))))
    (func (export "yield") (loop $again (drop (call $sched_yield)) (br $again)))
    (func (export "yield_once") (call $give_i64 (i64.extend_i32_u (call $sched_yield))))""",
    before=wasi_import("poll_oneoff") + wasi_import("sched_yield"),
    memory='(memory (export "memory") 1)',
)


def nanoseconds(seconds: float) -> bytes:
    return struct.pack("<Q", int(seconds * 1e9))


def clock(userdata: int, nanoseconds: int, which: int = MONOTONIC, flags: int = RELATIVE) -> bytes:
    return struct.pack("<Q8xI4xQQH6x", userdata, which, nanoseconds, 0, flags)


def descriptor(userdata: int, kind: int, fd: int) -> bytes:
    return struct.pack("<QB7xI28x", userdata, kind, fd)


def test_c12_a_sleep_ends_at_the_deadline(plugin):
    """A minute of sleep is over after 0.3 s; a short one is slept, and the next call works."""
    made = plugin(SLEEPER, wasi=True)
    with within(0.3), pytest.raises(CallTimeout):
        made.call("sleep", nanoseconds(AGES), timeout=0.3)

    assert made.call("sleep", nanoseconds(0.05)) == struct.pack("<Q", 1)


@pytest.mark.parametrize("seconds", [AGES, 2**64 / 1e9 - 1e4], ids=["a minute", "centuries"])
def test_c13_a_cancel_ends_a_sleep(plugin, seconds):
    """It wakes the sleeper at once; one that comes later hits nobody."""
    made = plugin(SLEEPER, wasi=True)
    with within(0.1), repeating(made.cancel_handle().cancel), pytest.raises(Cancelled):
        made.call("sleep", nanoseconds(seconds))
    made.cancel_handle().cancel()

    assert made.call("sleep", nanoseconds(0.01)) == struct.pack("<Q", 1)


def test_c13_a_cancel_hits_one_sleeper(plugin):
    """The other of two plug-ins sleeps on."""
    one, other = plugin(SLEEPER, wasi=True), plugin(SLEEPER, wasi=True)
    ends = []

    def sleeps():
        ends.append(took(lambda: other.call("sleep", nanoseconds(AGES)), Cancelled))

    sibling = threading.Thread(target=sleeps)
    sibling.start()
    with repeating(one.cancel_handle().cancel), pytest.raises(Cancelled):
        one.call("sleep", nanoseconds(AGES))
    goes_on = sibling.is_alive()
    with repeating(other.cancel_handle().cancel):
        sibling.join()

    assert (goes_on, len(ends)) == (True, 1)


def sleeps_until_ctrl_c() -> str:
    with extism.Plugin(SLEEPER.encode(), wasi=True) as plugin:
        try:
            threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
            plugin.call("sleep", nanoseconds(60))
        except KeyboardInterrupt:
            return plugin.call("sleep", nanoseconds(0.01)).hex()
    return "slept"


def test_c13_ctrl_c_ends_a_sleep():
    """KeyboardInterrupt is raised while the guest still sleeps, and the plug-in goes on."""
    assert in_a_child(sleeps_until_ctrl_c, seconds=60) == struct.pack("<Q", 1).hex()


def test_c14_a_loop_that_yields_ends_at_its_deadline(plugin):
    """Yielding is no way around the deadline; yielding once is fine."""
    made = plugin(SLEEPER, wasi=True)
    with within(0.3), pytest.raises(CallTimeout):
        made.call("yield", b"", timeout=0.3)

    assert made.call("yield_once", b"") == bytes(8)


@pytest.fixture
def puppet(plugin, tmp_path):
    (tmp_path / "file").write_text("inside")
    return Puppet(plugin(PUPPET, wasi=True, allowed_paths={str(tmp_path): "/data"}))


@pytest.mark.parametrize("which", [REALTIME, MONOTONIC], ids=["realtime", "monotonic"])
@pytest.mark.parametrize("flags", [RELATIVE, ABSOLUTE], ids=["relative", "absolute"])
def test_c12_control_every_clock_is_waited_for(puppet, which, flags):
    """By either clock, for a time or until a time: as long as asked for, not much longer."""
    puppet.clock_time_get(which, 1, 8)
    now = int.from_bytes(puppet.peek(8, 8), "little") if flags == ABSOLUTE else 0
    with within(0.1 if flags == RELATIVE else 0):
        events = puppet.poll(clock(7, now + 100 * MS, which, flags))
    puppet.clock_time_get(which, 1, 8)
    then = int.from_bytes(puppet.peek(8, 8), "little")

    assert events == (0, [(7, 0, 0)])
    assert flags == RELATIVE or now + 100 * MS <= then


def test_c12_control_what_is_past_is_due(puppet):
    """A time that was before now ends no wait later than at once."""
    with within(0):
        events = puppet.poll(clock(7, 1, REALTIME, ABSOLUTE), clock(8, int(AGES * 1e9)))

    assert events == (0, [(7, 0, 0)])


def test_c12_control_the_first_of_several_wakes(puppet):
    """Those that are due are told in their order, and only those."""
    events = puppet.poll(
        clock(1, 900_000 * MS), clock(2, 20_000 * MS), clock(3, 0, REALTIME), clock(4, 0)
    )

    assert events == (0, [(3, 0, 0), (4, 0, 0)])


@pytest.mark.parametrize(("kind", "fd"), [(1, 0), (2, 1), (2, 2), (1, 4), (2, 4)])
def test_c12_control_descriptors_are_ready_at_once(puppet, kind, fd):
    """Standard streams and files never wait, whatever clock is asked for beside them."""
    puppet.open("file")
    with within(0):
        events = puppet.poll(clock(1, int(AGES * 1e9)), descriptor(2, kind, fd))

    assert events == (0, [(2, 0, kind)])


@pytest.mark.parametrize(
    ("subscriptions", "errno"),
    [
        ([], 28),
        ([clock(1, 0, which=9)], 28),
        ([clock(1, 0, flags=8)], 28),
        ([descriptor(1, 5, 0)], 28),
        ([descriptor(1, 1, 77)], 8),
        ([clock(1, 0)] * 500, 0),
        ([clock(1, 0)] * 1000, 48),
    ],
    ids=["none", "clock", "flags", "kind", "descriptor", "many", "too many"],
)
def test_c12_control_what_cannot_be_waited_for(plugin, subscriptions, errno):
    """The error numbers are those of the engine; as many as a program may want can be waited for."""
    made = Puppet(plugin(PUPPET, wasi=True))
    made.poke(65536, b"".join(subscriptions))

    assert made.poll_oneoff(65536, 200_000, len(subscriptions), 0) == errno
