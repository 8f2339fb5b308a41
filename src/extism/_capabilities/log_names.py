"""What the log and those who write to it must agree on: names and limits, without what it costs to log."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["LEVELS", "LOGGER", "MAX_MESSAGE_BYTES"]

LOGGER: Final = "extism.plugin"
"""The logger of the guests; a plug-in may have a child of it."""

MAX_MESSAGE_BYTES: Final = 16 << 10
"""Of one message; what is longer is cut."""

LEVELS: Final = ("trace", "debug", "info", "warn", "error")
"""The words of the ABI for how loud a message is, from 0 on; people see a `log_sinks.LogLevel`."""
