"""
The end of a call, settled: bytes, or exactly one exception.

`settle` is a truth table; the first row that holds decides. Which one it is depends on the `Exit`
alone, so the table is tested without a plugin.
"""

from __future__ import annotations

from extism._dataclass import dataclass
from extism._engine.faults import Fault, FaultKind, cause_first
from extism._engine.interrupts import StopReason
from extism.errors import (
    CallError,
    CallTimeout,
    Cancelled,
    Error,
    GuestError,
    GuestExit,
    HostFunctionError,
    LinkError,
    OutOfFuel,
    OutOfMemory,
    Trap,
)
from extism.escapes import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

__all__ = ["CREATION", "MAX_ERROR_BYTES", "Exit", "creation_error", "settle"]

CREATION: Final = "Unable to create Extism plugin: "
"""Upstream's words for the stage, before the text of every error that ends it."""

MAX_ERROR_BYTES: Final = 65536
"""Of an error text that a guest sets; what is longer is cut, and says so."""

_REFUSED: Final = (
    "the plugin was refused memory before: max_pages in the manifest, or max_memory=, sets by how much "
    "its memories may grow"
)

_FAULT_CODES: Final = {
    FaultKind.TRAP: 134,
    FaultKind.INTERRUPT: -1,
    FaultKind.ERROR: -1,
    FaultKind.MEMORY: -1,
}
"""The exit codes of ends that have none of their own."""


@dataclass(frozen=True)
class Exit:
    """
    How a call ended, as the instance saw it.

    Attributes:
        fault: What the engine reported; None if the function returned.
        code: The guest's return code, 0 where it has none.
        output: What the guest set as output.
        error: The error text that the guest set; None for none.
        is_late: Whether the deadline had passed when it ended.
        is_out_of_memory: Whether it was ended for want of memory.
        was_refused_memory: Whether the plugin has been told that there is no more memory.
    """

    fault: Fault | None = None
    code: int = 0
    output: bytes = b""
    error: bytes | None = None
    is_late: bool = False
    is_out_of_memory: bool = False
    was_refused_memory: bool = False


def settle(function: str, exit_: Exit) -> bytes:
    """
    Return the output of the call of `function`, or raise what its caller is to see.

    Raises:
        BaseException: What a host function raised, if it is no `Exception`.
        HostFunctionError: A host function raised; its exception is the cause.
        CapabilityDenied: The plugin asked for what it was not granted.
        OutOfFuel, Cancelled, CallTimeout, OutOfMemory: A limit ended the call.
        GuestError: The plugin set an error text, or returned a code that is not 0.
        GuestExit: The plugin called `proc_exit` with a code that is not 0.
        Trap: The code broke a rule of the machine.
    """
    for holds, error in _TABLE:
        if holds(exit_):
            raise error(function, exit_)
    return exit_.output


def creation_error(exit_: Exit) -> Error:
    """Return what the caller is to see when start functions or initialisers ended badly."""
    fault = exit_.fault
    if fault is not None and fault.kind is FaultKind.ERROR and not exit_.is_out_of_memory:
        return LinkError(CREATION + cause_first(fault.text))
    if fault is not None and fault.kind is FaultKind.EXIT and not fault.exit_status:
        text = f"{CREATION}it called proc_exit(0) while it was initialised"
        return GuestExit(text, exit_code=0)
    try:
        settle("", exit_)
    except Trap as exc:
        exc.args = (CREATION + cause_first(str(exc)),)
        return exc
    except Error as exc:
        exc.args = (CREATION + str(exc),)
        return exc
    raise AssertionError("a creation that went well has no error")


def _raised(function: str, exit_: Exit) -> BaseException:
    """What a host function or capability raised; what the guest said before goes along as a note."""
    raised = _fault(exit_).raised
    assert raised is not None
    if not isinstance(raised, Exception):
        return raised
    if not isinstance(raised, CallError):
        # The values that a function was given or gave were not of its types.
        said = str(raised) if isinstance(raised, Error) else f"{type(raised).__name__}: {raised}"
        wrapped = HostFunctionError(said)
        wrapped.__cause__ = raised
        raised = wrapped
    raised.function = raised.function or function
    if exit_.error:
        raised.add_note(f"the plugin had set this error before: {harmless(_text(exit_.error))}")
    for note in _named_backtrace(_fault(exit_).text):
        raised.add_note(note)
    return raised


