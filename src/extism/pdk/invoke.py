"""
The call of an export: the host calls number N, the author's function runs, its end becomes a return code.

| the function                          | return code | error text            |
|---------------------------------------|-------------|-----------------------|
| returns a ReturnCode                  | that number | -                     |
| returns an int, without annotations   | that number | -                     |
| returns anything else (bool too)      | 0           | -                     |
| `sys.exit()`, `sys.exit(0)`           | 0           | -                     |
| `sys.exit(3)`                         | 3           | -                     |
| `sys.exit("text")`                    | 1           | text                  |
| raises a PluginError                  | its code    | its text              |
| raises anything else                  | 1           | the traceback in full |

`set_error_format` has another text in the traceback's place. The interpreter calls `invoke` and nothing else of
this library.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

from . import exports, ffi
from .errors import PluginError
from .log import LogLevel, log

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["FAILED", "invoke", "set_error_format", "traceback_text"]

FAILED: Final = 1

_format: Callable[[BaseException], str] | None = None

_I32: Final = range(-(1 << 31), 1 << 31)


def invoke(index: int) -> int:
    """Run the export with this index and return its return code; the text of a failure is set as the error."""
    try:
        code = _run(index)
    except BaseException as error:  # noqa: BLE001  whatever the author's code raises is the host's to see
        _fail(_describe(error))
        code = error.code if isinstance(error, PluginError) else FAILED
    _flush()
    return code


def set_error_format(make: Callable[[BaseException], str] | None) -> None:
    """
    Have `make` give the error text of every exception but PluginError; None gives tracebacks again.

    Called at the top level of the plug-in, for example with `repr`, or with what keeps an exception's details
    from the host. An exception that `make` itself raises is told as a traceback.
    """
    global _format
    _format = make


def _run(index: int) -> int:
    try:
        result = exports.functions[index].run()
    except SystemExit as end:
        if isinstance(end.code, int):
            return _code(int(end.code))
        return 0 if end.code is None else _fail(str(end.code))
    if result is None or isinstance(result, bool):
        return 0
    if isinstance(result, int):
        return _code(int(result))
    _warn(exports.functions[index].name, result)
    return 0


def _warn(name: str, result: object) -> None:
    """Log that nobody gets what a function without annotations returned: its author may think otherwise."""
    kind = type(result).__name__
    log(
        LogLevel.Warn,
        f"{name} returned a value of the type {kind}, which nobody gets: annotate it, as in `def {name}() -> {kind}`, "
        "and what it returns is the output",
    )


def _code(number: int) -> int:
    if number not in _I32:
        raise ValueError(f"{number} is no return code: it has to fit into 32 bits, signed")
    return number


def _fail(text: str) -> int:
    ffi.host.error(text.encode(errors="backslashreplace"))
    return FAILED


def _describe(error: BaseException) -> str:
    """Return the text of an exception: its own, the traceback, or less where there is no room to make one."""
    if isinstance(error, PluginError) and not error.show_traceback:
        return str(error) or type(error).__name__
    if isinstance(error, MemoryError):
        # The frames hold what filled the memory; their lines are still known without their variables.
        traceback.clear_frames(error.__traceback__)
    try:
        return traceback_text(error) if _format is None else str(_format(error))
    except (MemoryError, RecursionError) as second:
        error.__traceback__ = second.__traceback__ = None
        return f"{type(error).__name__} (no room for the traceback: {type(second).__name__})"
    except Exception as second:  # noqa: BLE001  the author's format may raise anything
        return traceback_text(second)


def traceback_text(error: BaseException) -> str:
    """
    Return the traceback as Python prints it, from the first frame that is not this library's (or its loop's).

    The exceptions behind it lose these frames for good: nobody else asks for them any more.
    """
    behind, seen = error.__cause__ or error.__context__, {id(error)}
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        behind.__traceback__ = _authors(behind.__traceback__)
        behind = behind.__cause__ or behind.__context__
    frame = _authors(error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, frame)).rstrip("\n")


def _authors(frame: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame of the author's on."""
    packages = (__name__.rpartition(".")[0], "asyncio")
    while frame is not None and any(_is_of(package, frame) for package in packages):
        frame = frame.tb_next
    return frame


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
