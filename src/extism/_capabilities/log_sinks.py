r"""
`set_log_file` and `set_log_custom`: one sink for the logs of all plug-ins of the process, in upstream's lines.

The first call of the process decides, as upstream; a later one is ignored and says so in `logging`. What
becomes a message and what it may look like is in `log.py`, as is the ordinary way through `logging`.

Layout of a line::

    2026-11-21T19:18:20.917827Z ERROR extism::pdk: the message plugin="<id>"\n
    └ UTC, microseconds         └ right-aligned to 5
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Final, TypeAlias

from extism.abi import LOGGING_OFF

__all__ = ["PDK", "CustomLogger", "Filter", "LogLevel", "send", "set_log_custom", "set_log_file"]

PDK: Final = "extism::pdk"
"""The target of what guests log, by upstream's name; filters go by it."""

MAX_BUFFERED_CHARACTERS: Final = 64 << 20
"""What a `CustomLogger` keeps between two drains; then the oldest lines go."""

_logger: Final = logging.getLogger("extism.log")


class LogLevel(IntEnum):
    """How loud a message is; the numbers are those of `get_log_level` in the ABI."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4

    # As plug-ins spell them.
    Trace = TRACE
    Debug = DEBUG
    Info = INFO
    Warn = WARN
    Error = ERROR


_LEVELS: Final[dict[str, int]] = {level.name.lower(): level for level in LogLevel} | {
    "off": LOGGING_OFF
}


class Filter:
    """
    The level from which on a target is wanted: `error`, or a list such as `extism::pdk=trace,off`.

    The longest target that a message's target begins with decides; a bare level is for all targets.
    """

    __slots__ = ("_level_by_target",)

    def __init__(self, text: str) -> None:
        self._level_by_target = dict(_directive(part.strip()) for part in text.split(","))

    def level(self, target: str) -> int:
        """Return the lowest wanted level, `LOGGING_OFF` where there is none."""
        found = [prefix for prefix in self._level_by_target if target.startswith(prefix)]
        return self._level_by_target[max(found, key=len)] if found else LOGGING_OFF


def _directive(text: str) -> tuple[str, int]:
    target, equals, level = text.rpartition("=")
    if not equals and text.startswith("extism"):
        return text, LogLevel.TRACE
    if level.lower() not in _LEVELS or (equals and not target):
        allowed = ", ".join(_LEVELS)
        raise ValueError(f"log level {text[:60]!r}; allowed: {allowed}, or a list of target=level")
    return target, _LEVELS[level.lower()]


_Write: TypeAlias = Callable[[LogLevel, str], None]


class _Sink:
    """A filter, what takes the lines that pass it, and how to put that away."""

    def __init__(
        self, wanted: Filter, write: _Write, close: Callable[[], None] = lambda: None
    ) -> None:
        self.filter = wanted
        self.write = write
        self.close = close


_installed: _Sink | None = None
_lock: Final = threading.Lock()


def installed() -> object:
    """Return what stands for the sink of the process, another one for another sink; None without one."""
    return _installed


def wanted_level(target: str) -> int:
    """Return the lowest level that the sink of the process wants, `LOGGING_OFF` without one."""
    return LOGGING_OFF if _installed is None else _installed.filter.level(target)


def send(level: LogLevel, target: str, message: str, plugin_id: str) -> None:
    """Hand a message to the sink of the process, if there is one and it wants it."""
    sink = _installed
    if sink is None or level < sink.filter.level(target):
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line = f'{now} {level.name:>5} {target}: {message} plugin="{plugin_id}"\n'
    try:
        sink.write(level, line)
    except Exception:
        _logger.exception("a log line of plugin %s could not be delivered", plugin_id)


def set_log_file(file: str | os.PathLike[str], level: str | None = None) -> None:
    """
    Send the logs of all plug-ins to a file, which is created or appended to, or to `stderr`, `-`, `stdout`.

    Args:
        file: A path or one of the three words; `-` is the standard error stream.
        level: From which level on, default `error`; or a filter such as `extism::pdk=trace`.

    Raises:
        OSError: The file cannot be written.
        ValueError: There is no such level.
    """
    wanted = Filter(level or "error")
    name = os.fspath(file)
    stream = {"stderr": "stderr", "-": "stderr", "stdout": "stdout"}.get(name)
    _install(lambda: _file_sink(wanted, name) if stream is None else _stream_sink(wanted, stream))


def set_log_custom(f: Callable[[str], object], level: str | None = None) -> CustomLogger:
    """
    Collect the logs of all plug-ins for `f`, which gets one line a call when the result is drained.

    Args:
        f: Takes a line, which ends with a line feed.
        level: As in `set_log_file`.

    Raises:
        ValueError: There is no such level.
    """
    logger, wanted = CustomLogger(f), Filter(level or "error")
    _install(lambda: _Sink(wanted, logger._keep))  # noqa: SLF001 (one concept, two doors)
    return logger


def _install(make: Callable[[], _Sink]) -> None:
    global _installed
    with _lock:
        if _installed is None:
            _installed = make()
            return
    _logger.warning("logging of plug-ins was set up before; this call changes nothing")


def _forget() -> None:
    """Take the sink away again: for tests, which share a process."""
    global _installed
    if _installed is not None:
        _installed.close()
    _installed = None


def _file_sink(wanted: Filter, path: str) -> _Sink:
    file = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 (lives with the process)

    def write(_level: LogLevel, line: str) -> None:
        with _lock:
            file.write(line)

    return _Sink(wanted, write, file.close)


_COLOURS: Final = {
    LogLevel.TRACE: 35,
    LogLevel.DEBUG: 34,
    LogLevel.INFO: 32,
    LogLevel.WARN: 33,
    LogLevel.ERROR: 31,
}


def _stream_sink(wanted: Filter, name: str) -> _Sink:
    """Return what writes to a standard stream, in colour where a person reads it."""

    def write(level: LogLevel, line: str) -> None:
        stream = getattr(sys, name)
        if stream.isatty() and not os.environ.get("NO_COLOR"):
            word = f"{level.name:>5}"
            line = line.replace(word, f"\x1b[{_COLOURS[level]}m{word}\x1b[0m", 1)
        with _lock:
            stream.write(line)
            stream.flush()

    return _Sink(wanted, write)


class CustomLogger:
    """Lines that wait for `drain`, which is also called when the logger goes away."""

    def __init__(self, f: Callable[[str], object]) -> None:
        self._callback = f
        self._lines: deque[str] = deque()
        self._buffered = 0

    def set_callback(self, f: Callable[[str], object]) -> None:
        """Hand lines to `f` from the next drain on."""
        self._callback = f

    def drain(self) -> None:
        """Hand every waiting line to the callback; what it raises goes to `logging`, the rest goes on."""
        while self._lines:
            line = self._lines.popleft()
            self._buffered -= len(line)
            try:
                self._callback(line)
            except Exception:
                _logger.exception("the callback of set_log_custom failed")

    def __del__(self) -> None:
        self.drain()

    def _keep(self, _level: LogLevel, line: str) -> None:
        self._lines.append(line)
        self._buffered += len(line)
        while self._buffered > MAX_BUFFERED_CHARACTERS:
            self._buffered -= len(self._lines.popleft())