def _named_backtrace(text: str) -> list[str]:
    """Return the backtrace, if it tells more than numbers and the export's own name."""
    backtrace = text.partition("\n\nCaused by:")[0]
    frames = backtrace.splitlines()[1:]
    named = [frame for frame in frames if "!<wasm function" not in frame]
    return [backtrace] if len(named) > 1 or named == frames else []


def _out_of_fuel(function: str, _: Exit) -> OutOfFuel:
    return OutOfFuel("plugin ran out of fuel", function=function)


def _cancelled(function: str, _: Exit) -> Cancelled:
    error = Cancelled("timeout", function=function)
    error.add_note("the call was cancelled through its CancelHandle")
    return error


def _late(function: str, _: Exit) -> CallTimeout:
    return CallTimeout("timeout", function=function)


def _out_of_memory(function: str, exit_: Exit) -> OutOfMemory:
    backtrace = exit_.fault.text.partition("\n\nCaused by:")[0] if exit_.fault else ""
    return OutOfMemory("oom", function=function, backtrace=backtrace)


def _no_memory(function: str, exit_: Exit) -> OutOfMemory:
    return OutOfMemory(cause_first(_fault(exit_).text), function=function)


def _said_so(function: str, exit_: Exit) -> GuestError:
    assert exit_.error is not None
    fault = exit_.fault
    code = exit_.code if fault is None else fault.exit_status or _FAULT_CODES.get(fault.kind, 0)
    return GuestError(_text(exit_.error), function=function, exit_code=code)


def _exited(function: str, exit_: Exit) -> GuestExit:
    status = _fault(exit_).exit_status
    text = f"Exited with i32 exit status {status}"
    return GuestExit(text, function=function, exit_code=status)


def _trap(function: str, exit_: Exit) -> Trap:
    fault = _fault(exit_)
    error = Trap(
        fault.text.rstrip(),
        function=function,
        exit_code=_FAULT_CODES[fault.kind],
        kind=fault.trap,
        backtrace=fault.text.partition("\n\nCaused by:")[0],
    )
    if exit_.was_refused_memory:
        error.add_note(_REFUSED)
    return error


def _returned_code(function: str, exit_: Exit) -> GuestError:
    return GuestError(f"Error code: {exit_.code}", function=function, exit_code=exit_.code)


def _has(exit_: Exit, kind: str) -> bool:
    return exit_.fault is not None and exit_.fault.kind is kind


def _stopped(exit_: Exit, reason: str) -> bool:
    return _has(exit_, FaultKind.INTERRUPT) and _fault(exit_).trap == reason


_TABLE: Final[tuple[tuple[Callable[[Exit], bool], Callable[[str, Exit], BaseException]], ...]] = (
    (lambda exit_: exit_.fault is not None and exit_.fault.raised is not None, _raised),
    (lambda exit_: _has(exit_, FaultKind.FUEL), _out_of_fuel),
    (lambda exit_: _stopped(exit_, StopReason.CANCELLED), _cancelled),
    (lambda exit_: exit_.is_late or _stopped(exit_, StopReason.DEADLINE), _late),
    (lambda exit_: exit_.is_out_of_memory, _out_of_memory),
    (lambda exit_: _has(exit_, FaultKind.MEMORY), _no_memory),
    (lambda exit_: bool(exit_.error), _said_so),
    (lambda exit_: _has(exit_, FaultKind.EXIT) and _fault(exit_).exit_status != 0, _exited),
    (lambda exit_: exit_.fault is not None and not _has(exit_, FaultKind.EXIT), _trap),
    (lambda exit_: exit_.code != 0, _returned_code),
)
"""Which end becomes which error; the first row that holds wins, and where none does there is output."""


def _fault(exit_: Exit) -> Fault:
    assert exit_.fault is not None
    return exit_.fault


def _text(error: bytes) -> str:
    text = error[:MAX_ERROR_BYTES].decode("utf-8", "backslashreplace")
    cut = len(error) - MAX_ERROR_BYTES
    return f"{text}... ({cut} bytes more)" if cut > 0 else text
