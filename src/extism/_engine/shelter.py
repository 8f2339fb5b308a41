"""
Python functions that C calls, made safe from signals.

Python runs the handlers of signals on the main thread, and first of all where a function begins. What a handler
raises there is raised before any `try` of the function: ctypes prints it, drops it, and C goes on with whatever
happened to lie where the function's result should be. Ctrl-C while a guest runs would come to that end nearly every
time, since the callback is the first Python that the main thread sees.

The interpreter looks for signals in the instruction `RESUME`, by whose operand it tells the beginning of a function
from the places where a suspended one goes on. Behind a `yield from` it does not look: a handler could not tell there
whose exception it is. `sheltered` gives the first instruction of a function that operand, and nothing else changes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, Final, TypeVar

    F = TypeVar("F", bound="Callable[..., Any]")

__all__ = ["sheltered"]


_RESUME: Final = (lambda: None).__code__.co_code[0]
"""What a function begins with, where it has no cells; `opcode`, which knows its number, takes 1 ms to import."""

_AFTER_YIELD_FROM: Final = 2
"""The operand of `RESUME` from which on no signal is handled, in CPython 3.11 to 3.14."""

_changed: Final[dict[CodeType, CodeType]] = {}
"""Each code that was changed: closures made by one function have one."""


def sheltered(function: F) -> F:
    """
    Make `function` begin without handling signals, and return it: what they raise is raised inside its `try`.

    It must be one `try` that catches `BaseException`, and whatever the handler does must run before it ends.
    """
    code = function.__code__
    changed = _changed.get(code)
    if changed is None:
        changed = _changed[code] = _without_a_look(code)
    function.__code__ = changed
    return function


def _without_a_look(code: CodeType) -> CodeType:
    instructions = bytearray(code.co_code)
    for at in range(0, len(instructions), 2):
        if instructions[at] == _RESUME:
            instructions[at + 1] = _AFTER_YIELD_FROM
            break
    return code.replace(co_code=bytes(instructions))
