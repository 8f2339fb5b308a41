"""Guest logs through `logging`: levels, harmless text, floods."""

from __future__ import annotations

import io
import logging

import pytest

from extism._capabilities import log, log_sinks
from extism._capabilities.log import PluginLog, printable
from extism._capabilities.log_sinks import LogLevel
from extism.abi import LOGGING_OFF

NAME = "extism.plugin.test_log"


@pytest.fixture
def lines():
    """A stream that gets every record of the logger under test, cut off from the root."""
    stream = io.StringIO()
    logger = logging.getLogger(NAME)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(plugin)s %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(log.TRACE)
    yield lambda: stream.getvalue().splitlines()
    logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def test_messages_reach_logging_with_their_level_and_plugin(lines):
    """Each level has its place in `logging`, and a record knows the plug-in."""
    plugin_log = PluginLog("id-1", logger=NAME)
    for level in LogLevel:
        plugin_log.write(level, b"100% %s")

    assert lines() == [
        "TRACE id-1 100% %s",
        "DEBUG id-1 100% %s",
        "INFO id-1 100% %s",
        "WARNING id-1 100% %s",
        "ERROR id-1 100% %s",
    ]


def test_an_application_that_configures_the_root_gets_guest_logs(caplog):
    """Records propagate: a handler and a level on the root are enough."""
    with caplog.at_level(logging.INFO):
        PluginLog("id-2").write(LogLevel.INFO, "hello")
        PluginLog("id-2").write(LogLevel.DEBUG, "too quiet")

    assert [(r.name, r.levelno, r.message, r.plugin) for r in caplog.records] == [
        ("extism.plugin", logging.INFO, "hello", "id-2")
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (1, 0),
        (log.TRACE, 0),
        (logging.DEBUG, 1),
        (11, 2),
        (logging.INFO, 2),
        (logging.WARNING, 3),
        (logging.ERROR, 4),
        (logging.CRITICAL, LOGGING_OFF),
    ],
)
def test_the_wanted_level_is_that_of_the_logger(lines, level, expected):
    """The level of `logging` is translated to the lowest Extism level that gets through."""
    logging.getLogger(NAME).setLevel(level)

    assert PluginLog("x", logger=NAME).wanted_level() == expected


def test_the_wanted_level_follows_every_change(lines):
    """Handler levels, `logging.disable` and `logger.disabled` count as soon as they change."""
    plugin_log, logger = PluginLog("x", logger=NAME), logging.getLogger(NAME)
    own = logger.handlers[:1]
    logger.handlers[:], captures = own, logger.handlers[1:]  # pytest listens here as well
    found = [plugin_log.wanted_level()]
    own[0].setLevel(logging.ERROR)
    found.append(plugin_log.wanted_level())
    own[0].setLevel(logging.NOTSET)
    logging.disable(logging.INFO)
    found.append(plugin_log.wanted_level())
    logging.disable(logging.NOTSET)
    logger.disabled = True
    found.append(plugin_log.wanted_level())
    logger.disabled = False
    found.append(plugin_log.wanted_level())
    logger.handlers.extend(captures)

    assert found == [0, 4, 3, LOGGING_OFF, 0]


def test_nothing_is_wanted_where_nobody_listens(capfd):
    """Without a handler logging is off, and not even an error is printed."""
    logger = logging.getLogger(NAME)
    logger.propagate = False
    try:
        plugin_log = PluginLog("x", logger=NAME)
        plugin_log.write(LogLevel.ERROR, "nobody")
        logger.addHandler(logging.NullHandler())
        plugin_log.write(LogLevel.ERROR, "nobody")

        assert plugin_log.wanted_level() == LOGGING_OFF
        assert capfd.readouterr() == ("", "")
    finally:
        logger.handlers.clear()
        logger.propagate = True


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"plain", "plain"),
        (b"", ""),
        ("Grüße 🦀".encode(), "Grüße 🦀"),
        (b"a\tb", "a\tb"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"one\nERROR forged\r", "one\\nERROR forged\\r"),
        (b"\x1b[2J\x07\x00\x7f", "\\x1b[2J\\x07\\x00\\x7f"),
        ("\x9b31m".encode(), "\\x9b31m"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
        ("\ud800", "\\xed\\xa0\\x80"),
    ],
)
def test_a_message_is_one_harmless_line(message, shown):
    """Line feeds, escape sequences, direction marks and bytes that are no text are shown as escapes."""
    assert printable(message) == shown


@pytest.mark.parametrize(
    ("message", "length", "shown"),
    [
        (b"x" * 16384, None, "x" * 16384),
        (b"x" * 16385, None, "x" * 16384 + "… [cut: 16385 bytes]"),
        (b"x" * 16384, 100_000_000, "x" * 16384 + "… [cut: 100000000 bytes]"),
        ("x" * 16383 + "é", None, "x" * 16383 + "… [cut: 16385 bytes]"),
        (b"\x80" * 16385, None, "\\x80" * 16384 + "… [cut: 16385 bytes]"),
    ],
    ids=["exact", "one more", "beginning only", "between characters", "no character at all"],
)
def test_a_long_message_is_cut_and_says_so(message, length, shown):
    """At most 16 KiB are kept, no character is broken, and the cut is noted."""
    assert printable(message, length) == shown


def test_a_flood_is_counted_and_dropped(lines):
    """After a burst of 16 MiB messages are dropped; when there is room again, the next one tells how many."""
    now = [0.0]
    plugin_log = PluginLog("x", logger=NAME, clock=lambda: now[0])
    message = b"m" * (16384 - log.RECORD_BYTES)
    for _ in range(1024 + 7):
        plugin_log.write(LogLevel.INFO, message)
    before = len(lines())
    now[0] = 1.0
    plugin_log.write(LogLevel.INFO, b"again")

    assert before == 1024
    assert lines()[1024:] == [
        "WARNING x 7 log messages were dropped: too many at once",
        "INFO x again",
    ]


def test_the_sink_is_asked_too(lines):
    """The sink's level counts beside that of `logging`, each gets what it wants."""
    logging.getLogger(NAME).setLevel(logging.ERROR)
    got = []
    custom = log_sinks.set_log_custom(got.append, "debug")
    try:
        plugin_log = PluginLog("x", logger=NAME)
        plugin_log.write(LogLevel.DEBUG, "quiet")
        custom.drain()

        assert plugin_log.wanted_level() == LogLevel.DEBUG
        assert [line.split(" ", 1)[1] for line in got] == ['DEBUG extism::pdk: quiet plugin="x"\n']
        assert lines() == []
    finally:
        log_sinks._forget()
