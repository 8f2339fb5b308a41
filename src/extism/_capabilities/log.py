"""
What a guest logs: made harmless, then handed to `logging` and to the sink of `log_sinks.py`.

Messages reach the logger `extism.plugin` (or a child of it) with the id of the plug-in as `record.plugin`,
so ordinary `logging` configuration decides what is seen. Nothing is printed where nothing is configured.

What can go wrong: a guest may log bytes that are no text, forge records with line feeds, send escape
sequences to a terminal, or flood. One message is one line of at most 16 KiB, everything that moves a cursor
is shown as an escape, and more than 16 MiB in a burst (1 MiB a second after that) is counted and dropped.
"""

from __future__ import annotations

import logging
import time
from functools import cache

from extism._capabilities import log_sinks
from extism._capabilities.log_sinks import PDK, LogLevel
from extism.abi import LOGGER, LOGGING_OFF, MAX_MESSAGE_BYTES
from extism.escapes import harmless_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

__all__ = ["TRACE", "PluginLog", "printable"]

TRACE: Final = 5
"""The level of `logging` for Extism's `trace`, which `logging` has no word for."""

BURST_BYTES: Final = 16 << 20
BYTES_PER_SECOND: Final = 1 << 20
RECORD_BYTES: Final = 100
"""Counted for each message beside its text, so that empty ones are not free."""

if logging.getLevelName(TRACE) == f"Level {TRACE}":
    logging.addLevelName(TRACE, "TRACE")

STDLIB_LEVELS: Final[dict[LogLevel, int]] = {
    LogLevel.TRACE: TRACE,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


_logger_called: Final = cache(logging.getLogger)
"""As ever, without the module's lock: every plug-in asks."""


class PluginLog:
    """The logging of one plug-in; `plugin_id` is turned into text when there is something to log."""

    __slots__ = ("_allowance", "_logger", "_sink", "_threshold", "_wanted", "plugin_id")

    def __init__(
        self,
        plugin_id: object,
        *,
        logger: str = LOGGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plugin_id = plugin_id
        self._logger = _logger_called(logger)
        self._allowance = _Allowance(clock)
        self._threshold = self._wanted = LOGGING_OFF
        self._sink: object = None

    def wanted_level(self) -> int:
        """Return the lowest level that anybody wants right now: 0 (trace) to 4, or `LOGGING_OFF`."""
        threshold, sink = _threshold(self._logger), log_sinks.installed()
        if threshold != self._threshold or sink is not self._sink:
            self._threshold, self._sink = threshold, sink
            self._wanted = min(log_sinks.wanted_level(PDK), _level_from(threshold))
        return self._wanted

    def write(self, level: int, message: bytes | str, *, length: int | None = None) -> None:
        """
        Log what the guest says, if anybody wants it.

        Args:
            level: How loud, a `LogLevel`.
            message: The text, in UTF-8 or what the guest takes for it.
            length: Of the whole message in bytes, where `message` is only its beginning.
        """
        to_sink = level >= log_sinks.wanted_level(PDK)
        to_logging = STDLIB_LEVELS[LogLevel(level)] >= _threshold(self._logger)
        if not (to_sink or to_logging):
            return
        if self._is_let_through(len(message)):
            self._send(LogLevel(level), printable(message, length))

    def line(self, level: int, message: bytes) -> None:
        """Log a line that the guest has printed, if anybody wants it; the sinks hear nothing of it."""
        if level >= _threshold(self._logger) and self._is_let_through(len(message)):
            self._log(level, printable(message))

    def _is_let_through(self, length: int) -> bool:
        """Tell whether there is room for a message, having told how many there was none for before."""
        dropped = self._allowance.spend(min(length, MAX_MESSAGE_BYTES) + RECORD_BYTES)
        if dropped:
            self._send(LogLevel.WARN, f"{dropped} log messages were dropped: too many at once")
        return dropped is not None

    def _send(self, level: LogLevel, text: str) -> None:
        log_sinks.send(level, PDK, text, str(self.plugin_id))
        if STDLIB_LEVELS[level] >= _threshold(self._logger):
            self._log(STDLIB_LEVELS[level], text)

    def _log(self, level: int, text: str) -> None:
        self._logger.log(level, "%s", text, extra={"plugin": str(self.plugin_id)})


def printable(message: bytes | str, length: int | None = None) -> str:
    """Return a message as one line of text: cut at 16 KiB, everything that could act shown as an escape."""
    data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    whole = len(data) if length is None else length
    kept = data[: _boundary(data, MAX_MESSAGE_BYTES)]
    text = kept.decode("utf-8", "backslashreplace")
    text = harmless_line(text)
    return text if whole <= len(kept) else f"{text}… [cut: {whole} bytes]"


def _boundary(data: bytes, limit: int) -> int:
    """Return where to cut so that no UTF-8 character is broken: at `limit` or up to 3 bytes before."""
    if len(data) <= limit:
        return len(data)
    return next((cut for cut in range(limit, limit - 4, -1) if data[cut] & 0xC0 != 0x80), limit)


def _threshold(logger: logging.Logger) -> int:
    """Return the lowest level of `logging` that gets through to a handler; infinity is `LOGGING_OFF`."""
    lowest, effective = LOGGING_OFF, 0
    is_heard = not logger.disabled
    node: logging.Logger | None = logger
    while node is not None:
        effective = effective or node.level
        if is_heard:
            for handler in node.handlers:
                if handler.level < lowest and not isinstance(handler, logging.NullHandler):
                    lowest = handler.level
            is_heard = node.propagate
        node = node.parent
    return max(lowest, effective, logger.manager.disable + 1)


def _level_from(threshold: int) -> int:
    """Return the lowest Extism level that `logging` lets through."""
    return next(
        (level for level, least in STDLIB_LEVELS.items() if least >= threshold), LOGGING_OFF
    )


class _Allowance:
    """A bucket of bytes that refills with time; when it is empty, messages are counted instead."""

    __slots__ = ("_clock", "_dropped", "_filled_at", "_left")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(BURST_BYTES)
        self._filled_at = clock()
        self._dropped = 0

    def spend(self, amount: int) -> int | None:
        """Return `None` where there is no room; else the number of messages dropped since the last one."""
        if self._left < amount:
            now = self._clock()
            refill = (now - self._filled_at) * BYTES_PER_SECOND
            self._left = min(BURST_BYTES, self._left + refill)
            self._filled_at = now
        if self._left < amount:
            self._dropped += 1
            return None
        self._left -= amount
        dropped, self._dropped = self._dropped, 0
        return dropped
