"""The standard library's `logging` on the host's log: levels, names, tracebacks, and what the author configures."""

from __future__ import annotations

import logging

import pytest

from extism.pdk import logs


@pytest.fixture(autouse=True)
def forwarded(host):
    before = logging.root.handlers[:]
    undo = logs.install()
    yield
    undo()
    logging.root.handlers[:] = before


def alone(name):
    """A logger whose messages only the host gets, and not pytest's handlers."""
    logger = logging.Logger(name)  # noqa: LOG001  of nobody else
    logger.addHandler(logs.HostHandler())
    return logger


def test_levels(host):
    """Each goes to the host's level of that name; what lies below debug is a trace, what is above error an error."""
    for number in (5, 10, 20, 25, 30, 40, 50):
        logging.getLogger("shop").log(number, "n%d", number)

    assert host.lines == [
        (0, b"shop: n5"),
        (1, b"shop: n10"),
        (2, b"shop: n20"),
        (2, b"shop: n25"),
        (3, b"shop: n30"),
        (4, b"shop: n40"),
        (4, b"shop: n50"),
    ]


def test_the_functions_of_the_module(host):
    """They log under no name, and are forwarded too."""
    logging.info("hello %s", "é")  # noqa: LOG015
    logging.warning("once")  # noqa: LOG015

    assert host.lines == [(2, "hello é".encode()), (3, b"once")]


def test_what_the_host_would_drop_is_not_formatted(host):
    """The host's level is asked first."""
    host.level = 3

    class Never:
        def __str__(self):
            raise AssertionError

    alone("shop").info("%s", Never())

    assert host.lines == []


def test_an_exception_brings_its_traceback(host):
    """As logging has it."""
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("shop").exception("no good")

    (line,) = host.lines
    assert line[0] == 4
    assert line[1].startswith(b"shop: no good\nTraceback (most recent call last):\n")
    assert line[1].endswith(b"ZeroDivisionError: division by zero")


def test_basic_config(host):
    """A level and a format are the author's choice; the host is still where it goes."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s/%(message)s")
    logging.info("dropped")  # noqa: LOG015
    logging.getLogger("shop").error("kept")

    assert host.lines == [(4, b"ERROR/kept")]


def test_a_stream_of_the_authors(host, capsys):
    """Where the author says where messages go, they go there."""
    import sys

    logging.basicConfig(stream=sys.stdout)
    logging.warning("there")  # noqa: LOG015

    assert (host.lines, capsys.readouterr().out) == ([], "WARNING:root:there\n")


def test_while_building_messages_are_shown(host, capsys, monkeypatch):
    """A library that logs when it is imported does not fail the build."""
    monkeypatch.setattr(host, "is_building", lambda: True)
    logging.getLogger("lib").warning("imported")

    assert (host.lines, capsys.readouterr().err) == ([], "lib: imported\n")


def test_a_message_that_cannot_be_made_ends_nothing(host, capsys):
    """It is told on stderr, as by every handler."""
    alone("shop").warning("%d", "x")

    assert host.lines == []
    assert "--- Logging error ---" in capsys.readouterr().err


def test_all_of_it_can_be_undone(host):
    """Afterwards the module is what it was."""
    before = logging.basicConfig, logging.root.level
    undo = logs.install()
    logging.basicConfig(level=logging.ERROR)
    undo()

    assert (logging.basicConfig, logging.root.level) == before
    assert [each for each in logging.root.handlers if isinstance(each, logs.HostHandler)] == []
