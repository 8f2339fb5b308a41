"""Log lines and their levels."""

from __future__ import annotations

import pytest
from guest_host import LOGGING_OFF

from extism.pdk import LogLevel, log


@pytest.mark.parametrize(("number", "level"), list(enumerate(LogLevel)), ids=str)
def test_levels(host, number, level):
    """Each level has the number that the host knows it by."""
    log(level, "line")

    assert host.lines == [(number, b"line")]


@pytest.mark.parametrize(
    ("message", "line"),
    [("é", b"\xc3\xa9"), (b"raw\xff", b"raw\xef\xbf\xbd"), ({"a": 1}, b"{'a': 1}"), (5, b"5")],
)
def test_messages(host, message, line):
    """Text as it is, bytes read as UTF-8, anything else through str()."""
    log(LogLevel.Info, message)

    assert host.lines == [(2, line)]


class Costly:
    def __str__(self):
        raise AssertionError("formatted for nothing")


@pytest.mark.parametrize("level", [LogLevel.Error, LOGGING_OFF])
def test_a_line_below_the_level_is_not_even_formatted(host, level):
    """What the host would drop costs no formatting."""
    host.level = level
    log(LogLevel.Warn, Costly())

    assert host.lines == []


def test_a_level_that_there_is_none_of(host):
    """A number that is no level is refused."""
    with pytest.raises(ValueError, match="9 is not a valid LogLevel"):
        log(9, "line")
