"""
The call of an export: the host calls number N, the author's function runs, its end becomes a return code.

| the function                          | return code | error text            |
|---------------------------------------|-------------|-----------------------|
| returns an int (bool is none)         | that number | -                     |
| returns anything else                 | 0           | -                     |
| `sys.exit()`, `sys.exit(0)`           | 0           | -                     |
| `sys.exit(3)`                         | 3           | -                     |
| `sys.exit("text")`                    | 1           | text                  |
| raises                                | 1           | the traceback in full |

The interpreter calls `invoke` and nothing else of this library.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

from . import exports, ffi

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FAILED", "invoke", "traceback_text"]

FAILED: Final = 1

_I32: Final = range(-(1 << 31), 1 << 31)


def invoke(index: int) -> int:
    """Run the export with this index and return its return code; the text of a failure is set as the error."""
    try:
        code = _run(index)
    except BaseException as error:  # noqa: BLE001  whatever the author's code raises is the host's to see
        code = _fail(_describe(error))
    _flush()
    return code


def _run(index: int) -> int:
    try:
        result = exports.functions[index]()
    except SystemExit as end:
        if isinstance(end.code, int):
            return _code(int(end.code))
        return 0 if end.code is None else _fail(str(end.code))
    if isinstance(result, int) and not isinstance(result, bool):
        return _code(int(result))
    return 0


def _code(number: int) -> int:
    if number not in _I32:
        raise ValueError(f"{number} is no return code: it has to fit into 32 bits, signed")
    return number


def _fail(text: str) -> int:
    ffi.host.error(text.encode(errors="backslashreplace"))
    return FAILED


def _describe(error: BaseException) -> str:
    """Return the traceback, or less where there is no room left to make one."""
    if isinstance(error, MemoryError):
        # The frames hold what filled the memory; their lines are still known without their variables.
        traceback.clear_frames(error.__traceback__)
    try:
        return traceback_text(error)
    except (MemoryError, RecursionError) as second:
        error.__traceback__ = second.__traceback__ = None
        return f"{type(error).__name__} (no room for the traceback: {type(second).__name__})"


def traceback_text(error: BaseException) -> str:
    """Return the traceback as Python prints it, from the first frame that is not this library's."""
    here = __name__.rpartition(".")[0]
    frame = error.__traceback__
    while frame is not None and _is_of(here, frame):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame)).rstrip("\n")


def _is_of(package: str, frame: TracebackType) -> bool:
    name = frame.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and (name == package or name.startswith(f"{package}."))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            # What was printed has nowhere to go (no such descriptor, or closed): the call has ended well.
            continue
