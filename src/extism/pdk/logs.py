"""
The standard library's `logging`, forwarded to the host's log with its levels.

Nothing has to be configured: every message goes to the host, which drops what is below its level. Handlers, levels
and `basicConfig` work as ever; where the latter names no stream, file or handler, it means the host's log.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from . import ffi
from .log import LogLevel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HostHandler", "install"]

_LEVELS: Final = (
    (logging.ERROR, LogLevel.Error),
    (logging.WARNING, LogLevel.Warn),
    (logging.INFO, LogLevel.Info),
    (logging.DEBUG, LogLevel.Debug),
)
_TARGETS: Final = {"stream", "filename", "handlers"}


class HostHandler(logging.Handler):
    """Hands messages to the host's log; without a formatter of their own, with the logger's name before them."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.setFormatter(_Named())

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one message; one of the module level, where there is no host yet, is shown while building."""
        try:
            if ffi.host.is_building():
                print(self.format(record), file=sys.stderr)  # noqa: T201  what the build shows
                return
            level = _level(record.levelno)
            if level >= ffi.host.log_level():
                ffi.host.log(level, self.format(record).encode(errors="backslashreplace"))
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  as every handler: a message that cannot be made ends nothing
            self.handleError(record)


class _Named(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class' name
        return record.message if record.name == "root" else f"{record.name}: {record.message}"


def _level(number: int) -> LogLevel:
    return next((level for least, level in _LEVELS if number >= least), LogLevel.Trace)


def install() -> Callable[[], None]:
    """Forward `logging` to the host, as far as the plug-in does not configure it otherwise; return what undoes it."""
    root, level, basic_config = logging.root, logging.root.level, logging.basicConfig
    default = HostHandler()

    def configure(**given: Any) -> None:
        if default not in root.handlers:
            return basic_config(**given)
        if not _TARGETS & given.keys():
            given["handlers"] = [_formatted(given)]
        # As if nothing were configured: what else is there, a test runner's handler, was not the plug-in's doing.
        others = [each for each in root.handlers if each is not default]
        root.handlers[:] = []
        basic_config(**given)
        root.handlers += others
        return None

    def undo() -> None:
        logging.basicConfig = basic_config
        root.setLevel(level)
        root.handlers[:] = [each for each in root.handlers if not isinstance(each, HostHandler)]

    logging.basicConfig = configure
    root.addHandler(default)
    root.setLevel(logging.NOTSET)
    return undo


def _formatted(given: dict[str, Any]) -> HostHandler:
    handler = HostHandler()
    if {"format", "datefmt", "style"} & given.keys():
        handler.setFormatter(None)
    return handler
