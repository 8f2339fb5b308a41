"""
What is logged while a command runs, on stderr: by the guest, and by the library itself.

A guest's message is a line as the Go command writes it, `2026/11/21 15:04:05 text`, in the colour of its
level on a terminal. The library's warnings look like the command's own; its debug lines come with `-v`.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from extism._capabilities.log import TRACE
from extism._cli.voice import is_colourful, visible
from extism.abi import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extism._cli.voice import Voice

__all__ = ["LEVELS", "logged"]

LEVELS: Final[dict[str, int]] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
"""The levels of `--log-level`, for the guest."""

_HOUSE: Final = "extism"
_NOTHING: Final = logging.CRITICAL + 1
_COLOURS: Final = {"ERROR": "red", "WARNING": "yellow", "INFO": "green", "DEBUG": "blue"}


@contextmanager
def logged(guest_level: str | None, voice: Voice) -> Iterator[None]:
    """
    Let log messages through to stderr while the context is open.

    Args:
        guest_level: One of `LEVELS` for what guests log; None is `error`, or nothing where `voice` is quiet.
        voice: Decides about the library's own messages.
    """
    silent = _NOTHING if voice.is_quiet else logging.ERROR
    guest = LEVELS.get(guest_level or "", silent)
    house = logging.DEBUG if voice.is_verbose else _NOTHING if voice.is_quiet else logging.WARNING
    with _handled(LOGGER, guest, _Line("")), _handled(_HOUSE, house, _Line("Warning: ")):
        yield


@contextmanager
def _handled(name: str, level: int, formatter: logging.Formatter) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level, logger.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(formatter)
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _Line(logging.Formatter):
    """One line a message; a `mark` stands in for the time of day where something is wrong."""

    def __init__(self, mark: str) -> None:
        super().__init__(datefmt="%Y/%m/%d %H:%M:%S")
        self._mark = mark

    def format(self, record: logging.LogRecord) -> str:
        is_marked = self._mark and record.levelno >= logging.WARNING
        start = self._mark if is_marked else f"{self.formatTime(record, self.datefmt)} "
        line = f"{start}{visible(record.getMessage())}"
        return click.style(line, fg=_COLOURS.get(record.levelname)) if _in_colour() else line


def _in_colour() -> bool:
    return sys.stderr is not None and is_colourful(sys.stderr)
