"""
Every way in which the engine reports that code ended badly, turned into one `Fault`.

The engine has two carriers, errors and traps; both are read, freed and forgotten here. What a fault
means to a user is not decided here (`_runtime/outcome.py`).
"""

from __future__ import annotations

from extism._dataclass import dataclass
from extism._engine.bindings import ByteVec, PointerVec, lib
from extism._engine.foreign import byref, c_uint8, c_void_p, string_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


__all__ = [
    "TRAP_KINDS",
    "CallerTrap",
    "Fault",
    "FaultKind",
    "Interrupted",
    "ProgramExit",
    "cause_first",
    "error_text",
    "from_error",
    "from_trap",
]


class ProgramExit(Exception):
    """Raised by the `proc_exit` of `linker.py`; its argument is the exit status, signed."""


class CallerTrap(Exception):
    """Raised by a function of the house to trap the code that called it; its argument is the text."""


class Interrupted(Exception):
    """Raised by a function of the house when the code that called it has to end; its argument is why."""


class FaultKind:
    """How code ended."""

    HOST: Final = "a host function raised"
    EXIT: Final = "the code called proc_exit"
    INTERRUPT: Final = "the store's interruption callback ended it"
    FUEL: Final = "the fuel is used up"
    TRAP: Final = "the code broke a rule of the machine"
    MEMORY: Final = "the system has no memory for it"
    ERROR: Final = "the engine refused"


TRAP_KINDS: Final = {
    0: "stack overflow",
    1: "memory out of bounds",
    2: "misaligned atomic access",
    3: "table out of bounds",
    4: "indirect call to null",
    5: "indirect call type mismatch",
    6: "integer overflow",
    7: "integer divide by zero",
    8: "invalid conversion to integer",
    9: "unreachable",
    10: "interrupt",
    11: "out of fuel",
    12: "atomic wait on non-shared memory",
    13: "null reference",
    14: "array out of bounds",
    15: "allocation too large",
    16: "cast failure",
    46: "reference count overflow",
    49: "uncaught exception",
}
"""The engine's trap codes that a core module can cause; the others belong to the component model."""


_MAX_LINE: Final = 500
"""Characters of a line of the engine's."""

_NO_MEMORY: Final = ("(os error 12)", "(os error 1455)", "(os error 8)")
"""How the system's refusal reads: ENOMEM, then Windows' ERROR_COMMITMENT_LIMIT and ERROR_NOT_ENOUGH_MEMORY."""


@dataclass(frozen=True)
class Fault:
    """
    One bad end.

    Attributes:
        kind: How, one of `FaultKind`.
        text: What the engine says: the backtrace, then `Caused by:` and the reason.
        trap: The trap's name out of `TRAP_KINDS`, `""` for everything else.
        exit_status: What `proc_exit` was given.
        raised: What a host function raised.
    """

    kind: str
    text: str
    trap: str = ""
    exit_status: int = 0
    raised: BaseException | None = None


def from_error(pointer: int, raised: BaseException | None = None) -> Fault:
    """Return what the error at `pointer` says, and free it."""
    text = error_text(pointer)
    if raised is not None:
        return _from_raised(raised, text)
    is_starved = any(reason in text for reason in _NO_MEMORY)
    return Fault(FaultKind.MEMORY if is_starved else FaultKind.ERROR, text)


def from_trap(pointer: int, raised: BaseException | None = None) -> Fault:
    """Return what the trap at `pointer` says, and free it."""
    code = c_uint8()
    known = lib.wasmtime_trap_code(pointer, byref(code))
    vec, frames = ByteVec(), PointerVec()
    lib.wasm_trap_message(pointer, byref(vec))
    lib.wasm_trap_trace(pointer, byref(frames))
    names = _names(frames)
    lib.wasm_trap_delete(pointer)
    text = _take(vec, names)
    if raised is not None:
        return _from_raised(raised, text)
    trap = TRAP_KINDS.get(code.value, f"trap {code.value}") if known else ""
    kind = {"interrupt": FaultKind.INTERRUPT, "out of fuel": FaultKind.FUEL}.get(
        trap, FaultKind.TRAP
    )
    return Fault(kind, text, trap=trap)


def _from_raised(raised: BaseException, text: str = "") -> Fault:
    """Return the fault that a function of the host asked for by raising."""
    if isinstance(raised, ProgramExit):
        return Fault(FaultKind.EXIT, text, exit_status=raised.args[0])
    return Fault(FaultKind.HOST, text, raised=raised)


def error_text(pointer: int) -> str:
    """Return the text of the error at `pointer`, and free it."""
    vec, frames = ByteVec(), PointerVec()
    lib.wasmtime_error_message(pointer, byref(vec))
    lib.wasmtime_error_wasm_trace(pointer, byref(frames))
    names = _names(frames)
    lib.wasmtime_error_delete(pointer)
    return _take(vec, names)


def cause_first(text: str) -> str:
    """Return a chain of causes, as the engine prints it, with its last link first: what is wrong, then where."""
    head, mark, causes = text.partition("\n\nCaused by:\n")
    if not mark:
        return text
    import re
    from textwrap import dedent

    links = [dedent(link).strip() for link in re.split(r"(?m)^ +\d+: ", causes) if link.strip()]
    return f"{links[-1]}\n({'; '.join([head, *links[:-1]])})"


def _take(vec: ByteVec, names: list[bytes]) -> str:
    """
    Return the text in a vector of the engine's, and free it; the engine may add a NUL at the end.

    The engine quotes the names of functions as they are: with a line break in it, one could pose as a frame.
    """
    text = string_at(vec.data, vec.size) if vec.size else b""
    for name in names:
        if b"\n" in name:
            text = text.replace(name, name.replace(b"\n", b"\\n"))
    lib.wasm_byte_vec_delete(byref(vec))
    return _in_the_engines_lines(text.rstrip(b"\0").decode("utf-8", "backslashreplace"))


def _names(frames: PointerVec) -> list[bytes]:
    """Return the names of the functions that were running, and free the frames; what they are frames of is still there."""
    addresses = (c_void_p * frames.size).from_address(frames.data) if frames.size else ()
    found = [lib.wasmtime_frame_func_name(frame) for frame in addresses]
    vecs = [ByteVec.from_address(name) for name in found if name]
    names = [string_at(vec.data, vec.size) for vec in vecs if vec.size]
    lib.wasm_frame_vec_delete(byref(frames))
    return names


def _in_the_engines_lines(text: str) -> str:
    """
    Return a text whose lines are the engine's own, as far as that shows, and no longer than such are.

    The engine quotes names of modules as they are. Its lines after the first are indented, or `Caused by:`.
    """
    pieces: list[list[str]] = []
    for line in text.split("\n"):
        if pieces and line and line[0] != " " and line != "Caused by:":
            pieces[-1].append(line)
        else:
            pieces.append([line])
    lines = ["\\n".join(parts) for parts in pieces]
    return "\n".join(line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]}…" for line in lines)
