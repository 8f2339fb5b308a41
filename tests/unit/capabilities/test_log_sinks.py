"""The one sink of a process: upstream's lines to a file, a stream or a callback."""

from __future__ import annotations

import io
import logging
import re

import pytest

from extism._capabilities import log_sinks
from extism._capabilities.log_sinks import PDK, Filter, LogLevel, send, set_log_custom, set_log_file
from extism.abi import LOGGING_OFF


@pytest.fixture(autouse=True)
def _fresh_sink():
    log_sinks._forget()
    yield
    log_sinks._forget()


LINE = re.compile(
    r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z  WARN extism::pdk: hello plugin="id"\n', re.ASCII
)


def test_a_file_gets_upstreams_lines(tmp_path):
    """Lines are appended at once, level right-aligned, with time and plug-in."""
    path = tmp_path / "log"
    path.write_text("before\n")
    set_log_file(path, "warn")
    send(LogLevel.WARN, PDK, "hello", "id")
    send(LogLevel.INFO, PDK, "too quiet", "id")
    first, second = path.read_text().splitlines(keepends=True)

    assert first == "before\n"
    assert LINE.fullmatch(second)


@pytest.mark.parametrize(
    ("name", "index"), [("stdout", 0), ("stderr", 1), ("-", 1)], ids=["stdout", "stderr", "dash"]
)
def test_the_three_words_mean_streams(name, index, capsys):
    """`stdout`, `stderr` and `-` write to the standard streams, without colour where nobody reads."""
    set_log_file(name)
    send(LogLevel.ERROR, PDK, "hello", "id")

    assert capsys.readouterr()[index].endswith('Z ERROR extism::pdk: hello plugin="id"\n')


def test_the_default_level_is_error(capsys):
    """Without a level only errors are written."""
    set_log_file("stderr")
    send(LogLevel.WARN, PDK, "hello", "id")

    assert capsys.readouterr().err == ""
    assert log_sinks.wanted_level(PDK) == LogLevel.ERROR


def test_an_unwritable_file_fails_at_once(tmp_path):
    """A path that cannot be written is an OSError, and no sink is installed."""
    with pytest.raises(OSError, match="No such file"):
        set_log_file(tmp_path / "missing" / "log")

    assert log_sinks.wanted_level(PDK) == LOGGING_OFF


def test_the_first_call_of_the_process_wins(tmp_path, caplog):
    """A later call changes nothing and says so in `logging`."""
    got = []
    custom = set_log_custom(got.append)
    with caplog.at_level(logging.WARNING, "extism"):
        set_log_file(tmp_path / "log", "trace")
    send(LogLevel.ERROR, PDK, "hello", "id")
    custom.drain()

    assert len(got) == 1
    assert not (tmp_path / "log").exists()
    assert caplog.messages == ["logging of plug-ins was set up before; this call changes nothing"]


def test_custom_lines_wait_for_drain():
    """Nothing is handed over before `drain`, and each line once."""
    first, second = [], []
    custom = set_log_custom(first.append, "info")
    send(LogLevel.INFO, PDK, "1", "id")
    assert first == []
    custom.drain()
    custom.drain()
    custom.set_callback(second.append)
    send(LogLevel.INFO, PDK, "2", "id")
    custom.drain()

    assert [line.split("pdk: ")[1] for line in first + second] == [
        '1 plugin="id"\n',
        '2 plugin="id"\n',
    ]


def test_a_logger_that_goes_away_drains():
    """What waits is handed over when the logger is collected."""
    got = []
    custom = set_log_custom(got.append)
    send(LogLevel.ERROR, PDK, "last words", "id")
    log_sinks._forget()
    del custom

    assert len(got) == 1


def test_a_failing_callback_is_reported_and_loses_nothing(caplog):
    """An exception of the callback goes to `logging`; the next line is still handed over."""
    got = []

    def fails_once(line):
        got.append(line)
        if len(got) == 1:
            raise RuntimeError("boom")

    custom = set_log_custom(fails_once)
    send(LogLevel.ERROR, PDK, "1", "id")
    send(LogLevel.ERROR, PDK, "2", "id")
    with caplog.at_level(logging.ERROR, "extism"):
        custom.drain()

    assert len(got) == 2
    assert caplog.messages == ["the callback of set_log_custom failed"]


def test_a_callback_that_never_drains_has_a_limit(monkeypatch):
    """What waits is bounded; the oldest lines go."""
    monkeypatch.setattr(log_sinks, "MAX_BUFFERED_CHARACTERS", 300)
    got = []
    custom = set_log_custom(got.append)
    for number in range(10):
        send(LogLevel.ERROR, PDK, str(number), "id")
    custom.drain()

    assert [line.split("pdk: ")[1][0] for line in got] == ["6", "7", "8", "9"]


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("trace", PDK, LogLevel.TRACE),
        ("ERROR", PDK, LogLevel.ERROR),
        ("off", PDK, LOGGING_OFF),
        ("extism::pdk=debug", PDK, LogLevel.DEBUG),
        ("extism::pdk=debug", "extism::plugin", LOGGING_OFF),
        ("extism=info", PDK, LogLevel.INFO),
        ("extism::pdk", PDK, LogLevel.TRACE),
        ("warn, extism::pdk=off", PDK, LOGGING_OFF),
        ("warn,extism::pdk=off", "extism::plugin", LogLevel.WARN),
        ("other=trace", PDK, LOGGING_OFF),
    ],
)
def test_filters(text, target, expected):
    """A filter is a level for all, or levels by target; the longest match decides."""
    assert Filter(text).level(target) == expected


@pytest.mark.parametrize("text", ["loud", "extism=loud", "=info", "", "info,,"])
def test_a_level_that_does_not_exist_is_refused(text):
    """Upstream takes any word and then logs nothing; here it is an error that lists the levels."""
    with pytest.raises(
        ValueError, match=r"allowed: trace, debug, info, warn, error, off, or a list"
    ):
        set_log_file("stderr", text or " ")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("no_color", "word"), [("", "\x1b[31mERROR\x1b[0m extism"), ("1", "Z ERROR extism")]
)
def test_a_terminal_gets_colour_unless_it_says_no(monkeypatch, no_color, word):
    """The level is coloured where a person reads, and `NO_COLOR` is respected."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    set_log_file("stderr")
    send(LogLevel.ERROR, PDK, "hello", "id")

    assert word in terminal.getvalue()


def test_a_line_that_cannot_be_written_is_reported(monkeypatch, caplog):
    """A sink that fails does not fail the call; `logging` gets to know."""
    terminal = Terminal()
    terminal.close()
    monkeypatch.setattr("sys.stderr", terminal)
    set_log_file("stderr")
    with caplog.at_level(logging.ERROR, "extism"):
        send(LogLevel.ERROR, PDK, "hello", "id")

    assert caplog.messages == ["a log line of plugin id could not be delivered"]
