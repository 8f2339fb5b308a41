"""Group G: what guests say is told, as one harmless line each, and not more of it than anybody can read."""

from __future__ import annotations

import logging
import re
import time

import pytest
from in_a_child import in_a_child, peak_memory
from patience import ROOM
from wat_guests import wat

import extism
from extism._capabilities import log_sinks
from extism.errors import CallError

TALKER = wat(
    """
    (func (export "say") (call $log_error (call $copy_input)))
    ;; Says the same long thing as often as the first eight bytes of the input say.
    (func (export "flood") (local $i i64) (local $h i64)
      (loop $next
        (local.set $h (call $alloc (i64.const 1024)))
        (call $log_error (local.get $h))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $i) (call $input_load_u64 (i64.const 0))))))
    (func (export "shout") (local $h i64)
      (local.set $h (call $alloc (call $input_load_u64 (i64.const 0))))
      (call $log_error (local.get $h)))"""
)

LOGGER = "extism.plugin"


@pytest.fixture(autouse=True)
def no_sink():
    """The process without a log sink, before and after."""
    log_sinks._forget()
    yield
    log_sinks._forget()


@pytest.fixture
def say(plugin, caplog):
    """A function from what a guest says to the records that come of it."""
    made = plugin(TALKER)

    def said(message: bytes) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.ERROR, logger=LOGGER):
            made.call("say", message)
        return [record.getMessage() for record in caplog.records if record.name == LOGGER]

    return said


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


@pytest.mark.parametrize("message", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"a\xc3"])
def test_g01_bytes_that_are_no_text(say, message):
    """One record, the bytes as escapes; text beyond ASCII stays as it is."""
    (text,) = say(message)
    assert "\\x" in text
    text.encode()
    assert say("Zoë €".encode()) == ["Zoë €"]


FORGED = "first\nERROR:root:forged\r\n2026-01-01T00:00:00Z ERROR extism::pdk: forged\u2028more\u2029\x85end"


def test_g02_a_message_is_one_line(say, tmp_path, plugin):
    """In `logging` and in the log file."""
    (text,) = say(FORGED.encode())
    assert len(text.splitlines()) == 1
    assert "\\n" in text

    extism.set_log_file(str(tmp_path / "log"), "error")
    plugin(TALKER).call("say", FORGED)
    plugin(TALKER).call("say", "honest")
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 2
    assert " honest " in lines[1]


@pytest.mark.parametrize(
    "message",
    ["\x1b[2J\x1b]0;title\x07", "\x9b31m", "\x08\x08\x7f", "\u202egnp.exe", "\u2066x\u2069", "\0"],
    ids=ascii,
)
def test_g03_escape_sequences(say, message):
    """Shown as escapes; tabs and what prints stay."""
    (text,) = say(message.encode())
    assert not re.search("[\0-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert say(b"a\tb") == ["a\tb"]


def shouts(megabytes: int) -> dict:
    logging.basicConfig(level=logging.ERROR, handlers=[handler := Keeping()])
    with extism.Plugin(TALKER.encode()) as plugin:
        plugin.call("say", b"a little")
        before = peak_memory()
        plugin.call("shout", number(megabytes << 20))
        grown = (peak_memory() - before) >> 20
        return {
            "lengths": [len(text) for text in handler.texts],
            "end": handler.texts[-1][-40:],
            "grown": grown,
        }


class Keeping(logging.Handler):
    """Keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def test_g04_a_long_message():
    """Cut at 16 KiB, with its length; a short one is whole. The host never holds all of it."""
    found = in_a_child(shouts, 100)

    assert found["lengths"][0] == len("a little")
    assert 1000 < found["lengths"][1] < 80_000
    assert found["end"].endswith(f"[cut: {100 << 20} bytes]")
    # The guest's own hundred megabytes are untouched pages.
    assert found["grown"] < 20


def test_g05_a_flood(plugin, caplog):
    """Of 100,000 messages in a call some 16 MB arrive; how many were dropped is said, and it goes on."""
    made = plugin(TALKER)
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        made.call("flood", number(100))
        assert len(caplog.records) == 100
        caplog.clear()
        made.call("flood", number(100_000))
        assert 1000 < len(caplog.records) < 80_000
        time.sleep(0.1)  # room for some 100 KB more
        made.call("say", "after")
    texts = [record.getMessage() for record in caplog.records]
    assert any("log messages were dropped" in text for text in texts)
    assert texts[-1] == "after"


def floods(count: int) -> float:
    with extism.Plugin(TALKER.encode()) as plugin:
        began = time.monotonic()
        plugin.call("flood", number(count))
        return time.monotonic() - began


def test_g05_a_flood_with_nobody_listening():
    """Costs no more than the calls."""
    assert in_a_child(floods, 20_000) < ROOM


@pytest.mark.parametrize("name", ["missing/log", ".", "file/log"])
def test_g06_a_log_file_that_cannot_be_written(plugin, tmp_path, name):
    """OSError at once; a good one is written then."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"."):
        extism.set_log_file(str(tmp_path / name), "error")

    extism.set_log_file(str(tmp_path / "log"), "error")
    plugin(TALKER).call("say", "heard")
    assert "heard" in (tmp_path / "log").read_text()


def test_g07_a_callback_that_raises(plugin, caplog):
    """It is heard of in `logging`, the call goes well, the next line is delivered."""
    lines = []

    def receive(line):
        lines.append(line)
        if len(lines) == 1:
            raise ValueError("broken callback")

    logger = extism.set_log_custom(receive, "error")
    made = plugin(TALKER)
    with caplog.at_level(logging.ERROR):
        made.call("say", "one")
        made.call("say", "two")
        logger.drain()

    assert "broken callback" in caplog.text
    assert [" two " in line for line in lines] == [False, True]


class Calling(logging.Handler):
    """Calls the plug-in that it hears from, as a handler that sends mail by plug-in would."""

    def __init__(self, plugin):
        super().__init__()
        self.plugin = plugin
        self.errors: list[str] = []

    def emit(self, record):
        try:
            self.plugin.call("say", "from the handler")
        except extism.Error as error:
            self.errors.append(type(error).__name__)


def test_g07_a_handler_that_calls_the_plugin(plugin):
    """It is refused, not waited for; the call that logged goes well."""
    made = plugin(TALKER)
    handler = Calling(made)
    logging.getLogger(LOGGER).addHandler(handler)
    try:
        made.call("say", "hello")
    finally:
        logging.getLogger(LOGGER).removeHandler(handler)

    assert handler.errors == ["PluginBusy"]
    made.call("say", "again")


def test_g07_a_handler_that_raises(plugin):
    """Handlers of `logging` deal with their own errors; one that does not fails the call, and no more."""

    class Raising(logging.Handler):
        def emit(self, record):
            raise ValueError(f"no {record.levelname} today")

    made = plugin(TALKER)
    handler = Raising()
    logging.getLogger(LOGGER).addHandler(handler)
    try:
        with pytest.raises(CallError, match="no ERROR today"):
            made.call("say", "hello")
    finally:
        logging.getLogger(LOGGER).removeHandler(handler)
    made.call("say", "again")
